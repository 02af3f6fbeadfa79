"""A cache of tokens: a single task fetches each token for all waiting callers, even if some of them are cancelled."""

from __future__ import annotations

import asyncio
import copy
import enum
import logging
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, TypeVar

import msgspec

from spapi_async._core.clock import Clock
from spapi_async._core.closing import being_cancelled
from spapi_async._core.home_loop import HomeLoop, background
from spapi_async._core.options import Priority, call_options
from spapi_async.auth._token import Token
from spapi_async.credentials import Secret
from spapi_async.errors import ClosedError, SPAPIError

__all__ = ["RENEW_LATEST", "CacheStatistics", "Retirement", "TokenCache"]

logger = logging.getLogger("spapi_async.auth")

K = TypeVar("K", bound=Hashable)

# Shares of a token's lifetime, counted back from its end. With Amazon's one hour: a token is renewed in the background
# when 1.8 to 3.6 minutes are left (random for each token, so that tokens fetched together are renewed at different
# times), and is no longer used when 30 seconds are left, the time that its request may take.
RENEW_EARLIEST, RENEW_LATEST = 0.06, 0.03
TRANSIT, TRANSIT_SECONDS = 0.01, 30.0

RETRY_RENEWAL = 20.0
"""Seconds between attempts of a background renewal while the old token is still usable."""

FRESH = 60.0
"""Seconds for which the replacement of a rejected token is not replaced again: then age is not the cause."""

REMEMBERED_TOKENS = 2048
"""Former tokens remembered, to recognise one that is rejected after it was already replaced."""


class Retirement(enum.Enum):
    """The outcome of retiring a token."""

    RETIRED = "it was current and will be replaced"
    REPLACED = "it had been replaced, or is being"
    TOO_FRESH = "it has itself just replaced a rejected one"
    UNKNOWN = "it is not of this cache"


class CacheStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counts since the start; ``tokens`` (cached) and ``flights`` (fetches under way) are current numbers."""

    tokens: int
    flights: int
    fetched: int
    failed: int
    retired: int


class _Entry:
    """A cached token, with the mutable state of the cache's policy."""

    __slots__ = ("fresh_until", "rejected", "renew_at", "token", "usable_until")

    def __init__(self, token: Token, *, uniform: Callable[[float, float], float]) -> None:
        self.token = token
        self.fresh_until = float("-inf")
        self.rejected = False
        self.renew_at = token.expires_at - token.lifetime * uniform(RENEW_LATEST, RENEW_EARLIEST)
        self.usable_until = token.expires_at - min(token.lifetime * TRANSIT, TRANSIT_SECONDS)

    def replaces_a_rejected_one(self, clock: Clock) -> None:
        """Note that the token replaces a rejected one; it counts as fresh for a while."""
        self.fresh_until = clock.monotonic() + FRESH - max(clock.time() - self.token.issued_at, 0.0)

    def is_fresh(self, clock: Clock) -> bool:
        """Whether both clocks agree: the wall clock may be set back, the other may stop while the machine sleeps."""
        until = min(self.token.issued_at + FRESH, self.usable_until)
        return clock.monotonic() < self.fresh_until and clock.time() < until


class TokenCache(Generic[K]):
    """Tokens by key; the least recently used one is dropped first.

    ``fetch(key, stale)`` gets a new token; ``stale`` is the value of the token to replace, if any, and must not be
    returned. It runs in a task of its own with default call options: the cancellation, timeout or priority of one
    caller does not affect the others that wait for the same token. Its failure is raised to every waiting caller and is
    not cached.
    """

    def __init__(
        self,
        fetch: Callable[[K, Secret | None], Awaitable[Token]],
        *,
        clock: Clock,
        max_entries: int,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._max_entries = max_entries
        self._uniform = uniform
        self._entries: OrderedDict[K, _Entry] = OrderedDict()
        self._keys: dict[Secret, set[K]] = {}  # by token value; one restricted token may serve several keys
        self._former: OrderedDict[Secret, None] = OrderedDict()
        self.flights: dict[K, asyncio.Task[Token | BaseException]] = {}
        self._home = HomeLoop("the token cache", drop=self._forget_flights)
        self._closed = False
        self._fetched = self._failed = self._retired = 0

    def cached(self, key: K) -> Secret | None:
        """The cached token for ``key``, if any; if it is about to expire, its renewal begins in the background."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        now = self._clock.time()
        if now >= entry.usable_until:
            return None
        self._entries.move_to_end(key)
        if now >= entry.renew_at and not self._closed:
            self._home.enter()
            if key not in self.flights:
                self.start_flight(key)
        return entry.token.value

    async def get(self, key: K) -> Secret:
        """The value of :meth:`token`."""
        return self.cached(key) or (await self.token(key)).value

    async def token(self, key: K) -> Token:
        """The token for ``key``: the cached one, the one being fetched, or a new one.

        Raises:
            SPAPIError: whatever ``fetch`` raised; each caller gets a copy of its own.
        """
        if self.cached(key) is not None:
            return self._entries[key].token
        if self._closed:
            raise ClosedError("the application is closed")
        self._home.enter()
        flight = self.flights.get(key)
        if flight is None or flight.done():  # done but still listed: it was cancelled before it began
            flight = self.start_flight(key)
        outcome = await _outcome(flight)
        if isinstance(outcome, Token):
            return outcome
        raise _copy_of(outcome)

    def retire(self, value: Secret, *, only: K | None = None) -> Retirement:
        """Stop using exactly this token, under every key or only under the key ``only``; a newer token stays."""
        keys = self._keys.get(value, ())
        entries = [self._entries[key] for key in keys if only is None or key == only]
        if not entries:
            return Retirement.REPLACED if keys or value in self._former else Retirement.UNKNOWN
        if all(entry.rejected for entry in entries):
            return Retirement.REPLACED
        if any(entry.is_fresh(self._clock) for entry in entries):
            return Retirement.TOO_FRESH
        for entry in entries:
            entry.rejected = True
            entry.usable_until = float("-inf")
        self._retired += 1
        return Retirement.RETIRED

    def put(self, key: K, token: Token) -> None:
        """Use ``token`` for ``key`` from now on."""
        old = self._entries.pop(key, None)
        if old is not None:
            self._forget(key, old)
        entry = self._entries[key] = _Entry(token, uniform=self._uniform)
        if old is not None and old.rejected:
            entry.replaces_a_rejected_one(self._clock)
        self._keys.setdefault(token.value, set()).add(key)
        while len(self._entries) > self._max_entries:
            self._forget(*self._entries.popitem(last=False))

    def current(self, key: K) -> Token | None:
        """The token stored for ``key``, even if it may not be used any more."""
        entry = self._entries.get(key)
        return entry.token if entry else None

    def statistics(self) -> CacheStatistics:
        """Counts, for tests and for operators."""
        return CacheStatistics(
            tokens=len(self._entries),
            flights=len(self.flights),
            fetched=self._fetched,
            failed=self._failed,
            retired=self._retired,
        )

    async def aclose(self) -> None:
        """End the flights; callers that wait for one get an error."""
        self._closed = True
        if self.flights:
            self._home.enter()
        flights = list(self.flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        self.flights.clear()  # one cancelled before its first step could not do so itself

    def _forget_flights(self, forked: bool) -> None:  # noqa: ARG002, FBT001 - a former loop's never end in either case
        self.flights.clear()

    def start_flight(self, key: K) -> asyncio.Task[Token | BaseException]:
        """Start the task that fetches the token for ``key``."""
        flight = background(self._fly(key), "spapi-async token")
        self.flights[key] = flight
        return flight

    async def _fly(self, key: K) -> Token | BaseException:
        """Fetch, and return the token or the error: a task that raised would log an error if nobody awaited it."""
        stale = self.current(key)
        flight = asyncio.current_task()
        try:
            with call_options(
                priority=Priority.INTERACTIVE, max_wait=None, timeout=None, deadline=None, restricted=None
            ):
                token = await self._fetch(key, stale.value if stale else None)
        except asyncio.CancelledError:
            return _closed_meanwhile()
        except Exception as error:  # noqa: BLE001 - it is raised to every waiting caller
            self._failed += 1
            self._note_failure(key, error)
            return error
        else:
            self._fetched += 1
            self.put(key, token)
            return token
        finally:
            if self.flights.get(key) is flight:  # if this is the task of a former loop, another may be listed
                del self.flights[key]

    def _note_failure(self, key: K, error: Exception) -> None:
        entry = self._entries.get(key)
        now = self._clock.time()
        if entry is not None and now < entry.usable_until:
            entry.renew_at = now + RETRY_RENEWAL * self._uniform(0.5, 1.0)
            logger.warning("a token could not be renewed early (%s); the old token stays in use", type(error).__name__)

    def _forget(self, key: K, entry: _Entry) -> None:
        value = entry.token.value
        keys = self._keys[value]
        keys.discard(key)
        if not keys:
            del self._keys[value]
            self._former[value] = None
            if len(self._former) > REMEMBERED_TOKENS:
                self._former.popitem(last=False)

    def __repr__(self) -> str:
        return f"<TokenCache {self.statistics()}>"


async def _outcome(flight: asyncio.Task[Token | BaseException]) -> Token | BaseException:
    try:
        return await asyncio.shield(flight)
    except asyncio.CancelledError:
        if flight.cancelled() and not being_cancelled():
            return _closed_meanwhile()  # the flight was cancelled, before it had begun
        raise


def _closed_meanwhile() -> ClosedError:
    return ClosedError("the application was closed while the token was being fetched")


def _copy_of(error: BaseException) -> BaseException:
    """A copy of the error for each waiting caller: a shared error would collect the tracebacks of all of them."""
    if not isinstance(error, SPAPIError):
        return error
    mine: Any = copy.copy(error)
    mine.__cause__ = error.__cause__
    mine.__suppress_context__ = True
    return mine  # type: ignore[no-any-return]

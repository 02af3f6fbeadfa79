"""Stores through which workers share tokens: the protocol, the store in memory, and how a token is fetched with one.

Fifty workers of one seller need only one token. Each worker looks in the store first; the worker that acquires the
lease requests the token from Amazon; the others wait for its entry, but no longer than ``LONGEST_WAIT``. If the store
fails or hangs, a worker requests the token from Amazon itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import secrets
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from spapi_async._core.clock import Clock, SystemClock
from spapi_async._core.health import Part
from spapi_async.auth._cache import RENEW_LATEST
from spapi_async.auth._token import Token
from spapi_async.credentials import Secret

__all__ = ["MemoryTokenStore", "SharedTokens", "TokenStore"]

logger = logging.getLogger("spapi_async.auth")

T = TypeVar("T")

LEASE_SECONDS = 30.0
"""Seconds after which a lease expires if its holder does not release it."""

LONGEST_WAIT = 10.0
"""Seconds to wait for another worker's token before requesting one from Amazon."""

POLL_SECONDS = 0.1
"""The longest time between two checks whether another worker has stored a token; the actual time is random."""

_SWEEP = 1000  # entries and leases in memory among which expired ones are looked for, or twice as many as are alive


class TokenStore(Protocol):
    """Opaque entries with a lifetime, and leases. Keys are digests; entries are as secret as passwords."""

    async def get(self, key: str) -> bytes | None:
        """The entry, unless it is missing or has expired."""

    async def set(self, key: str, entry: bytes, *, ttl: float) -> None:
        """Keep the entry for ``ttl`` seconds."""

    async def delete(self, key: str) -> None:
        """Drop the entry, if there is one."""

    async def acquire(self, key: str, owner: str, *, ttl: float) -> bool:
        """Take the lease on ``key`` for at most ``ttl`` seconds; False while another owner has it."""

    async def release(self, key: str, owner: str) -> None:
        """Give the lease back, if ``owner`` still has it."""

    async def aclose(self) -> None:
        """Close connections."""


class MemoryTokenStore:
    """A TokenStore for the applications of one process; what has expired is dropped."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._entries: dict[str, tuple[bytes, float]] = {}
        self._leases: dict[str, tuple[str, float]] = {}
        self._sweep_at = _SWEEP

    async def get(self, key: str) -> bytes | None:
        """The entry, unless it is missing or has expired."""
        entry, expires_at = self._entries.get(key, (b"", -math.inf))
        if self._clock.monotonic() < expires_at:
            return entry
        self._entries.pop(key, None)
        return None

    async def set(self, key: str, entry: bytes, *, ttl: float) -> None:
        """Keep the entry for ``ttl`` seconds."""
        self._entries[key] = (entry, self._clock.monotonic() + ttl)
        if len(self._entries) + len(self._leases) >= self._sweep_at:
            self._sweep(self._clock.monotonic())

    async def delete(self, key: str) -> None:
        """Drop the entry, if there is one."""
        self._entries.pop(key, None)

    async def acquire(self, key: str, owner: str, *, ttl: float) -> bool:
        """Take the lease on ``key`` for at most ``ttl`` seconds; False while another owner has it."""
        holder, lapses_at = self._leases.get(key, (owner, -math.inf))
        now = self._clock.monotonic()
        if holder != owner and now < lapses_at:
            return False
        self._leases[key] = (owner, now + ttl)
        return True

    async def release(self, key: str, owner: str) -> None:
        """Give the lease back, if ``owner`` still has it."""
        if self._leases.get(key, ("", 0.0))[0] == owner:
            del self._leases[key]

    async def aclose(self) -> None:
        """Nothing to close; the entries stay for the applications that share them."""

    def _sweep(self, now: float) -> None:
        """Drop what has expired: tokens of grants that are not used any more, leases of flights that were cancelled."""
        self._entries = {key: entry for key, entry in self._entries.items() if now < entry[1]}
        self._leases = {key: lease for key, lease in self._leases.items() if now < lease[1]}
        self._sweep_at = max(_SWEEP, 2 * (len(self._entries) + len(self._leases)))

    def __repr__(self) -> str:
        return f"<MemoryTokenStore entries={len(self._entries)}>"


class _StoreFailedError(Exception):
    """The store failed; this has been logged."""


class _Lease:
    """A lease on a token, which one worker holds or tries to get."""

    __slots__ = ("held", "key", "owner")

    def __init__(self, key: str) -> None:
        self.key = key
        self.owner = secrets.token_hex(16)
        self.held = False


class SharedTokens:
    """Fetches tokens through a store."""

    def __init__(
        self,
        store: TokenStore | None,
        *,
        clock: Clock,
        timeout: float = 2.0,
        longest_wait: float = LONGEST_WAIT,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._store = store
        self._clock = clock
        self.timeout = timeout
        self.longest_wait = longest_wait
        self._uniform = uniform
        self._failing = False  # so that an outage is logged once
        self.used_at: float | None = None

    def health(self) -> Part:
        """How the last use of the store went."""
        if self._store is None:
            return Part(ok=None, detail="not used: tokens are kept in this process")
        used = self.used_at is not None
        return Part(ok=not self._failing if used else None, at=self.used_at, detail=repr(self._store))

    async def fetch(self, key: str, stale: Secret | None, issue: Callable[[], Awaitable[Token]]) -> Token:
        """A token other than ``stale``: another worker's if there is one, else a new one from ``issue``.

        Raises:
            SPAPIError: raised by ``issue``; never because of the store.
        """
        if self._store is None:
            return await issue()
        lease = _Lease(key)
        try:
            token = await self._find_or_lease(self._store, lease, stale)
            return token or await self._issue_and_share(self._store, key, issue)
        except _StoreFailedError:
            return await issue()
        finally:
            if lease.held:
                await self._quietly(self._store.release(key, lease.owner))

    async def _find_or_lease(self, store: TokenStore, lease: _Lease, stale: Secret | None) -> Token | None:
        """Another worker's token; or None if this worker has to request one from Amazon."""
        key = lease.key
        token = await self._find(store, key, stale)
        give_up_at = self._clock.monotonic() + self.longest_wait
        while token is None:
            lease.held = await self._guarded(store.acquire(key, lease.owner, ttl=LEASE_SECONDS))
            if lease.held:
                return await self._find(store, key, stale)  # it may have been stored just before the lease
            if self._clock.monotonic() >= give_up_at:
                logger.warning(
                    "another worker has held the lease on a token for %g s; requesting a token without the lease",
                    self.longest_wait,
                )
                return None
            await self._clock.sleep(self._uniform(POLL_SECONDS / 2, POLL_SECONDS))
            token = await self._find(store, key, stale)
        return token

    async def _find(self, store: TokenStore, key: str, stale: Secret | None) -> Token | None:
        entry = await self._guarded(store.get(key))
        if entry is None:
            return None
        try:
            token = Token.load(entry)
        except ValueError:
            logger.warning("the token store returned an entry that is not a token; the entry is deleted")
            await self._guarded(store.delete(key))
            return None
        if token.value == stale or self._clock.time() >= token.expires_at - token.lifetime * RENEW_LATEST:
            return None
        return token

    async def _issue_and_share(self, store: TokenStore, key: str, issue: Callable[[], Awaitable[Token]]) -> Token:
        token = await issue()
        remaining = token.expires_at - self._clock.time()
        if remaining > 0:
            await self._quietly(store.set(key, token.dump(), ttl=remaining))
        return token

    async def _quietly(self, step: Awaitable[object]) -> None:
        with contextlib.suppress(_StoreFailedError):
            await self._guarded(step)

    async def _guarded(self, step: Awaitable[T]) -> T:
        self.used_at = self._clock.time()
        try:
            async with asyncio.timeout(self.timeout):
                outcome = await step
        except Exception as error:  # noqa: BLE001 - no failure of the store may break a call
            if not self._failing:
                # Only the class: the message may contain an address with a password, or part of an entry.
                logger.warning(
                    "%r cannot be used (%s): until it can, this process fetches its own tokens",
                    self._store,
                    type(error).__name__,
                )
            self._failing = True
            raise _StoreFailedError from None
        if self._failing:
            self._failing = False
            logger.warning("%r is back: tokens are shared again", self._store)
        return outcome

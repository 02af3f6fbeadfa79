"""The quota that a job has spent, saved with its checkpoints, so that a restart does not spend a burst twice.

It is saved separately for each seller, because several processes may sync different sellers into one database: each
process writes the state of its own sellers. Limits that all sellers of an application share have a separate entry, in
which the last writer wins.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping
from typing import Any, Protocol, runtime_checkable

import msgspec

from spapi_async._core.clock import Clock
from spapi_async.errors import ConfigurationError
from spapi_async.ratelimit.local._state import pack, unpack
from spapi_async.workflows.orders._seller import QuotaOwner

__all__ = ["Quota", "join_states", "split_state"]

logger = logging.getLogger("spapi_async.workflows.orders")

# Saving takes at most a fiftieth of a run's time: with ten thousand sellers the state is large.
_PAUSE_FACTOR = 50.0

SHARED = ""
"""Used in place of an account for buckets that all sellers share."""


@runtime_checkable
class _Saveable(Protocol):
    """A limiter whose state is in this process; a limiter with Redis keeps its state there."""

    def dump_state(self) -> bytes:
        """The state of every bucket."""

    def load_state(self, saved: bytes) -> None:
        """Continue from the state of an earlier run."""


class QuotaStore(Protocol):
    """The store of the quota that earlier runs spent."""

    async def quota(self, application: str) -> dict[str, str]:
        """The limiter's last saved state for each account of an application."""


class Quota:
    """Saves and restores the limiter of one application; does nothing for a limiter with its state elsewhere."""

    __slots__ = ("_accounts", "_application", "_clock", "_limiter", "_moved", "_not_before")

    def __init__(self, application: QuotaOwner, accounts: Collection[str], clock: Clock) -> None:
        limiter = application.limiter
        self._application = application.client_id
        self._accounts = {SHARED, *accounts}
        self._limiter = limiter if isinstance(limiter, _Saveable) else None
        self._clock = clock
        self._moved: set[str] = set()
        self._not_before = -math.inf

    async def restore(self, database: QuotaStore) -> None:
        """Restore the state of earlier runs into the limiter, with the tokens that have flowed in since."""
        if self._limiter is None:
            return
        saved = await database.quota(self._application)
        joined = join_states({account: state for account, state in saved.items() if account in self._accounts})
        if joined is not None:
            self._limiter.load_state(joined)

    def dump(self, account: str) -> dict[tuple[str, str], str]:
        """The states to commit with a page of an account, by application and account; empty if it is too soon."""
        self._moved.add(account)
        started = self._clock.monotonic()
        if started < self._not_before:
            return {}
        moved, self._moved = self._moved, set()
        states = self._states({SHARED, *moved})
        ended = self._clock.monotonic()
        self._not_before = ended + _PAUSE_FACTOR * (ended - started)
        return states

    def dump_all(self) -> dict[tuple[str, str], str]:
        """The states of every account of the job, to commit when it ends."""
        return self._states(self._accounts)

    def _states(self, accounts: Collection[str]) -> dict[tuple[str, str], str]:
        if self._limiter is None:
            return {}
        states = split_state(self._limiter.dump_state())
        return {(self._application, account): states[account] for account in accounts if account in states}


def split_state(state: bytes) -> dict[str, str]:
    """A limiter's state split by account; SHARED has the buckets that all accounts share."""
    whole = msgspec.json.decode(state)
    buckets: dict[str, list[Any]] = {}
    for bucket in whole["buckets"]:
        key = bucket["key"]  # operation and payer, or operation, application and region; a rule adds two parts
        buckets.setdefault(key[1] if len(key) % 2 == 0 else SHARED, []).append(bucket)
    return {account: msgspec.json.encode({**whole, "buckets": own}).decode() for account, own in buckets.items()}


def join_states(states: Mapping[str, str]) -> bytes | None:
    """Several states saved at different times, combined as of the latest time; None if there are none."""
    found = []
    for account, state in states.items():
        try:
            found.append((msgspec.json.decode(state.encode(), type=_Dated).saved_at, unpack(state.encode(), 0.0)))
        except (msgspec.MsgspecError, ConfigurationError) as error:
            # Another version's state must not stop the sync: the limiter learns the same from a 429 or two.
            logger.warning("the saved rate limits of %s are ignored: %s", account or "the application", error)
    latest = max((saved_at for saved_at, _ in found), default=None)
    if latest is None:
        return None
    return pack((bucket.later(latest - saved_at) for saved_at, buckets in found for bucket in buckets), latest)


class _Dated(msgspec.Struct):
    saved_at: float

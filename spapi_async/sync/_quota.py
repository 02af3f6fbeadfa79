"""What quota a job has spent, kept beside its checkpoints, so that a restart does not spend a burst twice."""

from __future__ import annotations

import logging
import time
from typing import Protocol, runtime_checkable

from spapi_async._client import Application
from spapi_async.errors import ConfigurationError
from spapi_async.sync._database import OrderDatabase

__all__ = ["Quota"]

logger = logging.getLogger("spapi_async.sync")

# Saving may take a fiftieth of a run's time: with ten thousand sellers the state is large, with one it is nothing.
_SPARING = 50.0


@runtime_checkable
class _Saveable(Protocol):
    """A limiter whose state is in this process; Redis keeps its own."""

    def dump_state(self) -> bytes:
        """What is known of every bucket."""

    def load_state(self, saved: bytes) -> None:
        """Begin where an earlier run stopped."""


class Quota:
    """Saves and restores the limiter of one application; does nothing for one that keeps its state elsewhere."""

    __slots__ = ("_application", "_limiter", "_not_before")

    def __init__(self, application: Application) -> None:
        limiter = application.limiter
        self._application = application.client_id
        self._limiter = limiter if isinstance(limiter, _Saveable) else None
        self._not_before = 0.0

    async def restore(self, database: OrderDatabase) -> None:
        """Tell the limiter what earlier runs spent; the time since then has refilled it."""
        saved = await database.quota(self._application) if self._limiter else None
        if self._limiter is None or saved is None:
            return
        try:
            self._limiter.load_state(saved.encode())
        except ConfigurationError as error:
            # Another version's state is no reason to stop: a 429 or two will teach the limiter the same.
            logger.warning("the saved state of the rate limiter is ignored: %s", error)

    def dump(self, *, last: bool) -> dict[str, str]:
        """The state to commit with a page, by application; empty when it is too soon (``last`` always saves)."""
        started = time.perf_counter()
        if self._limiter is None or (started < self._not_before and not last):
            return {}
        state = self._limiter.dump_state().decode()
        ended = time.perf_counter()
        self._not_before = ended + _SPARING * (ended - started)
        return {self._application: state}

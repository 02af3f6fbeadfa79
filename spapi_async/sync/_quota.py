"""What quota a job has spent, kept beside its checkpoints, so that a restart does not spend a burst twice."""

from __future__ import annotations

import time
from typing import Any

from spapi_async._client import Application
from spapi_async._clock import Clock
from spapi_async.sync._database import OrderDatabase

__all__ = ["Quota"]

# Saving may take one part in fifty of a run's time: with ten thousand sellers the state is large, with one it is nothing.
_SPARING = 50.0


class Quota:
    """Saves and restores the limiter of one application; does nothing for a limiter that keeps its state elsewhere (Redis)."""

    __slots__ = ("_application", "_limiter", "_not_before")

    def __init__(self, application: Application, clock: Clock) -> None:
        self._application = application.client_id
        self._limiter: Any = application.limiter if hasattr(application.limiter, "dump") else None
        self._not_before = 0.0

    async def restore(self, database: OrderDatabase) -> None:
        """Tell the limiter what earlier runs spent."""

    def dump(self, *, last: bool) -> dict[str, str] | None:
        """The state to commit with a page; None when it is too soon to save it again (``last`` always saves)."""
        return None

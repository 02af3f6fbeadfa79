"""Closing and cancellation: closing completely in a cancelled block, and whose cancellation an exception reports."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractContextManager, nullcontext

__all__ = ["being_cancelled", "uncancelled"]


def being_cancelled() -> bool:
    """Whether a CancelledError is meant for the running task; otherwise only something that it awaits was cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def uncancelled() -> AbstractContextManager[object]:
    """A block in which a cancelled anyio scope does not interrupt awaits.

    asyncio cancels a task once. An anyio scope (a task group that ends, a time limit, a web framework's request)
    cancels at every await until it is left, so that nothing could be closed in it. If anyio has not been imported,
    there is no such scope.
    """
    anyio = sys.modules.get("anyio")
    return nullcontext() if anyio is None else anyio.CancelScope(shield=True)

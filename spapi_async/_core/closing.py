"""Closing completely even if the closing block was cancelled."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext

__all__ = ["uncancelled"]


def uncancelled() -> AbstractContextManager[object]:
    """A block in which a cancelled anyio scope does not interrupt awaits.

    asyncio cancels a task once. An anyio scope (a task group that ends, a time limit, a web framework's request)
    cancels at every await until it is left, so that nothing could be closed in it. If anyio has not been imported,
    there is no such scope.
    """
    anyio = sys.modules.get("anyio")
    return nullcontext() if anyio is None else anyio.CancelScope(shield=True)

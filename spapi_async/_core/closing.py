"""Closing in full, though the block that closes was cancelled."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext

__all__ = ["uncancelled"]


def uncancelled() -> AbstractContextManager[object]:
    """A block whose awaits a cancelled scope of anyio's does not interrupt.

    asyncio cancels a task once; a scope of anyio's (a task group that ends, a time limit, a web framework's request)
    cancels at every await until it is left, so that nothing could be closed in it. Nobody has such a scope who has not
    imported anyio.
    """
    anyio = sys.modules.get("anyio")
    return nullcontext() if anyio is None else anyio.CancelScope(shield=True)

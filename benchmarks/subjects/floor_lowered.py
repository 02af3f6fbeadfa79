"""The floor with what our client sets: no cookie jar, no timer for each call, addresses encoded already.

And a block of memory is freed so that glibc takes asyncio's read buffers from the heap, as our client does. What of our
distance to the floor is owed to these settings, and not to our own code, shows in its distance to this.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

from subjects import floor
from subjects.floor import DISTRIBUTIONS

__all__ = ["DISTRIBUTIONS", "connect"]


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[SimpleNamespace]:
    """As the floor."""
    async with floor.connect(url, lowered=True) as subject:
        yield subject

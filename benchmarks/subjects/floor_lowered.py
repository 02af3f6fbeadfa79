"""The floor with the settings of our client: no cookie jar, no timer for each call, URLs that are already encoded.

It also frees a block of memory so that glibc takes asyncio's read buffers from the heap, as our client does. Its
difference to the floor shows the effect of these settings, as opposed to that of our own code.
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
    """The floor's functions with these settings."""
    async with floor.connect(url, lowered=True) as subject:
        yield subject

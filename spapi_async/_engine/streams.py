"""A reply that is read while it is still under way: its chunks, and its end where the pool is closed meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp

from spapi_async._core.frames import forget_locals
from spapi_async._engine.translation import translated

__all__ = ["CHUNK", "OpenedReply"]

CHUNK = 64 * 1024
"""Bytes of a streamed body that are handed on at a time."""


class OpenedReply:
    """A reply under way. aiohttp's own shows its URL wherever it is printed, and a presigned one is a secret."""

    __slots__ = ("reply",)

    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self.reply = reply

    async def chunks(self, host: str, silence: float) -> AsyncIterator[bytes]:
        """The body as it comes; aiohttp stops reading from the socket when twice a chunk lies unread.

        Raises:
            RequestTimeoutError, TransportError: it does not come, or no more of it.
        """
        while True:
            try:
                chunk = await self.reply.content.read(CHUNK)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                failure = translated(error, "", f"no byte from {host} for {silence:g} s", host=host)
            except BaseException as error:
                forget_locals(error)
                raise
            else:
                if not chunk:
                    return
                yield chunk
                continue
            raise failure

    def end(self) -> None:
        """Its connection will be closed: who reads on gets an error. aiohttp would let it wait for ever."""
        self.reply.content.set_exception(aiohttp.ClientConnectionError("Connection closed"))

"""A reply that is read while it is still being received: its chunks, and its end when the pool is closed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp

from spapi_async._engine.translation import translated

__all__ = ["CHUNK", "OpenedReply"]

CHUNK = 64 * 1024
"""Bytes of a streamed body in one chunk."""


class OpenedReply:
    """A reply being received. aiohttp's own class shows the URL in its repr, and a presigned URL is a secret."""

    __slots__ = ("reply",)

    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self.reply = reply

    async def chunks(self, host: str, silence: float) -> AsyncIterator[bytes]:
        """The body as it arrives; aiohttp stops reading from the socket while twice a chunk is unread.

        Raises:
            RequestTimeoutError, TransportError: no data or no further data arrives.
        """
        while True:
            try:
                chunk = await self.reply.content.read(CHUNK)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                failure = translated(error, "", f"no byte from {host} for {silence:g} s", host=host)
            else:
                if not chunk:
                    return
                yield chunk
                continue
            raise failure

    def end(self) -> None:
        """The connection is about to be closed: a waiting reader gets an error. aiohttp would let it wait for ever."""
        self.reply.content.set_exception(aiohttp.ClientConnectionError("Connection closed"))

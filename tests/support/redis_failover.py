"""A Redis whose primary can be replaced as hosting services do it: the address leads elsewhere from then on.

The former primary goes on as a replica, and connections to it stay open.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from servers import RedisServer

__all__ = ["Failover", "redis_with_failover"]


class Failover:
    """An address of two servers, of which one is the primary.

    Args:
        first: the primary at first.
        second: an empty server that takes its place.
    """

    def __init__(self, first: RedisServer, second: RedisServer) -> None:
        self._first = first
        self._second = second
        self._primary = first
        self.url = ""

    def fail_over(self) -> None:
        """Make the second server the primary; it is empty, as if nothing had been copied yet."""
        self._primary = self._second
        self._first.command("REPLICAOF", "127.0.0.1", "1")  # nobody listens there: it keeps what it has

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect a client to whichever server is the primary now."""
        there, back = await asyncio.open_connection("127.0.0.1", self._primary.port)
        await asyncio.gather(_copy(reader, back), _copy(there, writer))


@asynccontextmanager
async def redis_with_failover(binary: str | None = None) -> AsyncIterator[Failover]:
    """Two servers behind one address, until the block ends."""
    with RedisServer(binary=binary) as first, RedisServer(binary=binary) as second:
        failover = Failover(first, second)
        listener = await asyncio.start_server(failover.connect, "127.0.0.1", 0)
        failover.url = f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}/0"
        try:
            yield failover
        finally:
            listener.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while received := await reader.read(65536):
            writer.write(received)
            await writer.drain()
    writer.close()

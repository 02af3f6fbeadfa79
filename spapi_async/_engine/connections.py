"""Kept connections: reused only if nothing was received on them since, and abandoned with their event loop."""

from __future__ import annotations

import select
from typing import Any

import aiohttp

__all__ = ["WatchfulConnector", "disown", "keep_read_buffers"]

# The size in bytes of asyncio's read buffer.
_READ_BUFFER = 256 * 1024


def disown(session: aiohttp.ClientSession, *, forked: bool = False) -> None:
    """Close what can be closed from outside the loop, and mark the rest as closed so that aiohttp does not warn."""
    connector = session.connector
    if connector is None:
        return
    if not forked:
        connector._close(abort_ssl=True)  # noqa: SLF001 - what close() does, but for waiting
    connector._closed = True  # noqa: SLF001


def keep_read_buffers() -> None:
    """Make glibc allocate asyncio's read buffers on the heap, which saves a tenth of the cost of a call.

    asyncio reads from a socket into a new block of 256 KiB each time. glibc has the system map a block of more than
    128 KiB and unmap it when it is freed, until the program has freed a larger block: from then on it takes blocks up
    to that size from its heap (mallopt(3), M_MMAP_THRESHOLD). So a larger block is allocated and freed once. With other
    C libraries this has no effect.
    """
    bytes(4 * _READ_BUFFER)


class WatchfulConnector(aiohttp.TCPConnector):
    """A pool that reuses a kept connection only if nothing has been received on it since.

    A server (or a proxy) that answers late, or twice, leaves a reply in an idle connection, and the next request would
    take it for its own: another seller's order. aiohttp only checks whether the connection is open.
    """

    async def _get(self, key: Any, traces: Any) -> Any:
        while (connection := await super()._get(key, traces)) is not None and _is_stale(connection):
            connection.close()
        return connection

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        # Without a parser aiohttp's protocol keeps what arrives as its tail, be it half of a header line. The next
        # request brings a parser of its own.
        protocol._parser = None  # noqa: SLF001
        super()._release(key, protocol, should_close=should_close)


def _is_stale(connection: aiohttp.connector.Connection) -> bool:
    """Whether an idle connection has received data or was closed, even if the event loop has not seen that yet."""
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or protocol.should_close:
        return True
    socket = transport.get_extra_info("socket")
    return socket is not None and _is_readable(socket.fileno())


if hasattr(select, "poll"):

    def _is_readable(descriptor: int) -> bool:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(0))

else:  # pragma: no cover - Windows

    def _is_readable(descriptor: int) -> bool:
        return bool(select.select([descriptor], [], [], 0)[0])

"""Kept connections: given out only if nothing was heard on them since, and left behind with their event loop."""

from __future__ import annotations

import select
from typing import Any

import aiohttp

__all__ = ["WatchfulConnector", "disown", "keep_read_buffers"]

# Bytes for which asyncio makes room when it reads.
_READ_BUFFER = 256 * 1024


def disown(session: aiohttp.ClientSession, *, forked: bool = False) -> None:
    """Close what can be closed from outside of its loop, and make aiohttp take the rest for closed, or it complains."""
    connector = session.connector
    if connector is None:
        return
    if not forked:
        connector._close(abort_ssl=True)  # noqa: SLF001 - what close() does, but for waiting
    connector._closed = True  # noqa: SLF001


def keep_read_buffers() -> None:
    """Let asyncio's read buffers come from the heap: a tenth of what a call costs.

    asyncio reads from a socket into a new block of 256 KiB each time. glibc has the system map a block of more than
    128 KiB, and unmap it when it is freed, until the program has freed a larger one: from then on it takes blocks up to
    that size from its heap (mallopt(3), M_MMAP_THRESHOLD). So it is given a larger one. Elsewhere this does nothing.
    """
    bytes(4 * _READ_BUFFER)


class WatchfulConnector(aiohttp.TCPConnector):
    """A pool that gives out a kept connection only if nothing has been heard on it since.

    A server (or a proxy) that answers late, or twice, leaves a reply in an idle connection, and the next request on it
    takes that for its own: another seller's order. aiohttp looks whether the connection is open, and no further.
    """

    async def _get(self, key: Any, traces: Any) -> Any:
        while (connection := await super()._get(key, traces)) is not None and _has_spoken(connection):
            connection.close()
        return connection

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        # Without a parser aiohttp's protocol keeps what arrives as its tail, be it half of a header line. The next
        # request brings a parser of its own.
        protocol._parser = None  # noqa: SLF001
        super()._release(key, protocol, should_close=should_close)


def _has_spoken(connection: aiohttp.connector.Connection) -> bool:
    """Whether an idle connection has received anything, its end included: seen by the event loop, or not yet."""
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

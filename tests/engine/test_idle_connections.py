"""A connection that received anything while it was idle is never used again."""

import asyncio

import aiohttp
import pytest
from raw_server import RawServer, answering, raw_server, reply

from spapi_async._engine.connections import WatchfulConnector, disown
from spapi_async._engine.transport import SessionPool


async def get(pool: SessionPool, server: RawServer, seller: str) -> bytes:
    return (await pool.exchange("GET", f"{server.url}/{seller}", headers={}, session_key="na")).body


class SpeaksUnasked:
    """Answers with the path, and sends more once the client has its reply."""

    def __init__(self, more: bytes = b"", *, closes: bool = False) -> None:
        self.more = more
        self.closes = closes
        self.spoke = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        path = request.split(b" ")[1]
        writer.write(reply(path))
        if path == b"/A":
            await self.go_on.wait()
            writer.write(self.more)
            if self.closes:
                writer.close()
            self.spoke.set()


UNASKED = {
    "a whole reply": reply(b"/A's order"),
    "half of a head": b"HTTP/1.1 200 OK\r\nConte",
    "one byte": b"H",
    "a blank line": b"\r\n",
    "garbage": b"\x00\x01\x02",
}


@pytest.mark.parametrize("what", UNASKED)
@pytest.mark.parametrize("seen", [True, False], ids=["seen by the loop", "still in the socket"])
async def test_a_late_reply_never_reaches_the_next_seller(pool: SessionPool, what: str, seen: bool) -> None:
    """Seller B gets B's answer over a new connection, whatever the server added to A's."""
    server_says = SpeaksUnasked(UNASKED[what])
    async with raw_server(server_says) as server:
        assert await get(pool, server, "A") == b"/A"
        server_says.go_on.set()
        await server_says.spoke.wait()
        if seen:
            for _ in range(5):
                await asyncio.sleep(0.001)
        assert await get(pool, server, "B") == b"/B"
        assert server.connections == 2


@pytest.mark.parametrize("seen", [True, False], ids=["seen by the loop", "still in the socket"])
async def test_a_connection_that_the_server_closed_is_not_used(pool: SessionPool, seen: bool) -> None:
    """A request on it would be lost, and the outcome of a write unknown."""
    server_says = SpeaksUnasked(closes=True)
    async with raw_server(server_says) as server:
        assert await get(pool, server, "A") == b"/A"
        server_says.go_on.set()
        await server_says.spoke.wait()
        if seen:
            for _ in range(5):
                await asyncio.sleep(0.001)
        assert await get(pool, server, "B") == b"/B"


async def test_two_replies_in_one_piece_close_the_connection(pool: SessionPool) -> None:
    """The second reply belongs to no request."""

    async def twice(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(request.split(b" ")[1]) * 2)

    async with raw_server(twice) as server:
        assert [await get(pool, server, name) for name in "ABC"] == [b"/A", b"/B", b"/C"]
        assert server.connections == 3


async def test_a_quiet_connection_is_kept(pool: SessionPool) -> None:
    """Looking at an idle connection does not close it."""
    async with raw_server(SpeaksUnasked()) as server:
        assert [await get(pool, server, name) for name in "BCDE"] == [b"/B", b"/C", b"/D", b"/E"]
        assert server.connections == 1


async def test_a_server_that_switches_protocols_loses_the_connection(pool: SessionPool) -> None:
    """A 101 is returned as the reply it is, and nothing follows on its connection."""

    async def switch(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")

    async with raw_server(switch) as server:
        for _ in range(2):
            assert (await pool.exchange("GET", server.url, headers={}, session_key="na")).status == 101
        assert server.connections == 2


@pytest.mark.parametrize("forked", [False, True])
async def test_connections_of_an_abandoned_session_are_closed_unless_they_are_the_parents(forked: bool) -> None:
    """A process that was forked would end them for the process that uses them."""
    whole = reply()
    async with raw_server(answering(whole[:-1])) as server:
        session = aiohttp.ClientSession(connector=WatchfulConnector())
        async with session.get(server.url) as answer:
            assert answer.connection is not None
            transport = answer.connection.transport
            assert transport is not None
            disown(session, forked=forked)
            assert (session.closed, transport.is_closing()) == (True, not forked)
            transport.abort()

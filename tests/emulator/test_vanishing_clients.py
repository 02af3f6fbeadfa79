"""A client that disconnects in the middle of its request."""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import urlsplit

import pytest

from spapi_async.emulator.server import Emulator

HALF = b"POST /auth/o2/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"


async def test_a_client_that_disconnects_causes_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """Ctrl-C often ends a client in the same terminal as its emulator."""
    async with Emulator(orders=1) as emulator:
        address = urlsplit(emulator.url)
        with caplog.at_level(logging.WARNING):
            _, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(HALF)
            await writer.drain()
            while emulator.stats()["open_connections"] == 0:
                await asyncio.sleep(0)
            await asyncio.sleep(0.05)  # the request is being read by now; if not, the test is easier
            writer.transport.abort()
            while emulator.stats()["open_connections"]:
                await asyncio.sleep(0)
            await asyncio.sleep(0)
    assert caplog.records == []

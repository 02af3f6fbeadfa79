"""The transport against aioresponses: replies that are tedious to serve, and calls that must not be made.

Everything else in this suite runs against real sockets.
"""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aioresponses import aioresponses

from spapi_async import RequestTimeoutError, TransportError
from spapi_async._engine.transport import SessionPool

URL = "https://sellingpartnerapi-na.amazon.com/orders/v0/orders"


class _Response(aiohttp.ClientResponse):
    """A response for aioresponses 0.7.9, which does not pass the stream writer that aiohttp 3.14 requires."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, stream_writer=SimpleNamespace(output_size=0), **kwargs)  # type: ignore[arg-type]


@pytest.fixture
def mocked() -> Iterator[aioresponses]:
    with aioresponses() as mock:
        yield mock


async def test_headers_and_body_are_returned_unchanged(pool: SessionPool, mocked: aioresponses) -> None:
    """Headers are case-insensitive, bytes are as sent, and any status is returned."""
    mocked.get(URL, status=503, body="<html>", headers={"X-Amzn-RequestId": "r-1"}, response_class=_Response)
    answer = await pool.exchange("GET", URL, headers={}, session_key="na")
    assert (answer.status, answer.headers["x-amzn-requestid"], answer.body) == (503, "r-1", b"<html>")


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (aiohttp.SocketTimeoutError(), RequestTimeoutError),
        (aiohttp.ClientPayloadError("cut"), TransportError),
        (aiohttp.ServerDisconnectedError(), TransportError),
        (ConnectionResetError("reset"), TransportError),
    ],
)
async def test_foreign_exceptions_are_translated_once(
    pool: SessionPool, mocked: aioresponses, raised: Exception, expected: type[Exception]
) -> None:
    """Nothing above the transport sees aiohttp's errors; the cause is kept."""
    mocked.post(URL, exception=raised)
    with pytest.raises(expected) as caught:
        await pool.exchange("POST", URL, headers={}, body=b"{}", session_key="na")
    assert caught.value.__cause__ is raised


async def test_options_that_matter_reach_aiohttp(pool: SessionPool, mocked: aioresponses) -> None:
    """Redirects are off, and the body is passed as bytes."""
    mocked.post(URL, body="{}", response_class=_Response)
    await pool.exchange("POST", URL, headers={"a": "b"}, body=b"{}", session_key="na", timeout=1.5)
    (call,) = next(iter(mocked.requests.values()))
    assert call.kwargs["allow_redirects"] is False
    assert call.kwargs["data"] == b"{}"

"""How long a document may take: ``deadline`` bounds all of it, ``timeout`` the time without data.

The time is virtual, since on a busy machine a tenth of a second may pass before anything was sent.
"""

import asyncio
from typing import Any

import pytest
from document_fixtures import document_at, emulated, s3
from raw_server import RawServer, raw_server, stay_silent
from virtual_hours import in_virtual_hours

from spapi_async import RequestTimeoutError, call_options

HEAD = s3("200 OK", b"", length=1_000_000)


async def trickle(request: bytes, writer: asyncio.StreamWriter) -> None:
    """Send a byte each hundredth of a second, so that no time without data is long."""
    writer.write(HEAD)
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def read(server: RawServer, way: str = "read") -> None:
    async with document_at(server.url) as document, document:
        await getattr(document, way)()


@pytest.mark.parametrize("way", ["read", "text", "json"])
@in_virtual_hours
async def test_a_deadline_bounds_a_document_that_trickles(way: str) -> None:
    """The timeout does not apply, and the download is not resumed."""
    async with raw_server(trickle) as server:
        with call_options(deadline=0.2), pytest.raises(RequestTimeoutError, match=r"deadline of 0\.2 s") as caught:
            await read(server, way)
    assert caught.value.operation == "test.get_document"
    assert len(server.requests) == 1


@in_virtual_hours
async def test_a_deadline_bounds_the_opening() -> None:
    """The host may not answer or always be busy, or the API not return the URL."""
    busy = s3("503 Slow Down", b"")

    async def refuse(request: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        writer.write(busy)
        writer.close()

    for answer in (stay_silent, refuse):
        async with raw_server(answer) as server:
            with call_options(deadline=0.15), pytest.raises(RequestTimeoutError, match="deadline"):
                await read(server)
    async with emulated() as (emulator, seller):
        emulator.faults({"operation": "reports_2021_06_30.get_report_document", "delay": 5.0})
        with call_options(deadline=0.1), pytest.raises(RequestTimeoutError):
            async with seller.documents.report("x"):
                pass


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 65_536 + b"\r\n\r\n", "the reply is not HTTP"),
        (s3("503 Slow Down", b""), "answered 503"),
        (s3("200 OK", b"half", length=8), "broke"),
    ],
)
@in_virtual_hours
async def test_a_deadline_names_what_went_wrong_before_it(first: bytes, why: str) -> None:
    """A host that answers nonsense is not taken for a slow one, at the opening or when a download resumes."""
    replies = [first]

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        if replies:
            writer.write(replies.pop())
            writer.close()

    async with raw_server(answer) as server:
        with (
            call_options(deadline=0.3),
            pytest.raises(RequestTimeoutError, match="; the last attempt failed: ") as caught,
        ):
            await read(server)
    assert why in caught.value.message
    assert caught.value.__cause__ is not None


@in_virtual_hours
async def test_a_deadline_says_nothing_of_failures_that_were_overcome() -> None:
    """The download had resumed and was under way: it was only slow."""
    replies = [s3("503 Slow Down", b""), HEAD]

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(replies.pop(0))
        await writer.drain()

    async with raw_server(answer) as server:
        with call_options(deadline=0.3), pytest.raises(RequestTimeoutError, match="deadline") as caught:
            await read(server)
    assert len(server.requests) == 2
    assert "attempt" not in caught.value.message


@in_virtual_hours
async def test_a_deadline_counts_from_the_opening() -> None:
    """It counts neither from where the options were set nor from where the document was made."""
    body = s3("200 OK", b"whole")

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(body)
        writer.close()

    async with raw_server(answer) as server, document_at(server.url) as document:
        with call_options(deadline=5.0):
            async with document:
                assert await document.read() == b"whole"


@in_virtual_hours
async def test_a_timeout_bounds_the_time_without_data() -> None:
    """The call option overrides the application's."""
    async with raw_server(stay_silent) as server:
        with call_options(timeout=0.05), pytest.raises(RequestTimeoutError, match=r"no byte .* for 0\.05 s"):
            await read(server)


@in_virtual_hours
async def test_an_upload_is_bounded_too() -> None:
    """The same deadline and the same timeout apply."""
    async with raw_server(stay_silent) as server, emulated() as (emulator, seller):
        body: Any = {"feedDocumentId": "x", "url": server.url}
        emulator.faults(
            {"operation": "feeds_2021_06_30.create_feed_document", "status": 201, "body": body, "times": None}
        )
        with call_options(deadline=0.15), pytest.raises(RequestTimeoutError, match="deadline"):
            await seller.documents.upload(b"{}")
        with call_options(timeout=0.05), pytest.raises(RequestTimeoutError, match="no byte"):
            await seller.documents.upload(b"{}")

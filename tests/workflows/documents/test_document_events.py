"""The events of documents, and the effects of a cancellation in the middle of one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from document_fixtures import emulated, names_in, report_at, report_document, s3, served
from raw_server import raw_server

from spapi_async import Application, DocumentError, DocumentFinished, Event

BODY = b"sku\tqty\r\n" + b"A-1\t5\r\n" * 4000


def documents_in(heard: list[Event]) -> list[tuple[object, ...]]:
    """Of each document: operation, bytes, requests, whether complete, error."""
    events = [event for event in heard if isinstance(event, DocumentFinished)]
    assert all(event.seconds >= 0 and event.account for event in events)
    return [
        (event.operation.partition(".")[2], event.size, event.requests, event.complete, event.error) for event in events
    ]


async def test_a_download_is_an_event_with_size_and_requests() -> None:
    """It is sent once, on closing; a connection that broke counts as one request more."""
    half = s3("200 OK", BODY[:9000], 'ETag: "1"', length=len(BODY))
    rest = s3("206 Partial", BODY[9000:], 'ETag: "1"', f"Content-Range: bytes 9000-{len(BODY) - 1}/{len(BODY)}")
    heard: list[Event] = []
    async with emulated(observers=[heard.append]) as (_, seller), served(half, rest) as server:
        document = report_at(seller, server.url + "/d")
        async with document:
            assert await document.read() == BODY
            assert documents_in(heard) == []
    assert documents_in(heard) == [("get_report_document", len(BODY), 2, True, None)]


async def test_a_download_left_early_is_an_incomplete_one() -> None:
    """It is no error."""
    heard: list[Event] = []
    async with emulated(observers=[heard.append]) as (_, seller), served(s3("200 OK", BODY * 40)) as server:
        document = report_at(seller, server.url + "/d")
        async with document:
            async for _row in document.iter_rows():
                break
    ((_, size, requests, complete, error),) = documents_in(heard)
    assert (requests, complete, error) == (1, False, None)
    assert isinstance(size, int)
    assert 0 < size < len(BODY) * 40


async def test_a_refused_download_is_an_event_with_its_error() -> None:
    """It was never open."""
    heard: list[Event] = []
    async with (
        emulated(observers=[heard.append]) as (_, seller),
        served(s3("404 Not Found", b"<Code>NoSuchKey</Code>")) as server,
    ):
        document = report_at(seller, server.url + "/d")
        with pytest.raises(DocumentError):
            async with document:
                pass
    assert documents_in(heard) == [("get_report_document", 0, 1, False, "RefusedError")]


async def test_an_upload_is_an_event_with_its_requests() -> None:
    """Each repetition is one request more."""
    heard: list[Event] = []
    async with emulated(observers=[heard.append]) as (_, seller):
        await seller.documents.upload(BODY)
    assert documents_in(heard) == [("create_feed_document", len(BODY), 1, True, None)]


@pytest.mark.parametrize("way", ["read", "save", "iter_rows"])
async def test_a_download_can_be_cancelled_in_the_middle(tmp_path: Path, way: str) -> None:
    """No file stays, observers are called, and the next document is read as usual."""

    async def half(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(s3("200 OK", BODY, length=10 * len(BODY)))
        await writer.drain()

    async def consume() -> None:
        async with document:
            if way == "save":
                await document.save(tmp_path / "report.txt")
            elif way == "read":
                await document.read()
            else:
                async for _row in document.iter_rows():
                    pass

    heard: list[Event] = []
    async with emulated(observers=[heard.append]) as (_, seller), raw_server(half) as server:
        document = report_at(seller, server.url + "/d")
        reader = asyncio.create_task(consume())
        while not document.bytes_read:
            await asyncio.sleep(0)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert [event[3:] for event in documents_in(heard)] == [(False, "CancelledError")]
        assert names_in(tmp_path) == []
        async with seller.documents.report(await report_document(seller)) as another:
            assert await another.read()


async def test_documents_of_a_closed_application_raise_closed_error() -> None:
    """Calls do the same."""
    app = Application("app", "secret")
    await app.aclose()
    with pytest.raises(Exception, match="the application is closed"):
        async with app.selling_partner("Atzr|a", region="na").documents.report("id"):
            pass

"""What tests of documents share: a client of an emulator, documents made to order, a server with S3's manners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from insides import download_of
from raw_server import Answer, RawServer, raw_server

from spapi_async import Application, Region, SellingPartner
from spapi_async._core.clock import SystemClock
from spapi_async._core.events import Observers
from spapi_async._core.resources import Resources
from spapi_async._engine.transport import SessionPool, Timeout
from spapi_async.emulator import Emulator
from spapi_async.workflows.documents import Document
from spapi_async.workflows.documents._download import Download
from spapi_async.workflows.documents._location import Location, PresignedUrl

_PIECE = 64 * 1024
REPORT = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL"


class HurriedClock(SystemClock):
    """Pauses take no time."""

    __slots__ = ()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@asynccontextmanager
async def emulated(**options: Any) -> AsyncIterator[tuple[Emulator, SellingPartner]]:
    """An emulator whose reports are done at once, and a seller on it."""
    observers = options.pop("observers", ())
    settings: dict[str, Any] = {"processing": 0.0, "orders": 60, **options}
    async with (
        Emulator(**settings) as emulator,
        Application("app", "secret", endpoint=emulator.url, clock=HurriedClock(), observers=observers) as app,
    ):
        yield emulator, app.selling_partner("Atzr|seller", region=Region.NA)


async def report_document(seller: SellingPartner, kind: str = REPORT, **options: str) -> str:
    """The document id of a report that the emulator makes to order."""
    wanted = {"reportType": kind, "marketplaceIds": ["ATVPDKIKX0DER"], "reportOptions": options}
    made = await seller.reports_2021_06_30.create_report(body=wanted)
    report = await seller.reports_2021_06_30.get_report(made.report_id)
    assert report.report_document_id is not None
    return report.report_document_id


@asynccontextmanager
async def document_at(
    *urls: str, gzipped: bool = False, charset: str | None = None, errors: str = "replace", read: float = 60
) -> AsyncIterator[Document]:
    """A document at the first URL; each time a fresh one is asked for, the next is given out."""
    pool = SessionPool(user_agent="test/1", timeout=Timeout(connect=60, read=read))
    left = [Location(PresignedUrl(url), gzipped) for url in urls]

    async def locate() -> Location:
        return left.pop(0)

    resources = Resources(pool, Observers(), HurriedClock())
    try:
        yield Document(Download(resources, locate, "test.get_document"), charset=charset, errors=errors)
    finally:
        await pool.aclose()


def report_at(seller: SellingPartner, url: str) -> Document:
    """A report whose document the API says is at this URL."""
    opened = seller.documents.report("amzn1.spdoc.1.4.na.any")
    download = download_of(opened)

    async def locate() -> Location:
        return Location.given(url, download.operation)

    download.locate = locate
    return opened


def s3(status: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    """A reply of S3's; ``length`` announces another size than the body has."""
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Length: {len(body) if length is None else length}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def in_turn(*replies: bytes) -> Answer:
    """Answer each request with the next of these, then hang up."""
    left = list(replies)

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        reply = memoryview(left.pop(0) if len(left) > 1 else left[0])
        for at in range(0, len(reply), _PIECE):  # all at once would be copied, and counted as the reader's memory
            writer.write(reply[at : at + _PIECE])
            await writer.drain()
        writer.close()

    return answer


@asynccontextmanager
async def served(*replies: bytes) -> AsyncIterator[RawServer]:
    """A server that answers with these in turn, the last for ever, and closes each connection."""
    async with raw_server(in_turn(*replies)) as server:
        yield server


async def read_all(*replies: bytes, gzipped: bool = False) -> bytes:
    """The content of a document served like this."""
    async with served(*replies) as server, document_at(server.url + "/d", gzipped=gzipped) as document, document:
        return await document.read()

"""What tests of documents share: a client of an emulator, documents with given contents, a server that acts like S3."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
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


class NoPauses(SystemClock):
    """A clock whose sleeps take no time."""

    __slots__ = ()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@asynccontextmanager
async def emulated(**options: Any) -> AsyncIterator[tuple[Emulator, SellingPartner]]:
    """Start an emulator whose reports are done at once, and a seller on it."""
    observers = options.pop("observers", ())
    settings: dict[str, Any] = {"processing": 0.0, "orders": 60, **options}
    async with (
        Emulator(**settings) as emulator,
        Application("app", "secret", endpoint=emulator.url, clock=NoPauses(), observers=observers) as app,
    ):
        yield emulator, app.selling_partner("Atzr|seller", region=Region.NA)


async def report_document(seller: SellingPartner, kind: str = REPORT, **options: str) -> str:
    """Return the id of a report's document that the emulator makes on request."""
    wanted = {"reportType": kind, "marketplaceIds": ["ATVPDKIKX0DER"], "reportOptions": options}
    made = await seller.reports_2021_06_30.create_report(body=wanted)
    report = await seller.reports_2021_06_30.get_report(made.report_id)
    assert report.report_document_id is not None
    return report.report_document_id


@asynccontextmanager
async def document_at(
    *urls: str, gzipped: bool = False, charset: str | None = None, errors: str = "replace", read: float = 60
) -> AsyncIterator[Document]:
    """A document at the first of these URLs; each request for a fresh URL gets the next one."""
    pool = SessionPool(user_agent="test/1", timeout=Timeout(connect=60, read=read))
    left = [Location(PresignedUrl(url), gzipped) for url in urls]

    async def locate() -> Location:
        return left.pop(0)

    resources = Resources(pool, Observers(), NoPauses())
    try:
        yield Document(Download(resources, locate, "test.get_document"), charset=charset, errors=errors)
    finally:
        await pool.aclose()


def report_at(seller: SellingPartner, url: str) -> Document:
    """A report whose document is at this URL."""
    opened = seller.documents.report("amzn1.spdoc.1.4.na.any")
    download = download_of(opened)

    async def locate() -> Location:
        return Location.given(url, download.operation)

    download.locate = locate
    return opened


def s3(status: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    """Return a reply of S3; ``length`` announces a size other than the body's."""
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Length: {len(body) if length is None else length}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def in_turn(*replies: bytes) -> Answer:
    """Answer each request with the next of these replies, then hang up."""
    left = list(replies)

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        reply = memoryview(left.pop(0) if len(left) > 1 else left[0])
        for at in range(0, len(reply), _PIECE):  # one write would copy the reply, and count as memory
            writer.write(reply[at : at + _PIECE])
            await writer.drain()
        writer.close()

    return answer


@asynccontextmanager
async def served(*replies: bytes) -> AsyncIterator[RawServer]:
    """Start a server that answers with these replies in turn, the last one again and again, and closes connections."""
    async with raw_server(in_turn(*replies)) as server:
        yield server


async def read_all(*replies: bytes, gzipped: bool = False) -> bytes:
    """Return the content of a document that is served like this."""
    async with served(*replies) as server, document_at(server.url + "/d", gzipped=gzipped) as document, document:
        return await document.read()


def names_in(directory: Path) -> list[str]:
    """The names of the files in a directory, sorted."""
    return sorted(path.name for path in directory.iterdir())

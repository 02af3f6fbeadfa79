"""A document that fails while it is read leaves nothing of its content in the error, nor in the error's frames."""

from __future__ import annotations

import asyncio
import base64
import codecs
import functools
import gzip
import json
import random
import sys
import traceback
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pytest
from document_fixtures import NoPauses, document_at, s3, served
from exception_reporters import assert_no_secret, error_of
from feed_fixtures import feeds_emulated, listings_of
from kiosk_queries import QUERY
from raw_server import raw_server
from report_fixtures import reports_emulated, window
from spoiled_documents import spoil

from spapi_async import DecodeError, DocumentError, RequestTimeoutError, SPAPIError, call_options
from spapi_async.workflows.documents import Document, label_bytes
from spapi_async.workflows.runs import explanation_in

pytest_plugins = ("disk_fixtures", "run_fixtures")

_RNG = random.Random(1)
NAMES = [f"MARK-{_RNG.randbytes(96).hex()}" for _ in range(1_500)]  # does not compress to little
ROWS = ("buyer\tcity\n" + "".join(f"{name}\tTown\n" for name in NAMES)).encode()
LINES = "".join(f'{{"buyer": "{name}"}}\n' for name in NAMES).encode()
ITEMS = json.dumps({"rows": [{"buyer": name} for name in NAMES]}).encode()
XML = f"<Orders>{''.join(f'<Order><Buyer>{name}</Buyer></Order>' for name in NAMES)}</Orders>".encode()


async def drain(items: AsyncIterable[Any]) -> None:
    """Read to the end; no item stays in this frame, which is the caller's own business."""
    async for item in items:
        del item


Reader = Callable[[Document, Path], Awaitable[Any]]
READERS: dict[str, tuple[bytes, Reader]] = {
    "read": (ROWS, lambda document, _: document.read()),
    "text": (ROWS, lambda document, _: document.text()),
    "json": (ITEMS, lambda document, _: document.json()),
    "iter_bytes": (ROWS, lambda document, _: drain(document.iter_bytes())),
    "iter_text": (ROWS, lambda document, _: drain(document.iter_text())),
    "iter_lines": (ROWS, lambda document, _: drain(document.iter_lines())),
    "iter_rows": (ROWS, lambda document, _: drain(document.iter_rows())),
    "iter_rows, uneven": (ROWS, lambda document, _: drain(document.iter_rows(header=["buyer"]))),
    "iter_rows, quoted": (ROWS, lambda document, _: drain(document.iter_rows(quotes=True))),
    "iter_cells": (ROWS, lambda document, _: drain(document.iter_cells())),
    "iter_json_lines": (LINES, lambda document, _: drain(document.iter_json_lines())),
    "iter_json_items": (ITEMS, lambda document, _: drain(document.iter_json_items("rows"))),
    "iter_xml": (XML, lambda document, _: drain(document.iter_xml("Order"))),
    "to_arrow": (ROWS, lambda document, _: document.to_arrow()),
    "save_parquet": (ROWS, lambda document, folder: document.save_parquet(folder / "rows.parquet")),
    "save": (ROWS, lambda document, folder: document.save(folder / "rows.txt")),
    "save, gzipped": (ROWS, lambda document, folder: document.save(folder / "rows.txt.gz")),
}
OF_BYTES = {"read", "iter_bytes", "save", "save, gzipped"}
FILES = ["save", "save, gzipped", "save_parquet"]


async def opened_and_read(document: Document, read: Reader, folder: Path) -> None:
    async with document:
        await read(document, folder)


async def check(name: str, document: Document, folder: Path, what: str) -> BaseException:
    """Read a document that must fail, and look at the error."""
    error = await error_of(opened_and_read(document, READERS[name][1], folder))
    assert error is not None
    assert_no_secret(error, f"{name}, {what}")
    return error


def cut(content: bytes) -> tuple[bytes, ...]:
    """The connection breaks in the middle, and the rest is refused."""
    refused = s3("500 Internal Server Error", b"<Error><Code>MARK</Code><Message>MARK-</Message></Error>")
    return s3("200 OK", content[: len(content) // 2], "ETag: x", length=len(content)), refused


@functools.cache
def gzipped(content: bytes) -> bytes:
    """Compressed once for all readers."""
    return gzip.compress(content, 1)


def damaged(content: bytes) -> bytes:
    """Gzipped, with a block of another file in the middle."""
    packed = gzipped(content)
    half = len(packed) // 2
    return packed[:half] + bytes(100) + packed[half + 100 :]


FAULTS: dict[str, Callable[[bytes], tuple[bytes, ...]]] = {
    "cut": cut,
    "truncated gzip": lambda content: (s3("200 OK", gzipped(content)[:-9_000]),),
    "wrong checksum": lambda content: (s3("200 OK", gzipped(content)[:-8] + bytes(8)),),
    "damaged gzip": lambda content: (s3("200 OK", damaged(content)),),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", READERS)
async def test_a_broken_download_shows_nothing_of_the_document(name: str, fault: str, tmp_path: Path) -> None:
    """The pieces, texts and rows that were received are dropped from the frames of every reader."""
    async with served(*FAULTS[fault](READERS[name][0])) as server, document_at(server.url + "/d") as document:
        assert isinstance(await check(name, document, tmp_path, fault), SPAPIError)


@asynccontextmanager
async def stalled(content: bytes) -> AsyncIterator[Document]:
    """A document of which the first half arrives."""

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(s3("200 OK", content[: len(content) // 2], length=len(content)))
        await writer.drain()
        await asyncio.sleep(60)

    async with raw_server(answer) as server, document_at(server.url + "/d") as document:
        yield document


@pytest.mark.parametrize("name", READERS)
async def test_a_document_that_is_late_shows_nothing_of_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline cancels the step that waits for the next chunk."""
    async with stalled(READERS[name][0]) as document:
        monkeypatch.setattr(NoPauses, "monotonic", lambda _: 1_000.0 if document.bytes_read else 0.0)
        with call_options(deadline=60):
            assert isinstance(await check(name, document, tmp_path, "deadline"), RequestTimeoutError)


@pytest.mark.parametrize("name", READERS)
async def test_a_cancelled_reader_shows_nothing_of_the_document(name: str, tmp_path: Path) -> None:
    """Cancellation passes through the frames of asyncio and aiohttp, too."""
    content, read = READERS[name]
    async with stalled(content) as document:
        reading = asyncio.create_task(opened_and_read(document, read, tmp_path))
        while document.bytes_read < len(content) // 2:
            await asyncio.sleep(0.001)
        reading.cancel()
        error = await error_of(reading)
    assert isinstance(error, asyncio.CancelledError)
    assert_no_secret(error, name)


@pytest.mark.parametrize("name", READERS.keys() - OF_BYTES)
async def test_undecodable_text_is_not_shown(name: str, tmp_path: Path) -> None:
    """Python's own error contains the bytes."""
    content = READERS[name][0]
    half = len(content) // 2
    reply = s3("200 OK", content[:half] + b"\xff" + content[half:])
    async with (
        served(reply) as server,
        document_at(server.url + "/d", charset="utf-8", errors="strict") as document,
    ):
        assert isinstance(await check(name, document, tmp_path, "undecodable"), SPAPIError)


@pytest.mark.parametrize("charset", ["utf-8", "cp1252"])
async def test_an_error_handler_that_raises_shows_no_text(charset: str) -> None:
    """Python's decoders are partly written in Python, so that their frames hold the bytes."""

    def refuse(error: UnicodeError) -> Any:
        del error  # the handler's own frame is the caller's business
        raise LookupError

    codecs.register_error("refuse", refuse)
    reply = s3("200 OK", ROWS + b"\x81\n")
    async with served(reply) as server, document_at(server.url + "/d", charset=charset, errors="refuse") as document:
        error = await error_of(opened_and_read(document, READERS["iter_text"][1], Path()))
    assert isinstance(error, LookupError)
    assert_no_secret(error, charset)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems end the process")
@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("name", FILES)
async def test_a_full_disk_shows_nothing_of_the_document(name: str, tmp_path: Path) -> None:
    """What was to be written was an argument of the frames that failed."""
    async with served(s3("200 OK", ROWS * 4)) as server, document_at(server.url + "/d") as document:
        assert isinstance(await check(name, document, tmp_path, "disk"), OSError)


class Order(msgspec.Struct):
    """A type that the rows do not have; msgspec's own error quotes the value."""

    buyer: Literal["x"]


LONG = b'{"buyer": "x"}\n{"buyer": "' + b"MARK-" * 3_500_000
MISREAD: dict[str, tuple[bytes, Reader]] = {
    "lines, too long": (LONG, lambda document, _: drain(document.iter_lines())),
    "rows, too long": (b"a\tb\n" + b"MARK-" * 3_500_000, lambda document, _: drain(document.iter_rows())),
    "JSON lines, too long": (LONG, lambda document, _: drain(document.iter_json_lines())),
    "JSON lines, malformed": (LINES + b'{"buyer": MARK-}\n', lambda document, _: drain(document.iter_json_lines())),
    "JSON lines, another type": (LINES, lambda document, _: drain(document.iter_json_lines(Order))),
    "JSON items, none": (ITEMS, lambda document, _: drain(document.iter_json_items("payload.rows"))),
    "JSON items, cut": (ITEMS[:-9], lambda document, _: drain(document.iter_json_items("rows"))),
    "JSON items, another type": (ITEMS, lambda document, _: drain(document.iter_json_items("rows", type=Order))),
    "JSON, malformed": (ITEMS[:-1], lambda document, _: document.json()),
    "JSON, another type": (ITEMS, lambda document, _: document.json(Order)),
    "rows, XML": (XML, lambda document, _: drain(document.iter_rows())),
    "rows, JSON": (ITEMS, lambda document, _: drain(document.iter_cells())),
    "XML, malformed": (XML[:-9], lambda document, _: drain(document.iter_xml("Order"))),
    "text, PDF": (b"%PDF-1.4 MARK-", lambda document, _: document.text()),
    "Arrow, another type": (ROWS, lambda document, _: document.to_arrow(schema={"buyer": pa.int64()})),
    "Parquet, another type": (
        ROWS,
        lambda document, folder: document.save_parquet(folder / "p", schema={"buyer": pa.int64()}),
    ),
}


@pytest.mark.parametrize("name", MISREAD)
async def test_a_document_of_another_kind_is_not_shown(name: str, tmp_path: Path) -> None:
    """The text that could not be parsed, and what the parser says of it, are not in the error."""
    async with served(s3("200 OK", MISREAD[name][0])) as server, document_at(server.url + "/d") as document:
        error = await error_of(opened_and_read(document, MISREAD[name][1], tmp_path))
    assert isinstance(error, SPAPIError)
    assert_no_secret(error, name)


@pytest.mark.parametrize("length", [None, 500])
async def test_a_refused_document_shows_neither_its_url_nor_the_refusal(length: int | None) -> None:
    """S3 quotes what was signed, also in a refusal that is cut off."""
    refusal = s3("403 Forbidden", b"<Error><Code>Denied</Code><Message>MARK-</Message></Error>", length=length)
    async with served(refusal) as server, document_at(server.url + "/d?X-Amz-Signature=MARK-") as document:
        error = await error_of(document.__aenter__())
    assert isinstance(error, SPAPIError)
    assert_no_secret(error, "refused")


async def test_a_cancelled_reading_of_an_explanation_does_not_show_it() -> None:
    """A failed run reads it while its caller waits."""
    async with stalled(ROWS[:2_000]) as document:
        reading = asyncio.create_task(explanation_in(document))
        while not document.bytes_read:
            await asyncio.sleep(0.001)
        reading.cancel()
        error = await error_of(reading)
    assert isinstance(error, asyncio.CancelledError)
    assert_no_secret(error, "explanation")


@pytest.mark.parametrize(
    "label",
    [lambda: "MARK-" * 4, lambda: base64.b64encode(gzip.compress(ROWS)[:-9]).decode()],
    ids=["plain", "gzipped"],
)
def test_a_label_that_is_not_whole_is_not_shown(label: Callable[[], str]) -> None:
    """It has the buyer's address; neither its text nor its bytes are in the frames."""
    with pytest.raises((DecodeError, DocumentError)) as caught:
        label_bytes(label(), checksum="that of another label")
    assert_no_secret(caught.value, "label")


async def test_the_callers_own_frames_are_left_unchanged() -> None:
    """A reporter needs them."""

    async def read(document: Document) -> None:
        found = 0
        async for _ in document.iter_rows():
            found += 1

    async with served(*cut(ROWS)) as server, document_at(server.url + "/d") as document:
        error = await error_of(opened_and_read(document, lambda document, _: read(document), Path()))
    assert error is not None
    (own,) = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if frame.f_code is read.__code__]
    assert own.f_locals["found"] > 250


@pytest.mark.usefixtures("quick_polls")
@pytest.mark.parametrize("fault", ["truncated", "of another type"])
async def test_a_query_whose_rows_cannot_be_read_shows_none(fault: str, emulator_and_seller: Any) -> None:
    """The rows pass through the frames of the run, and so do the beginnings of pages."""
    emulator, seller = emulator_and_seller
    run = await seller.data_kiosk.request(QUERY)
    spoil(emulator, "query", LINES + b"MARK-", compressed=fault == "truncated", cut=-9_000)
    error = await error_of(drain(run.rows()))
    assert isinstance(error, SPAPIError)
    assert_no_secret(error, fault)


@pytest.mark.usefixtures("quick_polls")
@pytest.mark.parametrize("fault", ["truncated", "not JSON"])
async def test_a_feed_whose_result_cannot_be_read_shows_nothing_of_it(fault: str) -> None:
    """Its pieces are collected by the run."""
    async with (
        feeds_emulated() as (emulator, seller),
        seller.feeds.submit_listings(listings_of("A"), marketplaces=["US"]) as outcomes,
    ):
        spoil(emulator, "feed", LINES, compressed=fault == "truncated", cut=-9_000)
        error = await error_of(outcomes.runs[0].result())
    assert isinstance(error, SPAPIError)
    assert_no_secret(error, fault)


@pytest.mark.usefixtures("quick_polls")
async def test_reports_that_are_read_as_one_show_nothing_of_them() -> None:
    """A part that breaks passes through the frames that join the parts, which hold its lines."""
    async with reports_emulated() as (emulator, seller):
        run = await seller.reports.request(
            "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL", marketplaces=["US"], **window(50)
        )
        assert len(run.parts) > 1
        spoil(emulator, "report", ROWS, content_type="text/plain", compressed=True, cut=-9_000)
        error = await error_of(joined(run))
    assert isinstance(error, SPAPIError)
    assert_no_secret(error, "joined")


async def joined(run: Any) -> None:
    async with run.document() as document:
        await drain(document.iter_rows())


@pytest.fixture
async def emulator_and_seller() -> AsyncIterator[Any]:
    from spapi_async import Application
    from spapi_async.emulator import Emulator

    async with (
        Emulator(processing=0.0, orders=2, throttle=False) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        yield emulator, app.selling_partner("Atzr|seller", region="NA")

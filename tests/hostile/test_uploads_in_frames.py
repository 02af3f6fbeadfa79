"""An upload that fails leaves nothing of the seller's data in the frames of the error, except in the caller's own."""

from __future__ import annotations

import asyncio
import hashlib
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from document_fixtures import NoPauses, s3
from exception_reporters import assert_no_secret, error_of
from feed_fixtures import UPLOAD, feeds_emulated, listings_of
from raw_server import Answer, RawServer, answering, hang_up, raw_server, stay_silent
from spoiled_documents import spoil

from spapi_async import Application, ConfigurationError, Region, SellingPartner, SPAPIError
from spapi_async.emulator import Emulator
from spapi_async.workflows.feeds import _listings
from spapi_async.workflows.feeds._submitted import Outcomes

pytest_plugins = ("disk_fixtures", "run_fixtures")

UPLOADS = "uploads_2020_11_01.create_upload_destination_for_resource"
RESOURCE: Any = {"resource": "aplus/2020-11-01/contentDocuments", "marketplace": "US"}
STOCK = "POST_FLAT_FILE_INVLOADER_DATA"
DATA = b"sku\tprice\n" + b"MARK-\t1\n" * 50_000
TEXT = DATA.decode()
LISTINGS = listings_of("MARK-")


async def in_pieces(piece: Any = DATA) -> AsyncIterator[Any]:
    """The caller's own iterable."""
    yield piece


async def submit_listings(seller: SellingPartner) -> None:
    async with seller.feeds.submit_listings(LISTINGS, marketplaces=["US"]):
        pass


Way = Callable[[SellingPartner, Path], Awaitable[Any]]
WAYS: dict[str, Way] = {
    "upload bytes": lambda seller, _: seller.documents.upload(DATA),
    "upload a view": lambda seller, _: seller.documents.upload(memoryview(DATA)),
    "upload a file": lambda seller, path: seller.documents.upload(path),
    "upload pieces": lambda seller, _: seller.documents.upload(in_pieces()),
    "upload for a resource": lambda seller, _: seller.documents.upload(data=DATA, **RESOURCE),
    "submit bytes": lambda seller, _: seller.feeds.submit(STOCK, DATA, marketplaces=["US"]),
    "submit text": lambda seller, _: seller.feeds.submit(STOCK, TEXT, marketplaces=["US"]),
    "submit a file": lambda seller, path: seller.feeds.submit(STOCK, path, marketplaces=["US"]),
    "submit pieces": lambda seller, _: seller.feeds.submit(STOCK, in_pieces(), marketplaces=["US"]),
    "request": lambda seller, _: seller.feeds.request(STOCK, content=DATA, marketplaces=["US"]),
    "submit listings": lambda seller, _: submit_listings(seller),
}


@asynccontextmanager
async def uploading_to(url: str) -> AsyncIterator[SellingPartner]:
    """A seller whose uploads go to this URL."""
    async with (
        Emulator(processing=0.0, throttle=False) as emulator,
        Application("app", "secret", endpoint=emulator.url, clock=NoPauses()) as app,
    ):
        destination = {"feedDocumentId": "f", "uploadDestinationId": "u", "url": url}
        emulator.faults({"operation": UPLOAD, "status": 201, "body": destination, "times": None})
        emulator.faults({"operation": UPLOADS, "status": 201, "body": {"payload": destination}, "times": None})
        yield app.selling_partner("Atzr|seller", region=Region.NA, seller_id="A1SELLER")


@asynccontextmanager
async def answered(answer: Answer) -> AsyncIterator[tuple[SellingPartner, RawServer]]:
    """A seller whose uploads this server answers."""
    async with raw_server(answer) as server, uploading_to(server.url + "/up") as seller:
        yield seller, server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with the data."""
    path = tmp_path / "stock.txt"
    path.write_bytes(DATA)
    return path


@pytest.mark.parametrize("answer", [answering(s3("403 Forbidden", b"")), hang_up], ids=["refused", "broken"])
@pytest.mark.parametrize("way", WAYS)
async def test_an_upload_that_fails_does_not_show_its_content(way: str, answer: Answer, path: Path) -> None:
    """Neither as an argument nor in pieces."""
    async with answered(answer) as (seller, _):
        error = await error_of(WAYS[way](seller, path))
    assert isinstance(error, SPAPIError)
    assert_no_secret(error, way)


@pytest.mark.parametrize("way", WAYS)
async def test_a_cancelled_upload_does_not_show_its_content(way: str, path: Path) -> None:
    """Nor does one that is late, which is cancelled in the same way."""
    async with answered(stay_silent) as (seller, server):
        uploading = asyncio.ensure_future(WAYS[way](seller, path))
        while not server.requests:
            await asyncio.sleep(0.001)
        uploading.cancel()
        error = await error_of(uploading)
    assert isinstance(error, asyncio.CancelledError)
    assert_no_secret(error, way)


async def test_an_upload_that_is_cut_off_does_not_show_its_content() -> None:
    """A piece of it was being written."""

    async def hang_up_early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    listener = await asyncio.start_server(hang_up_early, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener, uploading_to(f"http://127.0.0.1:{port}/up") as seller:
        error = await error_of(seller.documents.upload(DATA * 5))
    assert isinstance(error, SPAPIError)
    assert_no_secret(error, "cut off")


PIECES = ["upload pieces", "submit pieces"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems end the process")
@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("way", PIECES)
async def test_a_full_disk_does_not_show_what_was_to_be_uploaded(way: str) -> None:
    """The pieces of an iterable are written to a file first, by a thread whose frames hold its arguments."""
    async with answered(hang_up) as (seller, _):
        error = await error_of(WAYS[way](seller, Path()))
    assert isinstance(error, OSError)
    assert_no_secret(error, way)


async def test_a_hash_that_cannot_be_made_does_not_show_its_content(monkeypatch: pytest.MonkeyPatch) -> None:
    """The content is hashed in a thread."""

    class Digest:
        def update(self, content: bytes) -> None:
            del content  # this frame is not the library's
            raise MemoryError

    monkeypatch.setattr(hashlib, "md5", lambda **_: Digest())
    async with answered(hang_up) as (seller, _):
        error = await error_of(WAYS["upload for a resource"](seller, Path()))
    assert isinstance(error, MemoryError)
    assert_no_secret(error, "hash")


async def test_a_piece_that_is_not_bytes_is_not_shown() -> None:
    """Python's own error names only its type."""
    async with answered(hang_up) as (seller, _):
        for call in (
            lambda: seller.documents.upload(in_pieces(TEXT)),
            lambda: seller.feeds.submit(STOCK, in_pieces(TEXT), marketplaces=["US"]),
        ):
            error = await error_of(call())
            assert isinstance(error, TypeError)
            assert_no_secret(error, "text")


async def test_arguments_that_are_refused_are_not_shown(path: Path) -> None:
    """Also if nothing was sent."""
    async with answered(hang_up) as (seller, _):
        for call in (
            lambda: seller.documents.upload(DATA, "text/\n"),
            lambda: seller.documents.upload(TEXT),  # type: ignore[arg-type]
            lambda: seller.feeds.request("", DATA, marketplaces=["US"]),
            lambda: seller.feeds.submit(STOCK, [DATA], marketplaces=["US"]),  # type: ignore[arg-type]
        ):
            error = await error_of(call())
            assert isinstance(error, ConfigurationError)
            assert_no_secret(error, str(error))


async def test_the_callers_own_frame_keeps_what_it_uploads() -> None:
    """A reporter needs it."""

    async def send(seller: SellingPartner, data: bytes) -> None:
        await seller.feeds.submit(STOCK, data, marketplaces=["US"])

    async with answered(hang_up) as (seller, _):
        error = await error_of(send(seller, DATA))
    assert error is not None
    (own,) = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if frame.f_code is send.__code__]
    assert own.f_locals["data"] is DATA


@pytest.mark.usefixtures("quick_polls")
async def test_outcomes_that_cannot_be_read_do_not_show_the_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither those of the feed before nor those of the feed that failed."""
    monkeypatch.setattr(_listings, "MOST_MESSAGES", 1)
    async with (
        feeds_emulated() as (emulator, seller),
        seller.feeds.submit_listings(listings_of("MARK-A", "MARK-B"), marketplaces=["US"]) as outcomes,
    ):
        assert len(outcomes.runs) == 2
        error = await error_of(spoiled_after_the_first(outcomes, emulator))
    assert isinstance(error, SPAPIError)
    assert_no_secret(error, "outcomes")


async def spoiled_after_the_first(outcomes: Outcomes, emulator: Emulator) -> None:
    async for outcome in outcomes:
        del outcome
        spoil(emulator, "feed", b"not JSON")

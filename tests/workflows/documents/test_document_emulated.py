"""Documents from the API's reply to the last row, against the emulator."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from document_fixtures import emulated, names_in, report_at, report_document
from kiosk_queries import QUERY, products_sold

from spapi_async import ConfigurationError, DocumentUrlExpiredError, NotFoundError


@pytest.mark.parametrize("packing", ["on", "off", "members"])
@pytest.mark.parametrize("charset", ["Cp1252", "windows-31j", "none", "UTF-8"])
async def test_a_report_is_read_whatever_its_charset_and_packing(charset: str, packing: str) -> None:
    """Java's names, no name and several gzip members give the same rows."""
    async with emulated() as (_, seller):
        wanted = await report_document(seller, emulatorRows="300", emulatorCharset=charset, emulatorGzip=packing)
        async with seller.documents.report(wanted) as document:
            rows = [row async for row in document.iter_rows()]
            assert document.content_type.startswith("text/plain")
    assert len(rows) == 300
    assert set(rows[0]) >= {"amazon-order-id", "product-name", "item-price"}
    assert all(row["amazon-order-id"].count("-") == 2 for row in rows)
    expected = {"Cp1252": "cp1252", "windows-31j": "cp932"}.get(charset, "utf-8")
    assert document.charset == expected


async def test_gzip_is_decompressed_once_however_it_is_announced() -> None:
    """``identity`` is the default, ``gzip`` is on request; the content is the same."""
    async with emulated() as (_, seller):
        wanted = await report_document(seller, emulatorGzip="on")
        fetch = seller.reports_2021_06_30.get_report_document
        contents = []
        for announced in (False, True):
            form = await fetch(wanted, enable_content_encoding_url_header=announced)
            async with report_at(seller, form.url) as document:
                contents.append(await document.read())
    assert contents[0] == contents[1]
    assert contents[0].startswith(b"amazon-order-id\t")


async def test_data_kiosk_lines_come_typed() -> None:
    """They are JSON lines with nulls, and the content type has a charset."""
    async with emulated() as (emulator, seller):
        kiosk = seller.data_kiosk_2023_11_15
        made = await kiosk.create_query(body={"query": QUERY})
        query = await kiosk.get_query(made.query_id)
        assert query.data_document_id
        async with seller.documents.query_result(query.data_document_id) as document:
            lines = [line async for line in document.iter_json_lines(dict[str, str | dict[str, int | None] | None])]
    assert document.content_type == "application/jsonlines; charset=UTF-8"
    assert len(lines) == len(products_sold(emulator))
    assert {type(line["sku"]) for line in lines} == {str}


async def _pieces() -> AsyncIterator[bytes]:
    yield b'{"header":{"sellerId":"A","version":"2.0"},'
    yield b'"messages":[]}'


@pytest.mark.parametrize("kind", ["bytes", "path", "pieces"])
async def test_a_feed_is_uploaded_and_its_result_downloaded(kind: str, tmp_path: Path) -> None:
    """It is bytes, a file or an asynchronous iterator; S3 checks that the content type is the signed one."""
    content = b"".join([piece async for piece in _pieces()])
    file = tmp_path / "feed.json"
    file.write_bytes(content)
    data: Any = {"bytes": content, "path": file, "pieces": _pieces()}[kind]
    async with emulated() as (emulator, seller):
        wanted = await seller.documents.upload(data)
        stored = emulator.world.documents.get(wanted)
        assert stored is not None
        assert stored.content == content
        body = {"feedType": "JSON_LISTINGS_FEED", "marketplaceIds": ["ATVPDKIKX0DER"], "inputFeedDocumentId": wanted}
        feed = await seller.feeds_2021_06_30.get_feed((await seller.feeds_2021_06_30.create_feed(body=body)).feed_id)
        assert feed.result_feed_document_id
        async with seller.documents.feed_result(feed.result_feed_document_id) as document:
            assert (await document.json())["summary"]["messagesProcessed"] == 0


async def test_an_upload_that_breaks_is_repeated() -> None:
    """A PUT of the same bytes to the same key is safe."""
    async with emulated() as (emulator, seller):
        emulator.faults(
            {"operation": "document", "disconnect": "after"}, {"operation": "document", "status": 503, "body": "html"}
        )
        wanted = await seller.documents.upload(b"{}", "application/json")
        stored = emulator.world.documents.get(wanted)
    assert stored is not None
    assert stored.content == b"{}"


async def test_a_download_that_breaks_is_resumed() -> None:
    """A range request gets the missing half: nothing comes twice, nothing is missing."""
    async with emulated() as (emulator, seller):
        wanted = await report_document(seller, emulatorRows="5000", emulatorGzip="on")
        emulator.faults({"operation": "document", "truncate": True})
        async with seller.documents.report(wanted) as document:
            rows = [row async for row in document.iter_rows()]
    assert len(rows) == 5000


async def test_an_expired_url_is_renewed_once() -> None:
    """S3's XML is not the report: the API is asked again, and a URL that is refused at once is an error."""
    async with emulated() as (emulator, seller):
        wanted = await report_document(seller)
        form = await seller.reports_2021_06_30.get_report_document(wanted)
        urls = [form.url, form.url.replace("X-Amz-Expires=300", "X-Amz-Expires=0")]

        async def fresh() -> str:
            return urls.pop()

        async with seller.documents.url(urls.pop(), fresh=fresh) as document:
            assert b"Expired" not in (content := await document.read())
            assert content.startswith(b"amazon-order-id")
    assert not urls
    async with emulated(document_lifetime=0.0) as (emulator, seller):
        wanted = await report_document(seller)
        with pytest.raises(DocumentUrlExpiredError) as caught:
            async with seller.documents.report(wanted):
                pass
        asked = [one for one in emulator.received if "get_report_document" in one.operation]
    assert len(asked) == 2
    assert "X-Amz" not in str(caught.value)


async def test_a_saved_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """It gets its name when it is complete; a failed or cancelled download leaves nothing."""
    target = tmp_path / "report.txt"
    async with emulated() as (emulator, seller):
        wanted = await report_document(seller, emulatorRows="3000", emulatorGzip="on")
        target.write_bytes(b"old")
        emulator.faults({"operation": "document", "truncate": True, "times": None})
        with pytest.raises(Exception, match="could not be resumed"):
            async with seller.documents.report(wanted) as document:
                await document.save(target)
        assert names_in(tmp_path) == ["report.txt"]
        assert target.read_bytes() == b"old"
        emulator.reset()
        wanted = await report_document(seller, emulatorRows="3000", emulatorGzip="on")
        async with seller.documents.report(wanted) as document:
            size = await document.save(target)
    assert target.stat().st_size == size == document.bytes_read
    assert target.read_bytes().count(b"\r\n") == 3001
    assert names_in(tmp_path) == ["report.txt"]


async def test_an_unknown_document_is_the_apis_error() -> None:
    """The error does not come later from the document."""
    async with emulated() as (_, seller):
        with pytest.raises(NotFoundError):
            async with seller.documents.report("amzn1.spdoc.1.4.na.none"):
                pass


async def test_a_choice_that_cannot_work_costs_no_request() -> None:
    """An unknown charset is refused before the API is asked."""
    async with emulated() as (emulator, seller):
        with pytest.raises(ConfigurationError, match="charset"):
            seller.documents.report("any", charset="klingon")
        with pytest.raises(ConfigurationError, match="errors"):
            seller.documents.report("any", errors="forgive")
        assert not emulator.received


async def test_a_gzip_report_of_the_emulator_is_valid_gzip() -> None:
    """The standard library decompresses it to the same bytes."""
    async with emulated() as (emulator, seller):
        wanted = await report_document(seller, emulatorRows="2000", emulatorGzip="members")
        stored = emulator.world.documents.get(wanted)
        assert stored is not None
        assert stored.content is not None
        async with seller.documents.report(wanted) as document:
            assert await document.read() == gzip.decompress(stored.content)


async def test_a_large_feed_is_uploaded_in_pieces() -> None:
    """Three megabytes of bytes cause no warning and block no loop, and every byte arrives."""
    content = bytes(range(256)) * 12_000
    async with emulated() as (emulator, seller):
        stored = emulator.world.documents.get(await seller.documents.upload(content, "text/plain; charset=UTF-8"))
    assert stored is not None
    assert stored.content == content


async def test_documents_are_an_attribute_like_any_other() -> None:
    """It is made once for each handle, listed by dir, and imported on first use."""
    async with emulated() as (_, seller):
        assert seller.documents is seller.documents
        assert "documents" in dir(seller)
        with pytest.raises(AttributeError, match="no attribute"):
            seller.no_such_thing  # type: ignore[attr-defined] # noqa: B018

"""Results of queries from a hostile server: error documents, damaged rows, endless pages."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from kiosk_queries import QUERY
from spoiled_documents import spoil

from spapi_async import (
    Application,
    DecodeError,
    DocumentError,
    DocumentTruncatedError,
    QueryFatalError,
    SellingPartner,
    SPAPIError,
)
from spapi_async.emulator import Emulator
from spapi_async.workflows.data_kiosk import _run
from spapi_async.workflows.runs import error_messages_in

pytest_plugins = ("run_fixtures",)
pytestmark = pytest.mark.usefixtures("quick_polls")


class Loose(msgspec.Struct):
    """A type that accepts any object as a row."""

    sku: str | None = None


class Strict(msgspec.Struct):
    """A type that requires a field."""

    sku: str


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(processing=0.0, orders=2, throttle=False) as emulator:
        yield emulator


@pytest.fixture
async def seller(emulator: Emulator) -> AsyncIterator[SellingPartner]:
    async with Application("app", "secret", endpoint=emulator.url) as app:
        yield app.selling_partner("Atzr|seller", region="NA")


async def read(emulator: Emulator, seller: SellingPartner, content: bytes, type_: Any = Any, **facts: Any) -> list[Any]:
    """The rows of a query with this document."""
    run = await seller.data_kiosk.request(QUERY)
    spoil(emulator, "query", content, **facts)
    return [row async for row in run.rows(type_)]


async def drain(rows: AsyncIterator[Any], into: list[Any]) -> None:
    """Append all rows, including those before an error."""
    async for row in rows:
        into.append(row)  # noqa: PERF401 - a comprehension would lose them


ERRORS = [
    (b'{"errors":[{"message":"Query  timed\\nout","locations":[{"line":1}]}]}', "Query timed out"),
    (b'\n {"data":null,"errors":[{"message":"one"},{"message":"two"}],"extensions":{}}\n', "one; two"),
    (b'{"errorDetails":"No data set"}', "No data set"),
    (b'{"message":"Internal failure","code":"X"}', "Internal failure"),
    (b'{\n  "errors": [\n    {"message": "printed on lines"}\n  ]\n}\n', "printed on lines"),
]


@pytest.mark.parametrize("type_", [Any, Loose, Strict, dict[str, Any]])
@pytest.mark.parametrize(("content", "said"), ERRORS)
async def test_an_error_document_is_not_a_row(
    emulator: Emulator, seller: SellingPartner, content: bytes, said: str, type_: Any
) -> None:
    """With any type of rows, the query has failed, with Amazon's message."""
    with pytest.raises(QueryFatalError, match=said) as fatal:
        await read(emulator, seller, content, type_)
    assert fatal.value.explanation == said
    assert fatal.value.query_id


@pytest.mark.parametrize(
    "content",
    [
        b'{"errors": 5}\n',
        b'{"errors": []}\n',
        b'{"message": null}\n',
        b'{"message": "a", "sku": "b"}\n',
        b'{"message": "a"}\n{"message": "b"}\n',
        b'{"errors": [{"text": "an alias"}]}\n',
        b"5\n",
        b'"x"\n',
    ],
)
async def test_a_row_that_looks_like_an_error_document_is_a_row(
    emulator: Emulator, seller: SellingPartner, content: bytes
) -> None:
    """A query may name its fields in any way."""
    assert await read(emulator, seller, content) == [json.loads(line) for line in content.splitlines()]


async def test_an_error_document_after_rows_is_a_row() -> None:
    """Only a whole document is an error document."""
    assert error_messages_in(b'{"sku":"a"}\n{"errors":[{"message":"m"}]}') == ""
    assert error_messages_in(b"[" * 100_000) == error_messages_in(b'{"a":' * 5000) == error_messages_in(b"") == ""


@pytest.mark.parametrize(
    ("content", "read_before", "error"),
    [
        (b'{"a":1}\n{"a":2}\n{"a":', 2, DecodeError),
        (b"<html><title>502</title></html>", 0, DecodeError),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', 0, DecodeError),
        (b"PK\x03\x04zip", 0, DocumentError),
        (b"\xff\xfe\x00", 0, SPAPIError),
        (b'{"a":1}\n' + b"[" * 100_000, 1, DecodeError),
    ],
)
async def test_damaged_rows_are_an_error_after_those_before_them(
    emulator: Emulator, seller: SellingPartner, content: bytes, read_before: int, error: type[SPAPIError]
) -> None:
    """Every readable row is handed out."""
    run = await seller.data_kiosk.request(QUERY)
    spoil(emulator, "query", content)
    found: list[Any] = []
    with pytest.raises(error):
        await drain(run.rows(), found)
    assert len(found) == read_before


async def test_a_truncated_gzip_result_is_an_error(emulator: Emulator, seller: SellingPartner) -> None:
    """The rows before the cut were handed out."""
    content = b"".join(b'{"a":%d}\n' % number for number in range(100_000))
    assert len(gzip.compress(content)) > 1000
    with pytest.raises(DocumentTruncatedError):
        await read(emulator, seller, content, compressed=True, cut=-500)


async def test_endless_pages_without_rows_are_an_error(
    emulator: Emulator, seller: SellingPartner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a new token; the rows before them were handed out."""
    monkeypatch.setattr("spapi_async.emulator.apis.data_kiosk_2023_11_15._PAGES", 1_000_000)
    monkeypatch.setattr(_run, "_MOST_REPEATED_PAGES", 3)
    found: list[Any] = []
    run = await seller.data_kiosk.request(f"{QUERY} # emulatorOutcome_PAGED")
    with pytest.raises(DecodeError, match="3 pages in a row have no new rows"):
        await drain(run.rows(), found)
    assert len(found) == len({row["sku"] for row in found}) > 1


async def test_the_same_page_again_and_again_is_an_error(
    emulator: Emulator, seller: SellingPartner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two pages may be equal, since rows may be, but not one after the other without end."""
    monkeypatch.setattr(_run, "_MOST_REPEATED_PAGES", 4)
    monkeypatch.setattr("spapi_async.emulator.apis.data_kiosk_2023_11_15._PAGES", 1_000_000)
    monkeypatch.setattr(
        "spapi_async.emulator.data.kiosk_rows.KioskQuery.rows", lambda *_: [{"sku": "same"}] * 1_000_000
    )
    found: list[Any] = []
    run = await seller.data_kiosk.request(f"{QUERY} # emulatorOutcome_PAGED")
    with pytest.raises(DecodeError, match="4 pages in a row"):
        await drain(run.rows(), found)
    assert len(found) == 5


async def test_a_done_query_with_only_an_error_document_has_failed(emulator: Emulator, seller: SellingPartner) -> None:
    """It is DONE without data, and a document says why."""
    run = await seller.data_kiosk.request(QUERY)
    spoil(emulator, "query", b'{"errors":[{"message":"why"}]}')
    query = await seller.data_kiosk_2023_11_15.get_query(run.query_id)
    body = {
        "queryId": run.query_id,
        "query": QUERY,
        "processingStatus": "DONE",
        "createdTime": "2026-01-01T00:00:00Z",
        "errorDocumentId": query.data_document_id,
    }
    emulator.faults({"operation": "data_kiosk_2023_11_15.get_query", "body": json.dumps(body)})
    with pytest.raises(QueryFatalError, match="why"):
        await run.wait()

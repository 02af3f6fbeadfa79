"""Any content, read in any way, gives a result or an error of the library."""

import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from document_fixtures import NoPauses, document_at, s3, served
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import run

from spapi_async import DocumentError, SPAPIError
from spapi_async._core.events import Observers
from spapi_async._core.resources import Resources, StreamedReply
from spapi_async.workflows.documents import Document
from spapi_async.workflows.documents._download import Download
from spapi_async.workflows.documents._location import Location


class OnePiece:
    """A host with one object, instead of the transport, where a thousand documents are read."""

    def __init__(self, content: bytes, content_type: str, *, size: int = 7) -> None:
        self._content = content
        self._size = size
        self._headers = {"content-type": content_type}

    @asynccontextmanager
    async def stream(self, *_: Any, **__: Any) -> AsyncIterator[StreamedReply]:
        async def chunks() -> AsyncIterator[bytes]:
            for at in range(0, len(self._content), self._size):
                yield self._content[at : at + self._size]

        yield StreamedReply(200, self._headers, chunks())

    def document(self) -> Document:
        async def locate() -> Location:
            return Location.given("http://127.0.0.1/", "x.y")

        return Document(Download(Resources(self, Observers(), NoPauses()), locate, "x.y"))


async def each(items: AsyncIterator[Any]) -> None:
    async for _ in items:
        pass


WAYS: dict[str, Callable[[Document], Any]] = {
    "rows": lambda document: each(document.iter_rows()),
    "commas": lambda document: each(document.iter_rows(",", quotes=True, skip=1)),
    "cells": lambda document: each(document.iter_cells()),
    "lines": lambda document: each(document.iter_lines()),
    "json lines": lambda document: each(document.iter_json_lines()),
    "json items": lambda document: each(document.iter_json_items()),
    "json path": lambda document: each(document.iter_json_items("a.b")),
    "xml": lambda document: each(document.iter_xml("a")),
    "json": lambda document: document.json(),
    "text": lambda document: document.text(),
    "read": lambda document: document.read(),
    "arrow": lambda document: document.to_arrow(),
}
CHARSETS = (
    "",
    "; charset=UTF-8",
    "; charset=UTF-16",
    "; charset=utf-7",
    "; charset=windows-31j",
    "; charset=idna",
    "; charset=\udcff",
)
CONTENTS = st.one_of(
    st.binary(max_size=80),
    st.text(st.sampled_from('a"\t\r\n,{}[]:<>/&1\\'), max_size=80).map(str.encode),
    st.binary(max_size=60).map(gzip.compress),
    st.binary(max_size=60).map(lambda content: gzip.compress(content)[:-5]),
    st.text(st.sampled_from("ab\t\n"), max_size=40).map(lambda text: text.encode("utf-16")),
)


@settings(max_examples=150)
@given(content=CONTENTS, charset=st.sampled_from(CHARSETS))
def test_a_document_raises_only_errors_of_the_library(content: bytes, charset: str) -> None:
    """Each names the operation that returned the document; one event loop reads a document in every way."""

    async def read(way: str) -> None:
        try:
            async with OnePiece(content, f"text/plain{charset}").document() as document:
                await WAYS[way](document)
        except Exception as error:
            if not (isinstance(error, SPAPIError) and error.operation == "x.y"):
                error.add_note(f"when it is read as {way}")
                raise

    async def read_in_every_way() -> None:
        for way in WAYS:
            await read(way)

    run(read_in_every_way())


def test_a_zip_is_recognised_in_pieces_of_any_size() -> None:
    """A host may send single bytes."""

    async def read() -> None:
        async with OnePiece(b"PK\x03\x04" + bytes(20), "text/plain", size=1).document() as document:
            await document.text()

    with pytest.raises(DocumentError, match="ZIP archive"):
        run(read())


async def test_a_document_is_opened_once() -> None:
    """A second reading would begin in the middle."""
    async with served(s3("200 OK", b"x")) as server, document_at(server.url) as document:
        async with document:
            pass
        with pytest.raises(DocumentError, match="opened only once"):
            async with document:
                pass

"""Why a job failed, from the beginning of its result's document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from spapi_async import DocumentError
from spapi_async.workflows.runs import explanation_in, explanation_of


class Endless:
    """A document without end."""

    charset = "utf-8"
    pieces = 0

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        while self.pieces < 1000:
            self.pieces += 1
            yield b"word " * 1000


@asynccontextmanager
async def opened(document: Any) -> AsyncIterator[Any]:
    """Open the document like a real one."""
    if isinstance(document, Exception):
        raise document
    yield document


async def test_no_more_is_read_than_explains() -> None:
    """16 KB of any document are read."""
    endless = Endless()
    said = await explanation_in(opened(endless))
    assert said.startswith("word word")
    assert len(said) == 501
    assert endless.pieces == 4


async def test_a_document_that_cannot_be_read_explains_nothing() -> None:
    """The error that it would explain is not replaced by another."""
    assert await explanation_in(opened(DocumentError("gone"))) == ""


@pytest.mark.parametrize("charset", ["utf-8", "cp1252", "no such charset"])
def test_words_are_read_in_the_charset_that_was_announced(charset: str) -> None:
    """Without a valid one they are UTF-8."""
    assert explanation_of("Größe".encode("cp1252" if charset == "cp1252" else "utf-8"), charset) == "Größe"

"""What can be uploaded, and what is refused before a document is created for it."""

from __future__ import annotations

from typing import Any

import pytest
from document_fixtures import emulated

from spapi_async import ConfigurationError


@pytest.mark.parametrize("data", ["text", ["a", "list"], None])
async def test_what_is_no_file_is_refused(data: Any) -> None:
    """A string could be a path or a content; nothing is sent on a guess."""
    async with emulated() as (emulator, seller):
        with pytest.raises(ConfigurationError, match=f"data must be bytes, a Path .*, not {type(data).__name__}"):
            await seller.documents.upload(data)
        assert not emulator.received


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_bytes_of_any_kind_go_up(kind: Any) -> None:
    """A bytearray is not iterated, byte by byte."""
    async with emulated() as (_, seller):
        assert await seller.documents.upload(kind(b"<feed/>"), "text/xml; charset=UTF-8")

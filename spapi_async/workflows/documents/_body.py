"""The body of a document while it is downloaded: decompressed, decoded, and without blocking the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from time import perf_counter

from spapi_async.errors import DocumentError, DocumentTruncatedError
from spapi_async.workflows.documents._charset import TextDecoder, announced_charset, codec_of, utf8_of
from spapi_async.workflows.documents._download import Download
from spapi_async.workflows.documents._gzip import Gunzip, Plain, looks_gzipped
from spapi_async.workflows.documents._not_rows import LONGEST_MAGIC, refuse_binary

__all__ = ["Body"]

# Decompressing or parsing a piece of 64 KB takes a millisecond or less, so a thread would cost more than it saves. But
# a small download may decompress to many pieces: after this many seconds the event loop must run.
_LONGEST_TURN = 0.002

BEGINNING_SIZE = 16 * 1024
"""Bytes at the beginning that are kept, to recognise what a document is."""


class Body:
    """The content of a download, read once: as bytes, as text, or as text in UTF-8."""

    __slots__ = ("_begun", "_charset", "_download", "_errors", "_is_open", "beginning", "bytes_read", "decoder")

    def __init__(self, download: Download, charset: str | None, errors: str) -> None:
        self._download = download
        self._charset = charset
        self._errors = errors
        self._begun = False
        self._is_open = False
        self.decoder = TextDecoder(errors=errors)
        self.bytes_read = 0
        self.beginning = b""

    @property
    def content_type(self) -> str:
        """The Content-Type as it was sent; may be empty."""
        return self._download.headers.get("content-type", "")

    async def open(self) -> None:
        """Send the request for it; afterwards its headers are known.

        Raises:
            SPAPIError: as :meth:`Download.open`.
        """
        await self._download.open()
        self._is_open = True
        asked = codec_of(self._charset) if self._charset else None
        announced = announced_charset(self.content_type)
        self.decoder = TextDecoder(asked, codec_of(announced) if announced else None, self._errors)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The content, decompressed, in pieces of some 64 KB."""
        turn = perf_counter()
        async with aclosing(self._inflated()) as pieces:
            async for piece in pieces:
                self.bytes_read += len(piece)
                if len(self.beginning) < BEGINNING_SIZE:
                    self.beginning += piece[: BEGINNING_SIZE - len(self.beginning)]
                yield piece
                if perf_counter() - turn > _LONGEST_TURN:
                    await asyncio.sleep(0)
                    turn = perf_counter()

    async def texts(self) -> AsyncGenerator[str, None]:
        """The content as text, in pieces of about as many characters; some may be empty."""
        start = b""
        async with aclosing(self.pieces()) as pieces:
            async for piece in pieces:
                if len(start) < LONGEST_MAGIC:
                    start += piece[:LONGEST_MAGIC]
                    refuse_binary(start)
                yield self.decoder.decode(piece)
        yield self.decoder.decode(b"", final=True)

    async def utf8(self) -> AsyncGenerator[bytes, None]:
        """The text as UTF-8, from which JSON and XML are parsed."""
        async with aclosing(self.texts()) as texts:
            async for text in texts:
                yield utf8_of(text)  # the readers mend what is not UTF-8

    async def _inflated(self) -> AsyncGenerator[bytes, None]:
        if self._begun:
            raise DocumentError("a document can be read only once: open it again")
        if not self._is_open:
            raise DocumentError("the document is not open: use 'async with'")
        self._begun = True
        async with aclosing(self._download.chunks()) as chunks, aclosing(self._gunzipped(chunks)) as pieces:
            async for piece in pieces:
                yield piece

    async def _gunzipped(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        start, gzipped = b"", None
        async for chunk in chunks:
            start += chunk
            gzipped = looks_gzipped(start)
            if gzipped is not None:
                break
        # Fewer than three bytes are not a gzip file, whatever was announced.
        if gzipped is None and self._announces_gzip():
            raise DocumentTruncatedError(f"the gzipped document has only {len(start)} bytes: it was cut off")
        inflate = Gunzip() if gzipped else Plain()
        for piece in inflate.feed(start):
            yield piece
        async for chunk in chunks:
            for piece in inflate.feed(chunk):
                yield piece
        inflate.finish()

    def _announces_gzip(self) -> bool:
        location = self._download.location
        announced = "gzip" in self._download.headers.get("content-encoding", "").lower()
        return announced or (location is not None and location.gzipped)

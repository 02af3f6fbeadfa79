"""A document that is being read: bytes, lines, rows, JSON, or a file."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, Self, TypeVar, overload

import anyio
import msgspec

from spapi_async.errors import DecodeError, DocumentError, DocumentTruncatedError
from spapi_async.workflows.documents._charset import TextDecoder, announced_charset, codec_of
from spapi_async.workflows.documents._download import Download
from spapi_async.workflows.documents._gzip import Gunzip, Plain, looks_gzipped
from spapi_async.workflows.documents._lines import LONGEST_LINE, LineCutter, RowReader, split_lines

__all__ = ["Document"]

T = TypeVar("T")

Ended = Callable[[Download, str | None], None]
"""Told once that a document is done with, and the name of the error that ended it."""

# Inflating or parsing a piece of 64 KB takes a millisecond or less, and a thread would cost more than it saves. What
# must not happen is many pieces in a row without the event loop in between: a small download may inflate to a lot.
_LONGEST_TURN = 0.002
_WRITE = 1024 * 1024


class Document:
    """One document, read once, in one of its ways; ``async with await seller.documents.report(...) as document``.

    Whatever its size, a few hundred kilobytes of it are in memory, except by :meth:`read` and :meth:`json`. All ways of
    reading raise:

        DocumentTruncatedError: it ended early, in a way that could not be mended.
        DocumentUrlExpiredError: it took too long to begin, twice.
        DocumentError: its host refused it, it is damaged, or it has been read.
        TransportError: its host could not be reached.
    """

    __slots__ = ("_begun", "_charset", "_decoder", "_download", "_ended", "_errors", "bytes_read")

    def __init__(
        self, download: Download, *, charset: str | None = None, errors: str = "replace", ended: Ended | None = None
    ) -> None:
        self._download = download
        self._charset = charset
        self._errors = errors
        self._ended = ended
        self._decoder = TextDecoder(None, errors)
        self._begun = False
        self.bytes_read = 0
        """Bytes handed out so far, after decompression."""

    @property
    def content_type(self) -> str:
        """The object's ``Content-Type``, as it was sent; may be empty."""
        return self._download.headers.get("content-type", "")

    @property
    def charset(self) -> str:
        """Python's name of the encoding: the one asked for, or announced, or (once text was read) found out."""
        return self._decoder.codec

    async def __aenter__(self) -> Self:
        try:
            await self._download.open()
        except BaseException as error:
            await self.__aexit__(type(error), error, None)
            raise
        name = self._charset or announced_charset(self.content_type)
        self._decoder = TextDecoder(codec_of(name) if name else None, self._errors)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._download.aclose()
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self._download, None if exc_type is None else exc_type.__name__)

    def __repr__(self) -> str:
        return f"<Document {self.content_type or 'not open'}: {self.bytes_read:,} bytes read>"

    async def iter_bytes(self) -> AsyncGenerator[bytes, None]:
        """The content, decompressed, in pieces of some 64 KB."""
        turn = perf_counter()
        async with aclosing(self._inflated()) as pieces:
            async for piece in pieces:
                self.bytes_read += len(piece)
                yield piece
                if perf_counter() - turn > _LONGEST_TURN:
                    await asyncio.sleep(0)
                    turn = perf_counter()

    async def iter_lines(self) -> AsyncGenerator[str, None]:
        """Lines of text without their ends (CR LF, LF or CR)."""
        cutter = LineCutter()
        async with aclosing(self._text()) as texts:
            async for text in texts:
                for line in split_lines(cutter.feed(text)):
                    yield line
        for line in split_lines(cutter.finish()):
            yield line

    async def iter_rows(self, delimiter: str = "\t", *, quotes: bool = True) -> AsyncGenerator[dict[str, str], None]:
        """Rows of a delimited file as dicts by the names in its first row.

        A row that is short has ``""`` for what it lacks; cells beyond the header are kept as ``"column 12"``. Of
        columns with equal names the last is seen: :meth:`iter_cells` has them all. ``quotes=False`` takes quotes for
        characters.
        """
        names: list[str] | None = None
        width = 0
        async with aclosing(self._row_batches(delimiter, quotes=quotes)) as batches:
            async for batch in batches:
                rows = iter(batch)
                if names is None:
                    names = next(rows, None)
                    width = len(names or ())
                    if names is None:
                        continue
                for row in rows:
                    if len(row) == width:
                        yield dict(zip(names, row))  # noqa: B905 -- they are equally long, and strict is slower
                    else:
                        yield _uneven(names, row)

    async def iter_cells(self, delimiter: str = "\t", *, quotes: bool = True) -> AsyncGenerator[list[str], None]:
        """Rows of a delimited file as lists, the header among them; blank lines are no rows."""
        async with aclosing(self._row_batches(delimiter, quotes=quotes)) as batches:
            async for batch in batches:
                for row in batch:
                    yield row

    @overload
    def iter_json_lines(self) -> AsyncGenerator[Any, None]: ...

    @overload
    def iter_json_lines(self, type: type[T]) -> AsyncGenerator[T, None]: ...

    async def iter_json_lines(self, type: Any = Any) -> AsyncGenerator[Any, None]:  # noqa: A002
        """The values of a file with one JSON value in each line, such as Data Kiosk's.

        Raises:
            DecodeError: a line is no JSON, or not of the type.
        """
        decoder = msgspec.json.Decoder(type)
        rest: list[bytes] = []
        size = 0
        async with aclosing(self._utf8()) as pieces:
            async for piece in pieces:
                at = piece.rfind(b"\n") + 1
                if not at:
                    rest.append(piece)
                    size += len(piece)
                    if size > LONGEST_LINE:
                        raise DocumentError(f"a line of more than {LONGEST_LINE:,} bytes: these are no JSON lines")
                    continue
                whole = b"".join((*rest, piece[:at]))
                rest, size = [piece[at:]], len(piece) - at
                for value in _json(decoder.decode_lines, whole):
                    yield value
        for value in _json(decoder.decode_lines, b"".join(rest)):
            yield value

    async def read(self) -> bytes:
        """All of the content, decompressed."""
        return b"".join([piece async for piece in self.iter_bytes()])

    async def text(self) -> str:
        """All of the content as text."""
        return "".join([text async for text in self._text()])

    @overload
    async def json(self) -> Any: ...

    @overload
    async def json(self, type: type[T]) -> T: ...

    async def json(self, type: Any = Any) -> Any:  # noqa: A002
        """All of the content as one JSON value, of a type that msgspec knows.

        Raises:
            DecodeError: it is no JSON, or not of the type.
        """
        content = b"".join([piece async for piece in self._utf8()])
        return _json(msgspec.json.Decoder(type).decode, content)

    async def save(self, path: str | os.PathLike[str]) -> int:
        """Write the content, decompressed, to a file; returns its size in bytes.

        The file appears under its name when it is complete, and not before. Writing happens in a thread.
        """
        target = Path(path)
        unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            async with await anyio.open_file(unfinished, "xb") as file:
                held = bytearray()
                async for piece in self.iter_bytes():
                    held += piece
                    if len(held) >= _WRITE:
                        await file.write(held)
                        held = bytearray()
                await file.write(held)
                await file.flush()
                await anyio.to_thread.run_sync(os.fsync, file.wrapped.fileno())
            await anyio.to_thread.run_sync(os.replace, unfinished, target)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await anyio.Path(unfinished).unlink(missing_ok=True)
            raise
        return self.bytes_read

    async def _inflated(self) -> AsyncGenerator[bytes, None]:
        if self._begun:
            raise DocumentError("a document is read once: open it again")
        if not self._download.headers:
            raise DocumentError("open the document with 'async with'")
        self._begun = True
        start, gzipped = b"", None
        chunks = self._download.chunks()
        async for chunk in chunks:
            start += chunk
            gzipped = looks_gzipped(start)
            if gzipped is not None:
                break
        # Fewer than three bytes are no gzip file, whatever they are said to be.
        if gzipped is None and self._announces_gzip():
            raise DocumentTruncatedError("a gzipped document ends before it begins")
        inflate = Gunzip() if gzipped else Plain()
        for piece in inflate.feed(start):
            yield piece
        async for chunk in chunks:
            for piece in inflate.feed(chunk):
                yield piece
        inflate.finish()

    def _announces_gzip(self) -> bool:
        return self._download.location.gzipped or "gzip" in self._download.headers.get("content-encoding", "").lower()

    async def _text(self) -> AsyncGenerator[str, None]:
        async with aclosing(self.iter_bytes()) as pieces:
            async for piece in pieces:
                yield self._decoder.decode(piece)
        yield self._decoder.decode(b"", final=True)

    async def _utf8(self) -> AsyncGenerator[bytes, None]:
        """The text as UTF-8, which is what JSON is parsed from."""
        async with aclosing(self._text()) as texts:
            async for text in texts:
                yield text.encode()

    async def _row_batches(self, delimiter: str, *, quotes: bool) -> AsyncGenerator[list[list[str]], None]:
        reader = RowReader(delimiter, quotes=quotes)
        async with aclosing(self._text()) as texts:
            async for text in texts:
                yield reader.feed(text)
        yield reader.finish()


def _uneven(names: list[str], row: list[str]) -> dict[str, str]:
    """A row with fewer cells than names, or more."""
    cells = dict.fromkeys(names, "")
    cells.update(zip(names, row, strict=False))
    cells.update((f"column {at}", cell) for at, cell in enumerate(row[len(names) :], len(names) + 1))
    return cells


def _json(decode: Any, content: bytes) -> Any:
    try:
        return decode(content)
    except msgspec.ValidationError:
        # Its message may hold a value.
        failure = DecodeError("the JSON is not of the type asked for")
    except msgspec.DecodeError as error:
        failure = DecodeError(str(error))
    raise failure

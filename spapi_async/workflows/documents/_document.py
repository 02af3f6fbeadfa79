"""A document, which can be read as bytes, lines, rows, JSON, XML or a table, or saved to a file."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from spapi_async._core.closing import uncancelled
from spapi_async._core.frames import forget_locals, forgetting_locals
from spapi_async.errors import SPAPIError
from spapi_async.workflows.documents._batches import (
    Tables,
    cells_of,
    dicts_of,
    json_items_of,
    lines_of,
    parsed,
    singly,
)
from spapi_async.workflows.documents._body import Body
from spapi_async.workflows.documents._dialect import AUTO
from spapi_async.workflows.documents._download import Download
from spapi_async.workflows.documents._json_items import ItemScanner, parsed_path
from spapi_async.workflows.documents._json_values import JsonValues
from spapi_async.workflows.documents._table import Layout, TableReader
from spapi_async.workflows.documents._targets import target_at
from spapi_async.workflows.documents._unfinished import unfinished_file

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    import pyarrow as pa

    from spapi_async.workflows.documents._arrow import ColumnTypes, RowGroup

__all__ = ["Document"]

T = TypeVar("T")

Ended = Callable[[Download, str | None], None]
"""Called once when a document is closed, with the class name of the error that ended it, if any."""


class Document:
    """A document, to be read once with one of the methods; ``async with seller.documents.report(...) as document``.

    Whatever its size, only a few hundred kilobytes of it are in memory, except with :meth:`read`, :meth:`text`,
    :meth:`json` and :meth:`to_arrow`. The properties of a file (:attr:`charset`, :attr:`delimiter`, :attr:`quoted`)
    are detected from its first 64 KB. All reading methods raise:

        DocumentTruncatedError: the download ended early and could not be resumed.
        DocumentUrlExpiredError: the presigned URL had expired, and so had a fresh one.
        DocumentError: the host refused it, or it is damaged, of another kind, or already read.
        TransportError: the host could not be reached in time.
    """

    __slots__ = ("_body", "_download", "_ended", "_group", "_json", "_table")

    def __init__(
        self, download: Download, *, charset: str | None = None, errors: str = "replace", ended: Ended | None = None
    ) -> None:
        self._download = download
        self._body = Body(download, charset, errors)
        self._ended = ended
        self._table: TableReader | None = None
        self._json: JsonValues[Any] | None = None
        self._group: RowGroup | None = None

    @property
    def content_type(self) -> str:
        """The ``Content-Type`` header as it was sent; may be empty."""
        return self._body.content_type

    @property
    def bytes_read(self) -> int:
        """The number of bytes read so far, after decompression."""
        return self._body.bytes_read

    @property
    def beginning(self) -> bytes:
        """The first 16 KB, as far as they have been read, after decompression."""
        return self._body.beginning

    @property
    def charset(self) -> str:
        """Python's name of the encoding: the caller's, the announced one or, once text was read, the detected one."""
        return self._body.decoder.codec

    @property
    def replaced(self) -> int:
        """The number of places so far where bytes were invalid in the charset, or JSON was mended."""
        mended = sum(each.mended for each in (self._json, self._group) if each is not None)
        return self._download.replaced + self._body.decoder.replaced + mended

    @property
    def delimiter(self) -> str | None:
        """The character that separates cells; None before rows were read."""
        return None if self._table is None or self._table.dialect is None else self._table.dialect.delimiter

    @property
    def quoted(self) -> bool | None:
        """Whether quotes around cells are removed, rather than part of the text; None before rows were read."""
        return None if self._table is None or self._table.dialect is None else self._table.dialect.quoted

    @property
    def uneven(self) -> int:
        """The number of rows so far with more or fewer cells than the header."""
        return 0 if self._table is None else self._table.uneven

    async def __aenter__(self) -> Self:
        try:
            await self._body.open()
        except BaseException as error:
            await self.__aexit__(type(error), error, None)
            forget_locals(error)
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with uncancelled():
            await self._download.aclose()
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self._download, None if exc_type is None else exc_type.__name__)

    def __repr__(self) -> str:
        return f"<Document {self.content_type or 'not open'}: {self.bytes_read:,} bytes read>"

    def iter_bytes(self) -> AsyncGenerator[bytes, None]:
        """The content, decompressed, in pieces of about 64 KB."""
        return self._each(singly(self._body.pieces()))

    def iter_text(self) -> AsyncGenerator[str, None]:
        """The content as text, in pieces of about 64,000 characters; some may be empty."""
        return self._each(singly(self._body.texts()))

    def iter_lines(self) -> AsyncGenerator[str, None]:
        """Lines of text without their ends (CR LF, LF or CR)."""
        return self._each(lines_of(self._body.texts()))

    def iter_rows(
        self,
        delimiter: str = AUTO,
        *,
        quotes: bool | None = None,
        skip: int = 0,
        header: Sequence[str] | None = None,
    ) -> AsyncGenerator[dict[str, str], None]:
        """The rows of a delimited file as dicts, whose keys are the names in the header.

        Missing cells of a short row are ``""``; cells beyond the header have keys like ``"column 12"``. Such rows are
        counted in :attr:`uneven`. The second of two columns named ``price`` is ``"price 2"``. Blank lines are skipped.

        Args:
            delimiter: the character that separates cells. By default it is detected: a tab if the header has one, else
                the character that fits most lines.
            quotes: whether quotes around a cell are removed. By default it is detected: in a tab-separated file they
                are part of the text unless the header is quoted.
            skip: the number of lines above the header.
            header: the names of the columns, for a file without a header.
        """
        layout = Layout.given(delimiter, quotes=quotes, skip=skip, header=header)
        return self._each(dicts_of(self._tables(layout)))

    def iter_cells(
        self, delimiter: str = AUTO, *, quotes: bool | None = None, skip: int = 0
    ) -> AsyncGenerator[list[str], None]:
        """The rows of a delimited file as lists, beginning with the header; blank lines are skipped."""
        layout = Layout.given(delimiter, quotes=quotes, skip=skip)
        return self._each(cells_of(self._tables(layout)))

    @overload
    def iter_json_lines(self) -> AsyncGenerator[Any, None]: ...

    @overload
    def iter_json_lines(self, type: type[T]) -> AsyncGenerator[T, None]: ...

    def iter_json_lines(self, type: Any = Any) -> AsyncGenerator[Any, None]:  # noqa: A002
        """The values of a file with one JSON value per line, such as Data Kiosk's.

        Raises:
            DecodeError: a line is not JSON or not of the type; its number is in the message. Raised after the values
                of the lines before it.
        """
        values = self._json = JsonValues(type)
        return self._each(parsed(self._body.utf8(), values.lines))

    @overload
    def iter_json_items(self, path: str | Sequence[str] = "") -> AsyncGenerator[Any, None]: ...

    @overload
    def iter_json_items(self, path: str | Sequence[str] = "", *, type: type[T]) -> AsyncGenerator[T, None]: ...

    def iter_json_items(
        self,
        path: str | Sequence[str] = "",
        *,
        type: Any = Any,  # noqa: A002
    ) -> AsyncGenerator[Any, None]:
        """The items of an array in a large JSON value, while it is downloaded.

        ``path`` leads to the array: ``"payload.rows"``, or a list of keys; ``""`` if the value itself is the array.

        Raises:
            DecodeError: there is no such array, or an item is not JSON or not of the type; its number is in the
                message. Raised after the items before it.
            DocumentError: it is an error document, which has no such array.
        """
        keys = parsed_path(path)
        values = self._json = JsonValues(type, shown=".".join(("$", *keys)))
        return self._each(json_items_of(self._body.utf8(), ItemScanner(keys), values))

    def iter_xml(self, tag: str) -> AsyncGenerator[Element, None]:
        """The complete elements with one name in an XML document: ``"Order"``, or ``"{namespace}Order"``.

        Elements with that name inside such an element are part of it. Entities are refused.

        Raises:
            DecodeError: it is not XML.
        """
        from spapi_async.workflows.documents._xml import ElementReader

        return self._each(parsed(self._body.utf8(), ElementReader(tag).feed))

    @forgetting_locals
    async def read(self) -> bytes:
        """The whole content, decompressed."""
        return b"".join([piece async for piece in self.iter_bytes()])

    @forgetting_locals
    async def text(self) -> str:
        """The whole content as text."""
        return "".join([text async for text in self.iter_text()])

    @overload
    async def json(self) -> Any: ...

    @overload
    async def json(self, type: type[T]) -> T: ...

    @forgetting_locals
    async def json(self, type: Any = Any) -> Any:  # noqa: A002
        """The whole content as one JSON value, of a type that msgspec supports.

        Raises:
            DecodeError: it is not JSON, or not of the type.
        """
        values = self._json = JsonValues(type)
        with self._naming():
            return values.value(b"".join([piece async for piece in self._body.utf8()]))

    @forgetting_locals
    async def to_arrow(
        self,
        delimiter: str = AUTO,
        *,
        quotes: bool | None = None,
        skip: int = 0,
        header: Sequence[str] | None = None,
        schema: ColumnTypes | None = None,
    ) -> pa.Table:
        """All rows as an Arrow table (extra ``arrow``); every column is text unless ``schema`` says otherwise.

        ``schema`` is a pyarrow schema, or a mapping of names to types, for some or all columns; in a column that is
        not text, an empty cell is null. The other arguments are those of :meth:`iter_rows`.

        Raises:
            ConfigurationError: the extra is missing, or the schema has a column that the file does not have.
            DecodeError: a cell is not of its column's type.
        """
        from spapi_async.workflows.documents._arrow import table_of

        layout = Layout.given(delimiter, quotes=quotes, skip=skip, header=header)
        with self._naming():
            return table_of([group.take() async for group in self._row_groups(layout, schema)])

    @forgetting_locals
    async def save_parquet(
        self,
        path: str | os.PathLike[str],
        delimiter: str = AUTO,
        *,
        quotes: bool | None = None,
        skip: int = 0,
        header: Sequence[str] | None = None,
        schema: ColumnTypes | None = None,
    ) -> int:
        """Write the rows to a Parquet file (extra ``arrow``), one row group at a time; returns the number of rows.

        The file appears under its name only when it is complete. The arguments are those of :meth:`to_arrow`.

        Raises:
            ConfigurationError, DecodeError: as :meth:`to_arrow`.
        """
        from spapi_async.workflows.documents._arrow import ParquetFile

        layout, count = Layout.given(delimiter, quotes=quotes, skip=skip, header=header), 0
        async with unfinished_file(path) as unfinished, ParquetFile(unfinished) as file:
            with self._naming():
                async for group in self._row_groups(layout, schema):
                    count += len(group)
                    await file.write(group)
        return count

    @forgetting_locals
    async def save(self, path: str | os.PathLike[str]) -> int:
        """Write the content, decompressed, to a file; returns its size in bytes.

        The file appears under its name only when it is complete. If the name ends in ``.gz``, the content is gzipped;
        ``"-"`` is stdout; a device or a pipe is written to directly. Writing happens in a thread.

        Raises:
            OSError: the file cannot be written; whether its folder exists is checked before anything is read.
        """
        async with target_at(path) as target:
            async for piece in self.iter_bytes():
                await target.write(piece)
        return self.bytes_read

    async def _each(self, batches: AsyncGenerator[Iterable[T], None]) -> AsyncGenerator[T, None]:
        """The items of the batches, one by one; the frames of an error hold none of them, nor what they were read from.

        Whoever reads a document iterates over this generator, so that errors leave the library here.
        """
        batch: Iterable[T] = ()
        item: Any = None
        try:
            with self._naming():
                async with aclosing(batches):
                    async for batch in batches:
                        for item in batch:
                            yield item
        except BaseException as error:
            forget_locals(error)
            del batch, item  # the error shows the local variables of this frame, too
            raise

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Add the operation to an error that has none."""
        try:
            yield
        except SPAPIError as error:
            error.operation = error.operation or self._download.operation
            raise

    async def _tables(self, layout: Layout) -> Tables:
        """The table as far as it has been read, with its next rows."""
        table = self._table = TableReader(layout)
        async with aclosing(self._body.texts()) as texts:
            async for text in texts:
                yield table, table.feed(text)
        yield table, table.finish()

    async def _row_groups(self, layout: Layout, schema: ColumnTypes | None) -> AsyncGenerator[RowGroup, None]:
        """The rows as columns, one row group at a time; if there is a header, at least one."""
        from spapi_async.workflows.documents._arrow import RowGroup

        group: RowGroup | None = None
        async with aclosing(self._tables(layout)) as tables:
            async for table, batch in tables:
                if group is None and table.names and table.dialect is not None:
                    group = self._group = RowGroup(table.names, table.dialect.delimiter, schema)
                if group is not None:
                    group.add(batch.rows, even=batch.even)
                    if group.is_full:
                        yield group
        if group is not None:
            yield group

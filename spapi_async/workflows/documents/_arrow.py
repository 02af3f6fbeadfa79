"""Rows as Arrow tables and Parquet files (extra ``arrow``).

Every column is text unless a schema says otherwise: an order id with leading zeros, a SKU like ``1E5`` or a date in
another country's format is not changed.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import anyio

from spapi_async.errors import ConfigurationError, DecodeError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ROWS_IN_GROUP", "ColumnTypes", "ParquetFile", "RowGroup", "table_of"]

ColumnTypes: TypeAlias = "pa.Schema | Mapping[str, pa.DataType]"
"""The types of some or all columns."""

ROWS_IN_GROUP = 100_000
"""The most rows in a row group of Parquet; only one row group is in memory."""

_BYTES_IN_GROUP = 64 * 1024 * 1024
_SURROGATE = re.compile("[\ud800-\udfff]")


def table_of(tables: Sequence[pa.Table]) -> pa.Table:
    """One table from several with the same columns; from none, a table without columns."""
    arrow = _pyarrow()
    return arrow.concat_tables(tables) if tables else arrow.table({})


class RowGroup:
    """Collects rows as columns of text, and converts them into tables with the types of a schema.

    With the caller's errors="surrogateescape", cells may contain halves of surrogate pairs, which Arrow cannot hold:
    they become U+FFFD.

    Missing cells of a short row are empty; surplus cells of a long row are joined into the last column, with the
    delimiters between them. In a column that is not text, an empty cell is null.
    """

    __slots__ = ("_arrow", "_batches", "_bytes", "_delimiter", "_rows", "_schema", "_text", "mended")

    def __init__(self, names: list[str], delimiter: str, types: ColumnTypes | None) -> None:
        arrow = self._arrow = _pyarrow()
        self._delimiter = delimiter
        self.mended = 0
        """The number of halves of surrogate pairs that became U+FFFD so far."""
        self._text = arrow.schema([(self._without_surrogates(name), arrow.string()) for name in names])
        self._schema = _typed(self._text, types)
        self._batches: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def __len__(self) -> int:
        return self._rows

    @property
    def is_full(self) -> bool:
        """Whether it has enough rows to be written."""
        return self._rows >= ROWS_IN_GROUP or self._bytes >= _BYTES_IN_GROUP

    def add(self, rows: list[list[str]], *, even: bool) -> None:
        """Add rows; ``even``: each has as many cells as there are columns."""
        if not rows:
            return
        if not even:
            rows = [self._fitted(row) for row in rows]
        try:
            batch = self._batch(rows)
        except UnicodeEncodeError:
            rows = [[self._without_surrogates(cell) for cell in row] for row in rows]
            batch = self._batch(rows)
        self._batches.append(batch)
        self._rows += len(rows)
        self._bytes += batch.nbytes

    def take(self) -> pa.Table:
        """Remove and return the rows added since the last call.

        Raises:
            DecodeError: a cell is not of its column's type.
        """
        table = self._arrow.Table.from_batches(self._batches, schema=self._text).combine_chunks()
        self._batches, self._rows, self._bytes = [], 0, 0
        columns = [self._cast(table.column(at), field) for at, field in enumerate(self._schema)]
        return self._arrow.table(columns, schema=self._schema)

    def _batch(self, rows: list[list[str]]) -> pa.RecordBatch:
        arrow = self._arrow
        columns = [arrow.array(column, arrow.string()) for column in zip(*rows, strict=True)]
        return arrow.record_batch(columns, schema=self._text)

    def _without_surrogates(self, cell: str) -> str:
        cell, found = _SURROGATE.subn("\ufffd", cell)
        self.mended += found
        return cell

    def _cast(self, column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
        types = self._arrow.types
        if types.is_string(field.type):
            return column
        from pyarrow import compute

        if not types.is_large_string(field.type):
            column = compute.if_else(compute.equal(column, ""), None, column)
        try:
            return column.cast(field.type)
        except self._arrow.ArrowException:
            failure = DecodeError(f"a cell of column {field.name!r} is not of type {field.type}")
        raise failure  # raised here, without Arrow's error as its context, which quotes the cell

    def _fitted(self, row: list[str]) -> list[str]:
        width = len(self._text)
        if len(row) > width > 0:
            return [*row[: width - 1], self._delimiter.join(row[width - 1 :])]
        return row + [""] * (width - len(row))


class ParquetFile:
    """A Parquet file that is written in a thread, one row group at a time.

    A cancelled caller continues while the thread is still writing, so closing waits for the thread, and nothing is
    written after that.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Any = None
        self._lock = threading.Lock()
        self._closed = False
        _pyarrow()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._close, exc is None)

    async def write(self, group: RowGroup) -> None:
        """Write the rows of the group, and empty it.

        Raises:
            DecodeError: a cell is not of its column's type.
        """
        await anyio.to_thread.run_sync(self._write, group)

    def _write(self, group: RowGroup) -> None:
        with self._lock:
            if not self._closed:
                self._append(group.take())

    def _append(self, table: pa.Table) -> None:
        if self._writer is None:
            from pyarrow import parquet

            self._writer = parquet.ParquetWriter(self._path, table.schema, compression="zstd")
        self._writer.write_table(table, row_group_size=ROWS_IN_GROUP)

    def _close(self, complete: bool) -> None:  # noqa: FBT001 -- run_sync passes no keywords
        with self._lock:
            self._closed = True
            if self._writer is None and complete:
                self._append(table_of([]))
            if self._writer is not None:
                self._writer.close()


def _typed(text: pa.Schema, types: ColumnTypes | None) -> pa.Schema:
    """The schema with the given types; columns without one stay text."""
    if types is None:
        return text
    arrow = _pyarrow()
    given = {field.name: field.type for field in types} if isinstance(types, arrow.Schema) else dict(types)
    if unknown := sorted({*given} - {*text.names}):
        raise ConfigurationError(f"schema has columns that the file does not have: {', '.join(unknown)}")
    return arrow.schema([(name, given.get(name, arrow.string())) for name in text.names])


def _pyarrow() -> Any:
    """The package pyarrow, imported on first use.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        import pyarrow as pa
    except ImportError:
        raise ConfigurationError('tables need an extra: pip install "spapi-async[arrow]"') from None
    return pa

"""Reads rows of cells from text that is received in pieces.

A file without quoting is split, which takes half the time of a parser. A quoted one is read by the standard library's
parser in strict mode; from where that fails, or its rows do not fit the header, ``_broken_quotes`` continues.
"""

from __future__ import annotations

import csv
import io
from typing import Any, Protocol

from spapi_async.workflows.documents._broken_quotes import BrokenQuotes
from spapi_async.workflows.documents._dialect import Dialect
from spapi_async.workflows.documents._lines import LineCutter, split_lines

__all__ = ["RowReader", "row_reader"]

Rows = list[list[str]]


class RowReader(Protocol):
    """Reads rows; blank lines are skipped."""

    def feed(self, text: str) -> Rows:
        """The rows that are complete."""

    def finish(self) -> Rows:
        """The last rows."""


def row_reader(dialect: Dialect, width: int = 0) -> RowReader:
    """A reader for this dialect; ``width`` is the number of cells in a row; 0: as many as in the first row."""
    return QuotedRows(dialect.delimiter, width) if dialect.quoted else PlainRows(dialect.delimiter)


class PlainRows:
    """The rows of a file in which quotes are part of the text."""

    __slots__ = ("_cutter", "_delimiter")

    def __init__(self, delimiter: str) -> None:
        self._cutter = LineCutter()
        self._delimiter = delimiter

    def feed(self, text: str) -> Rows:
        """The rows that are complete."""
        return self._split(self._cutter.feed(text))

    def finish(self) -> Rows:
        """The last row, which may have no line end."""
        return self._split(self._cutter.finish())

    def _split(self, text: str) -> Rows:
        delimiter = self._delimiter
        return [line.split(delimiter) for line in split_lines(text) if line]


class QuotedRows:
    """The rows of a file whose cells may be quoted."""

    __slots__ = ("_broken", "_cutter", "_delimiter", "_held", "_held_size", "_open", "_width")

    def __init__(self, delimiter: str, width: int = 0) -> None:
        self._cutter = LineCutter()
        self._delimiter = delimiter
        self._width = width
        self._broken = BrokenQuotes(delimiter)
        self._open = ""  # a row with a quoted cell that is not closed yet
        self._held: list[str] = []  # pieces received after it
        self._held_size = 0

    def feed(self, text: str) -> Rows:
        """The rows that are complete."""
        whole = self._cutter.feed(text)
        # An unclosed row is read again only when half as much has been received again, so that this takes linear time.
        if self._open and self._held_size + len(whole) < len(self._open) // 2:
            self._held.append(whole)
            self._held_size += len(whole)
            return []
        return self._read(whole, final=False)

    def finish(self) -> Rows:
        """The last rows."""
        return self._read(self._cutter.finish(), final=True)

    def _read(self, text: str, *, final: bool) -> Rows:
        whole = "".join((self._open, *self._held, text))
        self._open, self._held, self._held_size = "", [], 0
        if not whole:
            return []
        rows, rest = self.parsed(whole)
        if rows and not self._width:
            self._width = len(rows[0])
        if self._is_merged(rows):
            rows, rest = [], whole
        if rest:
            found, self._width, read = self._broken.rows(rest, self._width, final=final)
            self._open = rest[read:]
            rows += found
        return rows

    def parsed(self, whole: str) -> tuple[Rows, str]:
        """The rows before the first one that is not closed or breaks the rules, and the text from there on."""
        try:
            return [row for row in self._parser(io.StringIO(whole, newline="")) if row], ""
        except csv.Error:
            pass
        lines = list(io.StringIO(whole, newline=""))
        parser = self._parser(lines)
        rows, done = [], 0
        try:
            for row in parser:
                done = parser.line_num
                rows.append(row)
        except csv.Error:
            pass
        return [row for row in rows if row], "".join(lines[done:])

    def _parser(self, lines: io.StringIO | list[str]) -> Any:
        return csv.reader(lines, delimiter=self._delimiter, strict=True)

    def _is_merged(self, rows: Rows) -> bool:
        """Whether a row has too few or too many cells, and one of its cells seems to contain other cells or rows."""
        width, delimiter = self._width, self._delimiter
        if set(map(len, rows)) <= {width}:
            return False
        return any(
            delimiter in cell or "\n" in cell or "\r" in cell for row in rows if len(row) != width for cell in row
        )

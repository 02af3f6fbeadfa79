"""Reads a file of rows with a header, from text that is received in pieces, and detects its properties."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from spapi_async.errors import ConfigurationError, DocumentError
from spapi_async.workflows.documents._charset import FIRST_PIECE
from spapi_async.workflows.documents._dialect import AUTO, Dialect, check_delimiter, dialect_of
from spapi_async.workflows.documents._lines import LONGEST_LINE
from spapi_async.workflows.documents._not_rows import refuse_what_is_not_rows
from spapi_async.workflows.documents._rows import RowReader, row_reader

__all__ = ["Batch", "Layout", "TableReader"]


class Layout(NamedTuple):
    """The properties of a file of rows that the caller has given; None or "auto": to be detected."""

    delimiter: str = AUTO
    quotes: bool | None = None
    skip: int = 0
    header: tuple[str, ...] | None = None

    @classmethod
    def given(cls, delimiter: str, *, quotes: bool | None, skip: int, header: Sequence[str] | None = None) -> Layout:
        """The layout, with its values checked.

        Raises:
            ConfigurationError: a value is invalid.
        """
        check_delimiter(delimiter)
        if not isinstance(skip, int) or skip < 0:
            raise ConfigurationError(f"skip must be a number of lines, 0 or more, not {skip!r}")
        if isinstance(header, str):
            raise ConfigurationError("header must be a list of column names, not one string")
        return cls(delimiter, quotes, skip, None if header is None else tuple(header))


class Batch(NamedTuple):
    """Several rows; ``even``: each has as many cells as the header."""

    rows: list[list[str]]
    even: bool


class TableReader:
    """Reads the header, then batches of rows."""

    __slots__ = ("_held", "_held_size", "_layout", "_named", "_rows", "_wanted", "dialect", "header", "names", "uneven")

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._held: list[str] = []  # text received before the properties were detected
        self._held_size = 0
        self._wanted = FIRST_PIECE
        self._rows: RowReader | None = None
        self._named = False
        self.dialect: Dialect | None = None
        self.header: list[str] = []
        """The cells of the header in the file, or the names that the caller gave."""
        self.names: list[str] = []
        """A unique name for each column."""
        self.uneven = 0
        """The number of rows so far with more or fewer cells than the header."""

    def feed(self, text: str) -> Batch:
        """The complete rows below the header.

        Raises:
            DocumentError: it is not a file of rows.
        """
        if self._rows is not None:
            return self._batch(self._rows.feed(text))
        self._held.append(text)
        self._held_size += len(text)
        return self._batch(self._begun(final=False) if self._held_size >= self._wanted else [])

    def finish(self) -> Batch:
        """The last rows.

        Raises:
            DocumentError: as :meth:`feed`.
        """
        rows = self._begun(final=True) if self._rows is None else []
        return self._batch(rows if self._rows is None else rows + self._rows.finish())

    def _begun(self, *, final: bool) -> list[list[str]]:
        """Detect the properties of the file and read its first rows; no rows if more text is needed for that."""
        piece = "".join(self._held)
        refuse_what_is_not_rows(piece)
        skipped = re.match(rf"(?:[^\r\n]*+(?:\r\n|\n|\r(?!\Z))){{{self._layout.skip}}}", piece)
        below = "" if skipped is None else piece[skipped.end() :]
        whole = below if final else below[: below.rfind("\n") + 1 or below.rfind("\r", 0, -1) + 1]
        if not final and not whole.strip("\r\n"):
            if self._held_size > LONGEST_LINE:
                raise DocumentError(f"the first {LONGEST_LINE:,} characters have no header: this is not a file of rows")
            self._held, self._wanted = [piece], 2 * self._held_size
            return []
        self._held = []
        self.dialect = dialect_of(whole, self._layout.delimiter, quotes=self._layout.quotes)
        self._rows = row_reader(self.dialect, len(self._layout.header or ()))
        return self._rows.feed(below)

    def _batch(self, rows: list[list[str]]) -> Batch:
        if not self._named:
            if self._layout.header is not None:
                self.header = list(self._layout.header)
            elif rows:
                self.header = rows.pop(0)
            else:
                return Batch(rows, even=True)
            self.names, self._named = _unique(self.header), True
        width = len(self.header)
        even = set(map(len, rows)) <= {width}
        if not even:
            self.uneven += sum(len(row) != width for row in rows)
        return Batch(rows, even)


def _unique(cells: list[str]) -> list[str]:
    """Unique names for columns: columns without a name are numbered, and a repeated name gets a number."""
    names: dict[str, None] = {}
    taken = set(cells)
    numbers: dict[str, int] = {}  # the last number given to each name, since all columns may have the same name
    for at, cell in enumerate(cells, 1):
        wanted = name = cell or f"column {at}"
        while name in names or (name != cell and name in taken):
            numbers[wanted] = numbers.get(wanted, 1) + 1
            name = f"{wanted} {numbers[wanted]}"
        names[name] = None
    return list(names)

"""A file of rows with a header: from text in pieces to rows, and what was found out about the file on the way."""

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
    """What a caller says about a file of rows; None: to be found out."""

    delimiter: str = AUTO
    quotes: bool | None = None
    skip: int = 0
    header: tuple[str, ...] | None = None

    @classmethod
    def given(cls, delimiter: str, *, quotes: bool | None, skip: int, header: Sequence[str] | None = None) -> Layout:
        """The layout, if it can be.

        Raises:
            ConfigurationError: it cannot.
        """
        check_delimiter(delimiter)
        if not isinstance(skip, int) or skip < 0:
            raise ConfigurationError(f"skip must be a number of lines, 0 or more, not {skip!r}")
        if isinstance(header, str):
            raise ConfigurationError("header must be a list of column names, not one string")
        return cls(delimiter, quotes, skip, None if header is None else tuple(header))


class Batch(NamedTuple):
    """Rows that were complete at the same time; ``even``: each has as many cells as the header."""

    rows: list[list[str]]
    even: bool


class TableReader:
    """Reads the header, then batches of rows."""

    __slots__ = ("_held", "_held_size", "_layout", "_named", "_rows", "_wanted", "dialect", "header", "names", "uneven")

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._held: list[str] = []  # text on which nothing is decided yet
        self._held_size = 0
        self._wanted = FIRST_PIECE
        self._rows: RowReader | None = None
        self._named = False
        self.dialect: Dialect | None = None
        self.header: list[str] = []
        """The header's cells as they stand in the file, or as the caller gave them."""
        self.names: list[str] = []
        """A name for each column, none twice."""
        self.uneven = 0
        """Rows so far that have more cells than the header, or fewer."""

    def feed(self, text: str) -> Batch:
        """The rows below the header that are complete.

        Raises:
            DocumentError: it is not a file of rows.
        """
        if self._rows is not None:
            return self._judged(self._rows.feed(text))
        self._held.append(text)
        self._held_size += len(text)
        return self._judged(self._begun(final=False) if self._held_size >= self._wanted else [])

    def finish(self) -> Batch:
        """The last rows.

        Raises:
            DocumentError: as :meth:`feed`.
        """
        rows = self._begun(final=True) if self._rows is None else []
        return self._judged(rows if self._rows is None else rows + self._rows.finish())

    def _begun(self, *, final: bool) -> list[list[str]]:
        """Decide what the file is and read what there is of it; nothing where it takes more to decide."""
        piece = "".join(self._held)
        refuse_what_is_not_rows(piece)
        skipped = re.match(rf"(?:[^\r\n]*+(?:\r\n|\n|\r(?!\Z))){{{self._layout.skip}}}", piece)
        below = "" if skipped is None else piece[skipped.end() :]
        whole = below if final else below[: below.rfind("\n") + 1 or below.rfind("\r", 0, -1) + 1]
        if not final and not whole.strip("\r\n"):
            if self._held_size > LONGEST_LINE:
                raise DocumentError(f"no header in the first {LONGEST_LINE:,} characters: this is not a file of rows")
            self._held, self._wanted = [piece], 2 * self._held_size
            return []
        self._held = []
        self.dialect = dialect_of(whole, self._layout.delimiter, quotes=self._layout.quotes)
        self._rows = row_reader(self.dialect, len(self._layout.header or ()))
        return self._rows.feed(below)

    def _judged(self, rows: list[list[str]]) -> Batch:
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
    """Names for columns: those without one are numbered, and a name that was given before gets a number too."""
    names: dict[str, None] = {}
    taken = set(cells)
    numbers: dict[str, int] = {}  # the last one that each name has got: a file may have one name all over
    for at, cell in enumerate(cells, 1):
        wanted = name = cell or f"column {at}"
        while name in names or (name != cell and name in taken):
            numbers[wanted] = numbers.get(wanted, 1) + 1
            name = f"{wanted} {numbers[wanted]}"
        names[name] = None
    return list(names)

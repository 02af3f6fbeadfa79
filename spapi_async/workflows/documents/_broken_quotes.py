"""Rows whose quotes break the rules: ``"Monitor 24""`` for ``Monitor 24"``, quotes that are never closed.

Each row is read in the first of these ways that gives as many cells as the header has:

- strictly: a quote inside a quoted cell is doubled;
- loosely: only a quote before a delimiter or a line end closes a cell;
- as a single line: no cell contains a line end, and quotes around a cell are removed.

If none of them does, the row is read strictly if it follows the rules, else as a single line, so that no row contains
the following ones. This takes linear time: a cell that does not end within :data:`LONGEST_CELL` characters is not
considered quoted.
"""

from __future__ import annotations

import re

__all__ = ["LONGEST_CELL", "BrokenQuotes"]

LONGEST_CELL = 131_072
"""Characters; also the limit of the standard library's parser."""

Row = tuple[list[str], int]
"""The cells of a row, and the position of the next row."""


class BrokenQuotes:
    """Reads rows one by one, each in the way that fits."""

    __slots__ = ("_closing", "_delimiter", "_end", "_line", "_open_cell", "_seen_closing", "_strict_cell")

    def __init__(self, delimiter: str) -> None:
        cut = re.escape(delimiter)
        end = rf"{cut}|\r\n|\n|\r|\Z"
        self._delimiter = delimiter
        self._strict_cell = re.compile(rf'(?:"((?:[^"]++|"")*+)"|([^"{cut}\r\n][^{cut}\r\n]*+|))({end})')
        self._open_cell = re.compile(r'"(?:[^"]++|"")*+\Z')
        self._closing = re.compile(rf'"(?={end})')
        self._end = re.compile(end)
        self._line = re.compile(r"([^\r\n]*+)(?:\r\n|\n|\r|\Z)")
        self._seen_closing = -1

    def rows(self, text: str, width: int, *, final: bool) -> tuple[list[list[str]], int, int]:
        """Read the rows of a text that ends with a line end.

        Returns the rows, the number of cells that rows have, and the position of a last row that may not be complete.
        """
        rows: list[list[str]] = []
        at, size = 0, len(text)
        self._seen_closing = -1
        while at < size:
            if text[at] in "\r\n":
                at += 1
                continue
            row = self._row(text, at, width, may_go_on=not final and size - at < LONGEST_CELL)
            if row is None:
                break
            rows.append(row[0])
            at = row[1]
            width = width or len(row[0])
        return rows, width, at

    def _row(self, text: str, at: int, width: int, *, may_go_on: bool) -> Row | None:
        """One row; None if it may continue after the end of the text."""
        strict, is_open = self._strictly(text, at)
        if strict is not None and width in (0, len(strict[0])):
            return strict
        if is_open and may_go_on:
            return None
        loose, is_open = self._loosely(text, at)
        if loose is not None and width in (0, len(loose[0])):
            return loose
        if is_open and may_go_on:
            return None
        if strict is not None:
            return strict
        line = self._line.match(text, at)
        assert line is not None
        return [_unquoted(cell) for cell in line[1].split(self._delimiter)], line.end()

    def _strictly(self, text: str, at: int) -> tuple[Row | None, bool]:
        """The row, if it follows the rules; else None, and whether it may follow them with more text."""
        cells: list[str] = []
        while True:
            found = self._strict_cell.match(text, at)
            if found is None:
                return None, self._open_cell.match(text, at) is not None
            quoted, plain, end = found.groups()
            cells.append(plain if quoted is None else quoted.replace('""', '"'))
            at = found.end()
            if end != self._delimiter:
                return (cells, at), False

    def _loosely(self, text: str, at: int) -> tuple[Row | None, bool]:
        """The row, if each quote that opens a cell is followed by one that can close it; else None, and True."""
        cells: list[str] = []
        while True:
            if text.startswith('"', at):
                closing = self._closing_after(text, at + 1)
                if closing == len(text):
                    return None, True
                cells.append(text[at + 1 : closing].replace('""', '"'))
                at = closing + 1
                end = self._end.match(text, at)
            else:
                end = self._end.search(text, at)
                assert end is not None  # the end of the text ends a cell, too
                cells.append(text[at : end.start()])
            assert end is not None
            at = end.end()
            if end[0] != self._delimiter:
                return (cells, at), False

    def _closing_after(self, text: str, at: int) -> int:
        """The position of the next quote that can close a cell; searched for once for all cells before it."""
        if self._seen_closing < at:
            found = self._closing.search(text, at)
            self._seen_closing = len(text) if found is None else found.start()
        return self._seen_closing


def _unquoted(cell: str) -> str:
    if len(cell) >= 2 and cell[0] == cell[-1] == '"':
        return cell[1:-1].replace('""', '"')
    return cell

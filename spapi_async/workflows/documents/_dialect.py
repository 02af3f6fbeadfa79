"""Detects how a file of rows is written: which character separates cells, and whether cells may be quoted.

A file is written in one way, which is detected from its first piece. Amazon's tab-separated files are written without
quoting, and their titles contain inch signs and unclosed quotes; but in some files every cell is quoted, including the
header. So in a tab-separated file the header decides. Files with commas follow the rules of csv, unless most rows then
have another number of cells than the header.
"""

from __future__ import annotations

import csv
import io
import re
from typing import NamedTuple

from spapi_async.errors import ConfigurationError
from spapi_async.workflows.documents._lines import split_lines

__all__ = ["AUTO", "Dialect", "check_delimiter", "dialect_of"]

AUTO = "auto"
_CANDIDATES = ",;|"
_ENOUGH_LINES = 500


class Dialect(NamedTuple):
    """``quoted``: cells may be in quotes, and may then contain delimiters and line ends."""

    delimiter: str
    quoted: bool


def check_delimiter(delimiter: str) -> None:
    """Refuse a delimiter that cannot separate cells.

    Raises:
        ConfigurationError: neither ``"auto"`` nor one character other than a line end, a quote or NUL.
    """
    if delimiter != AUTO and (len(delimiter) != 1 or delimiter in '"\r\n\0'):
        raise ConfigurationError(
            f'delimiter must be "auto" or one character other than a line end or a quote, not {delimiter!r}'
        )


def dialect_of(piece: str, delimiter: str = AUTO, *, quotes: bool | None = None) -> Dialect:
    """The dialect of a file that begins with this piece (whole lines, header first), unless the caller gave it."""
    lines = [line for line in split_lines(piece) if line][:_ENOUGH_LINES]
    if delimiter == AUTO:
        delimiter = _delimiter_of(lines)
    return Dialect(delimiter, _is_quoted(lines, delimiter) if quotes is None else quotes)


def _delimiter_of(lines: list[str]) -> str:
    """A tab if the header has one; else the character with which most lines have as many cells as the header."""
    if not lines or "\t" in lines[0]:
        return "\t"
    scores = {
        candidate: (
            min(_uneven(lines, candidate, quoted=quoted) for quoted in (False, True)),
            -lines[0].count(candidate),
        )
        for candidate in _CANDIDATES
        if candidate in lines[0]
    }
    if not scores:
        return "\t"
    best = min(scores, key=scores.__getitem__)
    # A comma in the name of a single column does not make it a delimiter.
    return best if scores[best][0] * 2 <= len(lines) else "\t"


def _is_quoted(lines: list[str], delimiter: str) -> bool:
    if not lines:
        return False
    if delimiter == "\t":
        return re.search(r'(?:^|\t)"[^"\t]*"(?=\t|$)', lines[0]) is not None
    return _uneven(lines, delimiter, quoted=True) <= _uneven(lines, delimiter, quoted=False)


def _uneven(lines: list[str], delimiter: str, *, quoted: bool) -> int:
    """The number of lines in rows with another number of cells than the header."""
    if not quoted:
        width = lines[0].count(delimiter)
        return sum(line.count(delimiter) != width for line in lines)
    reader = csv.reader(io.StringIO("\n".join(lines), newline=""), delimiter=delimiter, strict=True)
    uneven, width, read = 0, 0, 0
    try:
        for row in reader:
            width = width or len(row)
            uneven += (reader.line_num - read) if len(row) != width else 0
            read = reader.line_num
    except csv.Error:
        # Only the last cell may continue after the piece; if most lines cannot be parsed, the file is not quoted.
        uneven += len(lines) - read
    return uneven

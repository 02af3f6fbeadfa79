"""How a file of rows is written: what separates its cells, and whether its quotes are more than characters.

Both are properties of the file, decided from its first piece. Amazon's tab-separated files are written without quoting,
and their titles hold inch signs and quotes that are never closed; some have every cell quoted, the header too. So in a
tab-separated file the header decides. Files with commas are written by the rules of csv, unless that reads badly.
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
    """``quoted``: cells may stand in quotes, and then hold delimiters and line ends."""

    delimiter: str
    quoted: bool


def check_delimiter(delimiter: str) -> None:
    """Refuse what cannot separate cells.

    Raises:
        ConfigurationError: neither ``"auto"`` nor one character that ends no line and quotes nothing.
    """
    if delimiter != AUTO and (len(delimiter) != 1 or delimiter in '"\r\n\0'):
        raise ConfigurationError(
            f'delimiter must be "auto" or one character, and none that ends a line or quotes, not {delimiter!r}'
        )


def dialect_of(piece: str, delimiter: str = AUTO, *, quotes: bool | None = None) -> Dialect:
    """The dialect of a file that begins with this piece (whole lines, the header first); what is given is kept."""
    lines = [line for line in split_lines(piece) if line][:_ENOUGH_LINES]
    if delimiter == AUTO:
        delimiter = _delimiter_of(lines)
    return Dialect(delimiter, _is_quoted(lines, delimiter) if quotes is None else quotes)


def _delimiter_of(lines: list[str]) -> str:
    """A tab where the header has one; else what cuts most lines into as many cells as the header."""
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
    # One column whose name has a comma in it is not a file of commas.
    return best if scores[best][0] * 2 <= len(lines) else "\t"


def _is_quoted(lines: list[str], delimiter: str) -> bool:
    if not lines:
        return False
    if delimiter == "\t":
        return re.search(r'(?:^|\t)"[^"\t]*"(?=\t|$)', lines[0]) is not None
    return _uneven(lines, delimiter, quoted=True) <= _uneven(lines, delimiter, quoted=False)


def _uneven(lines: list[str], delimiter: str, *, quoted: bool) -> int:
    """How many lines are in rows of another width than the header, as far as quotes are closed by the rules."""
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
        # The last cell may go on behind the piece; a file in which most goes wrong is not quoted.
        uneven += len(lines) - read
    return uneven

"""Lines and rows out of text that comes in pieces.

A line ends with CR LF, LF or CR and with nothing else: ``str.splitlines`` would also break a product's title at U+2028.
Rows follow the rules of csv, quoted fields over several lines included, and are read a whole piece at a time: by the C
parser where there is a quote in the piece, else by splitting, which gives the same and takes half the time.
"""

from __future__ import annotations

import csv
import io

from spapi_async.errors import ConfigurationError, DocumentError

__all__ = ["LONGEST_LINE", "LineCutter", "RowReader", "split_lines"]

LONGEST_LINE = 16 * 1024 * 1024
"""Characters (bytes of JSON lines); beyond this it is no file of lines, and memory is bounded."""

# Put behind a piece of text: a row of its own, unless a quoted field is still open there.
_END = "\0"


def split_lines(text: str) -> list[str]:
    """The lines of a text that ends with a line end, without their ends."""
    if "\r" not in text:
        lines = text.split("\n")
    else:
        lines = text.split("\r\n")
        if not len(lines) - 1 == text.count("\r") == text.count("\n"):  # not all of one kind, as they nearly always are
            lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


class LineCutter:
    """Cuts text behind its last line end and keeps the rest for later."""

    __slots__ = ("_rest", "_size")

    def __init__(self) -> None:
        self._rest: list[str] = []
        self._size = 0

    def feed(self, text: str) -> str:
        """Whole lines, as many as there are; perhaps none.

        Raises:
            DocumentError: a line longer than :data:`LONGEST_LINE`.
        """
        # A CR at the very end may be half of a CR LF.
        at = text.rfind("\n") + 1 or text.rfind("\r", 0, -1) + 1
        if not at:
            self._rest.append(text)
            self._size += len(text)
            if self._size > LONGEST_LINE:
                raise DocumentError(f"a line of more than {LONGEST_LINE:,} characters: this is no file of lines")
            return ""
        whole = "".join((*self._rest, text[:at]))
        self._rest, self._size = [text[at:]], len(text) - at
        return whole

    def finish(self) -> str:
        """The last lines, which may lack their end."""
        rest, self._rest, self._size = "".join(self._rest), [], 0
        return rest


class RowReader:
    """Reads rows of cells; blank lines are no rows."""

    __slots__ = ("_cutter", "_delimiter", "_open", "_quotes")

    def __init__(self, delimiter: str = "\t", *, quotes: bool = True) -> None:
        if len(delimiter) != 1 or delimiter in '"\r\n\0':
            raise ConfigurationError("delimiter must be one character, and none that ends a line or quotes")
        self._delimiter = delimiter
        self._quotes = quotes
        self._cutter = LineCutter()
        self._open = ""  # a row whose quoted field goes on in the next piece

    def feed(self, text: str) -> list[list[str]]:
        """The rows that are complete.

        Raises:
            DocumentError: no line end, or no closing quote, for longer than any cell is.
        """
        whole = self._cutter.feed(text)
        if not whole:
            return []
        if not self._open and not self._has_quotes(whole):
            return self._split(whole)
        whole = self._open + whole
        rows = self._parse(whole + _END)
        if rows[-1] == [_END]:
            rows.pop()
            self._open = ""
            return rows
        return self._up_to_the_open_row(whole)

    def finish(self) -> list[list[str]]:
        """The last rows.

        Raises:
            DocumentError: a quoted field swallowed several lines and was never closed.
        """
        rest = self._open + self._cutter.finish()
        if not self._has_quotes(rest):
            return self._split(rest)
        rows = self._parse(rest)
        # The parser takes the end of the text for the end of the cell; a cell that ate other rows is not one.
        if self._parse(f"{rest}\n{_END}")[-1] != [_END] and any(len(split_lines(cell)) > 1 for cell in rows[-1]):
            raise DocumentError("a quoted field is never closed; quotes=False reads quotes as characters")
        return rows

    def _has_quotes(self, text: str) -> bool:
        return self._quotes and '"' in text

    def _split(self, text: str) -> list[list[str]]:
        delimiter = self._delimiter
        return [line.split(delimiter) for line in split_lines(text) if line]

    def _up_to_the_open_row(self, whole: str) -> list[list[str]]:
        lines = list(io.StringIO(whole, newline=""))
        reader = csv.reader([*lines, _END], delimiter=self._delimiter)
        rows, done = [], 0
        for row in reader:
            if reader.line_num > len(lines):
                break
            done = reader.line_num
            rows.append(row)
        self._open = "".join(lines[done:])
        return [row for row in rows if row]

    def _parse(self, text: str) -> list[list[str]]:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter)
        try:
            return [row for row in reader if row]
        except csv.Error as error:
            hint = "a quote that opens a cell is perhaps just a character: try quotes=False"
            raise DocumentError(f"cannot read the rows ({error}); {hint}") from error

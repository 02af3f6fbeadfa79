"""Splits text that is received in pieces into lines.

A line ends only with CR LF, LF or CR; ``str.splitlines`` would also split a product's title at U+2028.
"""

from __future__ import annotations

from spapi_async.errors import DocumentError

__all__ = ["LONGEST_LINE", "LineCutter", "split_lines"]

LONGEST_LINE = 16 * 1024 * 1024
"""The most characters of a line (or bytes, of JSON lines), so that memory is bounded."""


def split_lines(text: str) -> list[str]:
    """The lines of a text that ends with a line end, without their ends."""
    if "\r" not in text:
        lines = text.split("\n")
    else:
        lines = text.split("\r\n")
        if not len(lines) - 1 == text.count("\r") == text.count("\n"):  # rarely: other line ends, too
            lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


class LineCutter:
    """Returns the complete lines of a text and keeps the rest for later."""

    __slots__ = ("_rest", "_size")

    def __init__(self) -> None:
        self._rest: list[str] = []
        self._size = 0

    def feed(self, text: str) -> str:
        """The complete lines so far; empty if there are none.

        Raises:
            DocumentError: a line is longer than :data:`LONGEST_LINE`.
        """
        # A CR at the end may be half of a CR LF.
        at = text.rfind("\n") + 1 or text.rfind("\r", 0, -1) + 1
        if not at:
            self._rest.append(text)
            self._size += len(text)
            if self._size > LONGEST_LINE:
                raise DocumentError(f"a line has more than {LONGEST_LINE:,} characters: this is not a text file")
            return ""
        whole = "".join((*self._rest, text[:at]))
        self._rest, self._size = [text[at:]], len(text) - at
        return whole

    def finish(self) -> str:
        """The last lines; the last one may have no line end."""
        rest, self._rest, self._size = "".join(self._rest), [], 0
        return rest

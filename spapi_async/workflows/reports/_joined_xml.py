"""The XML of several reports as one document: the contents of all roots under the root of the first. Pure."""

from __future__ import annotations

import re

from spapi_async.errors import DocumentError

__all__ = ["EMPTY", "JoinedXml"]

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
EMPTY = DECLARATION + "<Report/>\n"
"""The document if there is no report at all."""

_LONGEST_PROLOG = 64 * 1024  # characters
_TAIL = 4096
"""Characters kept back at the end of a report: its closing tag, and comments after it, must be among them."""

_PROLOG = re.compile(r"\ufeff?(?:\s++|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*>)*+", re.DOTALL)
# What may follow the root. The quantifiers are possessive, so that a tail of many comments takes linear time.
_AFTER_ROOT = r"(?:\s++|<!--(?:(?!-->).)*+-->)*+\Z"
_ROOT = re.compile(r"<([A-Za-z_][\w:.-]*)((?:\s[^<>]*?)?)(/?)>")


class JoinedXml:
    """Takes the reports piece by piece, and returns pieces of the joined document."""

    def __init__(self) -> None:
        self._root: tuple[str, str] | None = None
        self._held = ""
        self._is_in_root = False

    def feed(self, text: str) -> str:
        """Take a piece of the current report; returns what the joined document gains by it.

        Raises:
            DocumentError: the report is not XML, or its root differs from that of the first report.
        """
        self._held += text
        out = ""
        if not self._is_in_root:
            prolog = _PROLOG.match(self._held)
            assert prolog is not None
            root = _ROOT.match(self._held, prolog.end())
            if root is None:
                if len(self._held) > _LONGEST_PROLOG:
                    raise DocumentError(
                        f"a report of this window is not XML: no root in its first {_LONGEST_PROLOG:,} characters"
                    )
                return ""
            out = self._opened(root[1], root[2].strip())
            self._held = (f"</{root[1]}>" if root[3] else "") + self._held[root.end() :]
            self._is_in_root = True
        if len(self._held) > _TAIL:
            out, self._held = out + self._held[:-_TAIL], self._held[-_TAIL:]
        return out

    def end_part(self) -> str:
        """The current report ends here: returns the rest of its contents. An empty report adds nothing.

        Raises:
            DocumentError: the report's root element is not closed.
        """
        held, was_in_root = self._held, self._is_in_root
        self._held, self._is_in_root = "", False
        if not was_in_root and not held.strip():
            return ""
        end = rf"</{re.escape(self._root[0])}\s*>{_AFTER_ROOT}" if self._root else None
        found = re.search(end, held, re.DOTALL) if end is not None else None
        if not was_in_root or found is None:
            raise DocumentError("a report of this window is not complete XML: its root element is not closed")
        return held[: found.start()]

    def end(self) -> str:
        """The end of the joined document."""
        return EMPTY if self._root is None else f"</{self._root[0]}>\n"

    def _opened(self, name: str, attributes: str) -> str:
        """The beginning of the joined document; nothing for the reports after the first."""
        if self._root is None:
            self._root = name, attributes
            return f"{DECLARATION}<{name}{' ' if attributes else ''}{attributes}>"
        if self._root != (name, attributes):
            raise DocumentError(
                f"the reports of this window have different root elements ({self._root[0]} and {name}, or their"
                " attributes): request shorter windows, one at a time"
            )
        return ""

"""The XML of several reports as one document: what is within their roots, under the root of the first; pure."""

from __future__ import annotations

import re

from spapi_async.errors import DocumentError

__all__ = ["EMPTY", "JoinedXml"]

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
EMPTY = DECLARATION + "<Report/>\n"
"""What stands for no report at all."""

_LONGEST_PROLOG = 64 * 1024
_TAIL = 4096
"""Characters kept back, in which the end of the root must be, and what little may stand behind it."""

_PROLOG = re.compile(r"\ufeff?(?:\s++|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*>)*+", re.DOTALL)
# Behind the root; possessive, so that a tail of many comments is read once and not in every way there is.
_TRAILER = r"(?:\s++|<!--(?:(?!-->).)*+-->)*+\Z"
_ROOT = re.compile(r"<([A-Za-z_][\w:.-]*)((?:\s[^<>]*?)?)(/?)>")


class JoinedXml:
    """Takes reports in, piece by piece, and hands out the pieces of the one that they make."""

    def __init__(self) -> None:
        self._root: tuple[str, str] | None = None
        self._held = ""
        self._inside = False

    def feed(self, text: str) -> str:
        """What can be handed out of the present report by now.

        Raises:
            DocumentError: it is no XML, or its root is another than that of the reports before.
        """
        self._held += text
        out = ""
        if not self._inside:
            prolog = _PROLOG.match(self._held)
            assert prolog is not None
            root = _ROOT.match(self._held, prolog.end())
            if root is None:
                if len(self._held) > _LONGEST_PROLOG:
                    raise DocumentError("a report of this window is not XML: its root is not to be found")
                return ""
            out = self._begun(root[1], root[2].strip())
            self._held = (f"</{root[1]}>" if root[3] else "") + self._held[root.end() :]
            self._inside = True
        if len(self._held) > _TAIL:
            out, self._held = out + self._held[:-_TAIL], self._held[-_TAIL:]
        return out

    def end_part(self) -> str:
        """The rest of the present report, which ends here; an empty one adds nothing.

        Raises:
            DocumentError: it does not end as XML does.
        """
        held, inside = self._held, self._inside
        self._held, self._inside = "", False
        if not inside and not held.strip():
            return ""
        end = rf"</{re.escape(self._root[0])}\s*>{_TRAILER}" if self._root else None
        found = re.search(end, held, re.DOTALL) if end is not None else None
        if not inside or found is None:
            raise DocumentError("a report of this window is not XML: its root does not end")
        return held[: found.start()]

    def end(self) -> str:
        """What comes behind the last report."""
        return EMPTY if self._root is None else f"</{self._root[0]}>\n"

    def _begun(self, name: str, attributes: str) -> str:
        if self._root is None:
            self._root = name, attributes
            return f"{DECLARATION}<{name}{' ' if attributes else ''}{attributes}>"
        if self._root != (name, attributes):
            raise DocumentError("the reports of this window have different roots: ask for shorter windows")
        return ""

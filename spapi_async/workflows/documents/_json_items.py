"""Finds the items of an array in a large JSON value that is received in pieces.

Amazon's JSON reports are one object that contains an array of a million items. This module finds the bytes of complete
items; a decoder then reads many of them at once. Items are found by a regular expression that skips balanced brackets,
without a step of Python for each item; items nested deeper than the expression allows are measured bracket by bracket,
up to :data:`DEEPEST_JSON` levels. This takes linear time: possessive quantifiers never backtrack, and an incomplete
item is examined again only when twice as much of it has been received.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence

import msgspec

from spapi_async.errors import ConfigurationError, DecodeError
from spapi_async.workflows.documents._lines import LONGEST_LINE

__all__ = ["DEEPEST_JSON", "LONGEST_ITEM", "ItemScanner", "parsed_path", "split_items"]

DEEPEST_JSON = 500
"""The most levels of nesting; decoders accept no more."""

LONGEST_ITEM = LONGEST_LINE
"""The most bytes of an item, so that no large part of a document is in memory."""

_STRING = r'"(?:[^"\\]++|\\.)*+"'
_BETWEEN = r'[^"{}\[\]]*+'
_LEVELS = 8


def _balanced(levels: int) -> str:
    """An expression for an array or object with ``levels`` levels in it; the decoder checks that the brackets match."""
    inside = f"(?:{_STRING}|{_balanced(levels - 1)})" if levels else _STRING
    return rf"[{{\[]{_BETWEEN}(?:{inside}{_BETWEEN})*+[}}\]]"


def _pattern(expression: str) -> re.Pattern[bytes]:
    return re.compile(expression.encode(), re.DOTALL)


_ITEM_EXPRESSION = rf'(?:{_balanced(_LEVELS)}|{_STRING}|[^\s,"\[\]{{}}]++)'
_ITEM = _pattern(rf"\s*+({_ITEM_EXPRESSION})\s*+,?")
_ITEMS = _pattern(rf"(?:\s*+{_ITEM_EXPRESSION}\s*+,)*+")
_LAST_ITEM = _pattern(rf"(\s*+{_ITEM_EXPRESSION}\s*+)\]")
_BALANCED = _pattern(_balanced(_LEVELS))
_KEY = _pattern(_STRING)
_BLANK = _pattern(r"\s*+")
_SCALAR = _pattern(r'[^\s,"\[\]{}:]*+')
_TO_BRACKET = _pattern(rf"{_BETWEEN}(?:{_STRING}{_BETWEEN})*+")
_IN_STRING = _pattern(r'[^"\\]*+(?:\\.[^"\\]*+)*+')
# The last string may be incomplete.
_TOKEN = _pattern(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[{}\[\]]')

Steps = Generator[bytes, None, None]
"""Yields the bytes of complete items, joined by commas; empty bytes if it needs more of the document."""


def parsed_path(path: str | Sequence[str]) -> tuple[str, ...]:
    """The keys of a path: ``"payload.rows"``, or a list of keys if they contain dots; ``""`` is the whole value.

    Raises:
        ConfigurationError: the path has another type.
    """
    keys = tuple(path.split(".") if path else ()) if isinstance(path, str) else tuple(path)
    if not all(isinstance(key, str) for key in keys):
        raise ConfigurationError(f"path must be keys joined by dots, or a list of keys, not {path!r}")
    return keys


def split_items(items: bytes) -> Iterator[bytes]:
    """The items in a batch of the scanner."""
    at = 0
    while at < len(items):
        found = _ITEM.match(items, at)
        if found is None:  # a deeply nested item, which is a batch of its own
            yield items[at:]
            return
        yield found[1]
        at = found.end()


class ItemScanner:
    """Finds the items of the array at a path."""

    __slots__ = ("_at", "_done", "_final", "_more_size", "_path", "_steps", "_wanted", "buffer", "more")

    def __init__(self, path: tuple[str, ...]) -> None:
        self._path = path
        self.buffer = b""
        self._at = 0  # the position in the buffer
        self.more: list[bytes] = []  # pieces received since
        self._more_size = 0
        self._wanted = 1  # bytes to receive before the buffer is examined again
        self._final = False
        self._done = False
        self._steps = self._find_and_scan()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The complete items, in batches: the bytes of several items, joined by commas.

        Raises:
            DecodeError: it is not JSON, or there is no such array. Raised after the items before that place.
        """
        if self._done:
            return
        self.more.append(data)
        self._more_size += len(data)
        if self._more_size >= self._wanted:
            yield from self._batches()

    def finish(self) -> Iterator[bytes]:
        """The last items.

        Raises:
            DecodeError: as :meth:`feed`, or the document ends inside the array.
        """
        self._final = True
        if not self._done:
            yield from self._batches()

    def _batches(self) -> Iterator[bytes]:
        self.buffer = b"".join((self.buffer[self._at :], *self.more))
        self._at, self.more, self._more_size = 0, [], 0
        for batch in self._steps:
            if not batch:
                return
            yield batch
        self._done = True
        self.buffer, self._at = b"", 0

    def _find_and_scan(self) -> Steps:
        for depth, key in enumerate(self._path):
            if (yield from self._next_byte()) != b"{":
                raise DecodeError(f"{self._shown(depth)} is not an object", path=self._shown(depth))
            self._at += 1
            yield from self._enter(key, depth)
        if (yield from self._next_byte()) != b"[":
            raise DecodeError(f"{self._shown()} is not an array", path=self._shown())
        self._at += 1
        if (yield from self._next_byte()) != b"]":
            yield from self._items()
        elif not self._path:
            self._at += 1
        if not self._path:
            yield from self._only_blanks()

    def _items(self) -> Steps:
        """The items; the position is before the first item."""
        while True:
            buffer, at = self.buffer, self._at
            found = _ITEMS.match(buffer, at)
            assert found is not None  # it may be empty
            self._at = found.end()
            if self._at > at:
                yield buffer[at : self._at - 1]
            last = _LAST_ITEM.match(buffer, self._at)
            if last is not None:
                self._at = last.end()
                yield last[1]
                return
            yield from self._next_byte()
            end = self._end_of_value()
            if end is None:
                yield from self._need_more()
                continue
            after = self.buffer[end : end + 1]
            if after not in (b",", b"]"):
                raise self._broken()
            item = self.buffer[self._at : end].rstrip()
            self._at = end + 1
            yield item
            if after == b"]":
                return

    def _end_of_value(self) -> int | None:
        """The position of the next byte after this value that is not blank; None if the buffer ends before."""
        end = self._measured()
        if end is None:
            return None
        blank = _BLANK.match(self.buffer, end)
        assert blank is not None
        return blank.end() if blank.end() < len(self.buffer) else None

    def _measured(self) -> int | None:
        """The end of the value at this position; None if the buffer ends before."""
        buffer, at = self.buffer, self._at
        if buffer[at : at + 1] == b'"':
            found = _KEY.match(buffer, at)
            return None if found is None else found.end()
        if buffer[at : at + 1] not in (b"{", b"["):
            found = _SCALAR.match(buffer, at)
            assert found is not None
            if found.end() == at:
                raise self._broken()
            return found.end() if found.end() < len(buffer) else None
        depth = 0
        for token in _TOKEN.finditer(buffer, at):
            kind = token[0][:1]
            if kind in (b"{", b"["):
                depth += 1
                self._check(depth)
            elif kind != b'"':
                depth -= 1
                if not depth:
                    return token.end()
        return None

    def _enter(self, key: str, depth: int) -> Steps:
        """Move to the value of this key; the position is inside its object."""
        while (yield from self._next_byte()) == b'"':
            while (found := _KEY.match(self.buffer, self._at)) is None:
                yield from self._need_more()
            self._at = found.end()
            name = _decoded_key(found[0])
            if (yield from self._next_byte()) != b":":
                raise self._broken()
            self._at += 1
            if name == key:
                return
            yield from self._skip()
            after = yield from self._next_byte()
            if after == b"}":
                break
            if after != b",":
                raise self._broken()
            self._at += 1
        if self.buffer[self._at : self._at + 1] != b"}":
            raise self._broken()
        shown = self._shown(depth + 1)
        raise DecodeError(f"the document has no {shown}", path=shown)

    def _skip(self) -> Steps:
        """Skip a value of any size without keeping it."""
        depth = 0
        while True:
            byte = yield from self._next_byte()
            if byte == b'"':
                yield from self._skip_string()
            elif byte in (b"{", b"["):
                whole = _BALANCED.match(self.buffer, self._at)
                self._at = self._at + 1 if whole is None else whole.end()
                depth += whole is None
                self._check(depth)
            elif not depth:
                yield from self._skip_scalar()
            elif byte in (b"}", b"]"):
                self._at += 1
                depth -= 1
            if not depth:
                return
            between = _TO_BRACKET.match(self.buffer, self._at)
            assert between is not None
            self._at = between.end()

    def _skip_string(self) -> Steps:
        self._at += 1
        while True:
            found = _IN_STRING.match(self.buffer, self._at)
            assert found is not None
            self._at = found.end()
            if self.buffer[self._at : self._at + 1] == b'"':
                self._at += 1
                return
            yield from self._any_more()  # the position is at the end, or before a backslash at the end

    def _skip_scalar(self) -> Steps:
        begun = False
        while True:
            found = _SCALAR.match(self.buffer, self._at)
            assert found is not None
            begun = begun or found.end() > self._at
            self._at = found.end()
            if self._at < len(self.buffer):
                break
            yield from self._any_more()
        if not begun:
            raise self._broken()

    def _next_byte(self) -> Generator[bytes, None, bytes]:
        """The next byte that is not blank; the position is before it."""
        while True:
            blank = _BLANK.match(self.buffer, self._at)
            assert blank is not None
            self._at = blank.end()
            if self._at < len(self.buffer):
                return self.buffer[self._at : self._at + 1]
            yield from self._any_more()

    def _only_blanks(self) -> Steps:
        while True:
            blank = _BLANK.match(self.buffer, self._at)
            assert blank is not None
            self._at = blank.end()
            if self._at < len(self.buffer):
                raise DecodeError("there is more text after the end of the JSON value")
            if self._final:
                return
            self._wanted = 1
            yield b""

    def _any_more(self) -> Steps:
        """Wait for the next piece, however small."""
        if self._final:
            raise self._unfinished()
        self._wanted = 1
        yield b""

    def _need_more(self) -> Steps:
        """Wait until twice as much of the incomplete value has been received."""
        size = len(self.buffer) - self._at
        if size > LONGEST_ITEM:
            raise DecodeError(f"an item of {self._shown()} is longer than {LONGEST_ITEM:,} bytes", path=self._shown())
        if self._final:
            raise self._unfinished()
        self._wanted = max(size, 1)
        yield b""

    def _check(self, depth: int) -> None:
        if depth > DEEPEST_JSON:
            raise DecodeError(f"the JSON is nested more than {DEEPEST_JSON} levels deep", path=self._shown())

    def _unfinished(self) -> DecodeError:
        return DecodeError(f"the document ends inside {self._shown()}", path=self._shown())

    def _broken(self) -> DecodeError:
        return DecodeError(f"the JSON is malformed at or inside {self._shown()}", path=self._shown())

    def _shown(self, depth: int | None = None) -> str:
        return ".".join(("$", *self._path[:depth]))


def _decoded_key(raw: bytes) -> str | None:
    """A key as text; None if it is not a valid string."""
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, UnicodeError):
        return None

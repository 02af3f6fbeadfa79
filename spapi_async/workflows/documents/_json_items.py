"""The items of one array in one big JSON value, found piece by piece.

Amazon's JSON reports are one object with an array of a million items in it. Here the bytes of whole items are found,
and a decoder reads them, many at a time. What finds them is a regular expression that jumps over balanced items without
a step of Python each; items nested deeper than it knows are measured bracket by bracket, up to :data:`DEEPEST`. Every
byte is looked at a bounded number of times: possessive repeats never go back, and what is not complete is looked at
again only when there is twice as much of it.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence

import msgspec

from spapi_async.errors import ConfigurationError, DecodeError
from spapi_async.workflows.documents._lines import LONGEST_LINE

__all__ = ["DEEPEST", "LONGEST_ITEM", "ItemScanner", "parsed_path", "split_items"]

DEEPEST = 500
"""Levels of nesting; beyond them no decoder goes."""

LONGEST_ITEM = LONGEST_LINE
"""Bytes; beyond this an item would be what was to be avoided: a document in memory."""

_STRING = r'"(?:[^"\\]++|\\.)*+"'
_BETWEEN = r'[^"{}\[\]]*+'
_LEVELS = 8


def _balanced(levels: int) -> str:
    """An array or object with at most so many levels in it. Kinds of brackets are not told apart: the decoder does."""
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
# The last string may lack its end.
_TOKEN = _pattern(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[{}\[\]]')

Steps = Generator[bytes, None, None]
"""Yields the bytes of whole items, joined by commas, or nothing where it needs more of the document."""


def parsed_path(path: str | Sequence[str]) -> tuple[str, ...]:
    """The keys of a path: ``"payload.rows"``, or a list of them where they have dots; ``""`` is the whole value.

    Raises:
        ConfigurationError: it is neither.
    """
    keys = tuple(path.split(".") if path else ()) if isinstance(path, str) else tuple(path)
    if not all(isinstance(key, str) for key in keys):
        raise ConfigurationError(f"path must be keys with dots between them, or a list of keys, not {path!r}")
    return keys


def split_items(items: bytes) -> Iterator[bytes]:
    """What the scanner handed out, item by item."""
    at = 0
    while at < len(items):
        found = _ITEM.match(items, at)
        if found is None:  # one that is nested deeply, which comes alone
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
        self._at = 0  # how far the buffer has been read
        self.more: list[bytes] = []  # what came since
        self._more_size = 0
        self._wanted = 1  # bytes without which it is not worth trying again
        self._final = False
        self._done = False
        self._steps = self._find_and_scan()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Items that are complete, in batches: the bytes of each joined by commas.

        Raises:
            DecodeError: it is not JSON, or there is no such array; after the items before that place.
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
            DecodeError: as :meth:`feed`; the array has no end.
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
        """The items; called inside the array, before its first item."""
        while True:
            buffer, at = self.buffer, self._at
            found = _ITEMS.match(buffer, at)
            assert found is not None  # perhaps of nothing
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
        """Where the byte behind the value here is, blanks skipped; None if the buffer ends before."""
        end = self._measured()
        if end is None:
            return None
        blank = _BLANK.match(self.buffer, end)
        assert blank is not None
        return blank.end() if blank.end() < len(self.buffer) else None

    def _measured(self) -> int | None:
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
        """Go to the value of this key; called inside its object."""
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
        """Go behind a value, of whatever size, without keeping it."""
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
            yield from self._any_more()  # it stands at the end, or before a backslash there

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
        """The next byte that is not blank, still unread."""
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
                raise DecodeError("there is more behind the end of the JSON value")
            if self._final:
                return
            self._wanted = 1
            yield b""

    def _any_more(self) -> Steps:
        """Go on with what comes next, however little."""
        if self._final:
            raise self._endless()
        self._wanted = 1
        yield b""

    def _need_more(self) -> Steps:
        """Go on when there is twice as much of what is not complete."""
        size = len(self.buffer) - self._at
        if size > LONGEST_ITEM:
            raise DecodeError(f"an item of {self._shown()} is longer than {LONGEST_ITEM:,} bytes", path=self._shown())
        if self._final:
            raise self._endless()
        self._wanted = max(size, 1)
        yield b""

    def _check(self, depth: int) -> None:
        if depth > DEEPEST:
            raise DecodeError(f"the JSON is nested more than {DEEPEST} levels deep", path=self._shown())

    def _endless(self) -> DecodeError:
        return DecodeError(f"the document ends inside {self._shown()}", path=self._shown())

    def _broken(self) -> DecodeError:
        return DecodeError(f"the JSON is malformed at or inside {self._shown()}", path=self._shown())

    def _shown(self, depth: int | None = None) -> str:
        return ".".join(("$", *self._path[:depth]))


def _decoded_key(raw: bytes) -> str | None:
    """A key as text; None where it is not one."""
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, UnicodeError):
        return None

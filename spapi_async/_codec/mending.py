"""Turns replies that are not quite JSON into JSON that every decoder accepts."""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any

import msgspec

__all__ = ["DEEPEST_REPLY", "mend", "refuse_constant"]

Blemish = tuple[str, str]
"""What was expected of a reply and what it is instead, in the words of a violation."""


def mend(body: bytes, *, shallow: bool = False) -> tuple[bytes, list[Blemish]]:
    """The same reply as JSON that every decoder accepts, without white space around it, and what was mended.

    - Invalid UTF-8, and raw control characters and halves of surrogate pairs inside strings, are replaced.
    - A byte order mark is removed.
    - Numbers beyond any type stay as they are.
    - Values nested deeper than ``DEEPEST_REPLY`` levels become text; with ``shallow``, even if decoders accept them.
    - Objects in a list that are not JSON, although their brackets match, become text, so that one broken order does not
      make a page unreadable.

    Raises:
        ValueError: the reply is not JSON.
    """
    blemishes: list[Blemish] = []
    try:
        body.decode()
    except UnicodeDecodeError:
        blemishes.append(("UTF-8", "other bytes"))
        body = body.decode("utf-8", "replace").encode()
    if body.startswith(_BYTE_ORDER_MARK):
        blemishes.append(("JSON", "JSON after a byte order mark"))
        body = body.removeprefix(_BYTE_ORDER_MARK)
    body = body.strip()
    if shallow or not _is_acceptable(body):
        cut = _cut_depth(body)
        if cut != body:
            blemishes.append(("JSON", f"JSON nested more than {DEEPEST_REPLY} levels deep"))
            body = cut
    if not _is_acceptable(body):
        try:
            body, blemish = _rewritten(body), "JSON with broken characters in its strings"
        except ValueError:
            body, blemish = _rewritten(_without_broken_items(body)), "JSON with items that are not JSON"
        blemishes.append(("JSON", blemish))
    return body, blemishes


DEEPEST_REPLY = 100
"""Levels of nesting that are kept if a reply has more than the decoders accept; Amazon's models have a dozen."""


_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def _is_acceptable(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (ValueError, RecursionError):
        return False
    return True


def _cut_depth(body: bytes) -> bytes:
    """Replace each value nested deeper than ``DEEPEST_REPLY`` levels by a string of its JSON, without recursion."""
    brackets = body.count(b"[") + body.count(b"{")
    if brackets <= DEEPEST_REPLY or brackets > _MOST_BRACKETS:
        return body
    pieces: list[bytes] = []
    depth = taken = cut_at = 0
    for token in re.finditer(_RUNS, body):
        run = token[0]
        mark = run[:1]
        if mark in b"[{":
            above, depth = depth, depth + run.count(b"[") + run.count(b"{")
            if above <= DEEPEST_REPLY < depth:
                opening = re.finditer(rb"[\[{]", run)
                cut_at = token.start() + next(islice(opening, DEEPEST_REPLY - above, None)).start()
        elif mark in b"]}":
            below, depth = depth, depth - len(run)
            if depth <= DEEPEST_REPLY < below:
                end = token.start() + below - DEEPEST_REPLY
                pieces += (body[taken:cut_at], msgspec.json.encode(body[cut_at:end].decode()))
                taken = end
    return b"".join([*pieces, body[taken:]])


_MOST_BRACKETS = 500_000
"""Brackets that a reply to be mended may have; they take a tenth of a second, and Amazon's replies have fewer."""


# Strings are matched as a whole (and without backtracking), so that brackets inside them do not count.
_STRING = rb""""[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)"""
_TO_BRACKET = rb"""(?s)[^"\[\]{}]*+(?:%b[^"\[\]{}]*+)*+([\[\]{}])""" % _STRING
# A run of opening brackets, with plain keys between them, is one token, and so is a run of closing brackets. So a
# hundred thousand levels are two tokens, and the loop over them does not block the event loop.
_RUNS = rb"""(?:[\[{]\s*+(?:"[^"\\\[\]{}]*+"\s*+:\s*+)?+)++|[\]}]++|""" + _STRING


def _without_broken_items(body: bytes) -> bytes:
    """Replace each object in an outermost list that cannot be mended by a string of its text."""
    if body.count(b"[") + body.count(b"{") > _MOST_BRACKETS:
        return body
    pieces: list[bytes] = []
    at = taken = item_at = item_depth = 0
    open_brackets: list[bytes] = []
    find = re.compile(_TO_BRACKET).match
    while token := find(body, at):
        mark, at = token[1], token.end()
        if mark in b"[{":
            if mark == b"{" and not item_depth and open_brackets[-1:] == [b"["]:
                item_at, item_depth = at - 1, len(open_brackets)
            open_brackets.append(mark)
        else:
            if not open_brackets:
                break
            open_brackets.pop()
            if item_depth and len(open_brackets) == item_depth:
                item = body[item_at:at]
                if not _is_mendable(item):
                    pieces += (body[taken:item_at], msgspec.json.encode(item.decode()))
                    taken = at
                item_depth = 0
    return b"".join([*pieces, body[taken:]])


def _is_mendable(item: bytes) -> bool:
    try:
        return _is_acceptable(item) or bool(_rewritten(item))
    except ValueError:
        return False


def _rewritten(body: bytes) -> bytes:
    """The same JSON with broken characters in strings and keys replaced, and numbers unchanged.

    Raises:
        ValueError: it is not JSON, or too deep for the decoder because the caller is close to the recursion limit.
    """
    try:
        return _EXACT.encode(_mended(_READER.decode(body.decode())))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _mended(content: Any) -> Any:
    if isinstance(content, str):
        return content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(content, dict):
        return {_mended(key): _mended(value) for key, value in content.items()}
    return [_mended(value) for value in content] if isinstance(content, list) else content


def refuse_constant(name: str) -> None:
    """Refuse NaN and Infinity, which Python's decoder would accept."""
    raise ValueError(f"{name} is not JSON")


def _verbatim(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


_READER = json.JSONDecoder(strict=False, parse_int=_verbatim, parse_float=_verbatim, parse_constant=refuse_constant)
_EXACT = msgspec.json.Encoder(decimal_format="number")

"""Finds the personal data in an order and removes it from the JSON that is stored. Pure.

Amazon's data protection policy allows personal data to be stored only encrypted and for 30 days after delivery, so it
is stored separately from the order, or not at all. It is found by the names of members, at any depth and in any
spelling: the contents of the data sets BUYER, RECIPIENT, TAX and PAYMENT, and texts written by customers (gift
messages, customisation, reasons to cancel), in Orders 2026-01-01 and in Orders v0. A rule based on places would miss
data that Amazon moves, wraps in a list, or adds elsewhere.

If an object that can contain such a member is text or a number instead, that value may be the personal data, and is
removed, too. From an object with a customer's text, everything except known facts is removed. The address from which a
seller ships belongs to the seller and stays.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from spapi_async._codec import json
from spapi_async._core.wire import KeptNumber

__all__ = ["PERSONAL_DATASETS", "Piece", "cut", "holds_personal", "is_personal", "without_personal", "written"]

PERSONAL_DATASETS = frozenset({"BUYER", "RECIPIENT", "TAX", "PAYMENT"})
"""The data sets of Orders 2026-01-01 with personal data, which need a place where it is stored."""

_PEOPLE = r"(?:buyer|customer|consignee|purchaser|receiver|recipient|payer|cardholder)"
_PERSONAL_NAME = re.compile(
    rf"""(?: (?:item|order)?{_PEOPLE}(?!requestedcancel\b|identityverification\b|ageverification\b)\w*
      | payment\w*
      | tax(?: es | info(?:rmation)? | details | registration\w* | invoicing | id | number | payer\w* )?
      | \w*customi[sz](?:ation|ed|e)\w*
      | \w*giftmessage\w*
      | \w*address(?:es|line\w*)? | \w*postalcode | \w*zipcode
      | delivery(?:preference|instruction|note)\w*
      | cancel(?:l?ation)?reason
      | purchaseordernumber
      | (?:legal|first|last|full)name
      | \w*email\w* | (?:tele|mobile)?phone(?:number)?
    )""",
    re.VERBOSE,
)
_SELLERS_OWN = re.compile(r"(?:default)?shipfrom\w*")
_CONTAINER_NAMES = frozenset(
    {"orderitems", "product", "fulfillment", "packing", "cancellation", "cancellationrequest", "cancellationexecution"}
)
_MIXED_NAMES = frozenset({"giftoption", "buyerrequestedcancel"})
_FACT_NAMES = frozenset({"giftwraplevel", "isbuyerrequestedcancel"})
_NO_LETTER = re.compile(r"[\W_]+", re.ASCII)


class Piece(msgspec.Struct, frozen=True):
    """One order or item of a reply.

    Attributes:
        raw: its JSON, repaired if necessary.
        content: the same as plain values, by Amazon's names; None if it is not an object.
        mended: whether ``content`` was repaired by the model's reader, which drops members unknown to the model.
    """

    raw: bytes
    content: Any
    mended: bool = False

    def __repr__(self) -> str:
        return f"<Piece of {len(self.raw)} bytes>"  # an order contains personal data


_Place = tuple[Any, str] | None
"""The place of a value: the place of its container, and its name in it; converted to text only on request."""


class _Meaning(enum.Enum):
    """What a member's name means for its value."""

    NONE = enum.auto()
    """Nothing: the value is searched."""
    PERSONAL = enum.auto()
    """The value is personal data."""
    CONTAINER = enum.auto()
    """The value is an object, or a list of objects, in which personal data can be."""
    MIXED = enum.auto()
    """The same, for an object in which a customer's text is beside facts."""
    FACT = enum.auto()
    """The value is a fact in a mixed object."""
    SELLERS = enum.auto()
    """The value belongs to the seller and is not searched."""


_NONE, _PERSONAL, _CONTAINER, _MIXED, _FACT, _SELLERS = _Meaning
_OBJECTS = (_CONTAINER, _MIXED)
_Waiting = tuple[Any, _Place, _Meaning]


class _Meanings(dict[str, _Meaning]):
    """Meanings by name: each name is analysed once, unless a reply has thousands of names."""

    def __missing__(self, name: str) -> _Meaning:
        meaning = _meaning(_NO_LETTER.sub("", unicodedata.normalize("NFKC", name).casefold()))
        if len(self) < _MOST_NAMES:
            self[name] = meaning
        return meaning


def _meaning(plain: str) -> _Meaning:
    if _SELLERS_OWN.fullmatch(plain):
        return _SELLERS
    if _PERSONAL_NAME.fullmatch(plain):
        return _PERSONAL
    for names, meaning in ((_CONTAINER_NAMES, _CONTAINER), (_MIXED_NAMES, _MIXED), (_FACT_NAMES, _FACT)):
        if plain in names:
            return meaning
    return _NONE


_MEANINGS = _Meanings()
_MOST_NAMES = 4096


class _Hit(NamedTuple):
    """A personal value: its container, its key, and its place."""

    holder: Any
    key: Any
    place: _Place


def is_personal(name: str) -> bool:
    """Whether a member or column of this name contains personal data, however the name is spelled."""
    return _MEANINGS[name] is _PERSONAL


def holds_personal(content: Any) -> bool:
    """Whether anything in a JSON value is personal data."""
    return next(_found(content, ""), None) is not None


def without_personal(piece: Piece, *, ids: str = "") -> tuple[bytes, Any, dict[str, Any]]:
    """An order's or item's JSON and content without personal data, and that data by its place."""
    if not piece.mended:
        if not holds_personal(piece.content):
            return _without_copies(piece.raw, piece.content), piece.content, {}
        payload, taken = cut(piece.content, ids=ids)
        return payload, piece.content, taken
    kept = json.exact(piece.raw)
    in_text = _is_json(kept) and holds_personal(kept)
    in_reading = holds_personal(piece.content)
    if not in_text and not in_reading and (_is_json(kept) or not _names_personal(piece.raw.decode(errors="replace"))):
        return _without_copies(piece.raw, kept), piece.content, {}
    payload, taken = cut(piece.content, ids=ids)
    if in_text:  # else the reader found it elsewhere and repaired it: its reading is kept
        payload, found = cut(kept, ids=ids)
        taken |= found
    return payload, piece.content, taken


def _without_copies(raw: bytes, content: Any) -> bytes:
    """JSON without personal content, encoded again if an object has a name twice: only one of them was searched."""
    return written(content) if json.has_name_twice(raw) else raw


def cut(content: Any, *, ids: str = "") -> tuple[bytes, dict[str, Any]]:
    """Remove the personal data from an order; returns its JSON without that data, and the data by its place.

    ``content`` is changed. Entries of a list are named by the member ``ids``, or else by their position from 0.
    """
    taken: dict[str, Any] = {}
    for holder, key, place in list(_found(content, ids)):
        taken[_unused(_path_of(place), taken)] = holder[key]
        if type(holder) is dict:
            del holder[key]
        else:
            holder[key] = None  # so that the positions of later entries do not change
    return written(content), taken


def written(content: Any) -> bytes:
    """The JSON of an order that was read exactly."""
    return _ENCODER.encode(content)


def _found(content: Any, ids: str) -> Iterator[_Hit]:
    """Every personal value that is not inside another one; without recursion, since JSON may be deep."""
    waiting: list[_Waiting] = [(content, None, _NONE)]
    hits: list[_Hit] = []
    while waiting:
        value, place, meaning = waiting.pop()
        if type(value) is dict:
            _search_object(value, place, meaning, waiting, hits)
        elif type(value) is list:
            _search_list(value, place, meaning, waiting, hits, ids=ids)
        if hits:
            yield from hits
            hits.clear()


def _search_object(
    value: dict[str, Any], place: _Place, around: _Meaning, waiting: list[_Waiting], hits: list[_Hit]
) -> None:
    is_mixed = around is _MIXED
    for name, inner in value.items():
        meaning, kind = _MEANINGS[name], type(inner)
        if meaning is _PERSONAL or (is_mixed and meaning is not _FACT):
            pass  # a hit, whatever its value is
        elif kind is str and meaning is _NONE:  # nearly every member
            if inner[:1] not in _OPENING or not _is_json_with_personal(inner):
                continue
        elif kind is dict or kind is list:
            if meaning is not _SELLERS:
                waiting.append((inner, (place, name), meaning))
            continue
        elif not _is_personal_scalar(inner, meaning):
            continue
        hits.append(_Hit(value, name, (place, name)))


def _search_list(
    value: list[Any], place: _Place, meaning: _Meaning, waiting: list[_Waiting], hits: list[_Hit], *, ids: str
) -> None:
    for position, entry in enumerate(value):
        kind = type(entry)
        if kind is dict or kind is list:
            name = entry.get(ids) if kind is dict else None
            waiting.append((entry, (place, name if type(name) is str else str(position)), meaning))
        elif _is_personal_scalar(entry, meaning):
            hits.append(_Hit(value, position, (place, str(position))))


def _path_of(place: _Place) -> str:
    names: list[str] = []
    while place is not None:
        place, name = place
        names.append(name)
    return ".".join(reversed(names))


def _is_personal_scalar(value: Any, meaning: _Meaning) -> bool:
    """Whether text or a number stands in the place of an object, or text is JSON with personal data."""
    if meaning in _OBJECTS and value is not None and type(value) is not bool and value != "":
        return True
    return type(value) is str and _is_json_with_personal(value)


def _is_json_with_personal(value: str) -> bool:
    """Whether text is JSON with personal data, as in replies that were wrapped or nested too deep to read."""
    if value[:1] not in _OPENING or not value.lstrip().startswith(("{", "[")):
        return False
    raw = value.encode("utf-8", "replace")
    content = json.exact(raw)
    return holds_personal(content) or json.has_name_twice(raw) if _is_json(content) else _names_personal(value)


def _is_json(content: Any) -> bool:
    """Whether a text was decoded to an object or a list."""
    return type(content) is dict or type(content) is list


def _names_personal(text: str) -> bool:
    """Whether text that cannot be decoded contains the name of a personal member."""
    return any(is_personal(name) for name in _NAMES_IN_TEXT.findall(text))


_OPENING = "{[ \t\r\n\f\v\x1c\x1d\x1e\x1f\x85\xa0\ufeff"
_NAMES_IN_TEXT = re.compile(r'"([^"\\]*)\\*"\s*:')


def _as_written(value: Any) -> Any:
    """A number beyond any type of Python's, unchanged."""
    if isinstance(value, KeptNumber):
        return msgspec.Raw(str(value).encode())
    raise TypeError(f"JSON cannot carry a value of type {type(value).__name__}")


_ENCODER = msgspec.json.Encoder(decimal_format="number", enc_hook=_as_written)


def _unused(place: str, taken: dict[str, Any]) -> str:
    """A place that is not used yet: two entries of a list may have the same id."""
    while place in taken:
        place = f"{place} {len(taken)}"
    return place

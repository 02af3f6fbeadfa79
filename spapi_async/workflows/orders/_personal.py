"""What of an order is personal data, and how it is cut out of the JSON that is kept. Pure.

Amazon's data protection policy allows personal data to be kept for 30 days after delivery and only encrypted, so it is
stored apart from the order, or not at all. It is found by the names of members, at any depth and however they are
written: what the data sets BUYER, RECIPIENT, TAX and PAYMENT bring, and what customers wrote themselves (gift messages,
customisation, why they cancel), in Orders 2026-01-01 and in Orders v0. A rule that knew the places alone would let
through whatever Amazon moves, wraps in a list, or adds beside them.

Where one of the objects that lead to such a member is text or a number instead, that may be what the member would have
said, and goes too; of an object that holds what a customer wrote, all goes but the facts that are known. The address
that a seller ships from is the seller's own and stays.
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
"""Of Orders 2026-01-01: what brings personal data and so needs somewhere to keep it."""

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
_LEADING_NAMES = frozenset(
    {"orderitems", "product", "fulfillment", "packing", "cancellation", "cancellationrequest", "cancellationexecution"}
)
"""Members that are objects, or lists of them, on the way to personal data."""
_WORDS_NAMES = frozenset({"giftoption", "buyerrequestedcancel"})
"""The same, with what a customer wrote beside facts."""
_FACT_NAMES = frozenset({"giftwraplevel", "isbuyerrequestedcancel"})
_NO_LETTER = re.compile(r"[\W_]+", re.ASCII)


class Piece(msgspec.Struct, frozen=True):
    """One order or item of a reply.

    Attributes:
        raw: its JSON, mended where it had to be.
        content: the same as plain values, by Amazon's names; None where it is not an object at all.
        mended: whether ``content`` is what the model's reader made of it, members that the model has not left out.
    """

    raw: bytes
    content: Any
    mended: bool = False

    def __repr__(self) -> str:
        return f"<Piece of {len(self.raw)} bytes>"  # an order holds personal data


_Place = tuple[Any, str] | None
"""The place of a value: that of what holds it, and its name there; text is made of those that are asked for."""


class _Meaning(enum.Enum):
    """What a member's name says of its value."""

    NONE = enum.auto()
    PERSONAL = enum.auto()
    LEADING = enum.auto()
    WORDS = enum.auto()
    FACT = enum.auto()
    OWN = enum.auto()


_NONE, _PERSONAL, _LEADING, _WORDS, _FACT, _OWN = _Meaning
_ON_THE_WAY = (_LEADING, _WORDS)
_Waiting = tuple[Any, _Place, _Meaning]


class _Meanings(dict[str, _Meaning]):
    """Meanings by name: a name is read once, unless a reply has thousands of them."""

    def __missing__(self, name: str) -> _Meaning:
        meaning = _meaning(_NO_LETTER.sub("", unicodedata.normalize("NFKC", name).casefold()))
        if len(self) < _MOST_NAMES:
            self[name] = meaning
        return meaning


def _meaning(plain: str) -> _Meaning:
    if _SELLERS_OWN.fullmatch(plain):
        return _OWN
    if _PERSONAL_NAME.fullmatch(plain):
        return _PERSONAL
    for names, meaning in ((_LEADING_NAMES, _LEADING), (_WORDS_NAMES, _WORDS), (_FACT_NAMES, _FACT)):
        if plain in names:
            return meaning
    return _NONE


_MEANINGS = _Meanings()
_MOST_NAMES = 4096


class _Hit(NamedTuple):
    """A value that is personal: what holds it, under which key, and where it stands."""

    holder: Any
    key: Any
    place: _Place


def is_personal(name: str) -> bool:
    """Whether what a member or a column of this name holds is personal data, however the name is written."""
    return _MEANINGS[name] is _PERSONAL


def holds_personal(content: Any) -> bool:
    """Whether anything in a JSON value is personal data."""
    return next(_found(content, ""), None) is not None


def without_personal(piece: Piece, *, ids: str = "") -> tuple[bytes, Any, dict[str, Any]]:
    """An order's or item's JSON and content without personal data, and that data by the place where it stood."""
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
    if in_text:  # else the reader found it elsewhere and mended that: what it read is kept
        payload, found = cut(kept, ids=ids)
        taken |= found
    return payload, piece.content, taken


def _without_copies(raw: bytes, content: Any) -> bytes:
    """JSON whose content is not personal: written anew where an object has a name twice, for only one was looked at."""
    return written(content) if json.has_name_twice(raw) else raw


def cut(content: Any, *, ids: str = "") -> tuple[bytes, dict[str, Any]]:
    """Take the personal data out of an order; its JSON without them, and they by the place where they stood.

    ``content`` is changed. Entries of a list are named by the member ``ids``, or else by their position from 0.
    """
    taken: dict[str, Any] = {}
    for holder, key, place in list(_found(content, ids)):
        taken[_free(_in_words(place), taken)] = holder[key]
        if type(holder) is dict:
            del holder[key]
        else:
            holder[key] = None  # the entries after it stay where they are
    return written(content), taken


def written(content: Any) -> bytes:
    """The JSON of an order that was read exactly."""
    return _ENCODER.encode(content)


def _found(content: Any, ids: str) -> Iterator[_Hit]:
    """Every value that is personal, none of them within another; without recursion, for JSON may be deep."""
    waiting: list[_Waiting] = [(content, None, _NONE)]
    while waiting:
        value, place, meaning = waiting.pop()
        if type(value) is dict:
            yield from _of_object(value, place, meaning, waiting)
        elif type(value) is list:
            yield from _of_list(value, place, meaning, ids, waiting)


def _of_object(value: dict[str, Any], place: _Place, around: _Meaning, waiting: list[_Waiting]) -> Iterator[_Hit]:
    for name, inner in value.items():
        meaning, kind = _MEANINGS[name], type(inner)
        if meaning is _PERSONAL or (around is _WORDS and meaning is not _FACT):
            yield _Hit(value, name, (place, name))
        elif kind is dict or kind is list:
            if meaning is not _OWN:
                waiting.append((inner, (place, name), meaning))
        elif (meaning in _ON_THE_WAY and _says_something(inner)) or (kind is str and _hides(inner)):
            yield _Hit(value, name, (place, name))


def _of_list(value: list[Any], place: _Place, meaning: _Meaning, ids: str, waiting: list[_Waiting]) -> Iterator[_Hit]:
    for position, entry in enumerate(value):
        kind = type(entry)
        if kind is dict or kind is list:
            name = entry.get(ids) if kind is dict else None
            waiting.append((entry, (place, name if type(name) is str else str(position)), meaning))
        elif (meaning in _ON_THE_WAY and _says_something(entry)) or (kind is str and _hides(entry)):
            yield _Hit(value, position, (place, str(position)))


def _in_words(place: _Place) -> str:
    names: list[str] = []
    while place is not None:
        place, name = place
        names.append(name)
    return ".".join(reversed(names))


def _says_something(value: Any) -> bool:
    """Whether what stands in the place of an object is text or a number."""
    return value is not None and type(value) is not bool and value != ""


def _hides(value: str) -> bool:
    """Whether text is the JSON of something personal: so replies come that were wrapped, or nested too deep to read."""
    if value[:1] not in _OPENING or not value.lstrip().startswith(("{", "[")):
        return False
    raw = value.encode("utf-8", "replace")
    content = json.exact(raw)
    return holds_personal(content) or json.has_name_twice(raw) if _is_json(content) else _names_personal(value)


def _is_json(content: Any) -> bool:
    """Whether a reader made more of it than text."""
    return type(content) is dict or type(content) is list


def _names_personal(text: str) -> bool:
    """Whether text that cannot be read has the name of a member that is personal."""
    return any(is_personal(name) for name in _NAMES_IN_TEXT.findall(text))


_OPENING = "{[ \t\r\n\f\v\x1c\x1d\x1e\x1f\x85\xa0\ufeff"
_NAMES_IN_TEXT = re.compile(r'"([^"\\]*)\\*"\s*:')


def _as_written(value: Any) -> Any:
    """A number beyond any type of Python's, as it came."""
    if isinstance(value, KeptNumber):
        return msgspec.Raw(str(value).encode())
    raise TypeError(f"JSON cannot carry a value of type {type(value).__name__}")


_ENCODER = msgspec.json.Encoder(decimal_format="number", enc_hook=_as_written)


def _free(place: str, taken: dict[str, Any]) -> str:
    """A place that is not taken yet: two entries of a list may have one id."""
    while place in taken:
        place = f"{place} {len(taken)}"
    return place

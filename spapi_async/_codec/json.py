"""JSON at its edges: bodies as Amazon reads them, models as Amazon writes them, and what only just fails to be JSON."""

from __future__ import annotations

import contextlib
import json
import math
import re
import types
import typing
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import msgspec

from spapi_async._codec.mending import mend, refuse_constant
from spapi_async._core.wire import KeptNumber, Model, Number

__all__ = ["encode", "exact", "has_name_twice", "parse", "plain", "plain_decimal", "to_json"]

Decimals = Literal["string", "number"]


def encode(value: Any, *, decimals: Decimals = "string") -> bytes:
    """A request body as JSON.

    ``decimals`` says how a Decimal is written: Amazon's models use JSON strings in most APIs and JSON numbers in some.
    Mappings and sequences pass through untouched.

    Raises:
        TypeError, ValueError: a value that JSON cannot carry (its type is named, never the value).
    """
    body = _ENCODERS[decimals].encode(value)
    if re.search(_SUSPICIOUS, body):
        body = msgspec.json.encode(_checked(_builtins(value), decimals))
    return body


def plain_decimal(value: Decimal) -> str:
    """``Decimal("1E+5")`` as ``100000``: Amazon's money fields take digits only.

    Raises:
        ValueError: not a finite number.
    """
    if not value.is_finite():
        raise ValueError("a Decimal must be a finite number")
    return format(value, "f")


def _hook(value: Any) -> Any:
    """What msgspec does not encode by itself."""
    if isinstance(value, KeptNumber):
        return msgspec.Raw(str(value).encode())
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, AbstractSet):
        return list(value)
    raise TypeError(f"JSON cannot carry a value of type {type(value).__name__}")


_ENCODERS: Mapping[Decimals, msgspec.json.Encoder] = {
    "string": msgspec.json.Encoder(enc_hook=_hook, decimal_format="string"),
    "number": msgspec.json.Encoder(enc_hook=_hook, decimal_format="number"),
}

# msgspec writes Decimals as Python does ("1E+5", "NaN") and datetimes without zone as they are. The like may stand in
# an ordinary string too, so a match only sends the body round the slower way, which tells them apart by type. A float
# that is not a number it writes as null, which deletes a price.
_SUSPICIOUS = rb"null|[0-9]E[+-]?[0-9]|NaN|Infinity|T[0-9]{2}:[0-9]{2}:[0-9.]+\""


def _builtins(value: Any) -> Any:
    return msgspec.to_builtins(value, builtin_types=(Decimal, datetime, date), enc_hook=_hook)


def _checked(value: Any, decimals: Decimals) -> Any:
    """The same with plainly written Decimals; ValueError where a number or a time means nothing to Amazon."""
    if isinstance(value, Decimal):
        text = plain_decimal(value)
        return msgspec.Raw(text.encode()) if decimals == "number" else text
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a float must be a finite number: in JSON the others would be null")
    if isinstance(value, datetime) and value.utcoffset() is None:
        raise ValueError("a datetime without a zone could mean any of 24 hours; give it a tzinfo")
    if isinstance(value, dict):
        return {key: _checked(item, decimals) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_checked(item, decimals) for item in value]
    return value


# --- models as Amazon writes them -------------------------------------------------------------------------------------


def to_json(value: Any) -> bytes:
    """A reply's struct, or a list or mapping of such, as the JSON that Amazon writes for it.

    Amazon's names; a decimal is a JSON number or a JSON string as the model says; what is None is left out where the
    model allows that; times end in ``Z`` or their offset and have no fraction or milliseconds, as in Amazon's replies.
    Keys that the model does not know are in ``Response.raw`` alone.

    Raises:
        TypeError: something that JSON cannot carry, or no reply (its type is named, never the value).
    """
    if isinstance(value, msgspec.Struct) and not isinstance(value, Model):
        raise TypeError(
            f"to_json writes what Amazon sent, not a {type(value).__name__}; of a Response that is its body"
        )
    if isinstance(value, list | tuple):
        return b"[%b]" % b",".join(map(to_json, value))
    if isinstance(value, Mapping):
        return msgspec.json.encode({key: msgspec.Raw(to_json(item)) for key, item in value.items()})
    model: Any = type(value)
    forms = _decimal_forms(model)
    if len(forms) < 2:
        # Nearly always: one encoder of msgspec's writes the whole.
        form: Decimals = next(iter(forms), "string")
        body = _ENCODERS[form].encode(value)
        if not any(re.search(pattern, body) for pattern in _UNLIKE_AMAZON[form]):
            return body
    return _ENCODERS["string"].encode(_written(value, _ANYWHERE))


# msgspec writes microseconds where a time has a fraction, 0.0000001 as 1E-7, and NaN as a number. An ordinary string
# that matches costs time and changes nothing. A pattern that begins with a letter is found by that letter, some twenty
# times faster than a pattern of alternatives: hence a search for each.
_UNLIKE_STRINGS = (rb"\.[0-9]{3}000[Z+\-\"]", rb"E-(?<=[0-9]E-)[0-9]")
_UNLIKE_AMAZON: Mapping[Decimals, tuple[bytes, ...]] = {
    "string": _UNLIKE_STRINGS,
    "number": (*_UNLIKE_STRINGS, rb"NaN", rb"Infinity"),
}


class _Place(NamedTuple):
    """What the model says of a value by the place where it stands.

    ``number``: a Decimal here is a JSON number. ``inner``: the declared type of what the list or map here holds.
    """

    number: bool = False
    inner: Any = Any


_ANYWHERE = _Place()


@lru_cache(maxsize=16384)
def _place(declared: Any) -> _Place:
    if declared == Number:
        return _Place(number=True)
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if origin is typing.Annotated:
        return _place(arguments[0])
    if origin in (typing.Union, types.UnionType):
        places = [_place(alternative) for alternative in arguments]
        return next((place for place in places if place != _ANYWHERE), _ANYWHERE)
    return _Place(inner=arguments[-1]) if origin in (list, dict) else _ANYWHERE


@lru_cache(maxsize=4096)
def _fields(model: type[Model]) -> tuple[tuple[str, str, bool, _Place], ...]:
    """Name, Amazon's name, whether it may be left out, and place of each field."""
    fields = msgspec.structs.fields(model)
    return tuple([(field.name, field.encode_name, not field.required, _place(field.type)) for field in fields])


@lru_cache(maxsize=4096)
def _decimal_forms(declared: Any) -> frozenset[Decimals]:
    """How decimals are written in values of a model: Amazon's have one form so far, if any, and may have both."""
    forms: set[Decimals] = set()
    seen: set[Any] = set()
    waiting = [declared]
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        if each == Number:
            forms.add("number")
        elif each is Decimal:
            forms.add("string")
        elif isinstance(each, type) and issubclass(each, msgspec.Struct):
            waiting += [field.type for field in msgspec.structs.fields(each)]
        else:
            waiting += typing.get_args(each)
    return frozenset(forms)


def _written(value: Any, place: _Place) -> Any:
    """The same in plain dicts and lists, each decimal and time as Amazon writes it in that place."""
    if isinstance(value, Model):
        return {
            key: _written(item, place)
            for name, key, optional, place in _fields(type(value))
            if (item := getattr(value, name)) is not None or not optional
        }
    if isinstance(value, list | dict):
        if place.inner is Any:  # JSON of any shape and depth, kept as it came
            return value
        inner = _place(place.inner)
        if isinstance(value, list):
            return [_written(item, inner) for item in value]
        return {key: _written(item, inner) for key, item in value.items()}
    if isinstance(value, Decimal) and not isinstance(value, KeptNumber) and value.is_finite():
        text = _digits(value)
        return msgspec.Raw(text.encode()) if place.number else text
    return _moment(value) if isinstance(value, datetime) else value


def _digits(value: Decimal) -> str:
    """Small amounts in digits, as Amazon writes them; an exponent that Amazon itself must have written stays one."""
    places = -value.as_tuple().exponent  # type: ignore[operator] # of a finite number it is an int
    return format(value, "f") if 0 < places <= _MOST_PLACES else str(value)


_MOST_PLACES = 40  # whoever sends 1E-999999999 does not get a gigabyte of zeros


def _moment(value: datetime) -> str:
    fraction = value.microsecond
    text = value.isoformat(timespec="auto" if fraction == 0 or fraction % 1000 else "milliseconds")
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


# --- replies ----------------------------------------------------------------------------------------------------------


def parse(body: bytes) -> Any:
    """A reply as plain dicts and lists, read as forgivingly as the lenient decoder reads it.

    Raises:
        ValueError: not JSON.
    """
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return _whole(mend(body)[0])


def plain(raw: bytes) -> Any:
    """A piece of a mended reply as plain values: numbers exactly, and as text where no type of Python's holds them."""
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return _slowly(raw)


def exact(raw: bytes) -> Any:
    """The same, with every fraction as a Decimal: amounts are sent as numbers here and there."""
    try:
        return _DECIMALS.decode(raw)
    except (ValueError, ArithmeticError, RecursionError):
        return _slowly(raw)


def has_name_twice(raw: bytes) -> bool:
    """Whether an object in it has two members of one name: readers see the last one, and the text holds both."""
    found = False

    def look(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or len({name for name, _ in pairs}) < len(pairs)

    with contextlib.suppress(ValueError, RecursionError):
        json.JSONDecoder(object_pairs_hook=look, parse_int=len, parse_float=len).decode(raw.decode())
    return found


def _slowly(raw: bytes) -> Any:
    try:
        return _whole(raw)
    except (ValueError, RecursionError):
        return raw.decode("utf-8", "replace")


def _integer(text: str) -> Any:
    return int(text) if len(text) <= _DIGITS else KeptNumber(text)


def _fraction(text: str) -> Any:
    """A number exactly; as text where its exponent is beyond any type."""
    try:
        return KeptNumber(text)
    except ArithmeticError:
        return text


_DIGITS = 400
"""Digits of a whole number that is still an int; Python itself refuses 4,300."""


def _whole(body: bytes) -> Any:
    return _EXACT_READER.decode(body.decode())


_EXACT_READER = json.JSONDecoder(parse_int=_integer, parse_float=_fraction, parse_constant=refuse_constant)
_DECIMALS = msgspec.json.Decoder(float_hook=Decimal)

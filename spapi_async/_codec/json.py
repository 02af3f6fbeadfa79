"""Writes JSON as Amazon reads it, models as Amazon writes them, and reads replies that are not quite JSON."""

from __future__ import annotations

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

    Raises:
        TypeError, ValueError: a value has no form in JSON; the message names its type and does not show it.
    """
    body = _ENCODERS[decimals].encode(value)
    if re.search(_UNLIKE_REQUESTS, body):
        plain = msgspec.to_builtins(value, builtin_types=(Decimal, datetime, date), enc_hook=_hook)
        body = msgspec.json.encode(_checked(plain, decimals))
    return body


def plain_decimal(value: Decimal) -> str:
    """``Decimal("1E+5")`` as ``100000``: Amazon's money fields accept digits only.

    Raises:
        ValueError: not a finite number.
    """
    if not value.is_finite():
        raise ValueError(f"a Decimal must be a finite number, not {value}")
    return format(value, "f")


def _hook(value: Any) -> Any:
    """Convert a value of a type that msgspec does not encode by itself."""
    if isinstance(value, KeptNumber):
        return msgspec.Raw(str(value).encode())
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, AbstractSet):
        return list(value)
    raise TypeError(f"a value of type {type(value).__name__} cannot be written as JSON")


_ENCODERS: Mapping[Decimals, msgspec.json.Encoder] = {
    "string": msgspec.json.Encoder(enc_hook=_hook, decimal_format="string"),
    "number": msgspec.json.Encoder(enc_hook=_hook, decimal_format="number"),
}

# msgspec writes Decimals as Python does ("1E+5", "NaN"), datetimes without a zone as they are, and floats that are not
# finite as null, which deletes a price. An ordinary string may contain the same characters, so a match only leads to
# the slower encoding, which distinguishes values by type.
_UNLIKE_REQUESTS = rb"null|[0-9]E[+-]?[0-9]|NaN|Infinity|T[0-9]{2}:[0-9]{2}:[0-9.]+\""


def _checked(value: Any, decimals: Decimals) -> Any:
    """The same with Decimals written in digits.

    Raises:
        ValueError: a Decimal is not finite, or a datetime has no zone.
    """
    if isinstance(value, Decimal):
        text = plain_decimal(value)
        return msgspec.Raw(text.encode()) if decimals == "number" else text
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a float must be a finite number: in JSON the others would be null")
    if isinstance(value, datetime) and value.utcoffset() is None:
        raise ValueError("a datetime without a zone is ambiguous: give it a tzinfo")
    if isinstance(value, dict):
        return {key: _checked(item, decimals) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_checked(item, decimals) for item in value]
    return value


# --- models as Amazon writes them -------------------------------------------------------------------------------------


def to_json(value: Any) -> bytes:
    """The struct of a reply, or a list or mapping of such structs, as the JSON that Amazon writes for it.

    Names are Amazon's. A decimal is a JSON number or a JSON string, as the model says. Fields that are None are left
    out if the model allows it. Times end in ``Z`` or their offset; a fraction is written as milliseconds, as in
    Amazon's replies, unless it is finer. Keys that the model does not know are only in ``Response.raw``.

    Raises:
        TypeError: the value is not part of a reply, or has no form in JSON; the message names its type, not its value.
    """
    if isinstance(value, msgspec.Struct) and not isinstance(value, Model):
        raise TypeError(f"to_json takes what Amazon sent, such as response.body, not a {type(value).__name__}")
    if isinstance(value, list | tuple):
        return b"[%b]" % b",".join(map(to_json, value))
    if isinstance(value, Mapping):
        return msgspec.json.encode({key: msgspec.Raw(to_json(item)) for key, item in value.items()})
    model: Any = type(value)
    forms = _decimal_forms(model)
    if len(forms) < 2:
        # Nearly always one of msgspec's encoders can write the whole value.
        form: Decimals = next(iter(forms), "string")
        body = _ENCODERS[form].encode(value)
        if not any(re.search(pattern, body) for pattern in _UNLIKE_AMAZON[form]):
            return body
    return _ENCODERS["string"].encode(_written(value, _ANYWHERE))


# msgspec writes a time's fraction as microseconds, 0.0000001 as 1E-7, and NaN as a number. An ordinary string that
# matches costs time but changes nothing. A pattern that begins with a fixed character is found some twenty times
# faster than a pattern of alternatives, so each is searched for separately.
_UNLIKE_STRINGS = (rb"\.[0-9]{3}000[Z+\-\"]", rb"E-(?<=[0-9]E-)[0-9]")
_UNLIKE_AMAZON: Mapping[Decimals, tuple[bytes, ...]] = {
    "string": _UNLIKE_STRINGS,
    "number": (*_UNLIKE_STRINGS, rb"NaN", rb"Infinity"),
}


class _Place(NamedTuple):
    """What the model says about the value in one place, beyond the value's own type.

    ``number``: a Decimal here is a JSON number. ``inner``: the declared type of the items of the list or map here.
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
    """For each field: its name, Amazon's name, whether it may be left out, and its place."""
    fields = msgspec.structs.fields(model)
    return tuple([(field.name, field.encode_name, not field.required, _place(field.type)) for field in fields])


@lru_cache(maxsize=4096)
def _decimal_forms(declared: Any) -> frozenset[Decimals]:
    """The forms of decimals in a model. Each of Amazon's models has at most one form so far, but may have both."""
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
    """The same as plain dicts and lists, with each decimal and time as Amazon writes it in that place."""
    if isinstance(value, Model):
        return {
            key: _written(item, place)
            for name, key, optional, place in _fields(type(value))
            if (item := getattr(value, name)) is not None or not optional
        }
    if isinstance(value, list | dict):
        if place.inner is Any:  # free-form JSON
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
    """A fraction in digits, as Amazon writes it; another exponent stays, since Amazon itself must have written it."""
    places = -value.as_tuple().exponent  # type: ignore[operator] # the exponent of a finite number is an int
    return format(value, "f") if 0 < places <= _MOST_PLACES else str(value)


_MOST_PLACES = 40
"""Decimal places that are written in digits: 1E-999999999 would be a gigabyte of zeros."""


def _moment(value: datetime) -> str:
    fraction = value.microsecond
    text = value.isoformat(timespec="auto" if fraction == 0 or fraction % 1000 else "milliseconds")
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


# --- replies ----------------------------------------------------------------------------------------------------------


def parse(body: bytes) -> Any:
    """A reply as plain dicts and lists, with the same tolerance as the lenient decoder.

    Raises:
        ValueError: not JSON.
    """
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return _whole(mend(body)[0])


def plain(raw: bytes) -> Any:
    """A piece of a mended reply as plain values; numbers beyond any type of Python's become text."""
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return _whole_or_text(raw)


def exact(raw: bytes) -> Any:
    """The same, with every fraction as a Decimal, because some APIs send amounts as JSON numbers."""
    try:
        return _DECIMALS.decode(raw)
    except (ValueError, ArithmeticError, RecursionError):
        return _whole_or_text(raw)


def has_name_twice(raw: bytes) -> bool:
    """Whether an object in it has two members of one name: decoders keep only the last, but the text contains both."""
    try:
        _NAMES.decode(raw.decode())
    except _NameTwiceError:
        return True
    except (ValueError, RecursionError):
        pass  # a text that no decoder reads
    return False


class _NameTwiceError(Exception):
    """An object has two members of one name."""


def _look_at_names(members: list[tuple[str, Any]]) -> None:
    if len(dict(members)) < len(members):
        raise _NameTwiceError


_NAMES = json.JSONDecoder(object_pairs_hook=_look_at_names, parse_int=len, parse_float=len)


def _whole_or_text(raw: bytes) -> Any:
    try:
        return _whole(raw)
    except (ValueError, RecursionError):
        return raw.decode("utf-8", "replace")


def _integer(text: str) -> Any:
    return int(text) if len(text) <= _MOST_INT_DIGITS else KeptNumber(text)


def _fraction(text: str) -> Any:
    """The number exactly, or its text if no type can hold its exponent."""
    try:
        return KeptNumber(text)
    except ArithmeticError:
        return text


_MOST_INT_DIGITS = 400
"""Digits of a whole number up to which it becomes an int; Python itself refuses more than 4,300."""


def _whole(body: bytes) -> Any:
    return _EXACT_READER.decode(body.decode())


_EXACT_READER = json.JSONDecoder(parse_int=_integer, parse_float=_fraction, parse_constant=refuse_constant)
_DECIMALS = msgspec.json.Decoder(float_hook=Decimal)

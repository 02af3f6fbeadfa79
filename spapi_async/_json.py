"""JSON at its edges: request bodies as Amazon reads them, and replies that only just fail to be JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

__all__ = ["encode", "mend", "parse", "plain_decimal"]

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
# an ordinary string too, so a match only sends the body round the slower way, which tells them apart by type.
_SUSPICIOUS = rb"[0-9]E[+-]?[0-9]|NaN|Infinity|T[0-9]{2}:[0-9]{2}:[0-9.]+\""


def _builtins(value: Any) -> Any:
    return msgspec.to_builtins(value, builtin_types=(Decimal, datetime, date), enc_hook=_hook)


def _checked(value: Any, decimals: Decimals) -> Any:
    """The same with plainly written Decimals; ValueError where a number or a time means nothing to Amazon."""
    if isinstance(value, Decimal):
        text = plain_decimal(value)
        return msgspec.Raw(text.encode()) if decimals == "number" else text
    if isinstance(value, datetime) and value.utcoffset() is None:
        raise ValueError("a datetime without a zone could mean any of 24 hours; give it a tzinfo")
    if isinstance(value, dict):
        return {key: _checked(item, decimals) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_checked(item, decimals) for item in value]
    return value


def parse(body: bytes) -> Any:
    """A reply as plain dicts and lists, read as forgivingly as the lenient decoder reads it.

    Raises:
        ValueError: not JSON.
    """
    try:
        return msgspec.json.decode(body)
    except ValueError:
        return msgspec.json.decode(mend(body.decode("utf-8-sig", "replace").encode()))


def mend(body: bytes) -> bytes:
    """Raw control characters and halves of surrogate pairs are repaired; what is still not JSON raises ValueError."""
    content = json.loads(body, strict=False, parse_float=Decimal, parse_constant=_refuse_constant)
    return _EXACT.encode(_mended(content))


def _mended(content: Any) -> Any:
    if isinstance(content, str):
        return content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(content, dict):
        return {_mended(key): _mended(value) for key, value in content.items()}
    return [_mended(value) for value in content] if isinstance(content, list) else content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_EXACT = msgspec.json.Encoder(decimal_format="number")

"""Writes one value as text in Amazon's notation, and percent-encodes text for a URL."""

from __future__ import annotations

import enum
import math
import string
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from spapi_async._codec import json

__all__ = ["UnsendableError", "calendar_date", "quoted", "text_of", "type_name"]


class UnsendableError(ValueError):
    """A value cannot be sent; the message continues after the argument's name, which the builder adds."""


def text_of(value: Any) -> str:
    """A scalar in Amazon's notation, not yet percent-encoded."""
    write = _WRITERS.get(type(value))
    if write is not None:
        return write(value)
    if isinstance(value, enum.Enum):
        return text_of(value.value)
    for kind, write in _WRITERS.items():
        if isinstance(value, kind):
            return write(value)
    raise UnsendableError(f"takes a single value, not {type_name(value)}")


def _boolean(value: bool) -> str:  # noqa: FBT001 - it is the value
    return "true" if value else "false"


def _timestamp(value: datetime) -> str:
    if value.utcoffset() is None:
        raise UnsendableError(
            "is a datetime without a zone, which is ambiguous; "
            "give it one, for example datetime(..., tzinfo=timezone.utc) or value.astimezone()"
        )
    try:
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    except OverflowError:
        raise UnsendableError(f"is {value.isoformat()}, which is beyond the calendar in UTC") from None


def _decimal(value: Decimal) -> str:
    if not value.is_finite():
        raise UnsendableError(f"is {value}, not a finite number")
    return json.plain_decimal(value)


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise UnsendableError(f"is {value}, not a finite number")
    return format(Decimal(repr(value)), "f")


# In this order for isinstance: bool is an int, and a datetime is a date.
_WRITERS: dict[type, Callable[[Any], str]] = {
    str: str,
    bool: _boolean,
    int: int.__repr__,
    datetime: _timestamp,
    date: date.isoformat,
    Decimal: _decimal,
    float: _float,
}


def calendar_date(value: Any) -> str:
    """The text of a date; a datetime gives its day in its own time zone."""
    return text_of(value.date() if isinstance(value, datetime) else value)


def type_name(value: Any) -> str:
    """The name of a value's type, for messages."""
    return "None" if value is None else type(value).__name__


def quoted(text: str) -> str:
    """Every byte outside RFC 3986's unreserved set as ``%XX``."""
    if not text.strip(_UNRESERVED):
        return text
    if text.isascii():
        return text.translate(_ESCAPES)
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise UnsendableError("contains half of a surrogate pair, which cannot be encoded as UTF-8") from None


_UNRESERVED = string.ascii_letters + string.digits + "-._~"


_ESCAPES = {code: f"%{code:02X}" for code in range(128) if chr(code) not in _UNRESERVED}

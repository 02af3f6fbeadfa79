"""Converts scalars in another form: ``"5"`` for 5, ``"true"`` for true, times without seconds, zone or hours.

Ambiguous values are not converted: a number of seconds does not become a time, nor ``"yes"`` true.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

__all__ = ["CONVERTERS", "Convert"]

Convert = Callable[[str, str], tuple[Any, str]]
"""Takes a value's text and its kind in JSON; returns the converted value and the name of the violation.

Raises ValueError if the text is not a value of the type.
"""


def _to_string(text: str, kind: str) -> tuple[str, str]:
    return text, kind


def _to_boolean(text: str, kind: str) -> tuple[bool, str]:
    folded = text.strip().lower()
    if folded not in _BOOLEANS:
        raise ValueError("not a boolean")
    return _BOOLEANS[folded], kind


_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def _to_integer(text: str, kind: str) -> tuple[int, str]:
    number = _to_decimal(text, kind)[0]
    if number != number.to_integral_value() or number.adjusted() > 40:
        raise ValueError("not an integer")
    return int(number), kind


def _to_number(text: str, kind: str) -> tuple[float, str]:
    number = float(_to_decimal(text, kind)[0])
    if number in (float("inf"), float("-inf")):
        raise ValueError("out of range")
    return number, kind


def _to_decimal(text: str, kind: str) -> tuple[Decimal, str]:
    if not re.fullmatch(_DECIMAL, text.strip()):
        raise ValueError("not a number")
    return Decimal(text.strip()), kind


def _to_datetime(text: str, kind: str) -> tuple[datetime, str]:
    if match := re.fullmatch(_JAVA_TIME, text):
        month, day_of_month, clock, year = match.groups()
        number = _MONTHS.index(month) // 3 + 1
        return datetime.fromisoformat(f"{year}-{number:02}-{day_of_month}T{clock}+00:00"), kind
    day, hours, seconds, zone = _parse_time(text)
    moment = datetime.fromisoformat(f"{day}T{hours or '00:00'}{seconds or ':00'}{zone or '+00:00'}")
    if not hours:
        return moment, "date without time"
    if not zone:
        return moment, "time without zone"
    return moment, "time without seconds" if not seconds else kind


def _to_date(text: str, kind: str) -> tuple[date, str]:
    day, hours, _, _ = _parse_time(text)
    return date.fromisoformat(day), "date with time" if hours else kind


def _parse_time(text: str) -> tuple[str, str | None, str | None, str | None]:
    match = re.fullmatch(_TIME, text.strip())
    if not match:
        raise ValueError("not a time")
    day, hours, seconds, fraction, zone = match.groups()
    if seconds and fraction:
        seconds += "." + (fraction + "000000")[:6]
    if zone in ("Z", "z"):
        zone = "+00:00"
    return day, hours, seconds, zone


# Compiled when first needed: most processes never receive a body that breaks its model.
_DECIMAL = r"[+-]?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,4})?"
_DAY, _CLOCK = "([0-9]{4}-[0-9]{2}-[0-9]{2})", "([0-9]{2}:[0-9]{2})(?:(:[0-9]{2})(?:[.,]([0-9]+))?)?"
_TIME = f"{_DAY}(?:[Tt ]{_CLOCK})? ?([Zz]|[+-][0-9]{{2}}(?::?[0-9]{{2}})?)?"
# Product fees returns the time of an estimate in the format of Java's Date.toString().
_JAVA_TIME = "[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([0-9]{2}) ([0-9]{2}:[0-9]{2}:[0-9]{2}) (?:UTC|GMT) ([0-9]{4})"
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"

CONVERTERS: Mapping[Any, tuple[str, Convert]] = {
    str: ("string", _to_string),
    bool: ("boolean", _to_boolean),
    int: ("integer", _to_integer),
    float: ("number", _to_number),
    Decimal: ("decimal", _to_decimal),
    datetime: ("datetime", _to_datetime),
    date: ("date", _to_date),
}

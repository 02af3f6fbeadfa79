"""Numbers that are valid JSON but too large for PostgreSQL: they become text. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from spapi_async._codec import json
from spapi_async.workflows.orders._personal import written
from spapi_async.workflows.orders._rows import OrderRow

__all__ = ["OUT_OF_RANGE", "with_numbers_in_range"]

OUT_OF_RANGE = "22003"
"""PostgreSQL's SQLSTATE for a number beyond ``numeric``, of which ``jsonb`` is made."""

_MOST_DIGITS, _MOST_PLACES = 131_072, 16_383  # of numeric, before and after the point


def with_numbers_in_range(row: OrderRow) -> OrderRow:
    """The same order, with numbers beyond ``numeric`` as text."""
    items = tuple(msgspec.structs.replace(item, payload=_in_range(item.payload)) for item in row.items)
    return msgspec.structs.replace(row, payload=_in_range(row.payload), items=items)


def _in_range(payload: str) -> str:
    content = json.exact(payload.encode())
    fitting = _fitting(content)
    return payload if fitting == content else written(fitting).decode()


def _fitting(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _fitting(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_fitting(entry) for entry in value]
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        fits = isinstance(exponent, int) and value.adjusted() < _MOST_DIGITS and -exponent <= _MOST_PLACES
        return value if fits else str(value)
    return value

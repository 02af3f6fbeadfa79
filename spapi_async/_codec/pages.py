"""What a decoded page holds: its items, the token of its successor, or neither.

Replies break their models, so anything may be on the way to either: structs, plain dicts, what was kept as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from spapi_async._codec import json
from spapi_async._core.operation import Operation, Paging
from spapi_async.errors import DecodeError

__all__ = ["NO_TOKEN", "entries_of", "is_empty", "items_of", "next_token_of", "same_name", "why_no_page"]

NO_TOKEN = object()
"""Stands where a page has something else in the place of a token: it does not say that there is no next page."""


def items_of(page: Any, paging: Paging) -> tuple[Any, ...] | list[Any] | None:
    """The items of a page; None where it has no list of them.

    Where Amazon sends one object instead of a list (financial events), that is the one item.
    """
    items = _follow(page, paging.items_path)
    if isinstance(items, list | tuple):
        return items
    return (items,) if isinstance(items, msgspec.Struct | Mapping) else None


def entries_of(listed: Any, operation: Operation[Any]) -> list[Any]:
    """The entries of a list in a reply, where none may be left out.

    Raises:
        DecodeError: it is no list, or has an entry that is no object.
    """
    if not isinstance(listed, list) or not all(isinstance(each, msgspec.Struct) for each in listed):
        raise DecodeError("the reply lacks its list, or an entry of it is no object", operation=operation.name)
    return listed


def is_empty(items: tuple[Any, ...] | list[Any]) -> bool:
    """Whether a page has no items, or only the one object of which all lists are empty."""
    return not items or (isinstance(items, tuple) and not any(map(_content, items)))


def next_token_of(page: Any, paging: Paging) -> Any:
    """The token of the next page. Absent, null and empty all mean that there is none: None.

    ``NO_TOKEN`` where there is something, and it is no token.
    """
    token = _follow(page, paging.token_path)
    if token is None or (not token and isinstance(token, str | list | Mapping)):
        return None
    return token if isinstance(token, str) else NO_TOKEN


def why_no_page(body: bytes, known_keys: frozenset[str]) -> str | None:
    """What a reply without a list of items is, if it is not a page at all: not even an empty one."""
    if not body.strip():
        return "empty body"
    content = json.parse(body)
    if not isinstance(content, dict):
        return "no object"
    # Amazon's gateways answer in place of the API, now and then with a 200: {"message": "Internal failure"}.
    return "object of another kind" if content and known_keys.isdisjoint(content) else None


def same_name(wire_name: Any, name: str) -> bool:
    """Whether ``NextToken`` and ``next_token`` name the same."""
    return str(wire_name).lower() == name.replace("_", "").lower()


def _follow(value: Any, path: tuple[str, ...]) -> Any:
    """Down the attributes of a page."""
    for name in path:
        if isinstance(value, Mapping):
            value = next((item for key, item in value.items() if same_name(key, name)), None)
        elif isinstance(value, msgspec.Struct):
            value = getattr(value, name, None)
        elif value is None or (not value and isinstance(value, str | list)):
            return None  # "pagination": [] says as much as its absence
        else:
            return NO_TOKEN
    return value


def _content(item: Any) -> bool:
    values = item.values() if isinstance(item, Mapping) else (getattr(item, name) for name in item.__struct_fields__)
    return any(value is not None and value != [] for value in values)

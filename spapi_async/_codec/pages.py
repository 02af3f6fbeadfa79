"""Finds the items of a decoded page and the token of the next page.

Replies may break their models, so the path to either may lead through structs, plain dicts or values of any type.
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
"""The result if the token of a page is not a token: there may or may not be a next page."""


def items_of(page: Any, paging: Paging) -> tuple[Any, ...] | list[Any] | None:
    """The items of a page; None if it has no list of items.

    If Amazon sends one object instead of a list (financial events), that object is the only item.
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
    """Whether a page has no items, or only one object whose lists are all empty."""
    return not items or (isinstance(items, tuple) and not any(map(_has_content, items)))


def next_token_of(page: Any, paging: Paging) -> Any:
    """The token of the next page; None if it is absent, null or empty, ``NO_TOKEN`` if it is anything but a string."""
    token = _follow(page, paging.token_path)
    if token is None or (not token and isinstance(token, str | list | Mapping)):
        return None
    return token if isinstance(token, str) else NO_TOKEN


def why_no_page(body: bytes, known_keys: frozenset[str]) -> str | None:
    """Why a reply without a list of items is not a page; None if it is an empty page."""
    if not body.strip():
        return "it is empty"
    content = json.parse(body)
    if not isinstance(content, dict):
        return "it is not an object"
    # A gateway sometimes answers in place of the API, even with a 200: {"message": "Internal failure"}.
    return "it has none of a page's keys" if content and known_keys.isdisjoint(content) else None


def same_name(wire_name: Any, name: str) -> bool:
    """Whether two names are the same apart from their style: ``NextToken`` and ``next_token``."""
    return str(wire_name).lower() == name.replace("_", "").lower()


def _follow(value: Any, path: tuple[str, ...]) -> Any:
    """The value at a path of attributes; ``NO_TOKEN`` if something on the path cannot have attributes."""
    for name in path:
        if isinstance(value, Mapping):
            value = next((item for key, item in value.items() if same_name(key, name)), None)
        elif isinstance(value, msgspec.Struct):
            value = getattr(value, name, None)
        elif value is None or (not value and isinstance(value, str | list)):
            return None  # "pagination": [] means the same as its absence
        else:
            return NO_TOKEN
    return value


def _has_content(item: Any) -> bool:
    values = item.values() if isinstance(item, Mapping) else (getattr(item, name) for name in item.__struct_fields__)
    return any(value is not None and value != [] for value in values)

"""Reads the nodes of a model file; a node of another type than Swagger prescribes is an error with its JSON path."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

__all__ = [
    "ModelError",
    "below",
    "flag",
    "items",
    "members",
    "noting",
    "number",
    "refuse_deep",
    "refuse_infinite",
    "refuse_media",
    "refuse_unknown",
    "text",
]

_DEEPEST_FILE = 64
"""Levels of JSON in a file. Amazon's deepest has 21, and Python cannot parse an annotation with a hundred brackets."""


class ModelError(Exception):
    """A model file has something that the generator does not support; the message begins with its place."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")


@contextmanager
def noting(refused: list[ModelError], file: str) -> Iterator[None]:
    """Collect the error of a file that is refused in the block, so that the other files are still read."""
    try:
        yield
    except ModelError as problem:
        refused.append(problem)
    except RecursionError:
        refused.append(ModelError(file, "has definitions that refer to one another too deeply"))


def below(where: str, name: str) -> str:
    """The JSON path of a member."""
    return f"{where}.{name}" if name.isidentifier() else f"{where}[{name!r}]"


def members(node: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    """The object under a key; empty if it is absent."""
    return _of_kind(node, key, where, dict, "an object") if key in node else {}


def items(node: Mapping[str, Any], key: str, where: str, kind: type | tuple[type, ...] = object) -> list[Any]:
    """The list under a key, whose items must be of one kind; empty if it is absent."""
    if key not in node:
        return []
    found: list[Any] = _of_kind(node, key, where, list, "a list")
    for i, item in enumerate(found):
        if not isinstance(item, kind):
            raise ModelError(f"{below(where, key)}[{i}]", f"{type(item).__name__} is not supported here")
        _refuse_half_pairs(item, f"{below(where, key)}[{i}]")
    return found


def text(node: Mapping[str, Any], key: str, where: str) -> str | None:
    """The string under a key; None if it is absent."""
    if key not in node:
        return None
    found: str = _of_kind(node, key, where, str, "a string")
    _refuse_half_pairs(found, below(where, key))
    return found


def _refuse_half_pairs(value: object, where: str) -> None:
    """Refuse half of a surrogate pair, which JSON's escapes allow but UTF-8 and URLs do not."""
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        raise ModelError(where, "contains half of a surrogate pair")


def flag(node: Mapping[str, Any], key: str, where: str) -> bool:
    """The boolean under a key; False if it is absent."""
    return key in node and bool(_of_kind(node, key, where, bool, "a boolean"))


def number(node: Mapping[str, Any], key: str, where: str) -> Any:
    """The number under a key; None if it is absent."""
    if isinstance(node.get(key), bool):
        raise ModelError(below(where, key), "must be a number, not bool")
    found = _of_kind(node, key, where, (int, float), "a number") if key in node else None
    refuse_infinite(found, below(where, key))
    return found


def refuse_infinite(value: object, where: str) -> None:
    """Refuse numbers that source code cannot contain: ``1e400``, and the NaN and Infinity that Python reads."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ModelError(where, "is not a finite number")


def refuse_unknown(node: Any, known: set[str], where: str) -> None:
    """Refuse keys that are neither known nor a vendor's extension (``x-…``)."""
    if not isinstance(node, dict):
        raise ModelError(where, f"must be an object, not {type(node).__name__}")
    for key in node:
        if key not in known and not key.startswith("x-"):
            raise ModelError(where, f"{key!r} is not supported")


def refuse_deep(node: Any, where: str) -> None:
    """Refuse nesting so deep that reading the file or compiling the generated code would exceed the recursion limit."""
    level = [(where, node)]
    for _ in range(_DEEPEST_FILE):
        level = [
            (f"{at}[{key}]" if isinstance(key, int) else below(at, key), child)
            for at, parent in level
            for key, child in _children(parent)
        ]
    if level:
        raise ModelError(level[0][0], f"is nested deeper than {_DEEPEST_FILE} levels")


def _children(node: Any) -> list[tuple[Any, Any]]:
    if isinstance(node, dict):
        return list(node.items())
    return list(enumerate(node)) if isinstance(node, list) else []


def refuse_media(node: Mapping[str, Any], where: str) -> None:
    """Refuse media types other than JSON; Amazon uses only JSON so far."""
    for key in ("consumes", "produces"):
        for media in items(node, key, where, str):
            if "json" not in media:
                raise ModelError(below(where, key), f"media type {media!r} is not supported")


def _of_kind(node: Mapping[str, Any], key: str, where: str, kind: type | tuple[type, ...], expected: str) -> Any:
    value = node[key]
    if not isinstance(value, kind):
        raise ModelError(below(where, key), f"must be {expected}, not {type(value).__name__}")
    return value

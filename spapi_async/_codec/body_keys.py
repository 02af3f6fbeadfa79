"""Finds keys of a request body that its model does not have: most are misspelt, a few are newer than the model."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from spapi_async._core.origin import Origin

__all__ = ["unknown_step", "warn_of_unknown_keys"]

_DEEPEST_CHECK = 20
"""Levels of nesting of a body below which keys are not checked."""

UnknownKey = tuple[str, str, tuple[str, ...]]
"""The path of the object, the key in it, and the keys that its model has."""

warned: set[tuple[str, frozenset[tuple[str, str]]]] = set()


def warn_of_unknown_keys(operation: str, declared: Any, body: Any) -> None:
    """Warn about keys that the model does not have, once for each set of keys; free-form objects are not checked."""
    found: list[UnknownKey] = []
    _walk(declared, body, "", 0, found)
    if not found:
        return
    warning_key = (operation, frozenset((where, key) for where, key, _ in found))
    if warning_key not in warned:
        warned.add(warning_key)
        Origin().warn(
            f"{operation}: the body has keys that are not in Amazon's model; it is sent as it is: "
            + "; ".join(_described(*unknown) for unknown in dict.fromkeys(found))
        )


def unknown_step(declared: Any, steps: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
    """The first step of a path into a body that the model does not have, and the steps that it has there.

    The step ``[]`` stands for the items of a list. None if the whole path exists, or leads into free-form JSON.
    """
    for step in steps:
        kind, item = _shape(declared)
        if step == "[]" and item is not None:
            declared = item
        elif step != "[]" and kind is not None:
            known = _fields(kind)
            if step not in known:
                return step, tuple(known)
            declared = known[step]
        elif kind is None and item is None:
            return None  # free-form, or a union of several types
        else:
            return step, tuple(_fields(kind)) if kind is not None else ("[]",)
    return None


def _walk(declared: Any, value: Any, where: str, depth: int, found: list[UnknownKey]) -> None:
    if depth > _DEEPEST_CHECK:
        return
    kind, item = _shape(declared)
    if item is not None and isinstance(value, list | tuple):
        for entry in value:
            _walk(item, entry, f"{where}[]", depth + 1, found)
    elif kind is not None and isinstance(value, Mapping):
        known = _fields(kind)
        for key, entry in value.items():
            field = known.get(key, _MISSING)
            if field is _MISSING:
                found.append((where, str(key), tuple(known)))
            elif isinstance(entry, Mapping | list | tuple):
                _walk(field, entry, f"{where}.{key}" if where else str(key), depth + 1, found)


_MISSING = object()


@lru_cache(maxsize=4096)
def _shape(declared: Any) -> tuple[Any, Any]:
    """The struct of an object's type, or the item type of a list's; two Nones for anything else."""
    if isinstance(declared, type) and issubclass(declared, msgspec.Struct):
        return declared, None
    origin = typing.get_origin(declared)
    if origin is typing.Annotated:
        return _shape(typing.get_args(declared)[0])
    if origin in (typing.Union, types.UnionType):
        real = [arg for arg in typing.get_args(declared) if arg is not type(None)]
        return _shape(real[0]) if len(real) == 1 else (None, None)
    if origin in (list, tuple):
        return None, typing.get_args(declared)[0]
    return None, None


@lru_cache(maxsize=1024)
def _fields(struct: type[msgspec.Struct]) -> Mapping[str, Any]:
    return {field.encode_name: field.type for field in msgspec.structs.fields(struct)}


def _described(where: str, key: str, known: tuple[str, ...]) -> str:
    from difflib import get_close_matches  # slow to import, and rarely needed

    folded = {name.lower(): name for name in known}
    close = get_close_matches(key.lower(), folded, n=1, cutoff=0.6)
    path = f"{where}.{key}" if where else key
    return f"{path} (did you mean {folded[close[0]]}?)" if close else path

"""Reads one argument of a call by Amazon's name for it, from whatever form the caller gave it in. Pure.

``"mode"`` is a parameter, ``"body.reportType"`` a member of the body, ``"body.patches[].path"`` a member of each item
of a list in it. A body may be the generated struct, a mapping, or a mixture of both.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from spapi_async._core.operation import Operation
from spapi_async.errors import ConfigurationError

__all__ = ["ArgumentReader"]


class ArgumentReader:
    """Where one argument of one operation is to be found.

    Raises:
        ConfigurationError: the operation has no such parameter.
    """

    __slots__ = ("_name", "_steps")

    def __init__(self, operation: Operation[Any], path: str) -> None:
        first, *rest = path.replace("[]", ".[]").split(".")
        for parameter in operation.parameters:
            if first in (parameter.wire_name, parameter.name) or (first == "body" and parameter.location == "body"):
                self._name = parameter.name
                break
        else:
            known = ", ".join(parameter.wire_name for parameter in operation.parameters)
            raise ConfigurationError(f"a rule for {operation.name} names its parameter {first!r}; it has {known}")
        self._steps = tuple(rest)

    def values(self, arguments: Mapping[str, Any]) -> tuple[str, ...]:
        """Every value found, as it goes over the wire; none where the call lacks it."""
        found: list[Any] = [arguments.get(self._name)]
        for step in self._steps:
            found = [each for value in found for each in _members(value, step)]
        return tuple(text for value in found for text in _texts(value))


def _members(value: Any, step: str) -> Iterable[Any]:
    if step == "[]":
        return value if isinstance(value, list | tuple) else ()
    if isinstance(value, Mapping):
        return (value[step],) if step in value else ()
    if isinstance(value, msgspec.Struct):
        for name, wire_name in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
            if wire_name == step:
                return (getattr(value, name),)
    return ()


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, str | int | float):
        return (str(value).lower() if isinstance(value, bool) else str(value),)
    if isinstance(value, Mapping):
        return tuple(str(key) for key in value)
    if isinstance(value, msgspec.Struct):
        present = zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
        return tuple(wire for name, wire in present if getattr(value, name) is not None)
    if isinstance(value, list | tuple | set | frozenset):
        return tuple(text for each in value for text in _texts(each))
    return ()

"""Reads one argument of a call by Amazon's name, whatever the form in which the caller gave it. Pure.

``"mode"`` is a parameter, ``"body.reportType"`` a member of the body, ``"body.patches[].path"`` a member of each item
of a list in it. A body may be the generated struct, a mapping, or a mixture of both. A marketplace may be given by its
country if it is a parameter, but not in a body, which is sent unchanged.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from spapi_async._codec.body_keys import unknown_step
from spapi_async._codec.marketplace_ids import writer_of
from spapi_async._codec.wire_text import UnsendableError, text_of
from spapi_async._core.operation import Operation
from spapi_async.errors import ConfigurationError

__all__ = ["ArgumentReader"]


class ArgumentReader:
    """Finds one argument of one operation.

    Raises:
        ConfigurationError: the operation has no such parameter, or its body has no such member.
    """

    __slots__ = ("_name", "_steps", "_takes_marketplaces")

    def __init__(self, operation: Operation[Any], path: str) -> None:
        first, *rest = path.replace("[]", ".[]").split(".")
        for parameter in operation.parameters:
            if first in (parameter.wire_name, parameter.name) or (first == "body" and parameter.location == "body"):
                self._name = parameter.name
                self._takes_marketplaces = "Marketplace | str" in parameter.type
                break
        else:
            known = ", ".join(parameter.wire_name for parameter in operation.parameters)
            raise ConfigurationError(
                f"a rule for {operation.name} names the parameter {first!r}, which does not exist; there is {known}"
            )
        self._steps = tuple(rest)
        if first == "body" and (unknown := unknown_step(operation.body_type, self._steps)):
            step, members = unknown
            raise ConfigurationError(
                f"a rule for {operation.name} names {path!r}, but there is no {step!r}; there is {', '.join(members)}"
            )

    def values(self, arguments: Mapping[str, Any]) -> tuple[str, ...]:
        """Every value found, as it is sent; empty if the call does not have the argument."""
        found: list[Any] = [arguments.get(self._name)]
        for step in self._steps:
            found = [each for value in found for each in _members(value, step)]
        return self.on_the_wire(text for value in found for text in _texts(value))

    def on_the_wire(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Values as they are sent: marketplaces given by country become ids."""
        return tuple(map(_marketplace_id, texts)) if self._takes_marketplaces else tuple(texts)


_write_id = writer_of(None)


def _marketplace_id(text: str) -> str:
    try:
        return _write_id(text)
    except ValueError:
        return text  # whether it can be sent is checked elsewhere


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
    if isinstance(value, Mapping):
        return tuple(str(key) for key in value)
    if isinstance(value, msgspec.Struct):
        present = zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
        return tuple(wire for name, wire in present if getattr(value, name) is not None)
    if isinstance(value, list | tuple | set | frozenset):
        return tuple(text for each in value for text in _texts(each))
    with contextlib.suppress(UnsendableError):
        return (text_of(value),)
    return ()

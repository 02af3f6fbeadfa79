"""Parses the words after ``call MODULE.METHOD`` into the operation's arguments; pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from spapi_async._core.operation import Operation, Parameter
from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Marketplace

__all__ = ["find_operation", "parse_arguments"]

_MAX_COUNTRY_LENGTH = 3
_LISTS = ("csv", "multi", "csv_double", "multi_double", "segment_csv", "header_csv")


def find_operation(operations: Mapping[str, Operation[Any]], name: str) -> Operation[Any]:
    """The operation called ``MODULE.METHOD``.

    Raises:
        ConfigurationError: there is none; the message suggests similar names.
    """
    operation = operations.get(name)
    if operation is None:
        close = difflib.get_close_matches(name, operations, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else "`spapi-async operations` lists them all"
        raise ConfigurationError(f"there is no operation {name!r}; {hint}")
    return operation


def parse_arguments(operation: Operation[Any], words: Sequence[str], pairs: Iterable[str] = ()) -> dict[str, Any]:
    """Arguments from the words after the operation's name.

    ``--name value`` and ``--name=value``, plain words (path parameters in order), and ``name=value`` pairs. Names may
    be written as in Python, with dashes, or as Amazon writes them. A list is given by repeating its name, or once as a
    JSON array. Values stay text unless the parameter is a number or a boolean.

    Raises:
        ConfigurationError: an unknown name, a missing value, or a value of the wrong kind.
    """
    known = _names(operation)
    given: dict[str, list[str]] = {}
    for name, value in [*_pairs(operation, words), *(_split(operation, pair) for pair in pairs)]:
        parameter = known.get(_plain(name))
        if parameter is None:
            names = ", ".join(p.name for p in operation.parameters if p.location != "body") or "none"
            raise ConfigurationError(
                f"there is no parameter {name!r}; its parameters: {names}", operation=operation.name
            )
        given.setdefault(parameter, []).append(value)
    parameters = {parameter.name: parameter for parameter in operation.parameters}
    return {name: _value(operation, parameters.get(name), name, values) for name, values in given.items()}


def _names(operation: Operation[Any]) -> dict[str, str]:
    names = {}
    for parameter in operation.parameters:
        if parameter.location != "body":
            names[_plain(parameter.wire_name)] = names[_plain(parameter.name)] = parameter.name
    if operation.restricted_data_elements:
        names[_plain("data_elements")] = "data_elements"
    return names


def _plain(name: str) -> str:
    return name.replace("-", "").replace("_", "").replace(".", "").lower()


def _pairs(operation: Operation[Any], words: Sequence[str]) -> Iterator[tuple[str, str]]:
    path = iter([parameter.name for parameter in operation.parameters if parameter.location == "path"])
    rest = iter(words)
    for word in rest:
        if not word.startswith("--"):
            name = next(path, None)
            if name is None:
                raise ConfigurationError(f"unexpected argument {word!r}", operation=operation.name)
            yield name, word
            continue
        name, equals, value = word[2:].partition("=")
        if not equals:
            following = next(rest, None)
            if following is None:
                raise ConfigurationError(f"--{name} needs a value", operation=operation.name)
            value = following
        yield name, value


def _split(operation: Operation[Any], pair: str) -> tuple[str, str]:
    name, equals, value = pair.partition("=")
    if not equals:
        raise ConfigurationError(f"--param takes name=value, not {pair!r}", operation=operation.name)
    return name, value


def _value(operation: Operation[Any], parameter: Parameter | None, name: str, values: Sequence[str]) -> Any:
    if parameter is None or parameter.encoding in _LISTS:
        items = [item for value in values for item in _list(value)]
        return [_marketplace(item) for item in items] if parameter and "Marketplace" in parameter.type else items
    if len(values) > 1:
        raise ConfigurationError(f"{name} takes one value, not {len(values)}", operation=operation.name)
    return _scalar(operation, parameter, values[0])


def _list(value: str) -> list[Any]:
    if value.startswith("["):
        try:
            return msgspec.json.decode(value, type=list[Any])
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            pass  # a single item that begins with a bracket
    return [value]


def _scalar(operation: Operation[Any], parameter: Parameter, value: str) -> Any:
    kind = parameter.type
    if kind == "bool":
        if value.lower() not in ("true", "false"):
            raise ConfigurationError(f"{parameter.name} takes true or false, not {value!r}", operation=operation.name)
        return value.lower() == "true"
    if kind == "int":
        try:
            return int(value)
        except ValueError:
            message = f"{parameter.name} takes a whole number, not {value!r}"
            raise ConfigurationError(message, operation=operation.name) from None
    return _marketplace(value) if "Marketplace" in kind else value


def _marketplace(value: Any) -> Any:
    """The marketplace of a country code; a longer text is an id, which may be newer than this library."""
    return Marketplace.parse(value) if isinstance(value, str) and len(value) <= _MAX_COUNTRY_LENGTH else value

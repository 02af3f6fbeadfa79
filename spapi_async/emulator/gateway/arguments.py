"""Reads a request's arguments as the operation declares them; refuses what Amazon would, and names the field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, unquote_plus

import msgspec

from spapi_async._core.operation import Constraints, Operation, Parameter
from spapi_async.emulator.gateway.replies import Refusal, bad_input, invalid_query
from spapi_async.emulator.gateway.times import parse_date

__all__ = ["read_arguments", "read_body"]

_INTEGER = re.compile(r"[+-]?\d+\Z")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?\Z")


def read_arguments(
    operation: Operation[Any], path: Mapping[str, str], query: str, headers: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """The converted arguments (lists, numbers, booleans) by wire name, and the query names that the model lacks.

    Raises:
        Refusal: 400 InvalidInput naming the field.
    """
    given = _split_query(query)
    arguments: dict[str, Any] = {}
    for parameter in operation.parameters:
        if parameter.location == "body":
            continue
        value = _raw_value(parameter, path, given, headers)
        if value is None:
            if parameter.required:
                raise bad_input(f"{parameter.wire_name} is missing.", f"required {parameter.location} parameter")
            continue
        arguments[parameter.wire_name] = _checked(parameter, value)
    known = {p.wire_name for p in operation.parameters if p.location == "query"}
    return arguments, [name for name in given if name not in known]


def read_body(operation: Operation[Any], body: bytes, content_type: str) -> Any:
    """The JSON body as plain values, checked against its model; None where none was sent.

    Raises:
        Refusal: 400 InvalidInput naming the field; 415 for a body that is not sent as JSON.
    """
    parameter = next((p for p in operation.parameters if p.location == "body"), None)
    if not body:
        if parameter is not None and parameter.required:
            raise bad_input("The request body is missing.", f"{parameter.wire_name} is required")
        return None
    if parameter is None:
        return None  # Amazon ignores a body that an operation does not take
    if content_type and "json" not in content_type.lower():
        raise Refusal(
            415, "InvalidRequest", "The request body must be application/json.", f"it was sent as {content_type}"
        )
    try:
        plain = msgspec.json.decode(body)
    except msgspec.MsgspecError as error:
        raise bad_input("The request body is not JSON.", str(error)) from None
    if operation.body_type is not None:
        try:
            msgspec.json.decode(body, type=operation.body_type)
        except msgspec.MsgspecError as error:
            raise bad_input(f"Invalid request body: {error}", f"in {parameter.wire_name}") from None
    return plain


def _split_query(query: str) -> dict[str, list[str]]:
    given: dict[str, list[str]] = {}
    for part in query.split("&") if query else ():
        name, equals, value = part.partition("=")
        # Amazon's gateway answers a raw "=" inside a value with a null message: seen with paging tokens sent unencoded.
        if not equals or "=" in value:
            raise invalid_query(f"the query is not percent-encoded near {name!r}")
        given.setdefault(unquote(name), []).append(unquote_plus(value))
    return given


def _raw_value(
    parameter: Parameter, path: Mapping[str, str], query: Mapping[str, list[str]], headers: Mapping[str, str]
) -> str | list[str] | None:
    if parameter.location != "query":
        value = (path if parameter.location == "path" else headers).get(parameter.wire_name)
        return value.split(",") if value and parameter.encoding in ("segment_csv", "header_csv") else value
    values = query.get(parameter.wire_name)
    if values is None:
        return None
    if parameter.encoding == "plain":
        if len(values) > 1:
            raise bad_input(f"{parameter.wire_name} is given {len(values)} times.", "it must be given once")
        return values[0]
    # Commas separate values whether they were encoded or not; Amazon accepts repeated parameters as well.
    items = [item for value in values for item in value.split(",")]
    if parameter.encoding.endswith("_double"):
        items = [unquote(item) for item in items]  # Amazon's documentation requires these to be encoded twice
    return [item for item in items if item]


def _checked(parameter: Parameter, value: str | list[str]) -> Any:
    limits = parameter.constraints
    name = parameter.wire_name
    if isinstance(value, str):
        if not value and parameter.required:
            raise bad_input(f"{name} is empty.", f"it is a required {parameter.location} parameter")
        return _one(name, value, _kind(parameter.type), limits)
    if limits.min_items is not None and len(value) < limits.min_items:
        raise bad_input(f"{name} has {len(value)} values.", f"at least {limits.min_items} are needed")
    if limits.max_items is not None and len(value) > limits.max_items:
        raise bad_input(f"{name} has {len(value)} values.", f"at most {limits.max_items} are allowed")
    return [_one(name, item, "str", limits) for item in value]


def _one(name: str, value: str, kind: str, limits: Constraints) -> Any:
    if limits.enum and value not in limits.enum:
        raise bad_input(f"{name}: {value!r} is not a valid value.", f"one of {', '.join(limits.enum)}")
    if kind == "bool":
        if value.lower() not in ("true", "false"):
            raise bad_input(f"{name}: {value!r} is not a boolean.", "true or false")
        return value.lower() == "true"
    if kind in ("datetime", "date") or (limits.format or "").startswith("date"):
        if parse_date(value) is None:
            raise bad_input(f"{name}: {value!r} is not a valid ISO 8601 date.", "such as 2026-01-31T00:00:00Z")
        return value
    if kind in ("int", "number"):
        return _number(name, value, kind, limits)
    return _text(name, value, limits)


def _number(name: str, value: str, kind: str, limits: Constraints) -> int | float:
    if not (_INTEGER if kind == "int" else _NUMBER).match(value):
        raise bad_input(f"{name}: {value!r} is not a number.", kind)
    number = int(value) if kind == "int" else float(value)
    if limits.minimum is not None and number < limits.minimum:
        raise bad_input(f"{name}: {value} is too small.", f"at least {limits.minimum:g}")
    if limits.maximum is not None and number > limits.maximum:
        raise bad_input(f"{name}: {value} is too large.", f"at most {limits.maximum:g}")
    return number


def _text(name: str, value: str, limits: Constraints) -> str:
    if limits.min_length is not None and len(value) < limits.min_length:
        raise bad_input(f"{name} is too short.", f"at least {limits.min_length} characters")
    if limits.max_length is not None and len(value) > limits.max_length:
        raise bad_input(f"{name} is too long.", f"at most {limits.max_length} characters")
    pattern = limits.pattern and _compiled(limits.pattern)
    if pattern and not pattern.search(value):
        raise bad_input(f"{name}: {value!r} does not have the right form.", f"pattern {limits.pattern}")
    return value


@lru_cache(maxsize=1024)
def _kind(annotation: str) -> str:
    """The kind of scalar that a signature's annotation names; ``str`` unless it is a number, a boolean or a date."""
    words = set(re.findall(r"[A-Za-z_]+", annotation))
    if "bool" in words:
        return "bool"
    if "int" in words:
        return "int"
    if words & {"float", "Decimal", "Number"}:
        return "number"
    if words & {"datetime", "Timestamp"}:
        return "datetime"
    return "date" if "date" in words else "str"


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern)
    except re.error:  # a few of Amazon's patterns are not valid in Python
        return None

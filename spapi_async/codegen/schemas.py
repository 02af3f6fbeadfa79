"""Reads the schemas of a model file into frozen values; anything unknown is refused, never skipped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import unquote

import msgspec

from spapi_async._core.operation import Constraints
from spapi_async.codegen.nodes import ModelError, below, items, members, number, refuse_infinite, refuse_unknown, text

__all__ = ["LIMITS", "PROSE", "SCALARS", "Kind", "Schema", "parse_schema", "reference"]

Kind = Literal["ref", "all_of", "object", "array", "string", "integer", "number", "boolean", "any"]

SCALARS = ("string", "integer", "number", "boolean")

# Keys that do not affect the type of a value.
PROSE = {"description", "title", "example", "examples", "externalDocs", "readOnly", "xml"}
LIMITS = {
    "default", "enum", "exclusiveMaximum", "exclusiveMinimum", "format", "maxItems", "maxLength", "maximum", "minItems",
    "minLength", "minimum", "multipleOf", "pattern", "uniqueItems", "maxProperties", "minProperties",
}  # fmt: skip
_SHAPES = {"additionalProperties", "allOf", "enum", "items", "properties"}
_SCHEMA_KEYS = PROSE | LIMITS | _SHAPES | {"$ref", "required", "type"}


class Schema(msgspec.Struct, frozen=True, kw_only=True):
    """One schema node; ``where`` is its file and JSON path."""

    where: str
    kind: Kind
    ref: str = ""
    properties: tuple[tuple[str, Schema], ...] = ()
    required: tuple[str, ...] = ()
    extra: Schema | None = None
    items: Schema | None = None
    parts: tuple[Schema, ...] = ()
    limits: Constraints = Constraints()

    @property
    def is_enum(self) -> bool:
        """Whether it is a string with a list of values."""
        return self.kind == "string" and bool(self.limits.enum)


def parse_schema(node: Any, where: str) -> Schema:
    """A schema and all schemas in it.

    Raises:
        ModelError: it has a construct that the generator does not support.
    """
    if not isinstance(node, dict):
        raise ModelError(where, f"a schema must be an object, not {type(node).__name__}")
    refuse_unknown(node, _SCHEMA_KEYS, where)
    if "$ref" in node:  # other keys beside a $ref are prose, limits or a repetition of the target's type
        if beside := _SHAPES.intersection(node):
            raise ModelError(where, f"$ref beside {', '.join(sorted(beside))} is not supported")
        return Schema(
            where=where, kind="ref", ref=reference(node["$ref"], "definitions", where), limits=_limits(node, where)
        )
    kind = _kind(node, where)
    return _BUILDERS.get(kind, _plain)(node, kind, where)


def _kind(node: Mapping[str, Any], where: str) -> Kind:
    declared = node.get("type")
    if "allOf" in node:
        return "all_of"
    if declared is None:
        if "properties" in node or "additionalProperties" in node:
            return "object"
        if "items" in node:
            return "array"
        return "string" if "enum" in node else "any"
    for kind in ("object", "array", *SCALARS):
        if declared == kind:
            return kind  # type: ignore[return-value]
    raise ModelError(where, f"type {declared!r} is not supported")


def _plain(node: Mapping[str, Any], kind: Kind, where: str) -> Schema:
    return Schema(where=where, kind=kind, limits=_limits(node, where))


def _object(node: Mapping[str, Any], kind: Kind, where: str) -> Schema:
    for name in members(node, "properties", where):
        if not name.isprintable() or set(name) & {"\\", '"'}:
            raise ModelError(where, f"a property called {name!r} is not supported, since msgspec refuses such names")
    more = node.get("additionalProperties")
    return Schema(
        where=where,
        kind=kind,
        properties=tuple(
            (name, parse_schema(child, below(f"{where}.properties", name)))
            for name, child in members(node, "properties", where).items()
        ),
        required=tuple(items(node, "required", where, str)),
        extra=None if more in (None, True, False, {}) else parse_schema(more, f"{where}.additionalProperties"),
        limits=_limits(node, where),
    )


def _array(node: Mapping[str, Any], kind: Kind, where: str) -> Schema:
    if "items" not in node:
        raise ModelError(where, "is an array without items")
    return Schema(
        where=where, kind=kind, items=parse_schema(node["items"], f"{where}.items"), limits=_limits(node, where)
    )


def _all_of(node: Mapping[str, Any], kind: Kind, where: str) -> Schema:
    parts = [parse_schema(part, f"{where}.allOf[{i}]") for i, part in enumerate(items(node, "allOf", where))]
    if not parts:
        raise ModelError(f"{where}.allOf", "is empty")
    own = {key: value for key, value in node.items() if key in ("properties", "required", "additionalProperties")}
    if own:
        parts.append(_object(own, "object", where))
    return Schema(where=where, kind=kind, parts=tuple(parts), limits=_limits(node, where))


_BUILDERS: dict[Kind, Callable[[Mapping[str, Any], Kind, str], Schema]] = {
    "object": _object,
    "array": _array,
    "all_of": _all_of,
}


def _limits(node: Mapping[str, Any], where: str) -> Constraints:
    values = items(node, "enum", where, (str, int, float))
    default = node.get("default")
    if isinstance(default, list):  # the default of a csv list
        default = ",".join(map(str, default))
    if isinstance(default, dict) and _kind(node, where) in ("object", "all_of", "any"):
        default = None  # the defaults of bodies and replies are not used
    if default is not None and not isinstance(default, str | int | float):
        raise ModelError(where, "a default that is not a scalar is not supported")
    refuse_infinite(default, below(where, "default"))
    return Constraints(
        enum=tuple(dict.fromkeys(str(value) for value in values)),
        minimum=number(node, "minimum", where),
        maximum=number(node, "maximum", where),
        min_length=number(node, "minLength", where),
        max_length=number(node, "maxLength", where),
        min_items=number(node, "minItems", where),
        max_items=number(node, "maxItems", where),
        pattern=text(node, "pattern", where),
        default=default,
        format=text(node, "format", where),
    )


def reference(ref: str, section: str, where: str) -> str:
    """The name in a ``$ref`` to a section of the same file."""
    prefix = f"#/{section}/"
    if not isinstance(ref, str) or not ref.startswith(prefix):
        raise ModelError(where, f"$ref {ref!r} is not supported; it must begin with {prefix}")
    return unquote(ref.removeprefix(prefix)).replace("~1", "/").replace("~0", "~")

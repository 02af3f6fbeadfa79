"""Amazon's Swagger 2.0 files as frozen values; whatever is not understood is refused, never skipped."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from spapi_async._operation import Constraints
from spapi_async.codegen.nodes import (
    ModelError,
    below,
    flag,
    items,
    members,
    number,
    refuse_media,
    refuse_unknown,
    text,
)

__all__ = ["Document", "ModelError", "RawOperation", "RawParameter", "Schema", "parse_document", "read_json"]

Kind = Literal["ref", "all_of", "object", "array", "string", "integer", "number", "boolean", "any"]
Location = Literal["path", "query", "header", "body"]
Verb = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

_VERBS: dict[str, Verb] = {"get": "GET", "post": "POST", "put": "PUT", "patch": "PATCH", "delete": "DELETE"}
_SCALARS = ("string", "integer", "number", "boolean")

_SANDBOX_ONLY = "x-amzn-api-sandbox-only"

# Keys that say something about a value and change no type.
_PROSE = {"description", "title", "example", "externalDocs", "readOnly", "xml"}
_LIMITS = {
    "default", "enum", "exclusiveMaximum", "exclusiveMinimum", "format", "maxItems", "maxLength", "maximum", "minItems",
    "minLength", "minimum", "multipleOf", "pattern", "uniqueItems", "maxProperties", "minProperties",
}  # fmt: skip
_SHAPES = {"additionalProperties", "allOf", "enum", "items", "properties"}
_SCHEMA_KEYS = _PROSE | _LIMITS | _SHAPES | {"$ref", "required", "type"}
_PARAMETER_KEYS = _PROSE | _LIMITS | {
    "allowEmptyValue", "collectionFormat", "in", "items", "name", "required", "schema", "type",
}  # fmt: skip
_OPERATION_KEYS = {
    "consumes", "deprecated", "description", "externalDocs", "operationId", "parameters", "produces", "responses",
    "schemes", "security", "summary", "tags",
}  # fmt: skip
_TOP_KEYS = {
    "basePath", "consumes", "definitions", "externalDocs", "host", "info", "parameters", "paths", "produces",
    "responses", "schemes", "security", "securityDefinitions", "swagger", "tags",
}  # fmt: skip


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
        """Whether it lists strings."""
        return self.kind == "string" and bool(self.limits.enum)


class RawParameter(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter as the file has it."""

    where: str
    name: str
    location: Location
    required: bool
    schema: Schema
    collection_format: str
    greedy: bool


class RawOperation(msgspec.Struct, frozen=True, kw_only=True):
    """An operation as the file has it; ``prose`` is read for the usage plan alone."""

    where: str
    id: str
    verb: Verb
    path: str
    parameters: tuple[RawParameter, ...]
    responses: tuple[tuple[int, Schema | None], ...]
    prose: str
    deprecated: bool
    sandbox_only: bool


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One model file: one version of one API."""

    file: str
    stem: str
    version: str
    definitions: dict[str, Schema]
    operations: tuple[RawOperation, ...]


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(path.name, f"cannot be read as JSON: {error}") from error
    if not isinstance(data, dict):
        raise ModelError(path.name, "is not a JSON object")
    return data


def parse_document(data: Mapping[str, Any], file: str) -> Document:
    """A whole file.

    Raises:
        ModelError: the file holds a construct that the generator does not know.
    """
    root = f"{file}: $"
    if data.get("swagger") != "2.0":
        raise ModelError(root, f"is not Swagger 2.0 (swagger: {data.get('swagger')!r})")
    refuse_unknown(data, _TOP_KEYS, root)
    refuse_media(data, root)
    definitions = {
        name: _schema(node, below(f"{root}.definitions", name))
        for name, node in members(data, "definitions", root).items()
    }
    return Document(
        file=file,
        stem=file.rpartition("/")[2].removesuffix(".json"),
        version=str(members(data, "info", root).get("version", "")),
        definitions=definitions,
        operations=tuple(_operations(data, root)),
    )


def _operations(data: Mapping[str, Any], root: str) -> list[RawOperation]:
    base = (text(data, "basePath", root) or "/").rstrip("/")
    found = []
    for path, item in members(data, "paths", root).items():
        where = below(f"{root}.paths", path)
        refuse_unknown(item, {*_VERBS, "parameters"}, where)
        shared = _parameters(item, data, where)
        for verb in _VERBS:
            if verb in item:
                # Some flags stand on the path (FBA Inventory) and some on the operation (Vendor DF Sandbox Data).
                refuse_unknown(item[verb], _OPERATION_KEYS, f"{where}.{verb}")
                node = {key: value for key, value in item.items() if key == _SANDBOX_ONLY} | item[verb]
                found.append(_operation(node, data, f"{where}.{verb}", (verb, base + path), shared))
    if not found:
        raise ModelError(f"{root}.paths", "holds no operation")
    return found


def _parameters(node: Mapping[str, Any], data: Mapping[str, Any], where: str) -> list[RawParameter]:
    entries = enumerate(items(node, "parameters", where))
    return [_parameter(entry, data, f"{where}.parameters[{i}]") for i, entry in entries]


def _operation(
    node: Mapping[str, Any],
    data: Mapping[str, Any],
    where: str,
    route: tuple[str, str],
    shared: list[RawParameter],
) -> RawOperation:
    verb, path = route
    refuse_media(node, where)
    operation_id = text(node, "operationId", where)
    if not operation_id:
        raise ModelError(where, "has no operationId")
    own = _parameters(node, data, where)
    replaced = {(parameter.name, parameter.location) for parameter in own}
    parameters = [p for p in shared if (p.name, p.location) not in replaced] + own
    if sum(parameter.location == "body" for parameter in parameters) > 1:
        raise ModelError(where, "has more than one body")
    _refuse_loose_path(path, parameters, where)
    return RawOperation(
        where=where,
        id=operation_id,
        verb=_VERBS[verb],
        path=path,
        parameters=tuple(parameters),
        responses=tuple(_responses(node, data, where)),
        prose=f"{node.get('summary', '')}\n{node.get('description', '')}",
        deprecated=flag(node, "deprecated", where),
        sandbox_only=flag(node, _SANDBOX_ONLY, where),
    )


def _responses(node: Mapping[str, Any], data: Mapping[str, Any], where: str) -> list[tuple[int, Schema | None]]:
    found = []
    for status, entry in members(node, "responses", where).items():
        at = below(f"{where}.responses", status)
        if status.startswith("x-"):
            continue
        reply = _follow(entry, data, "responses", at)
        refuse_unknown(reply, {"description", "schema", "headers", "examples"}, at)
        schema = _schema(reply["schema"], f"{at}.schema") if "schema" in reply else None
        if status == "default":  # says nothing about success; errors are read without their model
            continue
        if not status.isdigit():
            raise ModelError(at, f"status {status!r} is not understood")
        found.append((int(status), schema))
    return sorted(found, key=lambda pair: pair[0])


def _parameter(entry: Mapping[str, Any], data: Mapping[str, Any], where: str) -> RawParameter:
    node = _follow(entry, data, "parameters", where)
    refuse_unknown(node, _PARAMETER_KEYS, where)
    location = node.get("in")
    if location not in ("path", "query", "header", "body"):
        raise ModelError(where, f"a parameter in {location!r} is not understood")
    if not isinstance(node.get("name"), str):
        raise ModelError(where, "is a parameter without a name")
    if location == "body":
        if "schema" not in node:
            raise ModelError(where, "is a body without a schema")
        schema = _schema(node["schema"], f"{where}.schema")
    else:
        plain = {key: value for key, value in node.items() if key in _LIMITS | {"type", "items"}}
        schema = _schema(plain, where)
        if schema.kind not in (*_SCALARS, "array"):
            raise ModelError(where, f"a parameter of type {node.get('type')!r} is not understood")
    collection_format = node.get("collectionFormat", "csv")
    if collection_format not in ("csv", "multi"):
        raise ModelError(where, f"collectionFormat {collection_format!r} is not understood")
    return RawParameter(
        where=where,
        name=node["name"],
        location=location,
        required=flag(node, "required", where),
        schema=schema,
        collection_format=collection_format,
        greedy=flag(node, "x-amazon-spds-greedy-path-parameter", where),
    )


def _schema(node: Any, where: str) -> Schema:
    if not isinstance(node, dict):
        raise ModelError(where, f"a schema must be an object, not {type(node).__name__}")
    refuse_unknown(node, _SCHEMA_KEYS, where)
    if "$ref" in node:  # what stands beside a $ref is prose, a limit or a repetition of the target's type
        if beside := _SHAPES.intersection(node):
            raise ModelError(where, f"$ref beside {', '.join(sorted(beside))} is not understood")
        return Schema(
            where=where, kind="ref", ref=_target(node["$ref"], "definitions", where), limits=_limits(node, where)
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
    for kind in ("object", "array", *_SCALARS):
        if declared == kind:
            return kind  # type: ignore[return-value]
    raise ModelError(where, f"type {declared!r} is not understood")


def _plain(node: Mapping[str, Any], kind: Kind, where: str) -> Schema:
    return Schema(where=where, kind=kind, limits=_limits(node, where))


def _object(node: Mapping[str, Any], kind: Kind, where: str) -> Schema:
    for name in members(node, "properties", where):
        if not name.isprintable() or set(name) & {"\\", '"'}:
            raise ModelError(where, f"a property called {name!r} is not understood: msgspec has no such names")
    more = node.get("additionalProperties")
    return Schema(
        where=where,
        kind=kind,
        properties=tuple(
            (name, _schema(child, below(f"{where}.properties", name)))
            for name, child in members(node, "properties", where).items()
        ),
        required=tuple(items(node, "required", where, str)),
        extra=None if more in (None, True, False, {}) else _schema(more, f"{where}.additionalProperties"),
        limits=_limits(node, where),
    )


def _array(node: Mapping[str, Any], kind: Kind, where: str) -> Schema:
    if "items" not in node:
        raise ModelError(where, "is an array without items")
    return Schema(where=where, kind=kind, items=_schema(node["items"], f"{where}.items"), limits=_limits(node, where))


def _all_of(node: Mapping[str, Any], kind: Kind, where: str) -> Schema:
    parts = [_schema(part, f"{where}.allOf[{i}]") for i, part in enumerate(items(node, "allOf", where))]
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
    if isinstance(default, list):  # of a csv list
        default = ",".join(map(str, default))
    if default is not None and not isinstance(default, str | int | float):
        raise ModelError(where, "a default that is no scalar is not understood")
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


def _follow(node: Mapping[str, Any], data: Mapping[str, Any], section: str, where: str) -> Mapping[str, Any]:
    """What a ``$ref`` to a shared parameter or response names, or the node itself."""
    if not isinstance(node, dict):
        raise ModelError(where, f"must be an object, not {type(node).__name__}")
    if "$ref" not in node:
        return node
    name = _target(node["$ref"], section, where)
    target = data.get(section, {}).get(name)
    if not isinstance(target, dict):
        raise ModelError(where, f"$ref to {section}/{name}, which does not exist")
    return target


def _target(ref: str, section: str, where: str) -> str:
    prefix = f"#/{section}/"
    if not isinstance(ref, str) or not ref.startswith(prefix):
        raise ModelError(where, f"$ref {ref!r} is not understood; only {prefix}… is")
    return ref.removeprefix(prefix).replace("~1", "/").replace("~0", "~")


def _refuse_loose_path(path: str, parameters: list[RawParameter], where: str) -> None:
    declared = {parameter.name for parameter in parameters if parameter.location == "path"}
    named = {piece.partition("}")[0] for piece in path.split("{")[1:]}
    if declared != named:
        raise ModelError(where, f"path parameters {sorted(declared)} do not match the template {path}")

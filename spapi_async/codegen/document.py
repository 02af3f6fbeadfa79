"""Reads Amazon's Swagger 2.0 files into frozen values; anything unknown is refused, never skipped."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from spapi_async.codegen.names import has_version, words
from spapi_async.codegen.nodes import (
    ModelError,
    below,
    flag,
    items,
    members,
    refuse_deep,
    refuse_media,
    refuse_unknown,
    text,
)
from spapi_async.codegen.schemas import LIMITS, PROSE, SCALARS, Schema, parse_schema, reference

__all__ = ["Document", "ModelError", "RawOperation", "RawParameter", "parse_document", "read_json"]

Location = Literal["path", "query", "header", "body"]
Verb = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

_VERBS: dict[str, Verb] = {"get": "GET", "post": "POST", "put": "PUT", "patch": "PATCH", "delete": "DELETE"}

_SANDBOX_ONLY = "x-amzn-api-sandbox-only"

_PARAMETER_KEYS = PROSE | LIMITS | {
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


class RawParameter(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter as in the file."""

    where: str
    name: str
    location: Location
    required: bool
    schema: Schema
    collection_format: str
    greedy: bool


class RawOperation(msgspec.Struct, frozen=True, kw_only=True):
    """An operation as in the file; only the usage plan is read from ``prose``."""

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
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ModelError(path.name, f"cannot be read as JSON: {error}") from error
    except RecursionError as error:
        raise ModelError(path.name, "is nested too deeply to be read as JSON") from error
    if not isinstance(data, dict):
        raise ModelError(path.name, "is not a JSON object")
    return data


def parse_document(data: Mapping[str, Any], file: str) -> Document:
    """A whole file.

    Raises:
        ModelError: the file has a construct that the generator does not support.
    """
    root = f"{file}: $"
    refuse_deep(data, root)
    if data.get("swagger") != "2.0":
        raise ModelError(root, f"is not Swagger 2.0 (swagger: {data.get('swagger')!r})")
    refuse_unknown(data, _TOP_KEYS, root)
    refuse_media(data, root)
    definitions = {
        name: parse_schema(node, below(f"{root}.definitions", name))
        for name, node in members(data, "definitions", root).items()
    }
    stem = file.rpartition("/")[2].removesuffix(".json")
    return Document(
        file=file,
        stem=stem,
        version=_version(data, stem, root),
        definitions=definitions,
        operations=tuple(_operations(data, root)),
    )


def _version(data: Mapping[str, Any], stem: str, root: str) -> str:
    """The version that the file states, else the one that its paths share; empty if the file's name contains it."""
    declared = members(data, "info", root).get("version")
    if isinstance(declared, str | int | float) and words(str(declared)):
        return str(declared)
    in_paths = {version for path in members(data, "paths", root) for version in _VERSION_IN_PATH.findall(path)}
    if len(in_paths) == 1:
        return str(in_paths.pop())
    if has_version(stem):
        return ""
    raise ModelError(f"{root}.info.version", "is missing, and neither the file's name nor its paths give one version")


_VERSION_IN_PATH = re.compile(r"/(v\d+|\d{4}-\d\d-\d\d)(?=/|$)")


def _operations(data: Mapping[str, Any], root: str) -> list[RawOperation]:
    base = (text(data, "basePath", root) or "/").rstrip("/")
    found = []
    for path, item in members(data, "paths", root).items():
        if path.startswith("x-"):
            continue
        where = below(f"{root}.paths", path)
        refuse_unknown(item, {*_VERBS, "parameters"}, where)
        shared = _parameters(item, data, where)
        for verb in _VERBS:
            if verb in item:
                # The flag is on the path (FBA Inventory) or on the operation (Vendor DF Sandbox Data).
                refuse_unknown(item[verb], _OPERATION_KEYS, f"{where}.{verb}")
                node = {key: value for key, value in item.items() if key == _SANDBOX_ONLY} | item[verb]
                found.append(_operation(node, data, f"{where}.{verb}", (verb, base + path), shared))
    if not found:
        raise ModelError(f"{root}.paths", "contains no operation")
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
    _refuse_path(path, parameters, where)
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
        schema = parse_schema(reply["schema"], f"{at}.schema") if "schema" in reply else None
        if status == "default":  # says nothing about success; errors are read without their model
            continue
        if not re.fullmatch("[1-5][0-9][0-9]", status):
            raise ModelError(at, f"status {status!r} is not supported")
        found.append((int(status), schema))
    return sorted(found, key=lambda pair: pair[0])


def _parameter(entry: Mapping[str, Any], data: Mapping[str, Any], where: str) -> RawParameter:
    node = _follow(entry, data, "parameters", where)
    refuse_unknown(node, _PARAMETER_KEYS, where)
    location = node.get("in")
    if location not in ("path", "query", "header", "body"):
        raise ModelError(where, f"a parameter in {location!r} is not supported")
    name = text(node, "name", where)
    if not name:
        raise ModelError(where, "is a parameter without a name")
    if location == "body":
        if "schema" not in node:
            raise ModelError(where, "is a body without a schema")
        schema = parse_schema(node["schema"], f"{where}.schema")
    else:
        plain = {key: value for key, value in node.items() if key in LIMITS | {"type", "items"}}
        schema = parse_schema(plain, where)
        if schema.kind not in (*SCALARS, "array"):
            raise ModelError(where, f"a parameter of type {node.get('type')!r} is not supported")
    collection_format = node.get("collectionFormat", "csv")
    if collection_format not in ("csv", "multi"):
        raise ModelError(where, f"collectionFormat {collection_format!r} is not supported")
    return RawParameter(
        where=where,
        name=name,
        location=location,
        required=flag(node, "required", where),
        schema=schema,
        collection_format=collection_format,
        greedy=flag(node, "x-amazon-spds-greedy-path-parameter", where),
    )


def _follow(node: Mapping[str, Any], data: Mapping[str, Any], section: str, where: str) -> Mapping[str, Any]:
    """The shared parameter or response to which the node refers, or the node itself if it has no ``$ref``."""
    if not isinstance(node, dict):
        raise ModelError(where, f"must be an object, not {type(node).__name__}")
    if "$ref" not in node:
        return node
    name = reference(node["$ref"], section, where)
    target = data.get(section, {}).get(name)
    if not isinstance(target, dict):
        raise ModelError(where, f"$ref to {section}/{name}, which does not exist")
    return target


def _refuse_path(path: str, parameters: list[RawParameter], where: str) -> None:
    """Refuse a path that is not a plain template, or whose parameters are not the declared ones."""
    if not re.fullmatch(_PATH, path):
        raise ModelError(where, f"the path {path!r} is not supported: it must be /segments with {{parameters}}")
    declared = {parameter.name for parameter in parameters if parameter.location == "path"}
    named = {piece.partition("}")[0] for piece in path.split("{")[1:]}
    if declared != named:
        raise ModelError(where, f"path parameters {sorted(declared)} do not match the template {path}")


_PATH = re.compile(r"/(?:[^{}?#\s]|\{[^{}/]+\})*")

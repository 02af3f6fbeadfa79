"""Finds what an older model has and the current one lacks: removed operations, and the definitions that they need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from spapi_async.codegen.document import Document, RawOperation
from spapi_async.codegen.names import distinct, field_name
from spapi_async.codegen.schemas import Schema

__all__ = ["removed_part"]

_Change = Callable[[Schema], Schema]


def removed_part(
    older: Document, current: dict[str, Schema], operations: Iterable[RawOperation]
) -> tuple[tuple[RawOperation, ...], dict[str, Schema]]:
    """The removed operations, and the definitions they use that the current model lacks.

    An operation still exists if its path or its name does: Amazon has moved paths and renamed their parameters.
    A definition that has changed since is added as ``Legacy…``, and so is every definition that refers to it.
    """
    kept = {key for operation in operations for key in _keys(operation)}
    removed = [operation for operation in older.operations if kept.isdisjoint(_keys(operation))]
    reached = _reach(removed, older.definitions)
    changed = _changed(reached, older.definitions, current)
    taken = current.keys() | older.definitions.keys()
    names = {name: distinct(f"Legacy{name}", taken) if name in changed else name for name in reached}
    added = {
        names[name]: _renamed(older.definitions[name], names)
        for name in older.definitions
        if name in reached and (name in changed or name not in current)
    }
    return tuple(_renamed_operation(operation, names) for operation in removed), added


def _keys(operation: RawOperation) -> set[tuple[str, str]]:
    """Path and name of an operation, each with the verb."""
    return {(operation.verb, operation.path), (operation.verb, field_name(operation.id))}


def _reach(operations: list[RawOperation], definitions: dict[str, Schema]) -> set[str]:
    found: set[str] = set()
    stack = [ref for operation in operations for schema in _schemas(operation) for ref in _refs(schema)]
    while stack:
        name = stack.pop()
        if name not in found and name in definitions:
            found.add(name)
            stack += _refs(definitions[name])
    return found


def _changed(names: set[str], older: dict[str, Schema], current: dict[str, Schema]) -> set[str]:
    """The definitions that differ between the two models, and those that refer to them."""
    changed = {name for name in names if name in current and _shape(older[name]) != _shape(current[name])}
    while more := {n for n in names - changed if n in current and changed.intersection(_refs(older[n]))}:
        changed |= more
    return changed


def _schemas(operation: RawOperation) -> Iterator[Schema]:
    yield from (parameter.schema for parameter in operation.parameters)
    yield from (schema for code, schema in operation.responses if schema is not None and 200 <= code < 300)


def _children(schema: Schema) -> Iterator[Schema]:
    yield from (child for _, child in schema.properties)
    yield from schema.parts
    yield from (child for child in (schema.extra, schema.items) if child is not None)


def _refs(schema: Schema) -> Iterator[str]:
    if schema.kind == "ref":
        yield schema.ref
    for child in _children(schema):
        yield from _refs(child)


def _shape(schema: Schema) -> Schema:
    """The schema without its place in a file."""
    return _mapped(msgspec.structs.replace(schema, where=""), _shape)


def _renamed(schema: Schema, names: dict[str, str]) -> Schema:
    """The schema with its references renamed."""
    if schema.kind == "ref":
        return msgspec.structs.replace(schema, ref=names.get(schema.ref, schema.ref))
    return _mapped(schema, lambda child: _renamed(child, names))


def _mapped(schema: Schema, change: _Change) -> Schema:
    return msgspec.structs.replace(
        schema,
        properties=tuple((name, change(child)) for name, child in schema.properties),
        parts=tuple(change(part) for part in schema.parts),
        extra=change(schema.extra) if schema.extra is not None else None,
        items=change(schema.items) if schema.items is not None else None,
    )


def _renamed_operation(operation: RawOperation, names: dict[str, str]) -> RawOperation:
    return msgspec.structs.replace(
        operation,
        parameters=tuple(
            msgspec.structs.replace(parameter, schema=_renamed(parameter.schema, names))
            for parameter in operation.parameters
        ),
        responses=tuple((code, schema and _renamed(schema, names)) for code, schema in operation.responses),
    )

"""Checks a query against a schema, replaces fragments by their fields and merges equal fields; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from spapi_async.emulator.data.graphql import (
    Field,
    Fragment,
    GraphQLError,
    Name,
    Query,
    Schema,
    Selection,
    Spread,
    bare,
)

__all__ = ["first_field", "resolve"]

_MAX_FIELDS = 10_000  # a fragment that uses another one twice doubles the fields, and so on


def first_field(query: Query) -> str:
    """The name of the first field of a query, which is its data set; empty if there is none."""
    return next((field.name for field, _ in _Resolver(query, None).flat(query.selections, "Query")), "")


def resolve(query: Query, schema: Schema) -> tuple[Field, ...]:
    """The fields that a query selects, without fragments and without skipped fields.

    Raises:
        GraphQLError: the query does not match the schema, or a fragment is unknown, unused or uses itself.
    """
    resolver = _Resolver(query, schema)
    fields = resolver.fields(query.selections, "Query")
    if unused := sorted({*query.fragments} - resolver.used):
        raise GraphQLError(f"Fragment '{unused[0]}' is never used")
    return fields


class _Resolver:
    """Resolves one query to plain fields."""

    def __init__(self, query: Query, schema: Schema | None) -> None:
        self._fragments = query.fragments
        self._schema = schema
        self._count = 0
        self.used: set[str] = set()

    def fields(self, selections: tuple[Selection, ...], kind: str) -> tuple[Field, ...]:
        """The fields selected from an object of a type, each alias once."""
        merged: dict[str, Field] = {}
        for field, skipped in self.flat(selections, kind):
            self._check(field, kind)
            before = merged.get(field.alias)
            if before is not None and (before.name, before.arguments) != (field.name, field.arguments):
                raise GraphQLError(f"Fields '{field.alias}' conflict: they are different fields of '{kind}'")
            if before is None:
                merged[field.alias] = msgspec.structs.replace(field, skipped=skipped)
            else:
                both = (*(before.selections or ()), *(field.selections or ())) if field.selections is not None else None
                merged[field.alias] = msgspec.structs.replace(
                    before, selections=both, skipped=before.skipped and skipped
                )
        assert self._schema is not None
        found = []
        for field in merged.values():
            inner = bare(self._schema.objects[kind][field.name].type)
            inner_selections = None if field.selections is None else self.fields(field.selections, inner)
            if not field.skipped:
                found.append(msgspec.structs.replace(field, selections=inner_selections))
        return tuple(found)

    def flat(
        self,
        selections: tuple[Selection, ...],
        kind: str,
        *,
        skipped: bool = False,
        enclosing: frozenset[str] = frozenset(),
    ) -> Iterator[tuple[Field, bool]]:
        """The fields of the selections, including those of fragments, each with whether it is skipped."""
        for each in selections:
            self._count += 1
            if self._count > _MAX_FIELDS:
                raise GraphQLError(f"The query asks for more than {_MAX_FIELDS:,} fields")
            out = skipped or each.skipped
            if isinstance(each, Field):
                yield each, out
                continue
            fragment, names = each, enclosing
            if isinstance(each, Spread):
                if each.name in enclosing:
                    raise GraphQLError(f"Cannot spread fragment '{each.name}' within itself")
                if each.name not in self._fragments:
                    raise GraphQLError(f"Unknown fragment '{each.name}'")
                self.used.add(each.name)
                fragment, names = self._fragments[each.name], enclosing | {each.name}
            assert isinstance(fragment, Fragment)
            if fragment.on not in (None, kind):
                raise GraphQLError(f"A fragment on '{fragment.on}' cannot be spread on a '{kind}'")
            yield from self.flat(fragment.selections, kind, skipped=out, enclosing=names)

    def _check(self, field: Field, kind: str) -> None:
        assert self._schema is not None
        known = self._schema.objects[kind]
        if field.name not in known:
            raise GraphQLError(f"Field '{field.name}' in type '{kind}' is undefined")
        declared = known[field.name]
        _check_members(self._schema, field.arguments, declared.arguments, f"{kind}.{field.name}")
        inner = bare(declared.type)
        if (inner in self._schema.objects) != (field.selections is not None):
            wants = "needs" if inner in self._schema.objects else "has no"
            raise GraphQLError(f"Field '{field.name}' of type '{inner}' {wants} fields of its own")


def _check_members(schema: Schema, given: Mapping[str, Any], declared: Mapping[str, str], where: str) -> None:
    for name in given:
        if name not in declared:
            raise GraphQLError(f"Argument '{name}' of '{where}' is undefined")
    for name, kind in declared.items():
        if kind.endswith("!") and given.get(name) is None:
            raise GraphQLError(f"Argument '{name}' of '{where}' is missing")
        if given.get(name) is not None and not _fits(schema, given[name], kind, f"{where}.{name}"):
            raise GraphQLError(f"Argument '{name}' of '{where}' is not of type '{kind}'")


def _fits(schema: Schema, value: Any, kind: str, where: str) -> bool:
    kind = kind.removesuffix("!")
    if kind.startswith("["):
        values = value if isinstance(value, list) else [value]  # GraphQL accepts a value as a list of one
        return all(each is not None and _fits(schema, each, kind[1:-1], where) for each in values)
    if kind in schema.enums:
        return isinstance(value, Name) and value in schema.enums[kind]
    if kind in schema.inputs:
        if isinstance(value, dict):
            _check_members(schema, value, schema.inputs[kind], where)
        return isinstance(value, dict)
    if kind in ("Long", "Int", "Float"):
        return isinstance(value, int if kind != "Float" else (int, float)) and not isinstance(value, bool)
    if not isinstance(value, str) or isinstance(value, Name):
        return False
    return kind != "Date" or re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", value) is not None

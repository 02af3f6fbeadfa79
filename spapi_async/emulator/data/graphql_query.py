"""A query held against its data set's types: fragments put in their places, equal fields merged; pure."""

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

_MOST_FIELDS = 10_000  # fragments within fragments would double them each time


def first_field(query: Query) -> str:
    """The name of the first field that a query asks for: its data set; empty where fragments lead nowhere."""
    return next((field.name for field, _ in _Resolver(query, None).flat(query.within, "Query")), "")


def resolve(query: Query, schema: Schema) -> tuple[Field, ...]:
    """The fields that a query asks for, without fragments and without what is skipped.

    Raises:
        GraphQLError: an unknown field, argument or fragment, one that is missing, of another type, or in a circle.
    """
    resolver = _Resolver(query, schema)
    fields = resolver.fields(query.within, "Query")
    if unused := sorted({*query.fragments} - resolver.used):
        raise GraphQLError(f"Fragment '{unused[0]}' is never used")
    return fields


class _Resolver:
    """One query on its way to plain fields."""

    def __init__(self, query: Query, schema: Schema | None) -> None:
        self._fragments = query.fragments
        self._schema = schema
        self._count = 0
        self.used: set[str] = set()

    def fields(self, within: tuple[Selection, ...], kind: str) -> tuple[Field, ...]:
        """What is asked of an object of a type, each alias once."""
        merged: dict[str, Field] = {}
        for field, skipped in self.flat(within, kind):
            self._check(field, kind)
            before = merged.get(field.alias)
            if before is not None and (before.name, before.arguments) != (field.name, field.arguments):
                raise GraphQLError(f"Fields '{field.alias}' conflict: they are different fields of '{kind}'")
            if before is None:
                merged[field.alias] = msgspec.structs.replace(field, skipped=skipped)
            else:
                both = (*(before.within or ()), *(field.within or ())) if field.within is not None else None
                merged[field.alias] = msgspec.structs.replace(before, within=both, skipped=before.skipped and skipped)
        assert self._schema is not None
        found = []
        for field in merged.values():
            inner = bare(self._schema.objects[kind][field.name].type)
            within_it = None if field.within is None else self.fields(field.within, inner)
            if not field.skipped:
                found.append(msgspec.structs.replace(field, within=within_it))
        return tuple(found)

    def flat(
        self, within: tuple[Selection, ...], kind: str, *, skipped: bool = False, inside: frozenset[str] = frozenset()
    ) -> Iterator[tuple[Field, bool]]:
        """The fields of a place, those of fragments among them, and whether they are left out."""
        for each in within:
            self._count += 1
            if self._count > _MOST_FIELDS:
                raise GraphQLError(f"The query asks for more than {_MOST_FIELDS:,} fields")
            out = skipped or each.skipped
            if isinstance(each, Field):
                yield each, out
                continue
            fragment, names = each, inside
            if isinstance(each, Spread):
                if each.name in inside:
                    raise GraphQLError(f"Cannot spread fragment '{each.name}' within itself")
                if each.name not in self._fragments:
                    raise GraphQLError(f"Unknown fragment '{each.name}'")
                self.used.add(each.name)
                fragment, names = self._fragments[each.name], inside | {each.name}
            assert isinstance(fragment, Fragment)
            if fragment.on not in (None, kind):
                raise GraphQLError(f"A fragment on '{fragment.on}' cannot be spread here, where a '{kind}' is")
            yield from self.flat(fragment.within, kind, skipped=out, inside=names)

    def _check(self, field: Field, kind: str) -> None:
        assert self._schema is not None
        known = self._schema.objects[kind]
        if field.name not in known:
            raise GraphQLError(f"Field '{field.name}' in type '{kind}' is undefined")
        declared = known[field.name]
        _check_members(self._schema, field.arguments, declared.arguments, f"{kind}.{field.name}")
        inner = bare(declared.type)
        if (inner in self._schema.objects) != (field.within is not None):
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
        values = value if isinstance(value, list) else [value]  # GraphQL takes one for a list of one
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

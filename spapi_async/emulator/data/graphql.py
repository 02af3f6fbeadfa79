"""Parses GraphQL queries and schemas into trees; pure. ``graphql_query`` checks a query against a schema.

Aliases, fragments, ``@skip`` and ``@include`` are supported. Variables are refused, because createQuery has no values
for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["Field", "Fragment", "GraphQLError", "Name", "Query", "Schema", "Selection", "Spread", "bare",
           "parse_query", "parse_schema"]  # fmt: skip

_TOKEN = re.compile(
    r"(?P<skipped>[\s,\ufeff]+|#[^\n\r]*)|(?P<name>[A-Za-z_]\w*)|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r'|(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<mark>\.\.\.|[{}()\[\]:!=|@$&])'
)
_MAX_DEPTH = 32
_NO_VARIABLES = "Data Kiosk does not support variables: createQuery has no values for them"


class GraphQLError(ValueError):
    """The text is not valid GraphQL, or does not match the schema."""


class Name(str):
    """A value without quotes: a member of an enumeration."""

    __slots__ = ()


class Field(msgspec.Struct, frozen=True):
    """A field in a query; ``selections`` are those in its braces, None if it has no braces."""

    name: str
    alias: str
    arguments: Mapping[str, Any]
    selections: tuple[Selection, ...] | None = None
    skipped: bool = False

    @property
    def fields(self) -> tuple[Field, ...]:
        """Its subfields, after fragments have been replaced by their fields."""
        return tuple(each for each in self.selections or () if isinstance(each, Field))


class Fragment(msgspec.Struct, frozen=True):
    """A named or inline fragment; ``on`` is its type, None for the type of the surrounding object."""

    on: str | None
    selections: tuple[Selection, ...]
    skipped: bool = False


class Spread(msgspec.Struct, frozen=True):
    """The use of a named fragment: ``...Name``."""

    name: str
    skipped: bool = False


Selection = Field | Fragment | Spread


class Query(msgspec.Struct, frozen=True):
    """The top-level selections of a query, and the named fragments that it may use."""

    selections: tuple[Selection, ...]
    fragments: Mapping[str, Fragment]


class FieldType(msgspec.Struct, frozen=True):
    """A field in a schema; its type and those of its arguments are in GraphQL's notation: ``[String!]!``."""

    type: str
    arguments: Mapping[str, str]


class Schema(msgspec.Struct, frozen=True):
    """The types of one data set: ``objects`` are the types of results, ``inputs`` those of arguments."""

    objects: Mapping[str, Mapping[str, FieldType]]
    inputs: Mapping[str, Mapping[str, str]]
    enums: Mapping[str, frozenset[str]]


def bare(kind: str) -> str:
    """The name in a type: ``Economics`` for ``[Economics!]!``."""
    return kind.strip("[]!")


def parse_query(text: str) -> Query:
    """Parse the text of a query.

    Raises:
        GraphQLError: the text is not a query, or contains more than one.
    """
    reader = _Reader(text)
    queries: list[tuple[Selection, ...]] = []
    fragments: dict[str, Fragment] = {}
    while not reader.at_end or not queries:
        if reader.next_is("fragment"):
            name, fragment = reader.fragment()
            if name in fragments:
                raise GraphQLError(f"There is more than one fragment '{name}'")
            fragments[name] = fragment
            continue
        if queries and not reader.next_is("query"):
            raise reader.unexpected("the end")
        if reader.next_is("query"):
            reader.take("query")
            if not reader.next_is("{") and not reader.next_is("("):
                reader.name()
            if reader.next_is("("):
                raise GraphQLError(_NO_VARIABLES)
        queries.append(reader.selections())
    if len(queries) > 1:
        raise GraphQLError(f"There are {len(queries)} queries, and createQuery cannot choose one by name")
    return Query(queries[0], fragments)


def parse_schema(text: str) -> Schema:
    """The types that a schema declares."""
    reader = _Reader(text)
    objects: dict[str, dict[str, FieldType]] = {}
    inputs: dict[str, dict[str, str]] = {}
    enums: dict[str, frozenset[str]] = {}
    while not reader.at_end:
        what, name = reader.name(), reader.name()
        if what == "enum":
            enums[name] = frozenset(reader.names())
        elif what == "input":
            inputs[name] = reader.declared("{", "}")
        else:
            objects[name] = reader.field_types()
    return Schema(objects, inputs, enums)


class _Reader:
    """A recursive descent parser over the tokens of a text."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._at = 0
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise GraphQLError(f"Invalid syntax: unexpected {text[at]!r} at character {at}")
            at = match.end()
            if match.lastgroup != "skipped":
                self._tokens.append((str(match.lastgroup), match.group()))

    @property
    def at_end(self) -> bool:
        return self._at == len(self._tokens)

    def next_is(self, token: str) -> bool:
        return not self.at_end and self._tokens[self._at][1] == token

    def take(self, token: str) -> None:
        if not self.next_is(token):
            raise self.unexpected(f"'{token}'")
        self._at += 1

    def name(self) -> str:
        if self.at_end or self._tokens[self._at][0] != "name":
            raise self.unexpected("a name")
        self._at += 1
        return self._tokens[self._at - 1][1]

    def names(self) -> list[str]:
        """``{ A B C }``."""
        self.take("{")
        found = [self.name()]
        while not self.next_is("}"):
            found.append(self.name())
        self.take("}")
        return found

    def fragment(self) -> tuple[str, Fragment]:
        """``fragment Name on Type { … }``."""
        self.take("fragment")
        name = self.name()
        self.take("on")
        return name, Fragment(self.name(), self.selections())

    def selections(self, depth: int = 0) -> tuple[Selection, ...]:
        """``{ alias: field(argument: value) { … } ...Fragment ... on Type { … } }``."""
        if depth > _MAX_DEPTH:
            raise GraphQLError(f"The fields of the query are nested more than {_MAX_DEPTH} levels deep")
        self.take("{")
        found: list[Selection] = []
        while not found or not self.next_is("}"):
            found.append(self._spread_or_fragment(depth) if self.next_is("...") else self._field(depth))
        self.take("}")
        return tuple(found)

    def _field(self, depth: int) -> Field:
        alias = name = self.name()
        if self.next_is(":"):
            self.take(":")
            name = self.name()
        arguments = self._members("(", ")", depth) if self.next_is("(") else {}
        skipped = self._skipped(depth)
        return Field(name, alias, arguments, self.selections(depth + 1) if self.next_is("{") else None, skipped)

    def _spread_or_fragment(self, depth: int) -> Fragment | Spread:
        self.take("...")
        on = None
        if self.next_is("on"):
            self.take("on")
            on = self.name()
        elif not self.next_is("{") and not self.next_is("@"):
            return Spread(self.name(), self._skipped(depth))
        skipped = self._skipped(depth)
        return Fragment(on, self.selections(depth + 1), skipped)

    def _skipped(self, depth: int) -> bool:
        """``@skip(if: true)``, ``@include(if: false)``."""
        skipped = False
        while self.next_is("@"):
            self.take("@")
            name = self.name()
            if name not in ("skip", "include"):
                raise GraphQLError(f"Unknown directive '@{name}'")
            given = self._members("(", ")", depth)
            if list(given) != ["if"] or not isinstance(given["if"], bool):
                raise GraphQLError(f"Directive '@{name}' needs an argument 'if' of type 'Boolean!'")
            skipped = skipped or given["if"] is (name == "skip")
        return skipped

    def field_types(self) -> dict[str, FieldType]:
        """``{ field(argument: Type): Type }``."""
        self.take("{")
        found = {}
        while not self.next_is("}"):
            name = self.name()
            arguments = self.declared("(", ")") if self.next_is("(") else {}
            self.take(":")
            found[name] = FieldType(self._type(), arguments)
        self.take("}")
        return found

    def declared(self, first: str, last: str) -> dict[str, str]:
        """Names with their types."""
        self.take(first)
        found = {}
        while not self.next_is(last):
            name = self.name()
            self.take(":")
            found[name] = self._type()
        self.take(last)
        return found

    def _type(self) -> str:
        if self.next_is("["):
            self.take("[")
            kind = f"[{self._type()}]"
            self.take("]")
        else:
            kind = self.name()
        if self.next_is("!"):
            self.take("!")
            kind += "!"
        return kind

    def _members(self, first: str, last: str, depth: int) -> dict[str, Any]:
        """Names with their values."""
        self.take(first)
        found = {}
        while not self.next_is(last):
            name = self.name()
            self.take(":")
            found[name] = self._value(depth + 1)
        self.take(last)
        return found

    def _value(self, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise GraphQLError(f"A value is nested more than {_MAX_DEPTH} levels deep")
        if self.next_is("["):
            self.take("[")
            values = []
            while not self.next_is("]"):
                values.append(self._value(depth + 1))
            self.take("]")
            return values
        if self.next_is("{"):
            return self._members("{", "}", depth)
        if self.at_end or self._tokens[self._at][0] == "mark":
            raise self.unexpected("a value")
        kind, token = self._tokens[self._at]
        self._at += 1
        if kind == "name":
            return {"true": True, "false": False, "null": None}.get(token, Name(token))
        try:
            return msgspec.json.decode(token)  # numbers and strings have the same syntax in JSON
        except msgspec.DecodeError:
            raise GraphQLError(f"Invalid syntax: {token} is not a value") from None

    def unexpected(self, wanted: str) -> GraphQLError:
        """The error that something else than ``wanted`` comes next."""
        if self.at_end:
            return GraphQLError(f"Invalid syntax: the query ends where {wanted} is expected")
        token = self._tokens[self._at][1]
        if token == "$":  # noqa: S105 - of a query
            return GraphQLError(_NO_VARIABLES)
        return GraphQLError(f"Invalid syntax: {token} where {wanted} is expected")

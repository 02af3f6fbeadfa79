"""As much GraphQL as Data Kiosk takes: a query as a tree of fields, and types to hold it against; pure.

Variables, fragments and directives are refused by name: no documented Data Kiosk query has any.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["Field", "GraphQLError", "Name", "Schema", "parse_query", "parse_schema"]

_TOKEN = re.compile(
    r"(?P<skipped>[\s,\ufeff]+|#[^\n\r]*)|(?P<name>[A-Za-z_]\w*)|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r'|(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<mark>\.\.\.|[{}()\[\]:!=|@$&])'
)
_DEEPEST = 32
_NOT_TAKEN = {"...": "fragments", "$": "variables", "@": "directives"}


class GraphQLError(ValueError):
    """The text is not GraphQL, or asks for what there is not."""


class Name(str):
    """A bare word among values: a member of an enumeration."""

    __slots__ = ()


class Field(msgspec.Struct, frozen=True):
    """A field that is asked for; ``fields`` are those within it."""

    name: str
    alias: str
    arguments: Mapping[str, Any]
    fields: tuple[Field, ...]


class FieldType(msgspec.Struct, frozen=True):
    """A field that there is, its type in GraphQL's notation: ``[String!]!``."""

    type: str
    arguments: Mapping[str, str]


class Schema(msgspec.Struct, frozen=True):
    """The types of one data set: ``objects`` are read, ``inputs`` are given."""

    objects: Mapping[str, Mapping[str, FieldType]]
    inputs: Mapping[str, Mapping[str, str]]
    enums: Mapping[str, frozenset[str]]

    def check(self, fields: tuple[Field, ...], kind: str) -> None:
        """Hold what is asked of an object against its type.

        Raises:
            GraphQLError: an unknown field or argument, or one that is missing or of another type.
        """
        known = self.objects[kind]
        for field in fields:
            if field.name not in known:
                raise GraphQLError(f"Field '{field.name}' in type '{kind}' is undefined")
            declared = known[field.name]
            self._check_members(field.arguments, declared.arguments, f"{kind}.{field.name}")
            inner = bare(declared.type)
            if (inner in self.objects) != bool(field.fields):
                wants = "needs" if inner in self.objects else "has no"
                raise GraphQLError(f"Field '{field.name}' of type '{inner}' {wants} fields of its own")
            if field.fields:
                self.check(field.fields, inner)

    def _check_members(self, given: Mapping[str, Any], declared: Mapping[str, str], where: str) -> None:
        for name in given:
            if name not in declared:
                raise GraphQLError(f"Argument '{name}' of '{where}' is undefined")
        for name, kind in declared.items():
            if kind.endswith("!") and given.get(name) is None:
                raise GraphQLError(f"Argument '{name}' of '{where}' is missing")
            if given.get(name) is not None and not self._fits(given[name], kind, f"{where}.{name}"):
                raise GraphQLError(f"Argument '{name}' of '{where}' is not of type '{kind}'")

    def _fits(self, value: Any, kind: str, where: str) -> bool:
        kind = kind.removesuffix("!")
        if kind.startswith("["):
            values = value if isinstance(value, list) else [value]  # GraphQL takes one for a list of one
            return all(each is not None and self._fits(each, kind[1:-1], where) for each in values)
        if kind in self.enums:
            return isinstance(value, Name) and value in self.enums[kind]
        if kind in self.inputs:
            if isinstance(value, dict):
                self._check_members(value, self.inputs[kind], where)
            return isinstance(value, dict)
        if kind in ("Long", "Int", "Float"):
            return isinstance(value, int if kind != "Float" else (int, float)) and not isinstance(value, bool)
        if not isinstance(value, str) or isinstance(value, Name):
            return False
        return kind != "Date" or re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", value) is not None


def bare(kind: str) -> str:
    """The name within a type: ``[Economics!]!`` is of ``Economics``."""
    return kind.strip("[]!")


def parse_query(text: str) -> tuple[Field, ...]:
    """The fields that a query asks for.

    Raises:
        GraphQLError: it is no query.
    """
    reader = _Reader(text)
    if reader.next_is("query"):
        reader.take("query")
        if not reader.next_is("{"):
            reader.name()
    fields = reader.fields()
    reader.end()
    return fields


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
    """The tokens of a text, one after the other."""

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
            raise self._unexpected(f"'{token}'")
        self._at += 1

    def end(self) -> None:
        if not self.at_end:
            raise self._unexpected("the end")

    def name(self) -> str:
        if self.at_end or self._tokens[self._at][0] != "name":
            raise self._unexpected("a name")
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

    def fields(self, depth: int = 0) -> tuple[Field, ...]:
        """``{ alias: field(argument: value) { … } }``."""
        if depth > _DEEPEST:
            raise GraphQLError(f"The query is more than {_DEEPEST} fields deep")
        self.take("{")
        found: list[Field] = []
        while not found or not self.next_is("}"):
            alias = name = self.name()
            if self.next_is(":"):
                self.take(":")
                name = self.name()
            arguments = self._members("(", ")", depth) if self.next_is("(") else {}
            inner = self.fields(depth + 1) if self.next_is("{") else ()
            found.append(Field(name, alias, arguments, inner))
        self.take("}")
        return tuple(found)

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
        if depth > _DEEPEST:
            raise GraphQLError(f"A value is more than {_DEEPEST} deep")
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
            raise self._unexpected("a value")
        kind, token = self._tokens[self._at]
        self._at += 1
        if kind == "name":
            return {"true": True, "false": False, "null": None}.get(token, Name(token))
        try:
            return msgspec.json.decode(token)  # numbers and texts are written as in JSON
        except msgspec.DecodeError:
            raise GraphQLError(f"Invalid syntax: {token} is no value") from None

    def _unexpected(self, wanted: str) -> GraphQLError:
        if self.at_end:
            return GraphQLError(f"Invalid syntax: the query ends where {wanted} is due")
        token = self._tokens[self._at][1]
        if token in _NOT_TAKEN:
            return GraphQLError(f"The emulator takes no {_NOT_TAKEN[token]}")
        return GraphQLError(f"Invalid syntax: {token} where {wanted} is due")

"""Reads the JSON Schemas of notifications into definitions for the generator of models; anything unknown is refused.

Amazon's files use many variants that the draft allows and some that it does not. They are read as follows:

- The root is an object, a ``$ref`` or a misspelt ``#ref``. If it refers to a definition that does not exist, the file's
  own examples show what a notification contains, and no member is required.
- The items of a list are one schema, a list of one schema, alternatives (``anyOf``), or missing.
- Objects inside objects become definitions of their own, named after their property.
- ``null`` among the types of a property means that it may be missing.
- A string is a date-time if the schema says so or if all of its examples are date-times.
- An integer amount beside a currency code is money, which has decimals.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from spapi_async.codegen.names import class_name, singular, snake
from spapi_async.codegen.nodes import ModelError, below, items, members, refuse_deep, refuse_unknown
from spapi_async.codegen.schemas import LIMITS, PROSE, SCALARS, Schema, parse_schema, reference

__all__ = ["ROOT", "NotificationSchema", "parse_notification_schema"]

ROOT = "Notification"
"""The name of the whole notification's definition, whatever its file calls it."""

_KEYS = PROSE | LIMITS | {
    "$id", "$ref", "$schema", "additionalItems", "additionalProperties", "anyOf", "contains", "definitions", "items",
    "properties", "required", "type",
}  # fmt: skip
_MISSPELT_REF = "#ref"
_COPIED_LIMITS = LIMITS - {"default", "enum"}

_Node = dict[str, Any]


class NotificationSchema(msgspec.Struct, frozen=True, kw_only=True):
    """One file: its module, its definitions, and the notifications that it describes.

    ``types``: the names of the notification type; a file may give two. ``version``: that of the payload; empty if the
    file gives none.
    """

    file: str
    module: str
    types: tuple[str, ...]
    version: str
    definitions: dict[str, Schema]


def parse_notification_schema(data: Mapping[str, Any], file: str) -> NotificationSchema:
    """A whole file.

    Raises:
        ModelError: it has a construct that the generator does not support.
    """
    where = f"{file}: $"
    refuse_deep(data, where)
    examples = [example for example in items(data, "examples", where) if isinstance(example, dict)]
    nodes, aliases = _named_definitions(data, where)
    root, raw = _root(data, nodes, aliases, examples, where)
    hoisted = _Hoisting({ROOT: root} | nodes)
    stem = file.rpartition("/")[2].removesuffix(".json")
    return NotificationSchema(
        file=file,
        module=snake(stem.replace("Notification", "")),
        types=_facts(raw, examples, "notificationtype") or (snake(stem.replace("Notification", "")).upper(),),
        version=next(iter(_facts(raw, examples, "payloadversion")), ""),
        definitions={name: parse_schema(node, f"{where} {name}") for name, node in hoisted.definitions.items()},
    )


def _named_definitions(data: Mapping[str, Any], where: str) -> tuple[dict[str, _Node], dict[str, str]]:
    """The file's definitions by class name, and the class names by the file's names."""
    raw = members(data, "definitions", where)
    aliases = {name: class_name(name) for name in raw}
    if len(set(aliases.values())) != len(aliases):
        raise ModelError(f"{where}.definitions", "two definitions differ only in case")
    return {aliases[name]: _plain(node, below(f"{where}.definitions", name)) for name, node in raw.items()}, aliases


def _root(
    data: Mapping[str, Any],
    nodes: dict[str, _Node],
    aliases: Mapping[str, str],
    examples: Sequence[_Node],
    where: str,
) -> tuple[_Node, Mapping[str, Any]]:
    """The schema of the whole notification, removed from the definitions if it is one of them; and as in the file."""
    ref = data.get("$ref", data.get(_MISSPELT_REF))
    if ref is None:
        root = _plain({key: value for key, value in data.items() if key != _MISSPELT_REF}, where)
        if "properties" not in root:
            raise ModelError(where, "defines no notification")
        return root, data
    name = reference(ref, "definitions", where)
    if name in aliases:
        return nodes.pop(aliases[name]), data["definitions"][name]
    if not examples:
        raise ModelError(where, f"$ref to {name!r}, which is not defined, and there is no example of it")
    return _merged([_inferred(example) for example in examples], where), {}


def _facts(root: Mapping[str, Any], examples: Iterable[_Node], name: str) -> tuple[str, ...]:
    """The values of a member of the notification in the schema and the file's examples; its name may be in any case."""
    said: list[Any] = []
    for key, node in root.get("properties", {}).items():
        if key.lower() == name:
            said += [*node.get("enum", ()), *node.get("examples", ())]
    said += [value for example in examples for key, value in example.items() if key.lower() == name]
    return tuple(dict.fromkeys(value for value in said if isinstance(value, str) and value))


# --- one schema, without prose and oddities --------------------------------------------------------------------------


def _plain(node: Any, where: str) -> _Node:
    refuse_unknown(node, _KEYS, where)
    if "$ref" in node:
        return {"$ref": f"#/definitions/{class_name(reference(node['$ref'], 'definitions', where))}"}
    if "anyOf" in node:
        return _merged(_each(node["anyOf"], f"{where}.anyOf"), where)
    declared, nullable = _declared(node, where)
    made: _Node = {
        key: value for key, value in node.items() if key in _COPIED_LIMITS and declared not in ("object", "array")
    }
    if declared:
        made["type"] = declared
    if nullable:
        made["x-nullable"] = True
    if values := [value for value in items(node, "enum", where) if value is not None]:
        made["enum"] = values
    examples = items(node, "examples", where)
    if declared == "array":
        made["items"] = _items(node, examples, where)
    elif declared == "object":
        made |= _members(node, where)
    elif declared == "string" and examples and all(map(_is_date_time, examples)):
        made.setdefault("format", "date-time")
    return made


def _declared(node: Mapping[str, Any], where: str) -> tuple[str | None, bool]:
    """The type, and whether null is allowed, too."""
    declared = node.get("type")
    several = declared if isinstance(declared, list) else [declared]
    kinds = [kind for kind in several if kind != "null"]
    if len(kinds) != 1 or kinds[0] not in ("object", "array", *SCALARS, None):
        raise ModelError(where, f"type {declared!r} is not supported")
    if kinds == [None] and "properties" in node:
        kinds = ["object"]
    return kinds[0], len(kinds) < len(several)


def _items(node: Mapping[str, Any], examples: Sequence[Any], where: str) -> _Node:
    """The schema of a list's items; inferred from its examples if the schema does not say."""
    entry = node.get("items")
    if entry is None:
        shown = [value for example in examples if isinstance(example, list) for value in example]
        return _merged([_inferred(value) for value in shown], where) if shown else {}
    if isinstance(entry, list):
        return _merged(_each(entry, f"{where}.items"), where)
    return _plain(entry, f"{where}.items")


def _members(node: Mapping[str, Any], where: str) -> _Node:
    made = {
        name: _plain(child, below(f"{where}.properties", name))
        for name, child in members(node, "properties", where).items()
    }
    for name, child in made.items():
        if name.lower() == "amount" and child.get("type") == "integer" and _has_currency(made):
            child["type"] = "number"
    nullable = {name for name, child in made.items() if child.pop("x-nullable", False)}
    required = [name for name in items(node, "required", where, str) if name not in nullable]
    return {"properties": made, "required": required}


def _has_currency(properties: Mapping[str, Any]) -> bool:
    return any(name.lower() == "currencycode" for name in properties)


def _each(nodes: Any, where: str) -> list[_Node]:
    if not isinstance(nodes, list) or not nodes:
        raise ModelError(where, "must be a list of schemas")
    return [_plain(node, f"{where}[{i}]") for i, node in enumerate(nodes)]


def _merged(nodes: Sequence[_Node], where: str) -> _Node:
    """One schema for several alternatives: it has all their properties and requires those that all of them require."""
    first = nodes[0]
    if all(node == first for node in nodes):
        return first
    if any(node.get("type") != "object" for node in nodes):
        if len({node.get("type") for node in nodes}) == 1 and first.get("type") in SCALARS:
            return {"type": first["type"]}
        raise ModelError(where, "alternatives of different types are not supported")
    properties: _Node = {}
    for node in nodes:
        for name, child in node["properties"].items():
            properties[name] = _merged([properties.get(name, child), child], where)
    required = [name for name in properties if all(name in node["required"] for node in nodes)]
    return {"type": "object", "properties": properties, "required": required}


def _inferred(value: Any) -> _Node:
    """The schema of one example; nothing is required, since another example may lack it."""
    if isinstance(value, dict):
        return {
            "type": "object",
            "properties": {name: _inferred(child) for name, child in value.items()},
            "required": [],
        }
    if isinstance(value, list):
        return {"type": "array", "items": _merged([_inferred(item) for item in value], "") if value else {}}
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int | float):
        return {"type": "integer" if isinstance(value, int) else "number"}
    if isinstance(value, str):
        return {"type": "string"} | ({"format": "date-time"} if _is_date_time(value) else {})
    return {}


def _is_date_time(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(_DATE_TIME, value) is not None


_DATE_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"


# --- objects inside objects ------------------------------------------------------------------------------------------


class _Hoisting:
    """Gives every object a definition of its own, as in the Swagger files; equal objects share one."""

    def __init__(self, nodes: Mapping[str, _Node]) -> None:
        self.definitions: dict[str, _Node] = {}
        self._whole: dict[str, _Node] = dict(nodes)
        for name, node in nodes.items():
            self.add(name, node)

    def add(self, name: str, node: _Node) -> None:
        """Define the node, and the objects inside it."""
        self._whole[name] = node
        self.definitions[name] = {}  # keeps the order: before the objects inside it
        self.definitions[name] = self._with_references(node, name, name)

    def _with_references(self, node: _Node, name: str, owner: str) -> _Node:
        """The node with references instead of the objects in it; ``name`` is that of the list if it is one."""
        made = dict(node)
        if "properties" in node:
            made["properties"] = {key: self._reference(child, key, owner) for key, child in node["properties"].items()}
        if "items" in node:
            made["items"] = self._reference(node["items"], singular(name), owner)
        return made

    def _reference(self, node: _Node, name: str, owner: str) -> _Node:
        if not node.get("properties"):
            return self._with_references(node, name, owner)
        plain = class_name(name)
        own = plain if self._whole.get(plain, node) == node else f"{owner}{plain}"
        if self._whole.get(own, node) != node:
            raise ModelError(own, "is the name of two different objects")
        if own not in self.definitions:
            self.add(own, node)
        return {"$ref": f"#/definitions/{own}"}

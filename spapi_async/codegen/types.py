"""Turns schemas into classes: definitions, and inline objects and enums. Other types are written out where used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from spapi_async._core.operation import Constraints
from spapi_async.codegen.document import ModelError, RawParameter
from spapi_async.codegen.money import Context, number_type, string_type
from spapi_async.codegen.names import class_name, distinct, field_name, member_name, singular
from spapi_async.codegen.overlay import Overlay, overlay
from spapi_async.codegen.personal import Hidden, hidden_fields
from spapi_async.codegen.schemas import Schema

__all__ = ["PARAMETER", "ClassTable", "EnumClass", "Field", "ModelClass", "PyType", "render", "walk"]

PARAMETER = "parameter "
"""The prefix of the definition of a parameter's enum."""

_LONGEST_ALIAS_CHAIN = 32
"""Definitions that may refer to one another until one of them is a class."""

_DATE_TIMES = ("date-time", "dateTime")


class PyType(msgspec.Struct, frozen=True):
    """A Python type: a scalar, a class of the models module, or a container of one."""

    kind: Literal["scalar", "model", "enum", "list", "dict"]
    name: str = ""
    item: PyType | None = None


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """An attribute of a model."""

    name: str
    wire_name: str
    type: PyType
    required: bool
    limits: Constraints
    item_limits: Constraints | None = None
    overlay: Overlay | None = None


class ModelClass(msgspec.Struct, frozen=True, kw_only=True):
    """A struct; ``definition`` is Amazon's name for it, or the owner and property of an inline object.

    ``hidden``: the fields whose values its repr does not show.
    """

    name: str
    definition: str
    fields: tuple[Field, ...]
    hidden: Hidden = ()


class EnumClass(msgspec.Struct, frozen=True, kw_only=True):
    """An open enum; members are (name, value)."""

    name: str
    definition: str
    members: tuple[tuple[str, str], ...]


class ClassTable:
    """The classes of one module, made from its definitions in file order."""

    def __init__(self, module: str, definitions: dict[str, Schema]) -> None:
        self._module = module
        self._definitions = definitions
        self._names: dict[str, str] = {}  # definition -> class
        self._taken: set[str] = set()
        self._classes: dict[str, ModelClass | EnumClass] = {}
        for name, schema in definitions.items():
            if self._is_class(schema):
                self._names[name] = self._claim(class_name(name))
        for name in self._names:
            self._define(name)

    @property
    def classes(self) -> tuple[ModelClass | EnumClass, ...]:
        """All classes: definitions in file order, each followed by the inline classes in it."""
        return tuple(self._classes.values())

    def model(self, name: str) -> ModelClass:
        """The struct of that name."""
        found = self._classes[name]
        assert isinstance(found, ModelClass)
        return found

    def type_of(self, schema: Schema, context: Context) -> PyType:
        """The type of a schema; inline objects and enums become classes named after the context."""
        if schema.kind == "ref":
            return self._referenced(schema, context)
        if schema.is_enum:
            return self._inline_enum(schema, context)
        if schema.kind == "array":
            assert schema.items is not None
            return PyType("list", "list", self.type_of(schema.items, _item(context)))
        if schema.kind == "all_of" and len(schema.parts) == 1:
            return self.type_of(schema.parts[0], context)
        if schema.kind in ("object", "all_of"):
            return self._object(schema, context)
        return PyType("scalar", _scalar(schema, context))

    def enum_for(self, name: str, fallback: str, parameter: RawParameter, values: tuple[str, ...]) -> PyType:
        """An enum for a parameter: an existing one with one of these names and the same values, or else a new one."""
        for candidate in (class_name(name), class_name(fallback)):
            found = self._classes.get(candidate)
            if isinstance(found, EnumClass) and tuple(value for _, value in found.members) == values:
                return PyType("enum", candidate)
        free = name if class_name(name) not in self._taken else fallback
        return self._add_enum(free, values, f"{PARAMETER}{parameter.name}")

    def resolve(self, schema: Schema) -> Schema:
        """The schema at the end of a chain of references."""
        seen = set()
        while schema.kind == "ref" and schema.ref not in seen:
            seen.add(schema.ref)
            schema = self._target(schema)
        return schema

    def _referenced(self, schema: Schema, context: Context) -> PyType:
        target = self._target(schema)
        if schema.ref in self._names:
            return PyType("enum" if target.is_enum else "model", self._names[schema.ref])
        if schema.ref in context.aliases:
            raise ModelError(schema.where, f"{schema.ref} refers only to itself")
        if len(context.aliases) >= _LONGEST_ALIAS_CHAIN:
            raise ModelError(
                schema.where, f"refers through more than {_LONGEST_ALIAS_CHAIN} definitions, none of which is a class"
            )
        return self.type_of(target, context.through(schema.ref))

    def _target(self, schema: Schema) -> Schema:
        if schema.ref not in self._definitions:
            raise ModelError(schema.where, f"$ref to {schema.ref!r}, which is not defined")
        return self._definitions[schema.ref]

    def _is_class(self, schema: Schema) -> bool:
        if schema.kind == "all_of" and len(schema.parts) == 1:  # if the part is not an object, this is an alias of it
            part = self.resolve(schema.parts[0])
            return part.kind in ("object", "all_of")
        return schema.is_enum or bool(schema.properties) or schema.kind == "all_of"

    def _object(self, schema: Schema, context: Context) -> PyType:
        if schema.extra is not None and not schema.properties:
            return PyType("dict", "dict", self.type_of(schema.extra, _item(context)))
        if not schema.properties and schema.kind == "object":
            return PyType("dict", "dict", PyType("scalar", "Any"))
        name = self._claim(_inline_name(context, self._taken))
        self._add_model(name, f"{context.owner}.{context.name}" if context.name else context.owner, schema)
        return PyType("model", name)

    def _define(self, definition: str) -> None:
        schema, name = self._definitions[definition], self._names[definition]
        if schema.is_enum:
            self._classes[name] = _enum(name, definition, schema.limits.enum)
        else:
            self._add_model(name, definition, schema)

    def _add_model(self, name: str, definition: str, schema: Schema) -> None:
        self._classes[name] = ModelClass(name=name, definition=definition, fields=())  # keeps the order
        merged, required = self._merged(schema, ())
        siblings = tuple(merged)
        fields: list[Field] = []
        for wire_name, child in merged.items():
            context = Context(owner=definition, name=wire_name, siblings=siblings)
            change = overlay(self._module, definition, wire_name)
            resolved = self.resolve(child)
            fields.append(
                Field(
                    name=field_name(wire_name, {field.name for field in fields}),
                    wire_name=wire_name,
                    type=_changed(change) or self.type_of(child, context),
                    required=wire_name in required and not (change and change.change == "optional"),
                    limits=resolved.limits,
                    item_limits=self.resolve(resolved.items).limits if resolved.items else None,
                    overlay=change,
                )
            )
        hidden = hidden_fields(self._module, name, [(field.name, _holds_text(field.type)) for field in fields])
        self._classes[name] = ModelClass(name=name, definition=definition, fields=tuple(fields), hidden=hidden)

    def _merged(self, schema: Schema, seen: tuple[str, ...]) -> tuple[dict[str, Schema], set[str]]:
        """All properties of an object, those of its allOf parts first; a later part overrides an earlier one."""
        properties: dict[str, Schema] = {}
        required: set[str] = set()
        for part in schema.parts or (schema,):
            here = seen
            node = part
            while node.kind == "ref":
                if node.ref in here:
                    raise ModelError(node.where, f"allOf of {node.ref} contains itself")
                here = (*here, node.ref)
                node = self._target(node)
            if node.kind == "all_of":
                more, needed = self._merged(node, here)
            elif node.kind == "object":
                more, needed = dict(node.properties), set(node.required)
            else:
                raise ModelError(node.where, f"allOf of a {node.kind} is not supported")
            properties |= more
            required |= needed
        return properties, required

    def _inline_enum(self, schema: Schema, context: Context) -> PyType:
        own = class_name(f"{context.owner}_{singular(context.name)}" if context.name else context.owner)
        for candidate in (_inline_name(context, ()), own):
            found = self._classes.get(candidate)
            if isinstance(found, EnumClass) and tuple(value for _, value in found.members) == schema.limits.enum:
                return PyType("enum", candidate)
        definition = f"{context.owner}.{context.name}" if context.name else context.owner
        return self._add_enum(_inline_name(context, self._taken), schema.limits.enum, definition)

    def _add_enum(self, name: str, values: tuple[str, ...], definition: str) -> PyType:
        claimed = self._claim(class_name(name))
        self._classes[claimed] = _enum(claimed, definition, values)
        return PyType("enum", claimed)

    def _claim(self, name: str) -> str:
        result = distinct(name, self._taken)
        self._taken.add(result)
        return result


def render(type_: PyType, prefix: str = "") -> str:
    """The annotation; classes of the models module get the prefix."""
    if type_.kind in ("model", "enum"):
        return prefix + type_.name
    if type_.item is None:
        return type_.name
    inner = render(type_.item, prefix)
    return f"dict[str, {inner}]" if type_.kind == "dict" else f"list[{inner}]"


def walk(table: ClassTable, root: PyType) -> Iterator[PyType]:
    """Every type reachable from one, once for each class."""
    seen: set[str] = set()
    stack = [root]
    while stack:
        type_ = stack.pop()
        yield type_
        if type_.item is not None:
            stack.append(type_.item)
        if type_.kind == "model" and type_.name not in seen:
            seen.add(type_.name)
            stack += [field.type for field in table.model(type_.name).fields]


def _holds_text(type_: PyType) -> bool:
    """Whether a value of the type is text or contains text that is not in another class."""
    return _holds_text(type_.item) if type_.item else type_.name in ("str", "Any")


def _changed(change: Overlay | None) -> PyType | None:
    """The type that an overlay prescribes; None if it leaves the model's type."""
    names = {"text": "str", "timestamp": "Timestamp"}
    return PyType("scalar", names[change.change]) if change and change.change in names else None


def _scalar(schema: Schema, context: Context) -> str:
    format_ = schema.limits.format
    if schema.kind == "string":
        if format_ in _DATE_TIMES:
            return "Timestamp"
        return "dt.date" if format_ == "date" else string_type(context)
    if schema.kind == "number":
        return number_type(format_, context)
    return {"integer": "int", "boolean": "bool", "any": "Any"}[schema.kind]


def _item(context: Context) -> Context:
    """The context of a list's items."""
    return msgspec.structs.replace(context, name=singular(context.name))


def _inline_name(context: Context, taken: set[str] | tuple[()]) -> str:
    """``Order`` and ``orderStatus`` give ``OrderStatus``; without the overlap, owner and property together.

    An item of a named list is the singular of the list: ``OrderItems`` gives ``OrderItem``, or ``OrderItemsItem``.
    """
    own = class_name(context.aliases[-1] if context.aliases else context.owner)
    name = class_name(context.name) if context.name else ""
    if context.aliases:
        candidates = [singular(own.removesuffix("List")), f"{own}Item"]
    else:
        candidates = [name if name.startswith(own) else f"{own}{name}", f"{own}{name}", f"{own}{name}Value"]
    return next((candidate for candidate in candidates if candidate not in taken), candidates[-1])


def _enum(name: str, definition: str, values: tuple[str, ...]) -> EnumClass:
    members: dict[str, str] = {}
    for value in values:
        members[member_name(value, members)] = value
    return EnumClass(name=name, definition=definition, members=tuple(members.items()))

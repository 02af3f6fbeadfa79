"""Reads a body that breaks its model: pieces that fit are typed, others are kept as they are, each violation is noted.

The work is done on undecoded JSON. A piece that fits its type is decoded at once by the same C decoder as on the fast
path; only where a piece does not fit does this module go through it field by field and item by item. So an undamaged
field has the value that the fast path would have given it, and a page with one bad field costs little more than a good
one.

A piece that does not fit becomes:

- a required key that is absent: the value of a key that differs only in case (``MarketplaceID``), else None
- null: None; ``""`` where the model has no string: None, since it means absence
- the same value in another type: the converted value. ``"5"`` and ``5.0`` for an integer, ``"true"`` for a boolean, a
  number or boolean for a string, a time without seconds, zone (then UTC) or hours, a time instead of a date
- one object instead of a list: a list of it. A list instead of an object: its only item, or an object whose only field
  is that list
- anything else: the plain JSON value. An object or list, or text instead of one, may be personal data: its repr does
  not show it
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import msgspec

from spapi_async._codec import json, scalars
from spapi_async._codec.mending import mend
from spapi_async._codec.reading import Facts, Reading, decodable, kind_of
from spapi_async._core.wire import OpenEnum, kept

__all__ = ["build", "describe", "items", "keys", "read_bare", "required_fields", "wire_path"]


_DEEPEST_REPAIR = 64
"""Levels of nesting below which pieces that do not fit are kept as they are."""


def build(declared: Any, body: bytes) -> tuple[Any, list[Facts]]:
    """The value of ``body``, as close to the type ``declared`` as possible, and the places where it breaks its model.

    Raises:
        ValueError: the body is not JSON.
    """
    try:
        return _build(declared, body, shallow=False)
    except RecursionError:
        pass
    try:
        return _build(declared, body, shallow=True)
    except RecursionError:  # the caller was already close to the recursion limit
        raise ValueError("nested too deeply") from None


def _build(declared: Any, body: bytes, *, shallow: bool) -> tuple[Any, list[Facts]]:
    reading = Reading()
    return _read(_shape(declared), decodable(body, reading, shallow=shallow), "$", reading), reading.violations


def read_bare(
    declared: Any, member: str, body: bytes, found: Sequence[Facts], *, required: bool
) -> tuple[Any, Sequence[Facts]]:
    """The content of an envelope whose ``member`` is absent or null, if Amazon sent it bare, as in some of its samples.

    Returns the value and the violations: None and ``found`` if there is no content, which is one more if ``required``.
    """
    envelope = _shape(declared)
    reading = Reading()
    raw = decodable(body, reading)
    if not isinstance(envelope, _StructShape) or kind_of(raw) != "object":
        return None, found
    field = next(field for field in envelope.fields if field.name == member)
    inner = _struct_in(field.shape)
    keys = _MEMBERS.decode(raw).keys()
    if inner is not None and any(map(inner.knows, keys)) and not any(map(envelope.knows, keys)):
        reading.note("$", f"object with {field.key}", "its content alone")
        return _read(field.shape, raw, "$", reading), reading.violations
    path = f"$.{field.key}"
    if required and path not in [path for path, _, _ in found]:
        found = [*found, (path, field.shape.name, "null" if field.key in keys else "absent")]
    return None, found


def items(body: bytes, path: str) -> list[bytes] | None:
    """The items of the list at ``path`` (from ``wire_path``), as received; None if there is no list."""
    raw = mend(body)[0]
    try:
        for key in path.split(".")[1:]:
            raw = bytes(_MEMBERS.decode(raw)[key])
        return [bytes(item) for item in _ITEMS.decode(raw)]
    except (KeyError, ValueError, RecursionError):
        return None


def keys(declared: Any) -> frozenset[str]:
    """The keys that an object of this type may have; empty if the type is not an object."""
    shape = _struct_in(_shape(declared))
    return frozenset() if shape is None else frozenset(field.key for field in shape.fields)


def wire_path(declared: Any, member: str | None, names: Sequence[str]) -> str:
    """The path of a field in the JSON, such as ``$.payload.Orders``; ``names`` are the attributes that lead to it."""
    path, shape = "$", _shape(declared)
    for name in names if member is None else (member, *names):
        struct = _struct_in(shape)
        if struct is None:
            break
        field = next(field for field in struct.fields if field.name == name)
        path, shape = f"{path}.{field.key}", field.shape
    return path


def required_fields(declared: Any, member: str | None) -> tuple[str, ...]:
    """The required fields of an object of this type, or of its ``member``; empty if that is not an object."""
    shape = _struct_in(_shape(declared))
    if shape is not None and member is not None:
        shape = _struct_in(next(field.shape for field in shape.fields if field.name == member))
    return () if shape is None else tuple(field.name for field in shape.fields if field.required)


def describe(declared: Any) -> str:
    """A type in the words of JSON: ``"object"``, ``"datetime"``."""
    return _shape(declared).name


# --- shapes: a type, and how to read JSON that does not fit it -------------------------------------------------------


class _Shape:
    """A declared type with its decoder; subclasses define how JSON that does not fit is read."""

    __slots__ = ("decoder", "name")

    takes: frozenset[str] = frozenset()
    """The kinds of JSON value that this shape can repair; a union chooses its alternative by them."""

    structure = False
    """Whether the model has an object or a list here."""

    def __init__(self, declared: Any, name: str) -> None:
        self.decoder = msgspec.json.Decoder(declared)
        self.name = name

    def repair(self, raw: bytes, kind: str, path: str, reading: Reading) -> Any:
        """Read ``raw``, which the decoder has refused and which is not null, and note the violation."""
        return self.keep(raw, kind, path, reading)

    def keep(self, raw: bytes, kind: str, path: str, reading: Reading) -> Any:
        """Keep ``raw`` as a plain value; an empty string becomes None."""
        empty = raw == b'""'
        reading.note(path, self.name, "empty string" if empty else kind)
        if empty:
            return None
        return kept(json.plain(raw), text=self.structure)


def _read(shape: _Shape, raw: bytes, path: str, reading: Reading) -> Any:
    try:
        return shape.decoder.decode(raw)
    except (ValueError, RecursionError):
        kind = kind_of(raw)
    if kind == "null":
        reading.note(path, shape.name, kind)
        return None
    if reading.depth >= _DEEPEST_REPAIR:
        return shape.keep(raw, kind, path, reading)
    reading.depth += 1
    try:
        return shape.repair(raw, kind, path, reading)
    finally:
        reading.depth -= 1


class _Field(msgspec.Struct, frozen=True):
    name: str
    key: str
    shape: _Shape
    required: bool


class _StructShape(_Shape):
    """An object of the model."""

    __slots__ = ("_fields", "_type")

    takes = frozenset({"object"})
    structure = True

    def __init__(self, declared: Any) -> None:
        super().__init__(declared, "object")
        self._type = declared
        self._fields: tuple[_Field, ...] | None = None

    @property
    def fields(self) -> tuple[_Field, ...]:
        # Only when first needed, because a type may contain itself.
        if self._fields is None:
            self._fields = tuple(
                _Field(field.name, field.encode_name, _shape(field.type), field.required)
                for field in msgspec.structs.fields(self._type)
            )
        return self._fields

    def knows(self, key: str) -> bool:
        return any(field.key == key for field in self.fields)

    def repair(self, raw: bytes, kind: str, path: str, reading: Reading) -> Any:
        if kind == "object":
            return self._build(_MEMBERS.decode(raw), path, reading)
        if kind == "array":
            items = _ITEMS.decode(raw)
            if len(self.fields) == 1 and isinstance(self.fields[0].shape, _ListShape):
                # Amazon's own samples have a bare list of errors instead of {"errors": [...]}.
                reading.note(path, self.name, kind)
                field = self.fields[0]
                return self._type(**{field.name: _read(field.shape, raw, f"{path}.{field.key}", reading)})
            if len(items) == 1 and kind_of(first := bytes(items[0])) == "object":
                reading.note(path, self.name, "array of one object")
                return _read(self, first, f"{path}[0]", reading)
        return self.keep(raw, kind, path, reading)

    def _build(self, members: dict[str, msgspec.Raw], path: str, reading: Reading) -> Any:
        if inner := self._payload(members):
            reading.note(path, self.name, "object inside payload")
            return _read(self, inner, f"{path}.payload", reading)
        values: dict[str, Any] = {}
        for field in self.fields:
            key = field.key
            raw = members.get(key)
            if raw is None and field.required:
                key = self._differing_in_case(members, key)
                raw = members.get(key)
                got = "absent" if raw is None else f"key {key}"
                reading.note(f"{path}.{field.key}", field.shape.name, got)
                if raw is None:
                    values[field.name] = None
            if raw is not None:
                values[field.name] = _read(field.shape, bytes(raw), f"{path}.{key}", reading)
        return self._type(**values)

    def _payload(self, members: dict[str, msgspec.Raw]) -> bytes | None:
        """The content of an envelope that the model does not have (finances 2024-06-19 has sent one)."""
        raw = members.get("payload")
        if raw is None or any(field.key in members for field in self.fields if field.key != "errors"):
            return None
        inner = bytes(raw)
        return inner if kind_of(inner) == "object" else None

    def _differing_in_case(self, members: Iterable[str], key: str) -> str:
        folded = key.casefold()
        return next((other for other in members if other.casefold() == folded and not self.knows(other)), key)


def _struct_in(shape: _Shape) -> _StructShape | None:
    """The struct that an optional field may hold."""
    alternatives = shape.alternatives if isinstance(shape, _UnionShape) else (shape,)
    return next((each for each in alternatives if isinstance(each, _StructShape)), None)


class _ListShape(_Shape):
    """A list of the model."""

    __slots__ = ("_item_type",)

    takes = frozenset({"array"})
    structure = True

    def __init__(self, declared: Any, item_type: Any) -> None:
        super().__init__(declared, "list")
        self._item_type = item_type

    def repair(self, raw: bytes, kind: str, path: str, reading: Reading) -> Any:
        item = _shape(self._item_type)
        if kind == "array":
            items = _ITEMS.decode(raw)
            return [_read(item, bytes(raw), f"{path}[{n}]", reading) for n, raw in enumerate(items)]
        if kind == "object" and (wrapped := self._only_list(raw, item)):
            reading.note(path, self.name, "object around a list")
            return _read(self, wrapped, f"{path}[*]", reading)
        if raw != b'""' and kind in item.takes:
            reading.note(path, self.name, kind)
            return [_read(item, raw, path, reading)]
        return self.keep(raw, kind, path, reading)

    @staticmethod
    def _only_list(raw: bytes, item: _Shape) -> bytes | None:
        """The list in ``{"errors": [...]}``, where the model has the bare list."""
        members = _MEMBERS.decode(raw)
        if len(members) != 1:
            return None
        ((key, value),) = members.items()
        inner = bytes(value)
        if kind_of(inner) != "array" or (isinstance(item, _StructShape) and item.knows(key)):
            return None
        return inner


class _MapShape(_Shape):
    """An object with arbitrary keys. The keys may be personal data, so paths show them as ``[*]``."""

    __slots__ = ("_value_type",)

    takes = frozenset({"object"})
    structure = True

    def __init__(self, declared: Any, value_type: Any) -> None:
        super().__init__(declared, "object")
        self._value_type = value_type

    def repair(self, raw: bytes, kind: str, path: str, reading: Reading) -> Any:
        if kind != "object":
            return self.keep(raw, kind, path, reading)
        value = _shape(self._value_type)
        return {key: _read(value, bytes(raw), f"{path}[*]", reading) for key, raw in _MEMBERS.decode(raw).items()}


class _UnionShape(_Shape):
    """Several types, without None: null never gets here. The first that can repair this kind of value does so."""

    __slots__ = ("alternatives",)

    def __init__(self, declared: Any, alternatives: tuple[Any, ...]) -> None:
        self.alternatives = tuple(_shape(alternative) for alternative in alternatives)
        super().__init__(declared, " or ".join(shape.name for shape in self.alternatives) or "null")

    def repair(self, raw: bytes, kind: str, path: str, reading: Reading) -> Any:
        alternatives = self.alternatives
        likely = next(
            (shape for shape in alternatives if kind in shape.takes), alternatives[0] if alternatives else None
        )
        if likely is None:
            return self.keep(raw, kind, path, reading)
        return likely.repair(raw, kind, path, reading)


class _ScalarShape(_Shape):
    """A string, number, time, enum and so on; ``convert`` makes one from the same value in another form."""

    __slots__ = ("_convert",)

    takes = frozenset({"string", "integer", "number", "boolean"})

    def __init__(self, declared: Any, name: str, convert: scalars.Convert) -> None:
        super().__init__(declared, name)
        self._convert = convert

    def repair(self, raw: bytes, kind: str, path: str, reading: Reading) -> Any:
        if kind in self.takes and raw != b'""':
            try:
                text = msgspec.json.decode(raw, type=str) if kind == "string" else raw.decode()
                value, got = self._convert(text, kind)
            except (ValueError, ArithmeticError):
                pass
            else:
                reading.note(path, self.name, f"{got} outside its limits" if got == self.name else got)
                return value
        return self.keep(raw, kind, path, reading)


_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


@lru_cache(maxsize=16384)
def _shape(declared: Any) -> _Shape:
    bare = declared
    while typing.get_origin(bare) is typing.Annotated:
        bare = typing.get_args(bare)[0]
    origin, arguments = typing.get_origin(bare) or bare, typing.get_args(bare)
    if origin in (typing.Union, types.UnionType):
        return _UnionShape(declared, tuple(kind for kind in arguments if kind is not type(None)))
    if origin is list:
        return _ListShape(declared, arguments[0] if arguments else Any)
    if origin is dict:
        return _MapShape(declared, arguments[1] if arguments else Any)
    if isinstance(origin, type) and issubclass(origin, msgspec.Struct):
        return _StructShape(declared)
    return _scalar(declared, bare, origin)


def _scalar(declared: Any, bare: Any, origin: Any) -> _Shape:
    if isinstance(bare, type) and issubclass(bare, OpenEnum):
        return _ScalarShape(declared, "string", lambda text, kind: (bare(text), kind))
    if bare in scalars.CONVERTERS:
        return _ScalarShape(declared, *scalars.CONVERTERS[bare])
    if origin is Literal or (isinstance(bare, type) and issubclass(bare, enum.Enum)):
        return _Shape(declared, "enum value")
    return _Shape(declared, _NAMES_OF_OTHER_TYPES.get(bare, "value"))


_NAMES_OF_OTHER_TYPES: Mapping[Any, str] = {Any: "any value", type(None): "null"}

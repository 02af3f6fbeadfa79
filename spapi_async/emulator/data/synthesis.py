"""Replies of operations without state, made from the response type: seeded, valid, with plausible values.

A repeated request gets the same bytes. Fields of a reply repeat the values of the request's fields of the same name. A
paged operation has two or three pages. An operation with several success statuses answers with any of them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

from msgspec import inspect

from spapi_async.emulator.data import plausible
from spapi_async.emulator.data.paging import Page, asked_page, plain_type, put_page, type_info
from spapi_async.emulator.data.products import rng_for
from spapi_async.emulator.data.quirks import damage
from spapi_async.emulator.data.world import Call
from spapi_async.emulator.gateway.replies import Reply, encode

__all__ = ["Maker", "synthesise"]

_KEPT_REPLIES = 2000
_NO_CONTENT = 204
_MAX_DEPTH = 6  # levels with optional fields
_ECHO_DEPTH = 3  # levels with values of the request
_SMALL_OBJECT = 3  # fields; objects up to this size, such as amounts of money, have all optional fields
# Never part of a successful reply.
_ERROR_FIELDS = frozenset({"errors", "error", "warnings", "issues"})


def synthesise(call: Call) -> Reply:
    """Answer an operation from the response type of one of its success statuses."""
    operation = call.operation
    status = call.status or _status(call)
    declared = operation.response_types.get(status, operation.response_type)
    page = asked_page(call)
    if declared is None or status == _NO_CONTENT:
        return Reply(b"", status)
    # A reply with a paging token is made anew each hour, or each second if the token expires.
    period = 1 if operation.paging and operation.paging.token_lifetime else 3600
    made_in = call.now // period if page.total else 0
    key = (operation.name, status, repr(call.arguments), encode(call.body), made_in)
    kept = call.seller.synthesised
    body = kept.get(key)
    if body is None:
        if len(kept) > _KEPT_REPLIES:
            kept.clear()
        body = kept[key] = encode(_make_reply(call, declared, page))
    return Reply(body, status)


def _status(call: Call) -> int:
    """One of the success statuses, most often the first; a repeated request gets the same one."""
    first, *others = call.operation.success
    if not others:
        return first
    drawn = _rng_for(call, "status", call.arguments, encode(call.body))
    return drawn.choice((first, first, first, *others))


def _make_reply(call: Call, declared: Any, page: Page) -> Any:
    operation, paging = call.operation, call.operation.paging
    fixed = sorted(page.fixed.items(), key=str)
    echo = _echo(call)
    # The surroundings of the items are the same on every page; without items_path there are none.
    fixed_surroundings = page.total and paging is not None and paging.items_path
    surroundings = Maker(_rng_for(call, fixed, 0 if fixed_surroundings else page.number), echo)
    value = surroundings.make(type_info(declared), "")
    items = _rng_for(call, fixed, "items", page.number)
    if page.total:
        put_page(call, declared, value, page, surroundings=surroundings.make, items=Maker(items, echo).make)
    if call.world.settings.violations and not call.world.settings.synthetic:
        damage(operation.name, value, items)
    return value


def _rng_for(call: Call, *parts: object) -> random.Random:
    """A source of random numbers for this seller and this operation."""
    return rng_for(call.world.settings.seed, call.seller.id, call.operation.name, *parts)


def _echo(call: Call) -> dict[str, str | int]:
    """The strings and integers of the request, which are repeated in fields of the same name."""
    echo: dict[str, str | int] = {}
    body = call.body if isinstance(call.body, Mapping) else {}
    for name, value in (*body.items(), *call.arguments.items()):
        one = value[0] if isinstance(value, list) and len(value) == 1 else value
        if isinstance(one, str | int) and not isinstance(one, bool) and not name.lower().endswith("token"):
            echo[name.lower()] = one
    return echo


class Maker:
    """Makes JSON values that are valid for msgspec types."""

    def __init__(self, rng: random.Random, echo: Mapping[str, str | int] | None = None) -> None:
        self._rng = rng
        self._echo = echo or {}
        self._open: list[type] = []

    def make(self, info: inspect.Type, name: str) -> Any:
        """A value of this type for a field of this name."""
        bare, as_number = _bare(info)
        return self._value(bare, name, as_number=as_number)

    def _value(self, info: inspect.Type, name: str, *, as_number: bool) -> Any:
        """A value of a type without metadata; ``as_number`` makes a Decimal a JSON number."""
        if isinstance(info, inspect.StructType):
            return self._struct(info)
        if isinstance(info, inspect.ListType):
            return self._list(info, name)
        if isinstance(info, inspect.DictType):
            return self._mapping(info, name)
        return self._scalar(info, name, as_number=as_number)

    def _scalar(self, info: inspect.Type, name: str, *, as_number: bool) -> Any:  # noqa: PLR0911  one case for each type
        match info:
            case inspect.EnumType():
                return self._rng.choice(_values(info.cls))
            case inspect.StrType():
                return self._string(info, name)
            case inspect.IntType():
                return self._integer(info, name)
            case inspect.BoolType():
                return self._rng.random() < 0.5
            case inspect.FloatType() | inspect.DecimalType():
                amount = plausible.number(name, self._rng)
                return amount if as_number or isinstance(info, inspect.FloatType) else f"{amount:.2f}"
            case inspect.DateTimeType():
                return plausible.moment(self._rng)
            case inspect.DateType():
                return plausible.date(self._rng)
            case inspect.LiteralType():
                return info.values[0]
            case inspect.AnyType() | inspect.RawType():
                return {"value": plausible.text(name, self._rng)}
        raise NotImplementedError(f"field {name!r} has the type {info!r}, for which the emulator can make no value")

    def _struct(self, info: inspect.StructType) -> dict[str, Any]:
        made: dict[str, Any] = {}
        fields = _fields(info)
        small = len(fields) <= _SMALL_OBJECT
        self._open.append(info.cls)
        for field in fields:
            if field.required or self._wanted(field, small=small):
                name = field.name
                made[name] = [] if field.empty else self._value(field.info, name, as_number=field.as_number)
        self._open.pop()
        return made

    def _wanted(self, field: _Field, *, small: bool) -> bool:
        """Whether an optional field is present: usually, but never if the nesting would be too deep."""
        if field.left_out:
            return False
        if field.below is not None and (field.below in self._open or len(self._open) >= _MAX_DEPTH):
            return False
        return small or self._rng.random() < 0.8

    def _string(self, info: inspect.StrType, name: str) -> str:
        asked = self._asked(name)
        value = asked if asked and isinstance(asked, str) else plausible.text(name, self._rng)
        if info.min_length is not None:
            value = value.ljust(info.min_length, "x")
        return value[: info.max_length] if info.max_length is not None else value

    def _asked(self, name: str) -> str | int | None:
        """The request's value for a field of this name, if the field is not too deep."""
        return self._echo.get(name.lower()) if len(self._open) <= _ECHO_DEPTH else None

    def _integer(self, info: inspect.IntType, name: str) -> int:
        if isinstance(asked := self._asked(name), int):
            return asked
        low = info.ge if info.ge is not None else (info.gt + 1 if info.gt is not None else 1)
        high = info.le if info.le is not None else (info.lt - 1 if info.lt is not None else low + 40)
        if "timestamp" in name.lower() and high > 2_000_000_000:
            return 1_770_000_000
        return self._rng.randrange(int(low), int(max(low, min(high, low + 40))) + 1)

    def _list(self, info: inspect.ListType, name: str) -> list[Any]:
        below = _struct_of(info.item_type)
        if below is not None and below.cls in self._open:
            return []
        low = info.min_length or 0
        if name in _ERROR_FIELDS and not low:
            return []
        count = max(low, min(1 + self._rng.randrange(2), info.max_length or 3))
        return [self.make(info.item_type, name.removesuffix("s")) for _ in range(count)]

    def _mapping(self, info: inspect.DictType, name: str) -> dict[Any, Any]:
        below = _struct_of(info.value_type)
        if below is not None and below.cls in self._open:
            return {}
        key = self.make(info.key_type, f"{name}Key")
        value = plausible.text(name, self._rng) if isinstance(info.value_type, inspect.AnyType) else None
        return {key: value if value is not None else self.make(info.value_type, name)}


class _Field(NamedTuple):
    """What is the same whenever a value is made for a field."""

    name: str
    info: inspect.Type
    as_number: bool
    required: bool
    left_out: bool  # unless it is required
    empty: bool  # a list of errors
    below: type | None  # the struct that it is, or that its list or dict contains


_FIELDS: dict[type, tuple[_Field, ...]] = {}
"""By struct: to look at msgspec's description of it anew for each value would take a third of the time."""


def _fields(info: inspect.StructType) -> tuple[_Field, ...]:
    fields = _FIELDS.get(info.cls)
    if fields is None:
        fields = _FIELDS[info.cls] = tuple(map(_field, info.fields))
    return fields


def _field(field: inspect.Field) -> _Field:
    name, (bare, number), below = field.encode_name, _bare(field.type), _struct_of(field.type)
    return _Field(
        name=name,
        info=bare,
        as_number=number,
        required=field.required,
        left_out=name.lower() in _ERROR_FIELDS or name.lower().endswith("token"),
        empty=name in _ERROR_FIELDS and isinstance(bare, inspect.ListType),
        below=below.cls if below is not None else None,
    )


def _bare(info: inspect.Type) -> tuple[inspect.Type, bool]:
    """The type without metadata and without None, and whether its Decimal is a JSON number."""
    number = False
    while isinstance(info, inspect.Metadata):
        number = number or (info.extra_json_schema or {}).get("description") == "JSON number"
        info = info.type
    return plain_type(info), number


@lru_cache(maxsize=1024)
def _values(members: type[Enum]) -> list[Any]:
    return [member.value for member in members]


def _struct_of(info: inspect.Type) -> inspect.StructType | None:
    """The struct that a type is, or that its list or dict contains."""
    plain = plain_type(info)
    if isinstance(plain, inspect.ListType):
        plain = plain_type(plain.item_type)
    elif isinstance(plain, inspect.DictType):
        plain = plain_type(plain.value_type)
    return plain if isinstance(plain, inspect.StructType) else None

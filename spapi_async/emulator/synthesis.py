"""Replies made from the response type alone: seeded, strictly valid, with values that fit the fields' names.

An operation without state of its own answers with this. A repeated read gives the same bytes; identifiers named in
the request come back in the reply; a paged operation has two or three pages.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from msgspec import inspect

from spapi_async._operation import Operation, Paging
from spapi_async.emulator import believable
from spapi_async.emulator.goods import chance
from spapi_async.emulator.pages import next_token, read_token
from spapi_async.emulator.quirks import damage
from spapi_async.emulator.replies import Reply, bad_input, encode
from spapi_async.emulator.world import Call

__all__ = ["Maker", "synthesise"]

_KEPT_REPLIES = 2000
_DEEPEST = 6  # optional fields end here
_ITEMS_A_PAGE = 4
_SMALL = 3  # an object of so few fields, such as an amount of money, comes whole
# Amazon says of these that a page may be empty while there are more.
_EMPTY_PAGES = frozenset(
    {
        "awd_2024_05_09",
        "external_fulfillment_returns_2024_09_11",
        "external_fulfillment_shipments_2024_09_11",
        "finances_2024_06_19",
        "finances_v0",
        "invoices_2024_06_19",
        "seller_wallet_2024_03_01",
        "transfers_2024_06_01",
    }
)
# Never part of a successful reply.
_TROUBLE = frozenset({"errors", "error", "warnings", "issues"})


def synthesise(call: Call) -> Reply:
    """Answer an operation from its response type."""
    operation = call.operation
    status = operation.success[0]
    if operation.response_type is None:
        return Reply(b"", status)
    page, pages, fixed = _page_of(call)
    # A token that lives seconds is dated to the second, any other to the hour.
    grain = 1 if operation.paging and operation.paging.token_lifetime else 3600
    key = (operation.name, repr(call.arguments), encode(call.body), call.now // grain if pages else 0)
    kept = call.seller.synthesised
    body = kept.get(key)
    if body is None:
        if len(kept) > _KEPT_REPLIES:
            kept.clear()
        body = kept[key] = encode(_make_reply(call, page, pages, fixed))
    return Reply(body, status)


def _make_reply(call: Call, page: int, pages: int, fixed: dict[str, Any]) -> Any:
    operation = call.operation
    dice = chance(call.world.settings.seed, call.seller.id, operation.name, sorted(fixed.items(), key=str), page)
    maker = Maker(dice, echo=_echo(call))
    value = maker.make(type_info(operation.response_type), "")
    if pages and operation.paging is not None:
        _paginate(call, maker, value, page=page, pages=pages, fixed=fixed)
    if call.world.settings.violations and not call.world.settings.synthetic:
        damage(operation.name, value, dice)
    return value


def _page_of(call: Call) -> tuple[int, int, dict[str, Any]]:
    """(the page from 0, how many there are or 0 for an operation without pages, the arguments that must stay)."""
    operation, arguments = call.operation, dict(call.arguments)
    paging = operation.paging
    if paging is None or paging.token_parameter is None:
        return 0, 0, arguments
    name = _wire_name(operation, paging.token_parameter)
    token = arguments.pop(name, None)
    if paging.page_size_parameter is not None:
        arguments.pop(_wire_name(operation, paging.page_size_parameter), None)
    fixed = _fixed(paging, arguments, token, name)
    pages = 2 + chance(operation.name, "pages").randrange(2)
    if token is None:
        return 0, pages, fixed
    return read_token(token, fixed, call.now, paging.token_lifetime), pages, fixed


def _fixed(paging: Paging, arguments: dict[str, Any], token: str | None, name: str) -> dict[str, Any]:
    if paging.rule == "alone":
        if token is not None and arguments:
            raise bad_input(f"{name} must be the only parameter.", f"also sent: {', '.join(sorted(arguments))}")
        return {}
    if paging.rule == "next_token_query":
        # Here the kind of query says whether a token follows.
        if (arguments.get("QueryType") == "NEXT_TOKEN") != (token is not None):
            raise bad_input("QueryType NEXT_TOKEN and NextToken go together.", "give both or neither")
        return {key: value for key, value in arguments.items() if key == "MarketplaceId"}
    return arguments


def _wire_name(operation: Operation[Any], name: str) -> str:
    return next((p.wire_name for p in operation.parameters if name in (p.name, p.wire_name)), name)


def _echo(call: Call) -> dict[str, str]:
    """Strings of the request that come back in fields of the same name."""
    echo: dict[str, str] = {}
    body = call.body if isinstance(call.body, Mapping) else {}
    for name, value in (*body.items(), *call.arguments.items()):
        one = value[0] if isinstance(value, list) and len(value) == 1 else value
        if isinstance(one, str) and not name.lower().endswith("token"):
            echo[name.lower()] = one
    return echo


def _paginate(call: Call, maker: Maker, value: Any, *, page: int, pages: int, fixed: dict[str, Any]) -> None:
    """Fill the page's items, and its token unless it is the last."""
    operation = call.operation
    info = type_info(operation.response_type)
    paging = operation.paging
    assert paging is not None
    prefix = (operation.unwrap,) if operation.unwrap else ()
    place = _walk(maker, info, value, (*prefix, *paging.items_path))
    if place is not None and isinstance(place.info, inspect.ListType):
        size = call.arguments.get(_wire_name(operation, paging.page_size_parameter or ""), _ITEMS_A_PAGE)
        empty = page == 1 and pages > 2 and operation.api in _EMPTY_PAGES
        count = 0 if empty else max(1, min(int(size), _ITEMS_A_PAGE))
        place.holder[place.key] = [maker.make(place.info.item_type, place.key) for _ in range(count)]
    more = page + 1 < pages
    # The last page has no token: absent, null and empty all occur, and here each operation keeps to one of them.
    ending = chance(operation.name, "ending").choice(("absent", None, ""))
    if not more and ending == "absent":
        return
    token = _walk(maker, info, value, (*prefix, *paging.token_path))
    if token is not None:
        token.holder[token.key] = next_token(fixed, call.now, page + 1) if more else ending


class _Place:
    """Where in a reply something goes: ``holder[key]``, of type ``info``."""

    __slots__ = ("holder", "info", "key")

    def __init__(self, holder: dict[str, Any], key: str, info: inspect.Type) -> None:
        self.holder = holder
        self.key = key
        self.info = info


def _walk(maker: Maker, info: inspect.Type, value: Any, path: tuple[str, ...]) -> _Place | None:
    """The place that a path of attribute names leads to; objects that chance left out are made on the way."""
    place: _Place | None = None
    for attribute in path:
        plain = _plain(info)
        if not isinstance(plain, inspect.StructType) or not isinstance(value, dict):
            return None
        field = next((f for f in plain.fields if f.name == attribute), None)
        if field is None:
            return None
        info = _plain(field.type)
        place = _Place(value, field.encode_name, info)
        if attribute != path[-1] or place.key in value:
            if place.key not in value:
                value[place.key] = maker.make(info, place.key)
            value = value[place.key]
    return place


@lru_cache(maxsize=2048)
def type_info(kind: Any) -> inspect.Type:
    """What msgspec knows of a type."""
    return inspect.type_info(kind)


def _plain(info: inspect.Type) -> inspect.Type:
    """Without metadata and without None."""
    if isinstance(info, inspect.Metadata):
        return _plain(info.type)
    if isinstance(info, inspect.UnionType):
        return _plain(next((t for t in info.types if not isinstance(t, inspect.NoneType)), info.types[0]))
    return info


class Maker:
    """Makes plain JSON values of msgspec types."""

    def __init__(self, dice: random.Random, echo: Mapping[str, str] | None = None) -> None:
        self._dice = dice
        self._echo = echo or {}
        self._open: list[type] = []

    def make(self, info: inspect.Type, name: str, *, as_number: bool = False) -> Any:
        """A value of this type for a field of this name; ``as_number``: a Decimal that is written as a JSON number."""
        if isinstance(info, inspect.Metadata):
            number = (info.extra_json_schema or {}).get("description") == "JSON number"
            return self.make(info.type, name, as_number=number or as_number)
        if isinstance(info, inspect.UnionType):
            return self.make(_plain(info), name, as_number=as_number)
        if isinstance(info, inspect.StructType):
            return self._struct(info)
        if isinstance(info, inspect.ListType):
            return self._list(info, name)
        if isinstance(info, inspect.DictType):
            return self._mapping(info, name)
        return self._scalar(info, name, as_number=as_number)

    def _scalar(self, info: inspect.Type, name: str, *, as_number: bool) -> Any:  # noqa: PLR0911  one case a type
        match info:
            case inspect.EnumType():
                return self._dice.choice([member.value for member in info.cls])
            case inspect.StrType():
                return self._string(info, name)
            case inspect.IntType():
                return self._integer(info, name)
            case inspect.BoolType():
                return self._dice.random() < 0.5
            case inspect.FloatType() | inspect.DecimalType():
                amount = believable.number(name, self._dice)
                return amount if as_number or isinstance(info, inspect.FloatType) else f"{amount:.2f}"
            case inspect.DateTimeType():
                return believable.moment(self._dice)
            case inspect.DateType():
                return believable.date(self._dice)
            case inspect.LiteralType():
                return info.values[0]
            case inspect.AnyType() | inspect.RawType():
                return {"value": believable.text(name, self._dice)}
        raise NotImplementedError(f"no value for {info!r} in field {name!r}")

    def _struct(self, info: inspect.StructType) -> dict[str, Any]:
        made: dict[str, Any] = {}
        self._open.append(info.cls)
        for field in info.fields:
            name = field.encode_name
            if field.required or self._wanted(field, name, small=len(info.fields) <= _SMALL):
                made[name] = [] if name in _TROUBLE and _is_list(field.type) else self.make(field.type, name)
        self._open.pop()
        return made

    def _wanted(self, field: inspect.Field, name: str, *, small: bool) -> bool:
        """Whether an optional field is there: mostly, unless it would never end."""
        lowered = name.lower()
        if lowered in _TROUBLE or lowered.endswith("token"):
            return False
        below = _struct_of(field.type)
        if below is not None and (below.cls in self._open or len(self._open) >= _DEEPEST):
            return False
        return small or self._dice.random() < 0.8

    def _string(self, info: inspect.StrType, name: str) -> str:
        value = self._echo.get(name.lower()) if len(self._open) <= 3 else None
        value = value or believable.text(name, self._dice)
        if info.min_length is not None:
            value = value.ljust(info.min_length, "x")
        return value[: info.max_length] if info.max_length is not None else value

    def _integer(self, info: inspect.IntType, name: str) -> int:
        low = info.ge if info.ge is not None else (info.gt + 1 if info.gt is not None else 1)
        high = info.le if info.le is not None else (info.lt - 1 if info.lt is not None else low + 40)
        if "timestamp" in name.lower() and high > 2_000_000_000:
            return 1_770_000_000
        return self._dice.randrange(int(low), int(max(low, min(high, low + 40))) + 1)

    def _list(self, info: inspect.ListType, name: str) -> list[Any]:
        below = _struct_of(info.item_type)
        if below is not None and below.cls in self._open:
            return []
        low = info.min_length or 0
        if name in _TROUBLE and not low:
            return []
        count = max(low, min(1 + self._dice.randrange(2), info.max_length or 3))
        return [self.make(info.item_type, name.removesuffix("s")) for _ in range(count)]

    def _mapping(self, info: inspect.DictType, name: str) -> dict[Any, Any]:
        below = _struct_of(info.value_type)
        if below is not None and below.cls in self._open:
            return {}
        key = self.make(info.key_type, f"{name}Key")
        value = believable.text(name, self._dice) if isinstance(info.value_type, inspect.AnyType) else None
        return {key: value if value is not None else self.make(info.value_type, name)}


def _is_list(info: inspect.Type) -> bool:
    return isinstance(_plain(info), inspect.ListType)


def _struct_of(info: inspect.Type) -> inspect.StructType | None:
    """The struct that a type is, or holds one level down."""
    plain = _plain(info)
    if isinstance(plain, inspect.ListType):
        plain = _plain(plain.item_type)
    elif isinstance(plain, inspect.DictType):
        plain = _plain(plain.value_type)
    return plain if isinstance(plain, inspect.StructType) else None

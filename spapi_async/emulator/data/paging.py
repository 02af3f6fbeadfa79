"""Pages of synthesised replies: determines the page that a request asks for, and fills in its items and token.

``Operation.paging`` says where they belong. A request has the token in its query or its body, a reply up to four levels
deep. The rest of a reply, such as an invoice's header, is the same on every page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from importlib import import_module
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from spapi_async._core.operation import Operation, Paging
from spapi_async.emulator.data.products import rng_for
from spapi_async.emulator.data.world import Call
from spapi_async.emulator.gateway.pages import next_token, read_token
from spapi_async.emulator.gateway.replies import bad_input

__all__ = ["Page", "asked_page", "plain_type", "put_page", "type_info"]

_PAGE_SIZE = 4
# Amazon documents that these may return an empty page although more pages follow.
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

Make = Callable[[inspect.Type, str], Any]
"""Makes a value, given the type and the name of its field."""


class Page(NamedTuple):
    """A page, counted from 0; ``total`` is 0 for operations without pages; ``fixed`` is the same for all pages."""

    number: int
    total: int
    fixed: dict[str, Any]


def asked_page(call: Call) -> Page:
    """The page that a request asks for.

    Raises:
        Refusal: 400: the token belongs to another query, or was sent with parameters that it excludes.
    """
    operation, arguments = call.operation, dict(call.arguments)
    paging = operation.paging
    if paging is None or paging.token_parameter is None:
        return Page(0, 0, arguments)
    body = dict(call.body) if isinstance(call.body, Mapping) else {}
    name = _wire_name(operation, paging.token_parameter)
    in_body = not any(p.name == paging.token_parameter for p in operation.parameters)
    token = (body if in_body else arguments).pop(name, None)
    if paging.page_size_parameter is not None:
        (body if in_body else arguments).pop(_wire_name(operation, paging.page_size_parameter), None)
    fixed = _fixed(paging, arguments, token, name)
    if body:
        fixed["body"] = msgspec.json.encode(body, order="sorted")
    total = 2 + rng_for(operation.name, "pages").randrange(2)
    if token is None:
        return Page(0, total, fixed)
    return Page(read_token(token, fixed, call.now, paging.token_lifetime), total, fixed)


def _fixed(paging: Paging, arguments: dict[str, Any], token: str | None, name: str) -> dict[str, Any]:
    if paging.rule == "alone":
        if token is not None and arguments:
            raise bad_input(f"{name} must be the only parameter.", f"also sent: {', '.join(sorted(arguments))}")
        return {}
    if paging.rule == "next_token_query":
        # For this operation, QueryType announces whether there is a token.
        if (arguments.get("QueryType") == "NEXT_TOKEN") != (token is not None):
            raise bad_input("QueryType NEXT_TOKEN and NextToken go together.", "send both or neither")
        return {key: value for key, value in arguments.items() if key == "MarketplaceId"}
    return arguments


def _wire_name(operation: Operation[Any], name: str) -> str:
    """Amazon's name of a parameter, or of a field of the body."""
    wire = next((p.wire_name for p in operation.parameters if name in (p.name, p.wire_name)), None)
    if wire is not None or operation.body_type is None:
        return wire or name
    body = operation.body_type
    names: dict[str, str] = dict(zip(body.__struct_fields__, body.__struct_encode_fields__, strict=True))
    return names.get(name, name)


def put_page(call: Call, declared: Any, value: Any, page: Page, *, surroundings: Make, items: Make) -> None:
    """Fill the page's items and the next page's token, if there is one, into a reply of the type ``declared``.

    ``items`` makes the items, ``surroundings`` the missing objects on the path to them.
    """
    operation, info = call.operation, type_info(declared)
    paging = operation.paging
    assert paging is not None
    prefix = (operation.unwrap,) if operation.unwrap else ()
    slot = _slot_at(info, value, (*prefix, *paging.items_path), surroundings)
    if slot is not None and isinstance(slot.info, inspect.ListType):
        size = _size(call, paging, page)
        slot.holder[slot.key] = [items(slot.info.item_type, slot.key) for _ in range(size)]
    elif slot is not None:
        slot.holder[slot.key] = items(slot.info, slot.key)  # finances v0: the page is one object
    more = page.number + 1 < page.total
    # On the last page the token is absent, null or empty: Amazon does all three, here each operation always the same.
    ending = rng_for(operation.name, "ending").choice(("absent", None, ""))
    if not more and ending == "absent":
        return
    token = _slot_at(info, value, (*prefix, *paging.token_path), surroundings)
    if token is not None:
        token.holder[token.key] = next_token(page.fixed, call.now, page.number + 1) if more else ending


def _size(call: Call, paging: Paging, page: Page) -> int:
    if page.number == 1 and page.total > 2 and call.operation.api in _EMPTY_PAGES:
        return 0
    name = _wire_name(call.operation, paging.page_size_parameter or "")
    body = call.body if isinstance(call.body, Mapping) else {}
    asked = call.arguments.get(name, body.get(name))
    return max(1, min(asked, _PAGE_SIZE)) if isinstance(asked, int) else _PAGE_SIZE


class _Slot(NamedTuple):
    """A position in a reply, ``holder[key]``, and its type."""

    holder: dict[str, Any]
    key: str
    info: inspect.Type


def _slot_at(info: inspect.Type, value: Any, path: tuple[str, ...], surroundings: Make) -> _Slot | None:
    """The slot at the end of a path of attribute names; makes objects on the path that are missing."""
    slot: _Slot | None = None
    for attribute in path:
        plain = plain_type(info)
        if not isinstance(plain, inspect.StructType) or not isinstance(value, dict):
            return None
        field = next((f for f in plain.fields if f.name == attribute), None)
        if field is None:
            return None
        info = plain_type(field.type)
        slot = _Slot(value, field.encode_name, info)
        if attribute != path[-1] or slot.key in value:
            if slot.key not in value:
                value[slot.key] = surroundings(info, slot.key)
            value = value[slot.key]
    return slot


@lru_cache(maxsize=2048)
def type_info(declared: Any) -> inspect.Type:
    """Msgspec's description of a type."""
    module = getattr(declared, "__module__", "")
    known = _models_in(module) if module.startswith("spapi_async.models.") else {}
    return known.get(declared) or inspect.type_info(declared)


@cache
def _models_in(module: str) -> dict[Any, inspect.Type]:
    """The models of an API, described together: one by one, what many of them have in common is described each time."""
    kinds = [each for each in vars(import_module(module)).values() if isinstance(each, type)]
    models = [each for each in kinds if issubclass(each, msgspec.Struct)]
    return dict(zip(models, inspect.multi_type_info(models), strict=True))


def plain_type(info: inspect.Type) -> inspect.Type:
    """The type without metadata and without None."""
    if isinstance(info, inspect.Metadata):
        return plain_type(info.type)
    if isinstance(info, inspect.UnionType):
        return plain_type(next((t for t in info.types if not isinstance(t, inspect.NoneType)), info.types[0]))
    return info

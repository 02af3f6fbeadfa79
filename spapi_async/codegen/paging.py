"""Finds how an operation is paged: from the schemas by rules, with exceptions that Amazon states only in prose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from spapi_async._core.operation import Paging
from spapi_async.codegen.names import lower_words
from spapi_async.codegen.types import ClassTable, Field, PyType

__all__ = ["PagedResult", "find_paging"]

Rule = Literal["repeat", "alone", "next_token_query"]

_PAGE_SIZES = {"maxresults", "pagesize", "maxresultsperpage", "limit"}
_NOT_ITEMS = {"errors", "issues", "warnings"}

# getSelection has its token four levels down. If the request does not take the token, a token below the second level
# belongs to a list inside the reply, whose other pages another operation returns (getPromotion's selection).
_TOKEN_DEPTH = 4
_TOKEN_DEPTH_WITHOUT_PARAMETER = 2

# "This must be the only parameter": the token implies the filters, and Amazon refuses any other argument.
ALONE = {
    "feeds_2020_09_04.get_feeds", "feeds_2021_06_30.get_feeds", "reports_2020_09_04.get_reports",
    "reports_2021_06_30.get_reports",
}  # fmt: skip

# The token is sent with QueryType=NEXT_TOKEN and the marketplace.
NEXT_TOKEN_QUERY = {"fulfillment_inbound_v0.get_shipments", "fulfillment_inbound_v0.get_shipment_items"}

# Seconds; other lifetimes are not published.
LIFETIMES: dict[str, float] = {
    "fba_inventory_v1.get_inventory_summaries": 30,
    "orders_2026_01_01.search_orders": 24 * 3600,
}

# A page is one object with some 34 lists of events, so the page itself is the item.
ITEMS: dict[str, tuple[str, ...]] = {
    "finances_v0.list_financial_events": ("FinancialEvents",),
    "finances_v0.list_financial_events_by_group_id": ("FinancialEvents",),
    "finances_v0.list_financial_events_by_order_id": ("FinancialEvents",),
}

# In Data Kiosk a finished query has the token that is sent in the body of the next createQuery. So each of the two
# operations has half of the paging, and its whole result is the item.
WHOLE_BODY = {"data_kiosk_2023_11_15.get_query"}
_TOKENS_IN_BODY = {"data_kiosk_2023_11_15.create_query": "pagination_token"}


class PagedResult(msgspec.Struct, frozen=True):
    """The paging of an operation; ``item`` is the type of the items of its iterator."""

    paging: Paging
    item: PyType


def find_paging(
    name: str,
    parameters: Mapping[str, str],
    table: ClassTable,
    *,
    body: PyType | None,
    result: PyType | None,
    reads: bool,
) -> PagedResult | None:
    """The paging of an operation that returns a page token, or None.

    Args:
        name: module and method.
        parameters: Python's names of its query parameters, by Amazon's.
        table: the classes of the module.
        body: the type of the request's body, which may take the token.
        result: the type that the method returns.
        reads: whether it is a GET; only a GET counts as paged if it returns a token that it does not take.
    """
    if result is None or result.kind != "model":
        return None
    if name in _TOKENS_IN_BODY:
        return PagedResult(Paging(token_parameter=_TOKENS_IN_BODY[name], token_path=(), items_path=()), result)
    token = _find_token(table, result)
    taken = next((parameters[wire_name] for wire_name in parameters if "token" in lower_words(wire_name)), None)
    in_body = {field.wire_name: field.name for field in _scalars(table, body)}
    in_body_token = (name for wire_name, name in in_body.items() if lower_words(wire_name)[-1:] == ["token"])
    taken = taken or next(in_body_token, None)
    if token is None or (taken is None and (not reads or len(token) > _TOKEN_DEPTH_WITHOUT_PARAMETER)):
        return None
    items = _find_items(name, table, result, token)
    beside = parameters if taken in parameters.values() else in_body
    sizes = (beside[wire_name] for wire_name in beside if "".join(lower_words(wire_name)) in _PAGE_SIZES)
    paging = Paging(
        token_parameter=taken,
        token_path=tuple(field.name for field in token),
        items_path=tuple(field.name for field in items),
        rule=_rule(name),
        page_size_parameter=next(sizes, None),
        token_lifetime=LIFETIMES.get(name),
    )
    return PagedResult(paging, _item_type(items, result))


def _scalars(table: ClassTable, body: PyType | None) -> list[Field]:
    """The scalar fields of a request body: one may take the token or the page size if no query parameter does."""
    if body is None or body.kind != "model":
        return []
    return [field for field in table.model(body.name).fields if field.type.kind == "scalar"]


def _rule(name: str) -> Rule:
    if name in ALONE:
        return "alone"
    return "next_token_query" if name in NEXT_TOKEN_QUERY else "repeat"


def _find_token(table: ClassTable, type_: PyType) -> tuple[Field, ...] | None:
    """The shallowest string field called nextToken, nextPageToken or the like."""
    level: list[tuple[PyType, tuple[Field, ...]]] = [(type_, ())]
    for _ in range(_TOKEN_DEPTH):
        fields = [
            (*path, field) for here, path in level if here.kind == "model" for field in table.model(here.name).fields
        ]
        if found := next((path for path in fields if _is_token(path[-1])), None):
            return found
        level = [(path[-1].type, path) for path in fields]
    return None


def _is_token(field: Field) -> bool:
    name = lower_words(field.wire_name)
    return field.type.kind == "scalar" and name[:1] == ["next"] and "token" in name


def _find_items(name: str, table: ClassTable, result: PyType, token: tuple[Field, ...]) -> tuple[Field, ...]:
    """The path of the items: the only list beside the token, further up, or one level below the result."""
    if name in WHOLE_BODY:
        return ()
    if known := _follow(table, result, ITEMS.get(name, ())):
        return known
    for path in _levels(table, result, token):
        holder = path[-1].type if path else result
        lists = [f for f in table.model(holder.name).fields if f.type.kind == "list" and f.wire_name not in _NOT_ITEMS]
        if len(lists) == 1:
            return (*path, lists[0])
    return ()


def _levels(table: ClassTable, result: PyType, token: tuple[Field, ...]) -> list[tuple[Field, ...]]:
    """The objects to search for the items: the token's, those above it, then the other objects of the result."""
    above = [token[:depth] for depth in range(len(token) - 1, -1, -1)]
    below = [
        (field,)
        for field in table.model(result.name).fields
        if field.type.kind == "model" and (field,) != token[:1] and field.wire_name not in _NOT_ITEMS
    ]
    return [*above, *below]


def _follow(table: ClassTable, type_: PyType, wire_names: tuple[str, ...]) -> tuple[Field, ...]:
    """The path of fields with these names; empty if Amazon has renamed one of them since."""
    path: tuple[Field, ...] = ()
    for wire_name in wire_names:
        fields = table.model(type_.name).fields if type_.kind == "model" else ()
        field = next((field for field in fields if field.wire_name == wire_name), None)
        if field is None:
            return ()
        path, type_ = (*path, field), field.type
    return path


def _item_type(items: tuple[Field, ...], result: PyType) -> PyType:
    type_ = items[-1].type if items else result
    return type_.item if type_.kind == "list" and type_.item is not None else type_

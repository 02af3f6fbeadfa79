"""Compares an order with its stored form from another source: another version of the API, or a report. Pure.

The sources use different names, so the columns that both can fill are compared. Places are named as in the source that
is read now; a member without a counterpart in the other source counts as a difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from spapi_async._codec import json
from spapi_async.workflows.orders._report_rows import REPORT_SOURCE
from spapi_async.workflows.orders._rows import V0, V2026, Detail, ItemRow, OrderRow, OrderShape, Path, dig, read_time
from spapi_async.workflows.orders._verdict import EVERYWHERE, MOST_PATHS, Differences

__all__ = ["StoredOrder", "compared_across", "compared_items"]


_SHAPES = {shape.source: shape for shape in (V2026, V0)}
_REPORTS = {
    "status": "order-status",
    "channel": "fulfillment-channel",
    "created_at": "purchase-date",
    "last_updated_at": "last-updated-date",
    "total_amount": "item-price",
    "total_currency": "currency",
}
# Members that both versions have and that have no column: the place in Orders 2026-01-01 and the member of v0.
_OTHERS: Mapping[Path, str] = {
    ("salesChannel", "marketplaceName"): "SalesChannel",
    ("fulfillment", "fulfillmentServiceLevel"): "ShipmentServiceLevelCategory",
    ("fulfillment", "shipByWindow", "earliestDateTime"): "EarliestShipDate",
    ("fulfillment", "shipByWindow", "latestDateTime"): "LatestShipDate",
    ("fulfillment", "deliverByWindow", "earliestDateTime"): "EarliestDeliveryDate",
    ("fulfillment", "deliverByWindow", "latestDateTime"): "LatestDeliveryDate",
}


class StoredOrder(NamedTuple):
    """The columns of a stored order that are compared."""

    order_id: str
    marketplace_id: str | None
    status: str | None
    channel: str | None
    sales_channel: str | None
    created_at: datetime | None
    last_updated_at: datetime | None
    total_amount: Decimal | None
    total_currency: str | None
    source: str
    payload: str


def compared_across(before: StoredOrder, items: Sequence[ItemRow], row: OrderRow) -> Differences:
    """The differences between an order and its stored form from another source."""
    if row.source == REPORT_SOURCE:
        columns = [name for column, name in _REPORTS.items() if getattr(before, column) != getattr(row, column)]
        return Differences(columns or ["lines"], None)
    shape, after = _SHAPES[row.source], json.exact(row.payload.encode())
    if not isinstance(after, dict):
        return EVERYWHERE
    listed = after.pop(shape.items[0], None) if shape.items else None
    paths: list[str] = []
    _compare(_known(_of_order(before, row, shape, after), after), after, "", paths)
    if row.detail is not Detail.REPORT and (row.items or items or not listed):
        paths += _compared_items(items, row, shape, across=before.source != row.source)
    return Differences(paths[:MOST_PATHS], None)


def compared_items(items: Sequence[ItemRow], row: OrderRow) -> list[str]:
    """The differences of items that are fetched separately from their order: those of Orders v0."""
    return _compared_items(items, row, _SHAPES[row.source], across=False)


def _compared_items(items: Sequence[ItemRow], row: OrderRow, shape: OrderShape, *, across: bool) -> list[str]:
    place = ".".join(shape.items) or "items"
    before, now = {item.order_item_id: item for item in items}, {item.order_item_id: item for item in row.items}
    paths: list[str] = []
    for item_id in {**before, **now}:
        if item_id not in before or item_id not in now:
            paths.append(f"{place}.{item_id}")
            continue
        known, after = json.exact(before[item_id].payload.encode()), json.exact(now[item_id].payload.encode())
        if across:
            known = _known(_of_item(before[item_id], now[item_id], shape), after)
        if isinstance(known, dict) and isinstance(after, dict):
            _compare(known, after, f"{place}.{item_id}.", paths)
        elif known != after:
            paths.append(f"{place}.{item_id}")
    return paths


_Column = tuple[Path, Any, Any]
"""A place in the new order, and the old and the new value of its column."""


def _of_order(before: StoredOrder, row: OrderRow, shape: OrderShape, after: Any) -> list[_Column]:
    columns: list[_Column] = [
        (getattr(shape, name), getattr(before, name), getattr(row, name))
        for name in ("order_id", "marketplace_id", "status", "created_at", "last_updated_at")
    ]
    columns.append((shape.fulfilled_by, before.channel, row.channel))
    columns.append(((*shape.total, shape.amount), before.total_amount, row.total_amount))
    columns.append(((*shape.total, shape.currency), before.total_currency, row.total_currency))
    # One source says Amazon.com and the other AMAZON: this is not a difference.
    columns.append((shape.sales_channel, before.sales_channel and row.sales_channel, row.sales_channel))
    if {before.source, row.source} == {V0.source, V2026.source}:
        known = json.exact(before.payload.encode())
        for path, name in _OTHERS.items():
            here, there = (path, (name,)) if shape is V2026 else ((name,), path)
            columns.append((here, _plain(dig(known, there)), _plain(dig(after, here))))
    return columns


def _of_item(before: ItemRow, item: ItemRow, shape: OrderShape) -> list[_Column]:
    price = before.price_amount
    if price is not None and before.quantity_ordered and shape is V2026:
        price = price / before.quantity_ordered  # in Orders v0 it is the price of all units
    elif price is not None and before.quantity_ordered:
        price = price * before.quantity_ordered
    return [
        (shape.item_id, before.order_item_id, item.order_item_id),
        (shape.asin, before.asin, item.asin),
        (shape.seller_sku, before.seller_sku, item.seller_sku),
        (shape.title, before.title, item.title),
        (shape.quantity_ordered, before.quantity_ordered, item.quantity_ordered),
        (shape.quantity_shipped, before.quantity_shipped, item.quantity_shipped),
        ((*shape.price, shape.amount), price, item.price_amount),
        ((*shape.price, shape.currency), before.price_currency, item.price_currency),
    ]


def _known(columns: Sequence[_Column], after: Any) -> dict[str, Any]:
    """The stored order in the form of the new one: for an equal column, the new value."""
    known: dict[str, Any] = {}
    for path, before, now in columns:
        if before is None:
            continue
        value = dig(after, path) if before == now else _DIFFERENT
        inner = known
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        if value is not None:
            inner[path[-1]] = value
    return known


_DIFFERENT, _ABSENT = object(), object()
_EMPTY: tuple[Any, ...] = (None, "", [], {})


def _compare(before: dict[str, Any], after: dict[str, Any], place: str, paths: list[str]) -> None:
    for name in {**before, **after}:
        old, new = before.get(name, _ABSENT), after.get(name, _ABSENT)
        if isinstance(old, dict) and isinstance(new, dict):
            _compare(old, new, f"{place}{name}.", paths)
        elif old != new and not (old is _ABSENT and new in _EMPTY):
            paths.append(place + name)


def _plain(value: Any) -> Any:
    """A word or a date in a normalised form."""
    return (read_time(value) or value.casefold()) if isinstance(value, str) else value

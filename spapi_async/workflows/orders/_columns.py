"""Reads a page of Orders 2026-01-01 only for its columns: one decode of each order and item, straight into rows.

A page of a hundred orders has some ten thousand values, and the tables have columns for a few of them. If an order does
not fit these types exactly (a number instead of text, a missing required member), the whole page is read by the general
reader in ``_reading`` and ``_rows`` instead; a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from spapi_async._codec import json
from spapi_async.workflows.orders._column_types import (
    ITEM,
    KNOWN_ITEM,
    KNOWN_ORDER,
    ORDER,
    Cancellation,
    Item,
    Money,
    Order,
    Package,
)
from spapi_async.workflows.orders._personal import Piece, holds_personal, written
from spapi_async.workflows.orders._rows import V2026, ItemRow, OrderRow, channel_of, status_of

__all__ = ["PAGE", "ColumnsPage", "quick_row"]


class _Columns(msgspec.Struct, rename="camel", gc=False):
    pass


class _Pagination(_Columns):
    next_token: str | None = None


class ColumnsPage(_Columns):
    """A page; its orders are undecoded."""

    orders: list[msgspec.Raw]
    pagination: _Pagination | None = None
    last_updated_before: datetime | None = None


class _Items(_Columns):
    order_items: list[msgspec.Raw]


PAGE = msgspec.json.Decoder(ColumnsPage)
_ITEMS = msgspec.json.Decoder(_Items)


def quick_row(payload: bytes) -> OrderRow | None:
    """The rows of an order; None if it has to be read by its model."""
    try:
        return _row(payload)
    except (ValueError, ArithmeticError, RecursionError):
        return None


def _row(payload: bytes) -> OrderRow:
    order, items, may_hide = _decoded(payload)
    raws = order.order_items
    personal: dict[str, Any] = {}
    if may_hide and (holds_personal(content := json.exact(payload)) or json.has_name_twice(payload)):
        return V2026.row(Piece(payload, content))  # a column might otherwise be read from personal data
    if not may_hide and _is_personal(order, items):
        payload, personal = _without_personal(json.exact(payload))
        raws = _ITEMS.decode(payload).order_items
    elif not may_hide and _may_hold_copies(payload) and json.has_name_twice(payload):
        return V2026.row(payload)
    channel = order.sales_channel
    status = order.fulfillment.fulfillment_status if order.fulfillment else None
    fulfilled_by = order.fulfillment.fulfilled_by if order.fulfillment else None
    amount, currency = _money(order.proceeds.grand_total if order.proceeds else None)
    return OrderRow(
        order_id=order.order_id,
        identified=True,
        marketplace_id=channel.marketplace_id or None,
        status=status_of(status),
        amazon_status=status or None,
        channel=channel_of(fulfilled_by),
        fulfilled_by=fulfilled_by or None,
        sales_channel=channel.channel_name or None,
        created_at=_utc(order.created_time),
        last_updated_at=_utc(order.last_updated_time),
        total_amount=amount,
        total_currency=currency,
        source=V2026.source,
        detail=V2026.detail,
        payload=payload.decode(),
        shipped_at=_first_shipping(order.packages) if order.packages else None,
        personal=personal,
        items=_items(order.order_id, items, raws),
    )


def _decoded(payload: bytes) -> tuple[Order, Sequence[Item], bool]:
    """An order, its items, and whether it may hide personal data: in unknown members, or in text that may be JSON."""
    escapes = b"\\" in payload  # searching one byte is fast, and most orders do not contain it
    if escapes and b"\\u0000" in payload:
        raise ValueError("text in a database cannot contain NUL")
    try:
        order: Order = KNOWN_ORDER.decode(payload)
        items = [KNOWN_ITEM.decode(raw) for raw in order.order_items]
    except msgspec.ValidationError:
        order = ORDER.decode(payload)
        return order, [ITEM.decode(raw) for raw in order.order_items], True
    return order, items, escapes and _JSON_IN_TEXT.search(payload) is not None


_JSON_IN_TEXT = re.compile(rb'"(?:\s|\\[bfnrt])*(?:[{\[]|\\u)')


def _without_personal(content: Any) -> tuple[bytes, dict[str, Any]]:
    """The JSON of an order with only known members, without personal data, and that data by its place."""
    taken = {name: content.pop(name) for name in _PERSONAL_MEMBERS if name in content}
    for item in content["orderItems"]:
        place = f"orderItems.{item['orderItemId']}"
        if "tax" in item:
            taken[f"{place}.tax"] = item.pop("tax")
        if "customization" in item["product"]:
            taken[f"{place}.product.customization"] = item["product"].pop("customization")
        gift = ((item.get("fulfillment") or {}).get("packing") or {}).get("giftOption") or {}
        if "giftMessage" in gift:
            taken[f"{place}.fulfillment.packing.giftOption.giftMessage"] = gift.pop("giftMessage")
        for name, act in (item.get("cancellation") or {}).items():
            if act and "cancelReason" in act:
                taken[f"{place}.cancellation.{name}.cancelReason"] = act.pop("cancelReason")
    return written(content), taken


_PERSONAL_MEMBERS = ("buyer", "recipient", "payment", "tax")
_NAMES = re.compile(rb'"(?:buyer|recipient|payment|tax|customization|giftMessage|cancelReason)"')
_ESCAPED_NAME = re.compile(rb'\\u[^"]*"\s*:')


def _may_hold_copies(payload: bytes) -> bool:
    """Whether the JSON of an order names personal data that its content lacks: an object may have a name twice."""
    return bool(_NAMES.search(payload) or (b"\\" in payload and _ESCAPED_NAME.search(payload)))


def _is_personal(order: Order, items: Sequence[Item]) -> bool:
    return bool(order.buyer or order.recipient or order.payment or order.tax) or any(map(_is_item_personal, items))


def _is_item_personal(item: Item) -> bool:
    if item.tax or item.product.customization or (item.cancellation and _has_reason(item.cancellation)):
        return True
    packing = item.fulfillment.packing if item.fulfillment else None
    return bool(packing and packing.gift_option and packing.gift_option.gift_message)


def _has_reason(cancellation: Cancellation) -> bool:
    request, execution = cancellation.cancellation_request, cancellation.cancellation_execution
    return bool((request and request.cancel_reason) or (execution and execution.cancel_reason))


def _items(order_id: str, items: Sequence[Item], raws: Sequence[msgspec.Raw]) -> tuple[ItemRow, ...]:
    rows = tuple([_item(order_id, item, raw) for item, raw in zip(items, raws, strict=True)])
    if len(rows) > 1 and len({row.order_item_id for row in rows}) < len(rows):
        raise ValueError("two items have the same id")
    return rows


def _item(order_id: str, item: Item, payload: msgspec.Raw) -> ItemRow:
    product = item.product
    amount, currency = _money(product.price.unit_price if product.price else None)
    return ItemRow(
        order_id=order_id,
        order_item_id=item.order_item_id,
        asin=product.asin or None,
        seller_sku=product.seller_sku or None,
        title=product.title or None,
        quantity_ordered=item.quantity_ordered,
        quantity_shipped=item.fulfillment.quantity_fulfilled if item.fulfillment else None,
        price_amount=amount,
        price_currency=currency,
        payload=str(payload, "utf-8"),
    )


def _first_shipping(packages: Sequence[Package]) -> datetime | None:
    return min((_utc(each.ship_time) for each in packages if each.ship_time is not None), default=None)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is UTC:
        return moment
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _money(money: Money | None) -> tuple[Decimal | None, str | None]:
    if money is None:
        return None, None
    if not money.amount.is_finite() or abs(money.amount.adjusted()) >= 30:
        raise ValueError("the amount of money is out of range")
    return money.amount, money.currency_code or None

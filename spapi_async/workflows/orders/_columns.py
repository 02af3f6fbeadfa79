"""A page of Orders 2026-01-01 read for its columns alone: one decode of each order and item, straight into rows.

A page of a hundred orders has some ten thousand values, and the tables have columns for a few of them. An order that
does not fit these types exactly (a number where text should be, a required member that is not there) makes its whole
page a matter of the reader of everything, in ``_reading`` and ``_rows``; a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from spapi_async._codec import json
from spapi_async.workflows.orders._personal import PERSONAL_2026, cut
from spapi_async.workflows.orders._rows import LONGEST_KEY, V2026, ItemRow, OrderRow, channel_of, status_of

__all__ = ["PAGE", "ColumnsPage", "quick_row"]

_ABSENT = msgspec.Raw()
_Key = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_KEY)]
_Count = Annotated[int, msgspec.Meta(gt=-(2**31), lt=2**31)]


class _Columns(msgspec.Struct, rename="camel", gc=False):
    pass


class _Money(_Columns):
    amount: Decimal
    currency_code: str


class _Price(_Columns):
    unit_price: _Money | None = None


class _Product(_Columns):
    asin: str | None = None
    seller_sku: Annotated[str, msgspec.Meta(max_length=LONGEST_KEY)] | None = None
    title: str | None = None
    price: _Price | None = None
    customization: msgspec.Raw = _ABSENT


class _GiftOption(_Columns):
    gift_message: msgspec.Raw = _ABSENT


class _Packing(_Columns):
    gift_option: _GiftOption | None = None


class _ItemFulfillment(_Columns):
    quantity_fulfilled: _Count | None = None
    packing: _Packing | None = None


class _Item(_Columns):
    order_item_id: _Key
    quantity_ordered: _Count
    product: _Product
    fulfillment: _ItemFulfillment | None = None
    tax: msgspec.Raw = _ABSENT


class _Fulfillment(_Columns):
    fulfillment_status: str
    fulfilled_by: str | None = None


class _Channel(_Columns):
    channel_name: str
    marketplace_id: str | None = None


class _Proceeds(_Columns):
    grand_total: _Money | None = None


class _Package(_Columns):
    ship_time: datetime | None = None


class _Order(_Columns):
    order_id: _Key
    created_time: datetime
    last_updated_time: datetime
    sales_channel: _Channel
    order_items: list[msgspec.Raw]
    fulfillment: _Fulfillment | None = None
    proceeds: _Proceeds | None = None
    packages: list[_Package] | None = None
    buyer: msgspec.Raw = _ABSENT
    recipient: msgspec.Raw = _ABSENT
    payment: msgspec.Raw = _ABSENT
    tax: msgspec.Raw = _ABSENT


class _Pagination(_Columns):
    next_token: str | None = None


class ColumnsPage(_Columns):
    """A page, its orders as they came."""

    orders: list[msgspec.Raw]
    pagination: _Pagination | None = None
    last_updated_before: datetime | None = None


class _Items(_Columns):
    order_items: list[msgspec.Raw]


PAGE = msgspec.json.Decoder(ColumnsPage)
_ORDER, _ITEM = msgspec.json.Decoder(_Order), msgspec.json.Decoder(_Item)
_ITEMS = msgspec.json.Decoder(_Items)


def quick_row(payload: bytes) -> OrderRow | None:
    """The rows of an order; None where it has to be read by its model."""
    try:
        return _row(payload)
    except (ValueError, ArithmeticError, RecursionError):
        return None


def _row(payload: bytes) -> OrderRow:
    if b"\\" in payload and b"\\u0000" in payload:  # one byte is found at once, and most orders do not have it
        raise ValueError("text in a database cannot have NUL")
    order = _ORDER.decode(payload)
    raws = order.order_items
    items = [_ITEM.decode(raw) for raw in raws]
    personal: dict[str, Any] = {}
    if _is_personal(order, items):
        # What stands in columns stays as it is; the JSON to keep is another.
        payload, personal = cut(json.exact(payload), PERSONAL_2026, ids="orderItemId")
        raws = _ITEMS.decode(payload).order_items
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


def _is_personal(order: _Order, items: Sequence[_Item]) -> bool:
    return bool(order.buyer or order.recipient or order.payment or order.tax) or any(map(_is_item_personal, items))


def _is_item_personal(item: _Item) -> bool:
    if item.tax or item.product.customization:
        return True
    packing = item.fulfillment.packing if item.fulfillment else None
    return bool(packing and packing.gift_option and packing.gift_option.gift_message)


def _items(order_id: str, items: Sequence[_Item], raws: Sequence[msgspec.Raw]) -> tuple[ItemRow, ...]:
    rows = tuple([_item(order_id, item, raw) for item, raw in zip(items, raws, strict=True)])
    if len(rows) > 1 and len({row.order_item_id for row in rows}) < len(rows):
        raise ValueError("two items of one id")
    return rows


def _item(order_id: str, item: _Item, payload: msgspec.Raw) -> ItemRow:
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


def _first_shipping(packages: Sequence[_Package]) -> datetime | None:
    return min((_utc(each.ship_time) for each in packages if each.ship_time is not None), default=None)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is UTC:
        return moment
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _money(money: _Money | None) -> tuple[Decimal | None, str | None]:
    if money is None:
        return None, None
    if not money.amount.is_finite() or abs(money.amount.adjusted()) >= 30:
        raise ValueError("no amount of money")
    return money.amount, money.currency_code or None

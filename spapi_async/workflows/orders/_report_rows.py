"""Orders from an order report, which has one line for each item. Pure.

A report contains every order of a month and needs no quota of the Orders API, but it is coarse: no item ids, no
packages, no breakdowns. Its columns are those of
developer-docs.amazon.com/sp-api/docs/order-reports-attributes#get_flat_file_all_orders_data_by_last_update_general.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import msgspec

from spapi_async.workflows.orders._rows import LONGEST_KEY, Detail, OrderRow, channel_of, read_time, status_of

__all__ = ["REPORT", "REPORT_SOURCE", "order_rows", "stored_row"]

REPORT = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL"
REPORT_SOURCE = "report"
"""The source of these rows."""

_ADDED = ("item-price", "item-tax", "shipping-price", "shipping-tax", "gift-wrap-price", "gift-wrap-tax")
_TAKEN_OFF = ("item-promotion-discount", "ship-promotion-discount")
# Stored in the payload. Other columns may identify a buyer or an address (ship-city, buyer-name, cpf, columns that
# Amazon adds or names in another language), and are treated as personal data.
_KEPT = frozenset(
    {
        "amazon-order-id", "merchant-order-id", "purchase-date", "last-updated-date", "order-status", "item-status",
        "fulfillment-channel", "sales-channel", "order-channel", "url", "ship-service-level", "product-name", "sku",
        "asin", "quantity", "number-of-items", "currency", *_ADDED, *_TAKEN_OFF, "promotion-ids", "price-designation",
        "is-business-order", "is-iba", "tax-collection-model", "tax-collection-responsible-party",
    }
)  # fmt: skip
_MOST_HEADINGS = 4096
_NO_LETTER = re.compile(r"[^a-z0-9]+")


class _Headings(dict[str, str]):
    """The headings of reports, in any spelling, mapped to those in Amazon's documentation."""

    def __missing__(self, heading: str) -> str:
        plain = _NO_LETTER.sub("-", heading.lower()).strip("-")
        if len(self) < _MOST_HEADINGS:
            self[heading] = plain
        return plain


_HEADINGS = _Headings()


class _Order(NamedTuple):
    """The stored part of an order's lines, and the other values by their places."""

    lines: list[dict[str, str]]
    personal: dict[str, Any]


def order_rows(lines: Iterable[Mapping[str, str]]) -> list[OrderRow]:
    """The orders of a report's lines, in the order in which they first appear."""
    orders: dict[str, _Order] = {}
    for line in lines:
        kept, personal = _split(line)
        order_id = kept.get("amazon-order-id", "").strip()
        if order_id and len(order_id) <= LONGEST_KEY:
            order = orders.setdefault(order_id, _Order([], {}))
            place = f"lines.{len(order.lines)}"
            order.lines.append(kept)
            order.personal.update((f"{place}.{name}", cell) for name, cell in personal.items())
    return [_row(order_id, order) for order_id, order in orders.items()]


def stored_row(payload: str) -> OrderRow:
    """The row of a stored payload, made by the current version.

    Raises:
        ValueError: it is not the payload of a row.
    """
    (row,) = order_rows(msgspec.json.decode(payload, type=_Payload).lines)
    return row


def _split(line: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The stored part of a line, by the documented headings, and its other values."""
    kept: dict[str, str] = {}
    personal: dict[str, str] = {}
    for heading, cell in line.items():
        name = _HEADINGS[heading]
        if name in _KEPT and name not in kept:
            kept[name] = cell
        elif cell:
            personal[heading] = cell
    return kept, personal


class _Payload(msgspec.Struct):
    lines: list[dict[str, str]]


def _written(lines: list[dict[str, str]]) -> str:
    return msgspec.json.encode({"lines": lines}).decode()


def _row(order_id: str, order: _Order) -> OrderRow:
    lines = order.lines
    first = lines[0]
    status, channel = first.get("order-status") or None, first.get("fulfillment-channel") or None
    currencies = {line["currency"] for line in lines if line.get("currency")}
    one_currency = len(currencies) == 1
    return OrderRow(
        order_id=order_id,
        identified=True,
        marketplace_id=None,
        status=status_of(status),
        amazon_status=status,
        channel=channel_of(channel),
        fulfilled_by=channel,
        sales_channel=first.get("sales-channel") or None,
        created_at=read_time(first.get("purchase-date")),
        last_updated_at=_whole_seconds(first.get("last-updated-date")),
        total_amount=_total(lines) if one_currency else None,
        total_currency=currencies.pop() if one_currency else None,
        source=REPORT_SOURCE,
        detail=Detail.REPORT,
        payload=_written(lines),
        personal=order.personal,
    )


def _whole_seconds(text: str | None) -> datetime | None:
    """Cut to whole seconds, like the Orders API: with a finer date here an equal order would look older."""
    moment = read_time(text)
    return None if moment is None else moment.replace(microsecond=0)


def _total(lines: Iterable[Mapping[str, str]]) -> Decimal | None:
    total, any_amount = Decimal(0), False
    for line in lines:
        for names, sign in ((_ADDED, 1), (_TAKEN_OFF, -1)):
            for name in names:
                amount = _amount(line.get(name))
                if amount is not None:
                    total += sign * abs(amount)
                    any_amount = True
    return total if any_amount else None


def _amount(cell: str | None) -> Decimal | None:
    try:
        amount = Decimal(cell.strip()) if cell and cell.strip() else None
    except InvalidOperation:
        return None
    return amount if amount is not None and amount.is_finite() and abs(amount.adjusted()) < 30 else None

"""Orders out of an order report: one line for each item, put together by order. Pure.

A report brings every order of a month at once and needs no quota of the Orders API, and it is coarse: no item ids, no
packages, no breakdowns. Its columns are those of
developer-docs.amazon.com/sp-api/docs/order-reports-attributes#get_flat_file_all_orders_data_by_last_update_general.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation

import msgspec

from spapi_async.workflows.orders._rows import CHANNELS, LONGEST_KEY, STATUSES, Detail, OrderRow, read_time

__all__ = ["REPORT", "order_rows"]

REPORT = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL"

_ADDED = ("item-price", "item-tax", "shipping-price", "shipping-tax", "gift-wrap-price", "gift-wrap-tax")
_TAKEN_OFF = ("item-promotion-discount", "ship-promotion-discount")
# Kept: everything but where the order goes and who bought it.
_PERSONAL = ("ship-", "buyer-", "recipient-", "purchase-order-number", "gift-message", "customized-")


def order_rows(lines: Iterable[Mapping[str, str]]) -> list[OrderRow]:
    """The orders of a report's lines, in the order in which they first appear."""
    orders: dict[str, list[Mapping[str, str]]] = {}
    for line in lines:
        order_id = line.get("amazon-order-id", "").strip()
        if order_id and len(order_id) <= LONGEST_KEY:
            orders.setdefault(order_id, []).append(line)
    return [_row(order_id, found) for order_id, found in orders.items()]


def _row(order_id: str, lines: Sequence[Mapping[str, str]]) -> OrderRow:
    first = lines[0]
    status, channel = first.get("order-status") or None, first.get("fulfillment-channel") or None
    kept = [{name: cell for name, cell in line.items() if not name.startswith(_PERSONAL)} for line in lines]
    currencies = {line["currency"] for line in lines if line.get("currency")}
    one_currency = len(currencies) == 1
    return OrderRow(
        order_id=order_id,
        identified=True,
        marketplace_id=None,
        status=STATUSES.get(status, status) if status else None,
        amazon_status=status,
        channel=CHANNELS.get(channel, channel) if channel else None,
        fulfilled_by=channel,
        sales_channel=first.get("sales-channel") or None,
        created_at=read_time(first.get("purchase-date")),
        last_updated_at=_whole_seconds(first.get("last-updated-date")),
        total_amount=_total(lines) if one_currency else None,
        total_currency=currencies.pop() if one_currency else None,
        source="report",
        detail=Detail.REPORT,
        payload=msgspec.json.encode({"lines": kept}).decode(),
    )


def _whole_seconds(text: str | None) -> datetime | None:
    """The Orders API's updates have whole seconds: a finer date here would make an equal order look older."""
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

"""Sales v1: the number and the value of the orders placed in an interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from spapi_async.emulator.data.orders import StoredOrder
from spapi_async.emulator.data.places import SHOPS
from spapi_async.emulator.data.world import Call, Handler
from spapi_async.emulator.gateway.replies import Reply, bad_input
from spapi_async.emulator.gateway.times import iso, parse_date
from spapi_async.marketplaces import Marketplace

__all__ = ["HANDLERS"]

_STEPS = {"Hour": timedelta(hours=1), "Day": timedelta(days=1), "Week": timedelta(weeks=1)}
_MAX_AGE_HOURLY = timedelta(days=30).total_seconds()  # Amazon accepts no earlier start at this granularity
_MAX_AGE = timedelta(days=731).total_seconds()


def _get_order_metrics(call: Call) -> Reply:
    arguments = call.arguments
    marketplaces = arguments["marketplaceIds"]
    if len(marketplaces) != 1:
        raise bad_input("Only one marketplace is allowed.", f"{len(marketplaces)} were sent")
    first, _, last = arguments["interval"].partition("--")
    start, end = parse_date(first), parse_date(last)
    if start is None or end is None or start >= end:
        raise bad_input("The interval is not valid.", "it has the form 2026-01-01T00:00:00Z--2026-02-01T00:00:00Z")
    granularity = arguments["granularity"]
    if start < call.now - (_MAX_AGE_HOURLY if granularity == "Hour" else _MAX_AGE):
        raise bad_input("The interval reaches too far back.", f"the granularity is {granularity}")
    if granularity not in ("Hour", "Total") and "granularityTimeZone" not in arguments:
        raise bad_input("granularityTimeZone is required.", f"the granularity is {granularity}")
    orders = [order for order in call.seller.orders.since(0) if str(order.marketplace) == marketplaces[0]]
    return Reply.json(
        {
            "payload": [
                _metrics(orders, marketplaces[0], low, high, violations=call.world.settings.violations)
                for low, high in _intervals(start, end, granularity)
            ]
        }
    )


def _intervals(start: float, end: float, granularity: str) -> Iterator[tuple[float, float]]:
    if granularity not in _STEPS:
        yield start, end
        return
    step = _STEPS[granularity].total_seconds()
    low = start
    while low < end:
        high = min(low - low % step + step if granularity != "Week" else low + step, end)
        yield low, high
        low = high


def _metrics(
    orders: Sequence[StoredOrder], marketplace: str, low: float, high: float, *, violations: bool
) -> dict[str, Any]:
    found = [order for order in orders if low <= order.created < high]
    units = sum(line.quantity for order in found for line in order.lines)
    shop = SHOPS[Marketplace(marketplace)]

    def amount(value: float) -> Any:
        # A string in Amazon's model, but a JSON number in production.
        return round(value, 2) if violations else f"{value:.2f}"

    total = sum(float(order.money(sum(line.price for line in order.lines))) for order in found)
    return {
        "interval": f"{iso(low, 'seconds')}--{iso(high, 'seconds')}",
        "unitCount": units,
        "orderItemCount": sum(len(order.lines) for order in found),
        "orderCount": len(found),
        "averageUnitPrice": {"amount": amount(total / units if units else 0.0), "currencyCode": shop.currency},
        "totalSales": {"amount": amount(total), "currencyCode": shop.currency},
    }


HANDLERS: dict[str, Handler] = {"sales_v1.get_order_metrics": _get_order_metrics}

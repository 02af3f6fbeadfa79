"""Orders 2026-01-01 over the orders that v0 shows: items inline, data sets on request, no restricted data token."""

from __future__ import annotations

from typing import Any

from spapi_async.emulator.apis.orders_v0 import Search, check_marketplaces, find_order
from spapi_async.emulator.data.order_json import order_2026, status_2026
from spapi_async.emulator.data.orders import StoredOrder
from spapi_async.emulator.data.world import Call, Handler
from spapi_async.emulator.gateway.replies import Reply, bad_input, encode, not_permitted
from spapi_async.emulator.gateway.times import iso

__all__ = ["HANDLERS"]

# The page size and the data sets may change between pages; everything else must be repeated.
_CHANGEABLE = ("paginationToken", "maxResultsPerPage", "includedData")


def _search_orders(call: Call) -> Reply:
    arguments = call.arguments
    size = arguments.get("maxResultsPerPage", 100)
    if not 1 <= size <= 100:
        raise bad_input(f"maxResultsPerPage: {size} is not between 1 and 100.")
    fixed = {name: value for name, value in arguments.items() if name not in _CHANGEABLE}
    search = Search(
        call, ("createdAfter", "createdBefore", "lastUpdatedAfter", "lastUpdatedBefore"), lambda order: order.updated
    )
    marketplaces = frozenset(arguments.get("marketplaceIds") or ())
    check_marketplaces(marketplaces)
    statuses = frozenset(arguments.get("fulfillmentStatuses") or ())
    fulfillers = frozenset(arguments.get("fulfilledBy") or ())

    def wanted(order: StoredOrder) -> bool:
        return (
            (not marketplaces or order.marketplace in marketplaces)
            and (not statuses or status_2026(order) in statuses)
            and (not fulfillers or ("AMAZON" if order.fulfilled_by_amazon else "MERCHANT") in fulfillers)
        )

    included = _included(call)
    orders, token = search.page(call, arguments.get("paginationToken"), size, fixed, wanted)
    violations = call.world.settings.violations
    listed = b",".join([order_2026(order, included, violations=violations) for order in orders])
    tail: dict[str, Any] = {"lastUpdatedBefore" if search.by_update else "createdBefore": iso(search.end, "seconds")}
    if token:
        tail["pagination"] = {"nextToken": token}
    return Reply(b'{"orders":[' + listed + b"]," + encode(tail)[1:])


def _get_order(call: Call) -> Reply:
    order = find_order(call)
    violations = call.world.settings.violations
    return Reply(b'{"order":' + order_2026(order, _included(call), violations=violations) + b"}")


def _included(call: Call) -> frozenset[str]:
    """The data sets that the request asks for.

    Raises:
        Refusal: 403: one of them is in the setting ``refused_datasets``.
    """
    included = frozenset(call.arguments.get("includedData") or ())
    if included & call.world.settings.refused_datasets:
        raise not_permitted()
    return included


HANDLERS: dict[str, Handler] = {
    "orders_2026_01_01.search_orders": _search_orders,
    "orders_2026_01_01.get_order": _get_order,
}

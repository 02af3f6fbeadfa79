"""When Amazon takes operations away, and what replaces them.

Source: Amazon's announcements of 2026 (developer-docs.amazon.com/sp-api/docs/sp-api-deprecations). The model files know
neither; Orders v0 getOrderRegulatedInfo, updateVerificationStatus, updateShipmentStatus and confirmShipment stay.
"""

from __future__ import annotations

from datetime import date

import msgspec

__all__ = ["Removal", "removal"]


class Removal(msgspec.Struct, frozen=True):
    """The day by which an operation must be left, and the name of the one to use."""

    day: date
    successor: str


_ORDERS = date(2027, 3, 27)
_FINANCES = date(2027, 8, 27)

# An order of 2026-01-01 comes with its items, and with buyer and address where they are asked for.
_REMOVALS: dict[str, dict[str, Removal]] = {
    "orders_v0": {
        "get_orders": Removal(_ORDERS, "orders_2026_01_01.search_orders"),
        **dict.fromkeys(
            ["get_order", "get_order_address", "get_order_buyer_info", "get_order_items", "get_order_items_buyer_info"],
            Removal(_ORDERS, "orders_2026_01_01.get_order"),
        ),
    },
    "finances_v0": dict.fromkeys(
        ["list_financial_events", "list_financial_events_by_group_id", "list_financial_events_by_order_id"],
        Removal(_FINANCES, "finances_2024_06_19.list_transactions"),
    ),
}


def removal(module: str, method: str) -> Removal | None:
    """What is known of an operation's end."""
    return _REMOVALS.get(module, {}).get(method)

"""When Amazon will remove operations, and which operations replace them.

Source: Amazon's announcements of 2026 (developer-docs.amazon.com/sp-api/docs/sp-api-deprecations); the model files say
neither. Orders v0 getOrderRegulatedInfo, updateVerificationStatus, updateShipmentStatus and confirmShipment stay.
"""

from __future__ import annotations

from datetime import date

import msgspec

__all__ = ["Removal", "removal"]


class Removal(msgspec.Struct, frozen=True):
    """The day on which an operation is removed, and the name of the operation to use instead."""

    day: date
    successor: str


_ORDERS_REMOVAL_DAY = date(2027, 3, 27)
_FINANCES_REMOVAL_DAY = date(2027, 8, 27)

# getOrder of 2026-01-01 returns the items too, and buyer and address on request.
_REMOVALS: dict[str, dict[str, Removal]] = {
    "orders_v0": {
        "get_orders": Removal(_ORDERS_REMOVAL_DAY, "orders_2026_01_01.search_orders"),
        **dict.fromkeys(
            ["get_order", "get_order_address", "get_order_buyer_info", "get_order_items", "get_order_items_buyer_info"],
            Removal(_ORDERS_REMOVAL_DAY, "orders_2026_01_01.get_order"),
        ),
    },
    "finances_v0": dict.fromkeys(
        ["list_financial_events", "list_financial_events_by_group_id", "list_financial_events_by_order_id"],
        Removal(_FINANCES_REMOVAL_DAY, "finances_2024_06_19.list_transactions"),
    ),
}


def removal(module: str, method: str) -> Removal | None:
    """The announced removal of an operation; None if there is none."""
    return _REMOVALS.get(module, {}).get(method)

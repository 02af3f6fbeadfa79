"""Which arguments need or exclude each other: Amazon says so in prose alone, here it is said again in our own words."""

from __future__ import annotations

__all__ = ["conditions"]

_NO_FILTERS = "``next_token`` is sent without the other filters."
_SHIPMENT_QUERY = (
    "``query_type`` decides what else is needed: ``DATE_RANGE`` both ``last_updated_`` dates, ``NEXT_TOKEN`` the token."
)

CONDITIONS: dict[str, tuple[str, ...]] = {
    "catalog_items_2022_04_01.search_catalog_items": (
        "Give ``keywords`` or ``identifiers``, not both; brands and classifications go with keywords.",
        "``identifiers`` need ``identifiers_type``, and the type ``SKU`` needs ``seller_id``.",
    ),
    "feeds_2021_06_30.get_feeds": ("Give ``feed_types`` or ``next_token``.", _NO_FILTERS),
    "finances_2024_06_19.list_transactions": ("Without a related identifier ``posted_after`` is needed.",),
    "fulfillment_inbound_v0.get_shipment_items": (_SHIPMENT_QUERY,),
    "fulfillment_inbound_v0.get_shipments": (
        _SHIPMENT_QUERY,
        "``SHIPMENT`` needs ``shipment_status_list`` or ``shipment_id_list``.",
    ),
    "listings_items_2021_08_01.search_listings_items": (
        "``identifiers`` and ``identifiers_type`` go together.",
        "Only one of ``identifiers``, ``variation_parent_sku`` and ``package_hierarchy_sku``.",
    ),
    "orders_2026_01_01.search_orders": (
        "Give exactly one of ``created_after`` and ``last_updated_after``; each has its own ``_before``.",
        "An upper bound lies two minutes or more in the past.",
    ),
    "orders_v0.get_orders": (
        "Give exactly one of ``created_after`` and ``last_updated_after``; each has its own ``_before``.",
        "An upper bound lies two minutes or more in the past. 1 to 100 results a page.",
    ),
    "reports_2021_06_30.get_reports": ("Give ``report_types`` or ``next_token``.", _NO_FILTERS),
    "sales_v1.get_order_metrics": (
        "A granularity above ``Hour`` needs ``granularity_time_zone``. ``asin`` and ``sku`` exclude each other.",
    ),
}


def conditions(name: str) -> tuple[str, ...]:
    """What to know about an operation's arguments together; module and method name it."""
    return CONDITIONS.get(name, ())

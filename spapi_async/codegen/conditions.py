"""Which arguments require or exclude one another: Amazon says so only in prose, which is not copied but restated."""

from __future__ import annotations

__all__ = ["conditions"]

_NO_FILTERS = "``next_token`` must be given without other filters."
_SHIPMENT_QUERY = (
    "The ``query_type`` ``DATE_RANGE`` requires both ``last_updated_`` dates, ``NEXT_TOKEN`` requires the token."
)
_UPPER_BOUND = "An upper bound must be at least two minutes in the past."

CONDITIONS: dict[str, tuple[str, ...]] = {
    "catalog_items_2022_04_01.search_catalog_items": (
        "Give ``keywords`` or ``identifiers``, not both; brands and classifications require keywords.",
        "``identifiers`` require ``identifiers_type``, and the type ``SKU`` requires ``seller_id``.",
    ),
    "feeds_2021_06_30.get_feeds": ("Give ``feed_types`` or ``next_token``.", _NO_FILTERS),
    "finances_2024_06_19.list_transactions": ("``posted_after`` is required unless a related identifier is given.",),
    "fulfillment_inbound_v0.get_shipment_items": (_SHIPMENT_QUERY,),
    "fulfillment_inbound_v0.get_shipments": (
        _SHIPMENT_QUERY,
        "``SHIPMENT`` requires ``shipment_status_list`` or ``shipment_id_list``.",
    ),
    "listings_items_2021_08_01.search_listings_items": (
        "``identifiers`` and ``identifiers_type`` must be given together.",
        "Give at most one of ``identifiers``, ``variation_parent_sku`` and ``package_hierarchy_sku``.",
    ),
    "orders_2026_01_01.search_orders": (
        "Give exactly one of ``created_after`` and ``last_updated_after``; each has its own ``_before``.",
        _UPPER_BOUND,
    ),
    "orders_v0.get_orders": (
        "Give exactly one of ``created_after`` and ``last_updated_after``; each has its own ``_before``.",
        f"{_UPPER_BOUND} A page has 1 to 100 results.",
    ),
    "reports_2021_06_30.get_reports": ("Give ``report_types`` or ``next_token``.", _NO_FILTERS),
    "sales_v1.get_order_metrics": (
        "A granularity above ``Hour`` requires ``granularity_time_zone``. Give ``asin`` or ``sku``, not both.",
    ),
}


def conditions(name: str) -> tuple[str, ...]:
    """Conditions on the combination of an operation's arguments; ``name`` is module and method."""
    return CONDITIONS.get(name, ())

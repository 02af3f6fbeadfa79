"""Usage plans that the models lack, and figures of other sources that differ from the models'.

Sources: ``sdk`` is resources/rate-limits.yml of github.com/amzn/selling-partner-api-sdk (2026-08-07), ``docs`` the
pages developer-docs.amazon.com/sp-api/docs/*-rate-limits. Figures within 5 % of the model's are left out, as a matter
of rounding. The tables have, for each module and plan, the methods with that plan.
"""

from __future__ import annotations

from typing import Literal

from spapi_async._core.operation import OtherPlan, UsagePlan

__all__ = ["usage_plan"]

Source = Literal["model", "sdk", "docs", "assumed"]

_Plan = tuple[float, int]
_Table = dict[str, dict[_Plan, str]]

SDK: _Table = {
    "aplus_content_2020_11_01": {
        (5, 5): (
            "search_content_documents create_content_document get_content_document update_content_document "
            "list_content_document_asin_relations post_content_document_asin_relations "
            "validate_content_document_asin_relations search_content_publish_records "
            "post_content_document_approval_submission post_content_document_suspend_submission"
        ),
    },
    "customer_feedback_2024_06_01": {
        (1, 10): (
            "get_item_review_topics get_item_browse_node get_browse_node_review_topics "
            "get_item_review_trends get_browse_node_review_trends get_browse_node_return_topics "
            "get_browse_node_return_trends"
        ),
    },
    "data_kiosk_2023_11_15": {
        (0.01667, 15): "get_queries",
        (2, 15): "cancel_query",
    },
    "external_fulfillment_inventory_2024_09_11": {
        (50, 50): "batch_inventory",
    },
    "external_fulfillment_returns_2024_09_11": {
        (1, 1): "list_returns get_return",
    },
    "external_fulfillment_shipments_2024_09_11": {
        (1, 1): (
            "get_shipments get_shipment process_shipment create_packages update_package "
            "update_package_status retrieve_shipping_options retrieve_invoice generate_invoice "
            "generate_ship_labels"
        ),
    },
    "fba_inventory_v1": {
        (2, 3): "create_inventory_item delete_inventory_item add_inventory",
    },
    "finances_invoices_2026_06_25": {
        (25, 5): "get_invoice_headers get_invoice",
    },
    "fulfillment_inbound_2024_03_20": {
        (5, 6): "get_shipment list_transportation_options get_inbound_operation_status",
        (5, 30): "list_shipment_boxes list_delivery_window_options",
        (2, 30): "cancel_self_ship_appointment list_prep_details",
        (2, 6): "get_self_ship_appointment_slots",
        (2, 2): "generate_self_ship_appointment_slots schedule_self_ship_appointment update_item_compliance_details",
    },
    "fulfillment_inbound_v0": {
        (5, 30): "get_labels",
    },
    "fulfillment_outbound_2020_07_01": {
        (10, 30): "delivery_offers",
        (1, 1): "submit_fulfillment_order_status_update",
    },
    "fulfillment_outbound_2026_07_04": {
        (1, 1): "update_order_status update_package",
    },
    "invoices_2024_06_19": {
        (1, 1): "get_invoices_attributes",
        (0.01667, 1): "get_invoices_document create_invoices_export",
        (0.1, 20): "get_invoices_exports get_invoices",
        (2, 15): "get_invoices_export get_invoice",
        (0.1667, 1): "get_government_invoice_status create_government_invoice get_government_invoice_document",
    },
    "listings_items_2021_08_01": {
        (5, 5): "get_listings_item put_listings_item",
    },
    "merchant_fulfillment_v0": {
        (5, 10): "get_shipment cancel_shipment create_shipment get_additional_seller_inputs",
    },
    "messaging_v1": {
        (1, 5): "send_invoice",
    },
    "product_type_definitions_2020_09_01": {
        (5, 5): "search_definitions_product_types get_definitions_product_type",
    },
    "seller_wallet_2024_03_01": {
        (0.5, 15): "list_accounts get_account list_account_balances list_account_transactions",
        (0.5, 10): (
            "get_transfer_preview get_transaction list_transfer_schedules update_transfer_schedule "
            "create_transfer_schedule get_transfer_schedule delete_schedule_transaction"
        ),
        (1, 10): "create_transaction",
    },
    "sellers_v1": {
        (0.5, 30): "get_account",
    },
    "services_v1": {
        (5, 20): "assign_appointment_resources get_appointment_slots",
    },
    "shipping_v2": {
        (5, 15): "get_rates purchase_shipment cancel_shipment",
        (80, 100): "link_carrier_account",
    },
    "supply_sources_2020_07_01": {
        (10, 10): "get_supply_sources",
        (2, 2): "create_supply_source",
        (40, 40): "get_supply_source",
        (1, 1): "update_supply_source",
        (20, 20): "archive_supply_source update_supply_source_status",
    },
    "tracking_2026_01_30": {
        (2, 30): "get_shipment_tracking",
    },
    "uploads_2020_11_01": {
        (5, 5): "create_upload_destination_for_resource",
    },
    "vehicles_2024_11_01": {
        (20, 5): "get_vehicles",
    },
    "vendor_transaction_status_v1": {
        (10, 10): "get_transaction",
    },
}
DOCS: _Table = {
    "external_fulfillment_inventory_2024_09_11": {
        (50, 100): "batch_inventory",
    },
    "external_fulfillment_returns_2024_09_11": {
        (10, 20): "list_returns get_return",
    },
    "fulfillment_inbound_v0": {
        (5, 30): "get_labels",
    },
    "fulfillment_outbound_2020_07_01": {
        (10, 30): "delivery_offers",
    },
    "listings_items_2020_09_01": {
        (5, 5): "put_listings_item patch_listings_item delete_listings_item",
    },
    "listings_items_2021_08_01": {
        (5, 5): "get_listings_item put_listings_item",
    },
    "product_type_definitions_2020_09_01": {
        (5, 5): "search_definitions_product_types get_definitions_product_type",
    },
}
APPLICATION: dict[str, dict[float, str]] = {
    "catalog_items_2022_04_01": {
        500: "search_catalog_items",
        250: "get_catalog_item",
    },
    "listings_items_2020_09_01": {
        100: "put_listings_item delete_listings_item",
        500: "patch_listings_item",
    },
    "listings_items_2021_08_01": {
        100: "get_listings_item put_listings_item delete_listings_item",
        500: "patch_listings_item",
    },
    "listings_restrictions_2021_08_01": {
        100: "get_listings_restrictions",
    },
    "product_type_definitions_2020_09_01": {
        100: "search_definitions_product_types get_definitions_product_type",
    },
}

# Removed APIs have no plan; the figures of their successors are used.
SUCCESSORS: _Table = {
    "feeds_2020_09_04": {
        (0.0083, 15): "create_feed",
        (0.0222, 10): "get_feeds get_feed_document",
        (0.5, 15): "create_feed_document",
        (2, 15): "get_feed cancel_feed",
    },
    "reports_2020_09_04": {
        (0.0167, 15): "create_report get_report_document",
        (0.0222, 10): (
            "get_reports cancel_report get_report_schedules create_report_schedule get_report_schedule "
            "cancel_report_schedule"
        ),
        (2, 15): "get_report",
    },
}

# Amazon publishes only one of this API's three plans, that of listCases; the other two operations read the same cases.
SIBLINGS: _Table = {
    "support_2025_02_01": {
        (0.1, 10): "get_case list_contacts",
    },
}

# Plans of other operations that are assumed for an operation without one, and the reason.
_ASSUMED = (
    (SUCCESSORS, "its successor has this plan"),
    (SIBLINGS, "another operation of the same API has this plan"),
)

# If nothing is published: slow enough for nearly every operation, and the rate header of a reply raises the rate.
_CAUTIOUS: _Plan = (1, 1)


def usage_plan(module: str, method: str, model: _Plan | None) -> UsagePlan:
    """The plan of an operation: the model's, else the SDK's, else the documentation's, else an assumed one."""
    sdk, docs = _find(SDK, module, method), _find(DOCS, module, method)
    application_rate = next(
        (rate for rate, methods in APPLICATION.get(module, {}).items() if method in methods.split()), None
    )
    others = [OtherPlan("sdk", *sdk)] if sdk else []
    others += [OtherPlan("docs", *docs)] if docs else []
    source: Source = "model"
    reason = None
    rate, burst = model or _CAUTIOUS
    if model is None and others:
        chosen = others.pop(0)
        source, rate, burst = chosen.source, chosen.rate, chosen.burst or 1
    elif model is None:
        source = "assumed"
        found = ((_find(table, module, method), why) for table, why in _ASSUMED)
        (rate, burst), reason = next(((plan, why) for plan, why in found if plan), (_CAUTIOUS, None))
    return UsagePlan(
        rate=rate,
        burst=burst,
        source=source,
        reason=reason,
        others=tuple(others),
        application_rate=application_rate,
    )


def _find(table: _Table, module: str, method: str) -> _Plan | None:
    return next((plan for plan, methods in table.get(module, {}).items() if method in methods.split()), None)

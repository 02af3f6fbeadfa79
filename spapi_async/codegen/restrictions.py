"""Which operations need a restricted data token, and which need no seller.

Source: developer-docs.amazon.com/sp-api/docs/tokens-api-use-case-guide and /docs/grantless-operations.
"""

from __future__ import annotations

from spapi_async._core.operation import Restriction

__all__ = ["grantless_scope", "restriction"]

_ORDER_ELEMENTS = ("buyerInfo", "shippingAddress", "buyerTaxInformation")

# Every call needs a token; a generic path covers all resources of the operation.
ALWAYS = {
    "easy_ship_2022_03_23": "create_scheduled_package_bulk",
    "merchant_fulfillment_v0": "get_shipment cancel_shipment create_shipment",
    "orders_v0": "get_order_regulated_info get_order_address get_order_buyer_info get_order_items_buyer_info",
    "shipment_invoicing_v0": "get_shipment_details",
    "shipping_v1": "get_shipment",
    "vendor_direct_fulfillment_orders_2021_12_28": "get_orders get_order",
    "vendor_direct_fulfillment_orders_v1": "get_orders get_order",
    "vendor_direct_fulfillment_shipping_2021_12_28": (
        "get_shipping_label get_shipping_labels get_packing_slip get_packing_slips get_customer_invoice "
        "get_customer_invoices create_shipping_labels"
    ),
    "vendor_direct_fulfillment_shipping_v1": (
        "get_shipping_label get_shipping_labels get_packing_slip get_packing_slips get_customer_invoice "
        "get_customer_invoices"
    ),
}

SPECIAL = {
    "orders_v0.get_orders": Restriction(mode="optional", data_elements=_ORDER_ELEMENTS),
    "orders_v0.get_order": Restriction(mode="optional", data_elements=_ORDER_ELEMENTS),
    "orders_v0.get_order_items": Restriction(mode="optional", data_elements=("buyerInfo",)),
    # Only restricted report types need one, and it must name the exact document.
    "reports_2021_06_30.get_report_document": Restriction(mode="report", generic_path=False),
}

SCOPES = {
    "sellingpartnerapi::notifications": {
        "notifications_v1": (
            "create_destination get_destinations get_destination delete_destination get_subscription_by_id "
            "delete_subscription_by_id send_test_notification"
        ),
    },
    "sellingpartnerapi::client_credential:rotation": {
        "application_management_2023_11_30": "rotate_application_client_secret",
    },
    "sellingpartnerapi::shipments:track": {
        "tracking_2026_01_30": "get_shipment_tracking",
    },
}


def restriction(module: str, method: str) -> Restriction | None:
    """When the operation needs a restricted data token."""
    if method in ALWAYS.get(module, "").split():
        return Restriction(mode="always")
    return SPECIAL.get(f"{module}.{method}")


def grantless_scope(module: str, method: str) -> str | None:
    """The client-credentials scope of an operation that acts for no seller."""
    for scope, modules in SCOPES.items():
        if method in modules.get(module, "").split():
            return scope
    return None

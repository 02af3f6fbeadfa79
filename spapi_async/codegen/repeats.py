"""Which operations may be repeated when nobody knows whether the first attempt arrived.

Amazon publishes no list. GET reads. PUT and DELETE name the state wanted, with the exceptions below. POST and PATCH
create, send or pay unless the operation only reads or computes, or makes something that expires unused.
"""

from __future__ import annotations

__all__ = ["is_idempotent"]

# PUT in name only: each call makes another return, label or link, or changes a schedule that moves money.
_DOUBTFUL_PUTS = {
    "external_fulfillment_shipments_2024_09_11": "generate_ship_labels",
    "fulfillment_outbound_2020_07_01": "create_fulfillment_return",
    "seller_wallet_2024_03_01": "update_transfer_schedule",
    "shipping_v2": "link_carrier_account_put",
}

_HARMLESS_POSTS = {
    "aplus_content_2020_11_01": "validate_content_document_asin_relations",
    "awd_2024_05_09": "check_inbound_eligibility",
    "easy_ship_2022_03_23": "list_handover_slots",
    # An upload destination that nobody uses expires.
    "feeds_2020_09_04": "create_feed_document",
    "feeds_2021_06_30": "create_feed_document",
    "fulfillment_outbound_2020_07_01": "delivery_offers get_fulfillment_preview",
    "merchant_fulfillment_v0": "get_additional_seller_inputs get_eligible_shipment_services",
    "product_fees_v0": "get_my_fees_estimate_for_asin get_my_fees_estimate_for_sku get_my_fees_estimates",
    "product_pricing_2022_05_01": "get_competitive_summary get_featured_offer_expected_price_batch",
    "product_pricing_v0": "get_item_offers_batch get_listing_offers_batch",
    "replenishment_2022_11_07": "get_selling_partner_metrics list_offer_metrics list_offers",
    "services_v1": "create_service_document_upload_destination get_fixed_slot_capacity get_range_slot_capacity",
    "shipping_v1": "get_rates retrieve_shipping_label",
    "shipping_v2": "get_rates",
    "tokens_2021_03_01": "create_restricted_data_token",
    "uploads_2020_11_01": "create_upload_destination_for_resource",
}


def is_idempotent(module: str, method: str, verb: str) -> bool:
    """Whether repeating the call does no harm."""
    if verb in ("POST", "PATCH"):
        return method in _HARMLESS_POSTS.get(module, "").split()
    return verb == "GET" or method not in _DOUBTFUL_PUTS.get(module, "").split()

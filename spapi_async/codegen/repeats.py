"""Which operations may be repeated if it is unknown whether the first attempt took effect.

Amazon publishes no list. GET only reads, and a second DELETE changes nothing. PUT, POST and PATCH are repeated only if
they are known to read, to compute, to set a state that a second request sets again, or to create something that expires
unused. The verb is not enough: createFulfillmentReturn and generateShipLabels are PUTs, and each call creates another
return or another label.
"""

from __future__ import annotations

__all__ = ["is_idempotent"]

# The request states the wanted result: cancelled, unlinked, a name, an address, a whole listing.
# Not included: seller wallet's updateTransferSchedule, which moves money, and Shipping v2's linkCarrierAccount.
REPLACING = {
    "awd_2024_05_09": "update_inbound update_inbound_shipment_transport_details update_outbound",
    "external_fulfillment_shipments_2024_09_11": "update_package",
    "fulfillment_inbound_2024_03_20": (
        "cancel_inbound_plan cancel_self_ship_appointment update_inbound_plan_name update_item_compliance_details "
        "update_shipment_name update_shipment_source_address update_shipment_tracking_details"
    ),
    "fulfillment_inbound_v0": "confirm_preorder put_transport_details update_inbound_shipment",
    "fulfillment_outbound_2020_07_01": (
        "cancel_fulfillment_order submit_fulfillment_order_status_update update_fulfillment_order"
    ),
    "fulfillment_outbound_2026_07_04": "cancel_order update_order update_order_status update_package",
    "listings_items_2020_09_01": "put_listings_item",
    "listings_items_2021_08_01": "put_listings_item",
    "services_v1": (
        "assign_appointment_resources cancel_service_job_by_service_job_id complete_service_job_by_service_job_id "
        "set_appointment_fulfillment_data update_reservation update_schedule"
    ),
    "shipping_v2": "cancel_shipment unlink_carrier_account",
    "supply_sources_2020_07_01": "update_supply_source update_supply_source_status",
}

READING = {
    "aplus_content_2020_11_01": "validate_content_document_asin_relations",
    "awd_2024_05_09": "check_inbound_eligibility",
    "easy_ship_2022_03_23": "list_handover_slots",
    "fulfillment_outbound_2020_07_01": "delivery_offers get_fulfillment_preview",
    "fulfillment_outbound_2026_07_04": "get_offers get_order_preview",
    "merchant_fulfillment_v0": "get_additional_seller_inputs get_eligible_shipment_services",
    "product_fees_v0": "get_my_fees_estimate_for_asin get_my_fees_estimate_for_sku get_my_fees_estimates",
    "product_pricing_2022_05_01": "get_competitive_summary get_featured_offer_expected_price_batch",
    "product_pricing_v0": "get_item_offers_batch get_listing_offers_batch",
    "replenishment_2022_11_07": "get_selling_partner_metrics list_offer_metrics list_offers",
    "services_v1": "get_fixed_slot_capacity get_range_slot_capacity",
    "shipping_v1": "get_rates retrieve_shipping_label",
    "shipping_v2": "get_carrier_accounts get_collection_form_history get_rates get_unmanifested_shipments",
    "support_2025_02_01": "list_cases",
}

# Unused upload destinations and tokens expire. The same upload gives the same media (200 instead of 201), and the same
# merchant the same sandbox location.
HARMLESS = {
    "aplus_content_2020_11_01": "create_media",
    "external_fulfillment_location_2026_07_30": "create_sandbox_location",
    "feeds_2020_09_04": "create_feed_document",
    "feeds_2021_06_30": "create_feed_document",
    "services_v1": "create_service_document_upload_destination",
    "tokens_2021_03_01": "create_restricted_data_token",
    "uploads_2020_11_01": "create_upload_destination_for_resource",
}


def is_idempotent(module: str, method: str, verb: str) -> bool:
    """Whether repeating the call does no harm."""
    if verb in ("GET", "DELETE"):
        return True
    return any(method in table.get(module, "").split() for table in (REPLACING, READING, HARMLESS))

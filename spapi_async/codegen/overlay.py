"""Fields of Amazon's models that its own replies break often, loosened in the generated classes; each with its reason.

Without this every such page would leave the fast decoder. An entry only loosens: a required field becomes optional, a
narrow type becomes the one that is really sent.
"""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Loosened", "loosened"]


class Loosened(msgspec.Struct, frozen=True):
    """``optional``: may be missing. ``text``: a string, because the declared type cannot hold what is sent."""

    change: Literal["optional", "text"]
    reason: str


_OFTEN_MISSING = "replies leave it out"

_OVERLAY: dict[str, dict[str, Loosened]] = {
    "catalog_items_2020_12_01": {
        "ItemSearchResults.pagination": Loosened("optional", "a search by identifiers has one page"),
        "ItemSearchResults.refinements": Loosened("optional", "a search by identifiers has none"),
    },
    "fba_inventory_v1": {
        # An item that was never touched has "" here, on nearly every page.
        "InventorySummary.lastUpdatedTime": Loosened("text", "an empty string stands for no date"),
    },
    "fulfillment_inbound_v0": {
        "Address.Name": Loosened("optional", _OFTEN_MISSING),
        "Address.AddressLine1": Loosened("optional", _OFTEN_MISSING),
        "Address.City": Loosened("optional", _OFTEN_MISSING),
        "Address.StateOrProvinceCode": Loosened("optional", _OFTEN_MISSING),
        "Address.CountryCode": Loosened("optional", _OFTEN_MISSING),
        "Address.PostalCode": Loosened("optional", _OFTEN_MISSING),
        "InboundShipmentInfo.AreCasesRequired": Loosened("optional", _OFTEN_MISSING),
        "PrepDetails.PrepInstruction": Loosened("optional", "the list may hold one empty object"),
        "PrepDetails.PrepOwner": Loosened("optional", "the list may hold one empty object"),
    },
    "fulfillment_outbound_2020_07_01": {
        "ReturnItem.sellerReturnReasonCode": Loosened("optional", _OFTEN_MISSING),
    },
    "merchant_fulfillment_v0": {
        "ShippingService.RequiresAdditionalSellerInputs": Loosened("optional", _OFTEN_MISSING),
        "ShippingServiceOptions.CarrierWillPickUp": Loosened("optional", _OFTEN_MISSING),
    },
    "orders_v0": {
        # Missing ids and quantities are rare enough to be reported as violations.
        "OrderItem.ASIN": Loosened("optional", "items of deleted listings have none"),
    },
    "product_pricing_v0": {
        "GetOffersResult.marketplaceId": Loosened("optional", "some replies call it MarketplaceID"),
    },
}


def loosened(module: str, definition: str, wire_name: str) -> Loosened | None:
    """How a field is loosened, if it is."""
    return _OVERLAY.get(module, {}).get(f"{definition}.{wire_name}")

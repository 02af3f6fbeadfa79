"""Fields whose generated type is not the one in Amazon's models; each with its reason.

Loosened: its own replies break the model often, and every such page would leave the fast decoder. A required field
becomes optional, a narrow type becomes the one that is really sent. Tightened: the model has a plain string where
every one of Amazon's own examples holds a full date-time. Words alone are not enough: a description promises ISO 8601
for the dates of a supply source, and Amazon's example of one is ``1.596578152E9``.
"""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Overlay", "is_date_time", "overlay"]


class Overlay(msgspec.Struct, frozen=True):
    """``optional``: may be missing. ``text``: a string, because the declared type cannot hold what is sent.

    ``timestamp``: a string in the model that is a date-time.
    """

    change: Literal["optional", "text", "timestamp"]
    reason: str


_OFTEN_MISSING = "replies leave it out"
_IN_EXAMPLES = Overlay("timestamp", "a date-time in every example")

# Not tightened, though their names suggest it: a description that says "UNIX timestamp" (external fulfillment
# cancellations), dates without a time (ExceptionDate), fields of unknown form (manifestDate, availableDate), the bounds
# that a page of orders echoes (OrdersList.CreatedBefore), for which the static sandbox has a number, and fields that no
# example has (orders v0 PromiseResponseDueDate, ScheduledDeliveryStartDate, ReviewDate; supply sources).
OVERLAY: dict[str, dict[str, Overlay]] = {
    "catalog_items_2020_12_01": {
        "ItemSearchResults.pagination": Overlay("optional", "a search by identifiers has one page"),
        "ItemSearchResults.refinements": Overlay("optional", "a search by identifiers has none"),
    },
    "external_fulfillment_returns_2024_09_11": {
        "Return.creationDateTime": _IN_EXAMPLES,
        "Return.lastUpdatedDateTime": _IN_EXAMPLES,
        "ReturnShippingInfo.deliveryDateTime": _IN_EXAMPLES,
        "ReturnShippingInfo.pickupDateTime": _IN_EXAMPLES,
    },
    "external_fulfillment_shipments_2024_09_11": {
        "InvoiceInfo.creationDateTime": _IN_EXAMPLES,
        "Shipment.creationDateTime": _IN_EXAMPLES,
        "Shipment.earliestPackDateTime": _IN_EXAMPLES,
        "Shipment.lastUpdatedDateTime": _IN_EXAMPLES,
        "ShippingInfo.expectedShippingDateTimeInUTC": _IN_EXAMPLES,
    },
    "fba_inventory_v1": {
        # An item that was never touched has "" here, on nearly every page.
        "InventorySummary.lastUpdatedTime": Overlay("text", "an empty string stands for no date"),
    },
    "fulfillment_inbound_v0": {
        "Address.Name": Overlay("optional", _OFTEN_MISSING),
        "Address.AddressLine1": Overlay("optional", _OFTEN_MISSING),
        "Address.City": Overlay("optional", _OFTEN_MISSING),
        "Address.StateOrProvinceCode": Overlay("optional", _OFTEN_MISSING),
        "Address.CountryCode": Overlay("optional", _OFTEN_MISSING),
        "Address.PostalCode": Overlay("optional", _OFTEN_MISSING),
        "InboundShipmentInfo.AreCasesRequired": Overlay("optional", _OFTEN_MISSING),
        "PrepDetails.PrepInstruction": Overlay("optional", "the list may hold one empty object"),
        "PrepDetails.PrepOwner": Overlay("optional", "the list may hold one empty object"),
    },
    "fulfillment_outbound_2020_07_01": {
        "ReturnItem.sellerReturnReasonCode": Overlay("optional", _OFTEN_MISSING),
    },
    "merchant_fulfillment_v0": {
        "ShippingService.RequiresAdditionalSellerInputs": Overlay("optional", _OFTEN_MISSING),
        "ShippingServiceOptions.CarrierWillPickUp": Overlay("optional", _OFTEN_MISSING),
    },
    "orders_v0": {
        # Missing ids and quantities are rare enough to be reported as violations.
        "OrderItem.ASIN": Overlay("optional", "items of deleted listings have none"),
        "Order.PurchaseDate": _IN_EXAMPLES,
        "Order.LastUpdateDate": _IN_EXAMPLES,
        "Order.EarliestShipDate": _IN_EXAMPLES,
        "Order.LatestShipDate": _IN_EXAMPLES,
        "Order.EarliestDeliveryDate": _IN_EXAMPLES,
        "Order.LatestDeliveryDate": _IN_EXAMPLES,
    },
    "vehicles_2024_11_01": {
        "Vehicle.lastProcessedDate": _IN_EXAMPLES,
    },
}

# Parameters that are plain strings in the model and date-times in Amazon's examples or, for orders v0 and the lists of
# services, in the requests that its guides show.
DATE_TIME_PARAMETERS = {
    "orders_v0": (
        "CreatedAfter CreatedBefore LastUpdatedAfter LastUpdatedBefore EarliestDeliveryDateBefore "
        "EarliestDeliveryDateAfter LatestDeliveryDateBefore LatestDeliveryDateAfter"
    ),
    "services_v1": (
        "createdAfter createdBefore lastUpdatedAfter lastUpdatedBefore scheduleStartDate scheduleEndDate "
        "startTime endTime"
    ),
    "vehicles_2024_11_01": "updatedAfter",
}


def overlay(module: str, definition: str, wire_name: str) -> Overlay | None:
    """How the type of a field is changed, if it is."""
    return OVERLAY.get(module, {}).get(f"{definition}.{wire_name}")


def is_date_time(module: str, parameter: str) -> bool:
    """Whether a parameter that the model calls a mere string is a date-time."""
    return parameter in DATE_TIME_PARAMETERS.get(module, "").split()

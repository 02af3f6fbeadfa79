"""Fields whose generated type differs from Amazon's models, each with its reason.

A type is loosened if Amazon's replies often break it, since every such page would leave the fast decoder: a required
field becomes optional, a narrow type becomes the one that is really sent. A type is tightened if the model has a plain
string but all of Amazon's own examples have a full date-time. A description is not enough evidence: one promises
ISO 8601 for the dates of a supply source, and Amazon's example of such a date is ``1.596578152E9``.
"""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Overlay", "is_date_time", "overlay"]


class Overlay(msgspec.Struct, frozen=True):
    """A change of a field's type.

    ``optional``: the field may be missing. ``text``: it becomes a string, because the declared type cannot represent
    what is sent. ``timestamp``: a string becomes a date-time.
    """

    change: Literal["optional", "text", "timestamp"]
    reason: str


_OFTEN_MISSING = "replies leave it out"
_IN_EXAMPLES = Overlay("timestamp", "a date-time in every example")

# Not tightened, although their names suggest a date-time: fields described as "UNIX timestamp" (external fulfillment
# cancellations), dates without a time (ExceptionDate), fields of unknown format (manifestDate, availableDate), the
# bounds that a page of orders echoes (OrdersList.CreatedBefore), which are a number in the static sandbox, and fields
# without an example (orders v0 PromiseResponseDueDate, ScheduledDeliveryStartDate, ReviewDate; supply sources).
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
        # An item that was never updated has "" here; nearly every page has such an item.
        "InventorySummary.lastUpdatedTime": Overlay("text", "an empty string if there is no date"),
    },
    "fulfillment_inbound_v0": {
        "Address.Name": Overlay("optional", _OFTEN_MISSING),
        "Address.AddressLine1": Overlay("optional", _OFTEN_MISSING),
        "Address.City": Overlay("optional", _OFTEN_MISSING),
        "Address.StateOrProvinceCode": Overlay("optional", _OFTEN_MISSING),
        "Address.CountryCode": Overlay("optional", _OFTEN_MISSING),
        "Address.PostalCode": Overlay("optional", _OFTEN_MISSING),
        "InboundShipmentInfo.AreCasesRequired": Overlay("optional", _OFTEN_MISSING),
        "PrepDetails.PrepInstruction": Overlay("optional", "the list may contain one empty object"),
        "PrepDetails.PrepOwner": Overlay("optional", "the list may contain one empty object"),
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
    """The change of a field's type; None if there is none."""
    return OVERLAY.get(module, {}).get(f"{definition}.{wire_name}")


def is_date_time(module: str, parameter: str) -> bool:
    """Whether a parameter that is a plain string in the model is a date-time."""
    return parameter in DATE_TIME_PARAMETERS.get(module, "").split()

"""Fields whose generated type is not the one in Amazon's models; each with its reason.

Loosened: its own replies break the model often, and every such page would leave the fast decoder. A required field
becomes optional, a narrow type becomes the one that is really sent. Tightened: the model has a plain string where
every example holds a full date-time, or where Amazon says that it is one.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from spapi_async.codegen.names import words

__all__ = ["Overlay", "is_date_time", "overlay"]


class Overlay(msgspec.Struct, frozen=True):
    """``optional``: may be missing. ``text``: a string, because the declared type cannot hold what is sent.

    ``timestamp``: a string in the model that is a date-time.
    """

    change: Literal["optional", "text", "timestamp"]
    reason: str


_OFTEN_MISSING = "replies leave it out"
_IN_EXAMPLES = Overlay("timestamp", "a date-time in every example")
_IN_WORDS = Overlay("timestamp", "an ISO 8601 date-time by its description")

# Not tightened, though their names suggest it: a description that says "UNIX timestamp" (external fulfillment
# cancellations), dates without a time (ExceptionDate), fields of unknown form (manifestDate, availableDate), and the
# bounds that a page of orders echoes (OrdersList.CreatedBefore), for which the static sandbox has a number.
_OVERLAY: dict[str, dict[str, Overlay]] = {
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
        "Order.PromiseResponseDueDate": Overlay("timestamp", "a date-time as the other dates of an order are"),
        "OrderItem.ScheduledDeliveryStartDate": _IN_WORDS,
        "OrderItem.ScheduledDeliveryEndDate": _IN_WORDS,
        "RegulatedOrderVerificationStatus.ReviewDate": _IN_WORDS,
    },
    "supply_sources_2020_07_01": {
        "SupplySource.createdAt": _IN_WORDS,
        "SupplySource.updatedAt": _IN_WORDS,
    },
    "vehicles_2024_11_01": {
        "Vehicle.lastProcessedDate": _IN_EXAMPLES,
    },
}

# Parameters that are plain strings in the model (orders v0, services, vehicles): a bound of a span of time, by name.
_BOUNDS = {"after", "before", "since", "until"}
_SPAN_ENDS = ({"start", "end"}, {"date", "time"})
_NO_DATE_TIMES: frozenset[str] = frozenset()
"""``module.parameter`` for what the rule would take for a date-time and is none: there is no such thing so far."""


def overlay(module: str, definition: str, wire_name: str) -> Overlay | None:
    """How the type of a field is changed, if it is."""
    return _OVERLAY.get(module, {}).get(f"{definition}.{wire_name}")


def is_date_time(module: str, parameter: str) -> bool:
    """Whether a string parameter without a format is a date-time: ``createdAfter``, ``startTime``, ``postedBefore``."""
    *_, first, last = ["", *(word.lower() for word in words(parameter))]
    named = last in _BOUNDS or (first in _SPAN_ENDS[0] and last in _SPAN_ENDS[1])
    return named and f"{module}.{parameter}" not in _NO_DATE_TIMES

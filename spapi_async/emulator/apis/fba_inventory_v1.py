"""FBA Inventory v1 over the seller's listings that Amazon fulfils."""

from __future__ import annotations

import zlib
from typing import Any

from spapi_async.emulator.data.listings import Listing
from spapi_async.emulator.data.products import rng_for
from spapi_async.emulator.data.world import Call, Handler
from spapi_async.emulator.gateway.pages import next_token, read_token
from spapi_async.emulator.gateway.replies import Reply, bad_input
from spapi_async.emulator.gateway.times import iso, parse_date

__all__ = ["HANDLERS"]

_PAGE = 50
_TOKEN_LIFETIME = 30.0


def _get_summaries(call: Call) -> Reply:
    arguments = call.arguments
    marketplace = arguments["granularityId"]
    if [marketplace] != arguments["marketplaceIds"]:
        raise bad_input("granularityId and marketplaceIds differ.", "both must be the same single marketplace")
    found = [summary for listing in _wanted(call) for summary in _summaries(call, listing)]
    fixed = {name: value for name, value in arguments.items() if name != "nextToken"}
    token = arguments.get("nextToken")
    start = read_token(token, fixed, call.now, _TOKEN_LIFETIME) if token is not None else 0
    end = start + _PAGE
    fields: dict[str, Any] = {
        "payload": {
            "granularity": {"granularityType": "Marketplace", "granularityId": marketplace},
            "inventorySummaries": found[start:end],
        }
    }
    if end < len(found):
        fields["pagination"] = {"nextToken": next_token(fixed, call.now, end)}
    return Reply.json(fields)


def _wanted(call: Call) -> list[Listing]:
    arguments = call.arguments
    held = [
        listing
        for listing in call.seller.listings.all()
        if listing.fulfilled_by_amazon and arguments["granularityId"] in listing.marketplaces
    ]
    since = arguments.get("startDateTime")
    if since is not None:  # the SKUs are then ignored
        return [listing for listing in held if listing.updated >= (parse_date(since) or 0)]
    if "sellerSku" in arguments:
        return [listing for listing in held if listing.sku == arguments["sellerSku"]]
    skus = arguments.get("sellerSkus")
    return held if skus is None else [listing for listing in held if listing.sku in skus]


def _summaries(call: Call, listing: Listing) -> list[dict[str, Any]]:
    """One summary for each condition; some SKUs also have used units."""
    rng = rng_for(call.world.settings.seed, call.seller.id, "inventory", listing.sku)
    conditions = ["NewItem"] + (["UsedGood"] if rng.random() < 0.2 else [])
    return [_summary(call, listing, condition, rng.randrange(200)) for condition in conditions]


def _summary(call: Call, listing: Listing, condition: str, quantity: int) -> dict[str, Any]:
    product = listing.product
    fields: dict[str, Any] = {
        "asin": product.asin if product else "",
        "fnSku": f"X00{_number_of(listing.sku):07d}"[:10],
        "sellerSku": listing.sku,
        "condition": condition,
        "lastUpdatedTime": iso(listing.updated) if quantity else "",  # Amazon sends "" for "never"
        "productName": product.title if product else "",
        "totalQuantity": quantity,
    }
    if call.arguments.get("details"):
        fields["inventoryDetails"] = {"fulfillableQuantity": quantity, "inboundWorkingQuantity": 0}
    return fields


def _number_of(text: str) -> int:
    """A hash of the text that is the same in every process."""
    return zlib.crc32(text.encode()) % 10**7


HANDLERS: dict[str, Handler] = {"fba_inventory_v1.get_inventory_summaries": _get_summaries}

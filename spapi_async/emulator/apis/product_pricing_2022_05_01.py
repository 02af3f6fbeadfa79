"""Product Pricing 2022-05-01, whose two operations are both batches."""

from __future__ import annotations

from typing import Any

from spapi_async.emulator.data.offers import money, offers_of
from spapi_async.emulator.data.products import product_of_asin
from spapi_async.emulator.data.world import Call, Handler
from spapi_async.emulator.gateway.ids import new_uuid
from spapi_async.emulator.gateway.replies import Refusal, Reply, bad_input

__all__ = ["HANDLERS"]

_MAX_SUMMARIES = 20
_MAX_PRICES = 40


def _requests(call: Call, most: int) -> list[dict[str, Any]]:
    requests: list[dict[str, Any]] = (call.body or {}).get("requests") or []
    if not 1 <= len(requests) <= most:
        raise bad_input(f"requests has {len(requests)} values.", f"1 to {most} are allowed")
    return requests


def _amount(cents: int, marketplace: str) -> dict[str, Any]:
    written = money(cents, marketplace)
    return {"currencyCode": written["CurrencyCode"], "amount": written["Amount"]}


def _summaries(call: Call) -> Reply:
    return Reply.json({"responses": [_summary(call, request) for request in _requests(call, _MAX_SUMMARIES)]})


def _summary(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """One response of the batch; it repeats only the ASIN and the marketplace of its request."""
    asin, marketplace = request["asin"], request["marketplaceId"]
    body: dict[str, Any] = {"asin": asin, "marketplaceId": marketplace}
    product = product_of_asin(call.world.settings.seed, asin)
    if product is None:
        body["errors"] = [{"code": "INVALID_ASIN", "message": f"The provided ASIN {asin} is not valid.", "details": ""}]
        return {"status": {"statusCode": 400, "reasonPhrase": "Client Error"}, "body": body}
    offers = offers_of(call.world.settings.seed, product)
    wanted = request["includedData"]
    if "featuredBuyingOptions" in wanted:
        featured = [
            {
                "sellerId": offer.seller,
                "condition": "New",
                "fulfillmentType": "AFN" if offer.fulfilled_by_amazon else "MFN",
                "listingPrice": _amount(offer.cents, marketplace),
                "shippingOptions": [],
                "featuredOfferSegments": [{"customerMembership": "PRIME"}],
            }
            for offer in offers[:1]
        ]
        body["featuredBuyingOptions"] = [{"buyingOptionType": "New", "segmentedFeaturedOffers": featured}]
    if "referencePrices" in wanted:
        body["referencePrices"] = [
            {"name": "CompetitivePriceThreshold", "price": _amount(product.cents, marketplace)},
            {"name": "WasPrice", "price": _amount(product.cents + 100, marketplace)},
        ]
    if "lowestPricedOffers" in wanted:
        body["lowestPricedOffers"] = [
            {"lowestPricedOffersInput": each, "offers": []} for each in request.get("lowestPricedOffersInputs") or []
        ]
    if "similarItems" in wanted:
        body["similarItems"] = [{"items": []}]
    return {"status": {"statusCode": 200, "reasonPhrase": "Success"}, "body": body}


def _expected_prices(call: Call) -> Reply:
    requests = _requests(call, _MAX_PRICES)
    if len(requests) == 1 and call.seller.listings.get(requests[0]["sku"]) is None:
        # A batch whose only item is invalid fails as a whole.
        raise Refusal(400, "INVALID_SKU", f"The provided SKU {requests[0]['sku']} is not valid.")
    return Reply.json({"responses": [_expected_price(call, request) for request in requests]})


def _expected_price(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    sku, marketplace = request["sku"], request["marketplaceId"]
    listing = call.seller.listings.get(sku)
    response: dict[str, Any] = {
        "headers": {"x-amzn-RequestId": new_uuid()},
        "request": {name: request[name] for name in ("marketplaceId", "sku", "segment") if name in request},
    }
    if listing is None or listing.product is None:
        error = {"code": "INVALID_SKU", "message": f"The provided SKU {sku} is not valid.", "details": ""}
        status = {"statusCode": 400, "reasonPhrase": "Client Error"}
        return {**response, "status": status, "body": {"errors": [error]}}
    product = listing.product
    offers = offers_of(call.world.settings.seed, product)
    result: dict[str, Any] = {"resultStatus": "VALID_FOEP" if offers else "NO_COMPETING_OFFER"}
    if offers:
        result["featuredOfferExpectedPrice"] = {"listingPrice": _amount(offers[0].cents, marketplace)}
    body = {
        "offerIdentifier": {
            "marketplaceId": marketplace,
            "sellerId": call.seller.id,
            "sku": sku,
            "asin": product.asin,
            "fulfillmentType": "AFN" if listing.fulfilled_by_amazon else "MFN",
        },
        "featuredOfferExpectedPriceResults": [result],
    }
    return {**response, "status": {"statusCode": 200, "reasonPhrase": "Success"}, "body": body}


HANDLERS: dict[str, Handler] = {
    "product_pricing_2022_05_01.get_competitive_summary": _summaries,
    "product_pricing_2022_05_01.get_featured_offer_expected_price_batch": _expected_prices,
}

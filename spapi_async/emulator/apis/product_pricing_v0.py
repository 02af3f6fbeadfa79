"""Product Pricing v0 over the seeded products and the seller's listings, singly and in batches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from spapi_async.emulator.data.offers import Offer, money, offers_of
from spapi_async.emulator.data.products import Product, product_of_asin
from spapi_async.emulator.data.world import Call, Handler
from spapi_async.emulator.gateway.ids import new_uuid
from spapi_async.emulator.gateway.replies import Refusal, Reply, bad_input

__all__ = ["HANDLERS"]

_MAX_BATCH = 20
_ITEM_URI = re.compile(r"/products/pricing/v0/items/([^/?]+)/offers\Z")
_LISTING_URI = re.compile(r"/products/pricing/v0/listings/([^/?]+)/offers\Z")


def _item_offers(call: Call) -> Reply:
    return Reply.json({"payload": _offers(call, call.arguments, asin=call.arguments["Asin"])})


def _listing_offers(call: Call) -> Reply:
    return Reply.json({"payload": _offers(call, call.arguments, sku=call.arguments["SellerSKU"])})


def _offers(call: Call, asked: dict[str, Any], *, asin: str = "", sku: str = "") -> dict[str, Any]:
    """Amazon's ``GetOffersResult``.

    Raises:
        Refusal: 400: the ASIN or SKU is unknown.
    """
    marketplace, condition = asked["MarketplaceId"], asked["ItemCondition"]
    product = product_of_asin(call.world.settings.seed, asin) if asin else _listed(call, sku)
    if product is None:
        what = f"{asin} is an invalid ASIN" if asin else f"{sku} is an invalid SKU"
        raise bad_input(f"{what} for marketplace {marketplace}")
    offers = offers_of(call.world.settings.seed, product, condition)
    name = {"ASIN": product.asin} if asin else {"SellerSKU": sku}
    return {
        "marketplaceId": marketplace,
        **({"ASIN": product.asin} if asin else {"SKU": sku}),
        "ItemCondition": condition,
        "status": "Success" if offers else "NoBuyableOffers",
        "Identifier": {"MarketplaceId": marketplace, **name, "ItemCondition": condition},
        "Summary": _summary(offers, product, marketplace, condition),
        "Offers": [_offer(offer, marketplace, first=number == 0) for number, offer in enumerate(offers)],
    }


def _listed(call: Call, sku: str) -> Product | None:
    listing = call.seller.listings.get(sku)
    return listing.product if listing is not None else None


def _summary(offers: Sequence[Offer], product: Product, marketplace: str, condition: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"TotalOfferCount": len(offers), "ListPrice": money(product.cents, marketplace)}
    if offers:
        price = _price(offers[0], marketplace)
        fields["NumberOfOffers"] = [
            {"condition": condition.lower(), "fulfillmentChannel": "Amazon", "OfferCount": len(offers)}
        ]
        fields["LowestPrices"] = [{"condition": condition.lower(), "fulfillmentChannel": "Amazon", **price}]
        fields["BuyBoxPrices"] = [{"condition": condition, **price}]
    return fields


def _price(offer: Offer, marketplace: str) -> dict[str, Any]:
    return {
        "LandedPrice": money(offer.cents + offer.shipping, marketplace),
        "ListingPrice": money(offer.cents, marketplace),
        "Shipping": money(offer.shipping, marketplace),
    }


def _offer(offer: Offer, marketplace: str, *, first: bool) -> dict[str, Any]:
    return {
        "MyOffer": False,
        "SubCondition": offer.condition.lower(),
        "SellerId": offer.seller,
        "ShippingTime": {"minimumHours": 24, "maximumHours": 48, "availabilityType": "NOW"},
        "ListingPrice": money(offer.cents, marketplace),
        "Shipping": money(offer.shipping, marketplace),
        "IsFulfilledByAmazon": offer.fulfilled_by_amazon,
        "IsBuyBoxWinner": first,
        "IsFeaturedMerchant": True,
    }


def _item_batch(call: Call) -> Reply:
    return _batch(call, _ITEM_URI, "Asin")


def _listing_batch(call: Call) -> Reply:
    return _batch(call, _LISTING_URI, "SellerSKU")


def _batch(call: Call, uri: re.Pattern[str], name: str) -> Reply:
    requests = (call.body or {}).get("requests") or []
    if not 1 <= len(requests) <= _MAX_BATCH:
        raise bad_input(f"requests has {len(requests)} values.", f"1 to {_MAX_BATCH} are allowed")
    uris = [request["uri"] for request in requests]
    if len(set(uris)) < len(uris):
        raise bad_input("Duplicate requests submitted. Cannot run batch request.", "each request needs a different uri")
    return Reply.json({"responses": [_response(call, request, uri, name) for request in requests]})


def _response(call: Call, request: dict[str, Any], uri: re.Pattern[str], name: str) -> dict[str, Any]:
    match = uri.match(request["uri"])
    key = unquote(match[1]) if match else ""
    echo = {name: key, **{field: request[field] for field in _ECHOED if field in request}}
    body: dict[str, Any]
    try:
        if match is None or request["method"] != "GET":
            raise bad_input(f"{request['uri']!r} cannot be part of this batch.")
        body = {"payload": _offers(call, request, **{"asin" if name == "Asin" else "sku": key})}
        status = {"statusCode": 200, "reasonPhrase": "OK"}
    except Refusal as refusal:
        body = {"errors": [{"code": refusal.code, "message": refusal.message, "details": refusal.details}]}
        status = {"statusCode": refusal.status, "reasonPhrase": "Bad Request"}
    return {"headers": {"x-amzn-RequestId": new_uuid()}, "status": status, "body": body, "request": echo}


_ECHOED = ("MarketplaceId", "ItemCondition", "CustomerType")


def _pricing(call: Call) -> Reply:
    return _prices(call, own=True)


def _competitive_pricing(call: Call) -> Reply:
    return _prices(call, own=False)


def _prices(call: Call, *, own: bool) -> Reply:
    arguments = call.arguments
    by_asin = arguments["ItemType"] == "Asin"
    keys = arguments.get("Asins" if by_asin else "Skus") or []
    if not 1 <= len(keys) <= _MAX_BATCH:
        raise bad_input(f"{'Asins' if by_asin else 'Skus'} has {len(keys)} values.", f"1 to {_MAX_BATCH} are allowed")
    return Reply.json({"payload": [_entry(call, key, by_asin=by_asin, own=own) for key in keys]})


def _entry(call: Call, key: str, *, by_asin: bool, own: bool) -> dict[str, Any]:
    product = product_of_asin(call.world.settings.seed, key) if by_asin else _listed(call, key)
    name = "ASIN" if by_asin else "SellerSKU"
    if product is None:
        return {"status": "ClientError", name: key}
    marketplace = call.arguments["MarketplaceId"]
    offers = offers_of(call.world.settings.seed, product)
    shown: dict[str, Any] = {"Identifiers": {"MarketplaceASIN": {"MarketplaceId": marketplace, "ASIN": product.asin}}}
    if own:
        shown["Offers"] = [
            {
                "offerType": "B2C",
                "BuyingPrice": {
                    "LandedPrice": money(listing.product.cents, marketplace),
                    "ListingPrice": money(listing.product.cents, marketplace),
                    "Shipping": money(0, marketplace),
                },
                "RegularPrice": money(listing.product.cents, marketplace),
                "FulfillmentChannel": "AMAZON" if listing.fulfilled_by_amazon else "MERCHANT",
                "ItemCondition": "New",
                "ItemSubCondition": "New",
                "SellerSKU": listing.sku,
            }
            for listing in call.seller.listings.all()
            if listing.product is not None and listing.product.asin == product.asin
        ]
    else:
        cheapest = [
            {"CompetitivePriceId": "1", "condition": "New", "Price": _price(offer, marketplace)} for offer in offers[:1]
        ]
        shown["CompetitivePricing"] = {
            "CompetitivePrices": cheapest,
            "NumberOfOfferListings": [{"condition": "New", "Count": len(offers)}],
        }
        shown["SalesRankings"] = []
    return {"status": "Success", name: key, "Product": shown}


HANDLERS: dict[str, Handler] = {
    "product_pricing_v0.get_item_offers": _item_offers,
    "product_pricing_v0.get_listing_offers": _listing_offers,
    "product_pricing_v0.get_item_offers_batch": _item_batch,
    "product_pricing_v0.get_listing_offers_batch": _listing_batch,
    "product_pricing_v0.get_pricing": _pricing,
    "product_pricing_v0.get_competitive_pricing": _competitive_pricing,
}

"""Product Fees v0: a referral fee of 15 % and, for what Amazon fulfils, a fee by weight."""

from __future__ import annotations

from typing import Any

from spapi_async.emulator.data.products import Product, product_of_asin
from spapi_async.emulator.data.world import Call, Handler
from spapi_async.emulator.gateway.replies import Reply, bad_input
from spapi_async.emulator.gateway.times import iso
from spapi_async.marketplaces import Marketplace

__all__ = ["HANDLERS"]

_MAX_BATCH = 20


def _estimates(call: Call) -> Reply:
    requests = call.body or []
    if not 1 <= len(requests) <= _MAX_BATCH:
        raise bad_input(f"{len(requests)} requests.", f"1 to {_MAX_BATCH} are allowed")
    for request in requests:
        _check(request.get("FeesEstimateRequest"))
    # This operation's reply is a list without an envelope.
    return Reply.json(
        [_estimate(call, each["IdType"], each["IdValue"], each["FeesEstimateRequest"]) for each in requests]
    )


def _estimate_for_asin(call: Call) -> Reply:
    return _single(call, "ASIN", call.arguments["Asin"])


def _estimate_for_sku(call: Call) -> Reply:
    return _single(call, "SellerSKU", call.arguments["SellerSKU"])


def _single(call: Call, kind: str, value: str) -> Reply:
    request = _check((call.body or {}).get("FeesEstimateRequest"))
    return Reply.json({"payload": {"FeesEstimateResult": _estimate(call, kind, value, request)}})


def _check(request: dict[str, Any] | None) -> dict[str, Any]:
    if request is None:
        raise bad_input("FeesEstimateRequest is missing.")
    if request["MarketplaceId"] not in set(Marketplace):
        raise bad_input(f"Marketplace {request['MarketplaceId']} is not valid.", "it fails the whole call")
    return request


def _estimate(call: Call, kind: str, value: str, request: dict[str, Any]) -> dict[str, Any]:
    identifier = {
        "MarketplaceId": request["MarketplaceId"],
        "SellerId": call.seller.id,
        "IdType": kind,
        "IdValue": value,
        "IsAmazonFulfilled": request.get("IsAmazonFulfilled", False),
        "PriceToEstimateFees": request["PriceToEstimateFees"],
        "SellerInputIdentifier": request["Identifier"],
    }
    product = _article(call, kind, value)
    if product is None:
        message = f"There is an client-side error. Please verify your inputs. {value} is not known."
        error = {"Type": "Sender", "Code": "ClientError", "Message": message, "Detail": []}
        return {"Status": "ClientError", "FeesEstimateIdentifier": identifier, "Error": error}
    fees = _fees(product, request)
    return {
        "Status": "Success",
        "FeesEstimateIdentifier": identifier,
        "FeesEstimate": {
            "TimeOfFeesEstimation": iso(call.now),
            "TotalFeesEstimate": {
                "CurrencyCode": fees[0]["FeeAmount"]["CurrencyCode"],
                "Amount": round(sum(fee["FinalFee"]["Amount"] for fee in fees), 2),
            },
            "FeeDetailList": fees,
        },
        "Error": {"Type": "", "Code": "", "Message": "", "Detail": []},  # present in a success, too
    }


def _article(call: Call, kind: str, value: str) -> Product | None:
    if kind == "ASIN":
        return product_of_asin(call.world.settings.seed, value)
    listing = call.seller.listings.get(value)
    return listing.product if listing is not None else None


def _fees(product: Product, request: dict[str, Any]) -> list[dict[str, Any]]:
    price = request["PriceToEstimateFees"]["ListingPrice"]
    amounts = {"ReferralFee": round(float(price.get("Amount") or 0) * 0.15, 2)}
    if request.get("IsAmazonFulfilled"):
        amounts["FBAFees"] = round(3.0 + product.grams / 1000, 2)
    currency = price.get("CurrencyCode") or "USD"
    return [
        {
            "FeeType": name,
            "FeeAmount": {"CurrencyCode": currency, "Amount": amount},
            "FinalFee": {"CurrencyCode": currency, "Amount": amount},
        }
        for name, amount in amounts.items()
    ]


HANDLERS: dict[str, Handler] = {
    "product_fees_v0.get_my_fees_estimates": _estimates,
    "product_fees_v0.get_my_fees_estimate_for_asin": _estimate_for_asin,
    "product_fees_v0.get_my_fees_estimate_for_sku": _estimate_for_sku,
}

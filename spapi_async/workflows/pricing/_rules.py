"""The rules of the batch operations of the two pricing APIs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from spapi_async._codec.known_limits import BATCHES
from spapi_async._core.operation import Operation
from spapi_async.api.product_pricing_2022_05_01 import (
    GET_COMPETITIVE_SUMMARY,
    GET_FEATURED_OFFER_EXPECTED_PRICE_BATCH,
)
from spapi_async.api.product_pricing_v0 import (
    GET_COMPETITIVE_PRICING,
    GET_ITEM_OFFERS,
    GET_ITEM_OFFERS_BATCH,
    GET_LISTING_OFFERS,
    GET_LISTING_OFFERS_BATCH,
    GET_PRICING,
)
from spapi_async.workflows.lookups import Answer, Rule, item_error, listed

__all__ = [
    "COMPETITIVE_PRICE",
    "COMPETITIVE_PRICE_OF_SKU",
    "COMPETITIVE_SUMMARY",
    "EXPECTED_PRICE",
    "LISTING_OFFERS",
    "OFFERS",
    "PRICE",
    "PRICE_OF_SKU",
    "OffersGroup",
    "PriceGroup",
    "SummaryGroup",
]


class OffersGroup(NamedTuple):
    """Keeps conditions apart: Amazon refuses a batch with an ASIN in two conditions, because both have the same uri."""

    place: str
    item_condition: str
    customer_type: str | None


class PriceGroup(NamedTuple):
    """For getPricing and getCompetitivePricing, each of which has a parameter that the other lacks."""

    place: str
    item_condition: str | None = None
    offer_type: str | None = None
    customer_type: str | None = None


class SummaryGroup(NamedTuple):
    """Keeps other arguments apart: an entry of the reply shows only its ASIN and marketplace."""

    place: str
    included_data: tuple[str, ...]
    lowest_priced_offers: tuple[tuple[str, str], ...]


def _offers_arguments(uri: str) -> Callable[[OffersGroup, Sequence[str]], dict[str, Any]]:
    def arguments(group: OffersGroup, keys: Sequence[str]) -> dict[str, Any]:
        common = {"method": "GET", "MarketplaceId": group.place, "ItemCondition": group.item_condition}
        if group.customer_type is not None:
            common["CustomerType"] = group.customer_type
        return {"body": {"requests": [{"uri": uri.format(key), **common} for key in keys]}}

    return arguments


def _single_offers(name: str) -> Callable[[OffersGroup, str], dict[str, Any]]:
    return lambda group, key: {
        name: key,
        "marketplace_id": group.place,
        "item_condition": group.item_condition,
        "customer_type": group.customer_type,
    }


def _responses(operation: Operation[Any], key_of: Callable[[Any], Any], value_of: Callable[[Any], Any]) -> Any:
    """Reads ``responses``; an entry without a key belongs to the key at the same index."""

    def answers(_group: Any, keys: Sequence[str], body: Any) -> list[Answer]:
        entries = listed(body, "responses", operation)
        by_place = list(keys) if len(entries) == len(keys) else [None] * len(entries)
        return [
            _response(operation, entry, key if isinstance(key := key_of(entry), str) and key else place, value_of)
            for entry, place in zip(entries, by_place, strict=True)
        ]

    return answers


def _response(operation: Operation[Any], entry: Any, key: Any, value_of: Callable[[Any], Any]) -> Answer:
    status = getattr(getattr(entry, "status", None), "status_code", None)
    body = getattr(entry, "body", None)
    errors = getattr(body, "errors", None) or ()
    value = value_of(body)
    if not isinstance(status, int):  # absent, or something else after lenient decoding
        status = 200 if value is not None and not errors else 500
    if 200 <= status < 300 and value is not None:
        return key, value, None
    return key, None, item_error(operation, status if status >= 300 else 500, errors)


def _of_request(name: str) -> Callable[[Any], Any]:
    return lambda entry: getattr(getattr(entry, "request", None), name, None)


def _of_offers(of_request: str, of_payload: str) -> Callable[[Any], Any]:
    """The key of an entry: in the echo of the request, or else, because that is optional, in the payload."""

    def key_of(entry: Any) -> Any:
        return getattr(getattr(entry, "request", None), of_request, None) or getattr(
            _payload(getattr(entry, "body", None)), of_payload, None
        )

    return key_of


def _payload(body: Any) -> Any:
    return getattr(body, "payload", None)


# Amazon answers 400 or 404 for an ASIN or SKU that the marketplace does not know.
_UNKNOWN = frozenset({400, 404})

OFFERS: Rule[OffersGroup, str] = Rule(
    name="pricing.offers",
    batch=GET_ITEM_OFFERS_BATCH,
    maximum=BATCHES[GET_ITEM_OFFERS_BATCH.name].most,
    arguments=_offers_arguments("/products/pricing/v0/items/{}/offers"),
    answers=_responses(GET_ITEM_OFFERS_BATCH, _of_offers("asin", "asin"), _payload),
    answers_all=True,
    entries=(("responses",), ("body", "payload")),
    single=lambda _: GET_ITEM_OFFERS,
    single_arguments=_single_offers("asin"),
    single_entry=("payload",),
    missing_statuses=_UNKNOWN,
)

LISTING_OFFERS: Rule[OffersGroup, str] = Rule(
    name="pricing.listing_offers",
    batch=GET_LISTING_OFFERS_BATCH,
    maximum=BATCHES[GET_LISTING_OFFERS_BATCH.name].most,
    arguments=_offers_arguments("/products/pricing/v0/listings/{}/offers"),
    answers=_responses(GET_LISTING_OFFERS_BATCH, _of_offers("seller_sku", "sku"), _payload),
    answers_all=True,
    entries=(("responses",), ("body", "payload")),
    single=lambda _: GET_LISTING_OFFERS,
    single_arguments=_single_offers("seller_sku"),
    single_entry=("payload",),
    # Amazon does not document how to encode a uri in a body; the encoding of a path is known.
    fits=lambda sku: re.fullmatch(r"[A-Za-z0-9._~-]+", sku) is not None,
    missing_statuses=_UNKNOWN,
)


def _prices(operation: Operation[Any], key: str) -> Callable[[PriceGroup, Sequence[str], Any], list[Answer]]:
    def answers(_group: PriceGroup, _keys: Sequence[str], body: Any) -> list[Answer]:
        return [_price(operation, getattr(entry, key, None), entry) for entry in listed(body, "", operation)]

    return answers


def _price(operation: Operation[Any], key: Any, entry: Any) -> Answer:
    status = getattr(entry, "status", None)
    if status == "Success" and getattr(entry, "product", None) is not None:
        return key, entry, None
    return key, None, item_error(operation, 500 if status == "ServerError" else 404, ())


def _price_arguments(item_type: str) -> Callable[[PriceGroup, Sequence[str]], dict[str, Any]]:
    def arguments(group: PriceGroup, keys: Sequence[str]) -> dict[str, Any]:
        given = {
            "marketplace_id": group.place,
            "item_type": item_type,
            f"{item_type.lower()}s": keys,
            "item_condition": group.item_condition,
            "offer_type": group.offer_type,
            "customer_type": group.customer_type,
        }
        return {name: value for name, value in given.items() if value is not None}

    return arguments


def _prices_rule(name: str, operation: Operation[Any]) -> Rule[PriceGroup, str]:
    return Rule(
        name=name,
        batch=operation,
        maximum=20,
        arguments=_price_arguments("Asin"),
        answers=_prices(operation, "asin"),
        answers_all=True,
        entries=(("payload",), ()),
    )


def _sku_prices_rule(name: str, operation: Operation[Any]) -> Rule[PriceGroup, str]:
    arguments = _price_arguments("Sku")
    return Rule(
        name=name,
        batch=operation,
        maximum=20,
        arguments=arguments,
        answers=_prices(operation, "seller_sku"),
        answers_all=True,
        entries=(("payload",), ()),
        single=lambda _: operation,
        single_arguments=lambda group, sku: arguments(group, [sku]),
        spare=False,  # both use the same bucket
        fits=lambda sku: "," not in sku,  # Amazon splits the list at commas
    )


PRICE = _prices_rule("pricing.price", GET_PRICING)
COMPETITIVE_PRICE = _prices_rule("pricing.competitive_price", GET_COMPETITIVE_PRICING)
PRICE_OF_SKU = _sku_prices_rule("pricing.price of SKU", GET_PRICING)
COMPETITIVE_PRICE_OF_SKU = _sku_prices_rule("pricing.competitive_price of SKU", GET_COMPETITIVE_PRICING)


def _summary_arguments(group: SummaryGroup, asins: Sequence[str]) -> dict[str, Any]:
    common: dict[str, Any] = {
        "marketplaceId": group.place,
        "includedData": list(group.included_data),
        "method": "GET",
        "uri": "/products/pricing/2022-05-01/items/competitiveSummary",
    }
    if group.lowest_priced_offers:
        common["lowestPricedOffersInputs"] = [
            {"itemCondition": condition, "offerType": kind} for condition, kind in group.lowest_priced_offers
        ]
    return {"body": {"requests": [{"asin": asin, **common} for asin in asins]}}


COMPETITIVE_SUMMARY: Rule[SummaryGroup, str] = Rule(
    name="pricing.competitive_summary",
    batch=GET_COMPETITIVE_SUMMARY,
    maximum=BATCHES[GET_COMPETITIVE_SUMMARY.name].most,
    arguments=_summary_arguments,
    answers=_responses(
        GET_COMPETITIVE_SUMMARY, lambda entry: getattr(getattr(entry, "body", None), "asin", None), lambda body: body
    ),
    answers_all=True,
    entries=(("responses",), ("body",)),
    missing_codes=frozenset({"INVALID_ASIN"}),
)


def _expected_arguments(group: PriceGroup, skus: Sequence[str]) -> dict[str, Any]:
    common = {
        "marketplaceId": group.place,
        "method": "GET",
        "uri": "/products/pricing/2022-05-01/offer/featuredOfferExpectedPrice",
    }
    return {"body": {"requests": [{"sku": sku, **common} for sku in skus]}}


EXPECTED_PRICE: Rule[PriceGroup, str] = Rule(
    name="pricing.expected_price",
    batch=GET_FEATURED_OFFER_EXPECTED_PRICE_BATCH,
    maximum=BATCHES[GET_FEATURED_OFFER_EXPECTED_PRICE_BATCH.name].most,
    arguments=_expected_arguments,
    answers=_responses(GET_FEATURED_OFFER_EXPECTED_PRICE_BATCH, _of_request("sku"), lambda body: body),
    answers_all=True,
    entries=(("responses",), ("body",)),
    missing_codes=frozenset({"INVALID_SKU"}),
)

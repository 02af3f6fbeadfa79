"""Catalog Items 2022-04-01 over the seeded products."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import islice
from typing import Any

from spapi_async.emulator.data.products import PRODUCTS, Product, product_at, product_of_asin, products_of_eans
from spapi_async.emulator.data.world import Call, Handler
from spapi_async.emulator.gateway.pages import page_of
from spapi_async.emulator.gateway.replies import Reply, bad_input, not_found

__all__ = ["HANDLERS"]

_ASIN = re.compile(r"[0-9]{9}[0-9X]|[A-Z][A-Z0-9]{9}").fullmatch
_MAX_RESULTS = 1000  # of a search, as at Amazon


def _get_item(call: Call) -> Reply:
    asin = call.arguments["asin"]
    if _ASIN(asin) is None or asin in call.world.settings.refused_asins:
        raise bad_input("Invalid 'asin' provided.")
    product = product_of_asin(call.world.settings.seed, asin, call.world.settings.products)
    if product is None:
        raise not_found("Requested item not found in marketplace.", f"the catalogue has no ASIN {asin!r}")
    marketplaces = call.arguments["marketplaceIds"]
    return Reply.json(_item(product, marketplaces, call.arguments.get("includedData")))


def _search(call: Call) -> Reply:
    arguments = call.arguments
    found = _found(call, arguments)
    size = arguments.get("pageSize", 10)
    fixed = {name: value for name, value in arguments.items() if name not in ("pageToken", "pageSize")}
    page, after = page_of(found, size, arguments.get("pageToken"), fixed, call.now)
    fields: dict[str, Any] = {
        "numberOfResults": len(found),
        "items": [_item(product, arguments["marketplaceIds"], arguments.get("includedData")) for product in page],
    }
    if after is not None:
        fields["pagination"] = {"nextToken": after}
    if "keywords" in arguments:
        brands = sorted({product.brand for product in found})[:10]
        fields["refinements"] = {
            "brands": [{"brandName": b, "numberOfResults": sum(a.brand == b for a in found)} for b in brands],
            "classifications": [],
        }
    return Reply.json(fields)


def _found(call: Call, arguments: dict[str, Any]) -> Sequence[Product]:
    seed, products = call.world.settings.seed, call.world.settings.products
    identifiers, keywords = arguments.get("identifiers"), arguments.get("keywords")
    if (identifiers is None) == (keywords is None):
        raise bad_input("Exactly one of identifiers and keywords is required.")
    if identifiers is None:
        words = frozenset(word.lower() for keyword in keywords or () for word in keyword.split())
        return _matches(seed, words, frozenset(arguments.get("brandNames") or ()))
    kind = arguments.get("identifiersType")
    if kind is None:
        raise bad_input("identifiersType is missing.", "it is required with identifiers")
    if kind == "SKU" and "sellerId" not in arguments:
        raise bad_input("sellerId is missing.", "it is required when identifiersType is SKU")
    if kind == "ASIN":
        refused = call.world.settings.refused_asins
        if any(_ASIN(asin) is None or asin in refused for asin in identifiers):
            raise bad_input("Invalid 'asin' provided.")  # without naming the ASIN, as Amazon does
        return [product for asin in identifiers if (product := product_of_asin(seed, asin, products)) is not None]
    if kind == "SKU":
        listings = [call.seller.listings.get(sku) for sku in identifiers]
        return [listing.product for listing in listings if listing is not None and listing.product is not None]
    return products_of_eans(seed, identifiers) if kind in ("EAN", "GTIN") else []


@lru_cache(maxsize=64)
def _matches(seed: int, words: AbstractSet[str], brands: AbstractSet[str]) -> Sequence[Product]:
    """What a search finds; cached, because each of its pages asks for it."""
    found = (
        product
        for product in (product_at(seed, index) for index in range(PRODUCTS))
        if all(word in product.title.lower() for word in words) and (not brands or product.brand in brands)
    )
    return tuple(islice(found, _MAX_RESULTS))


def _item(product: Product, marketplaces: Sequence[str], included: Sequence[str] | None) -> dict[str, Any]:
    fields: dict[str, Any] = {"asin": product.asin}
    for name in included or ("summaries",):
        section = _SECTIONS.get(name)
        if section is not None:
            fields[name] = section(product, marketplaces)
    return fields


def _each(make: Callable[[Product], dict[str, Any]]) -> Callable[[Product, Sequence[str]], Any]:
    return lambda product, marketplaces: [
        {"marketplaceId": marketplace} | make(product) for marketplace in marketplaces
    ]


def _summary(product: Product) -> dict[str, Any]:
    return {
        "adultProduct": False,
        "autographed": False,
        "brand": product.brand,
        "browseClassification": _classification(product),
        "color": product.color,
        "itemClassification": "BASE_PRODUCT",
        "itemName": product.title,
        "manufacturer": product.brand,
        "memorabilia": False,
        "modelNumber": product.model_number,
        "packageQuantity": 1,
        "partNumber": product.model_number,
        "size": product.size,
        "tradeInEligible": False,
        "websiteDisplayGroup": product.department.lower().replace(" & ", "_").replace(" ", "_"),
        "websiteDisplayGroupName": product.department,
    }


def _classification(product: Product) -> dict[str, Any]:
    return {"displayName": product.department, "classificationId": str(10_000_000 + len(product.department) * 7919)}


def _attributes(product: Product, marketplaces: Sequence[str]) -> dict[str, Any]:
    here = {"marketplace_id": marketplaces[0]} if marketplaces else {}
    return {
        "brand": [{"value": product.brand, "language_tag": "en_US", **here}],
        "item_name": [{"value": product.title, "language_tag": "en_US", **here}],
        "list_price": [{"currency": "USD", "value": product.cents / 100, **here}],
        "item_weight": [{"unit": "grams", "value": product.grams, **here}],
        "externally_assigned_product_identifier": [{"type": "ean", "value": product.ean, **here}],
    }


def _dimensions(product: Product) -> dict[str, Any]:
    side = 4 + product.grams % 90 / 10
    centimetres = {"unit": "centimeters", "value": side}
    grams = {"unit": "grams", "value": product.grams}
    box = {"height": centimetres, "length": centimetres, "width": centimetres, "weight": grams}
    return {"item": box, "package": box}


def _images(product: Product) -> dict[str, Any]:
    link = f"https://m.media-amazon.com/images/I/{product.asin}"
    variants = ("MAIN", "PT01", "PT02")
    return {"images": [{"variant": v, "link": f"{link}.{v}.jpg", "height": 1500, "width": 1500} for v in variants]}


def _ranks(product: Product) -> dict[str, Any]:
    rank = 100 + product.index * 37 % 90_000
    return {
        "classificationRanks": [
            {
                "classificationId": _classification(product)["classificationId"],
                "title": product.department,
                "rank": rank,
            }
        ],
        "displayGroupRanks": [
            {"websiteDisplayGroup": "home", "title": product.department, "rank": rank * 11},
        ],
    }


_SECTIONS: dict[str, Callable[[Product, Sequence[str]], Any]] = {
    "summaries": _each(_summary),
    "attributes": _attributes,
    "classifications": _each(lambda product: {"classifications": [_classification(product)]}),
    "dimensions": _each(_dimensions),
    "identifiers": _each(lambda product: {"identifiers": [{"identifierType": "EAN", "identifier": product.ean}]}),
    "images": _each(_images),
    "productTypes": _each(lambda product: {"productType": product.product_type}),
    "relationships": _each(lambda _: {"relationships": []}),
    "salesRanks": _each(_ranks),
    "vendorDetails": _each(lambda product: {"brandCode": product.brand[:5].upper()}),
}

HANDLERS: dict[str, Handler] = {
    "catalog_items_2022_04_01.get_catalog_item": _get_item,
    "catalog_items_2022_04_01.search_catalog_items": _search,
}

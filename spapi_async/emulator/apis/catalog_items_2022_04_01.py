"""Catalog Items 2022-04-01 over the seeded products."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from spapi_async.emulator.data.products import PRODUCTS, Product, product, product_of_asin
from spapi_async.emulator.data.world import Call, Handler
from spapi_async.emulator.gateway.pages import page_of
from spapi_async.emulator.gateway.replies import Reply, bad_input, not_found

__all__ = ["HANDLERS"]

_ASIN = re.compile(r"[0-9]{9}[0-9X]|[A-Z][A-Z0-9]{9}").fullmatch
_MOST_RESULTS = 1000  # Amazon stops a search there


def _get_item(call: Call) -> Reply:
    asin = call.arguments["asin"]
    if _ASIN(asin) is None or asin in call.world.settings.refused_asins:
        raise bad_input("Invalid 'asin' provided.")
    article = product_of_asin(call.world.settings.seed, asin, call.world.settings.products)
    if article is None:
        raise not_found("Requested item not found in marketplace.", f"the catalogue has no ASIN {asin!r}")
    places = call.arguments["marketplaceIds"]
    return Reply.json(_item(article, places, call.arguments.get("includedData")))


def _search(call: Call) -> Reply:
    arguments = call.arguments
    found = _found(call, arguments)
    size = arguments.get("pageSize", 10)
    fixed = {name: value for name, value in arguments.items() if name not in ("pageToken", "pageSize")}
    page, after = page_of(found, size, arguments.get("pageToken"), fixed, call.now)
    form: dict[str, Any] = {
        "numberOfResults": len(found),
        "items": [_item(article, arguments["marketplaceIds"], arguments.get("includedData")) for article in page],
    }
    if after is not None:
        form["pagination"] = {"nextToken": after}
    if "keywords" in arguments:
        brands = sorted({article.brand for article in found})[:10]
        form["refinements"] = {
            "brands": [{"brandName": b, "numberOfResults": sum(a.brand == b for a in found)} for b in brands],
            "classifications": [],
        }
    return Reply.json(form)


def _found(call: Call, arguments: dict[str, Any]) -> Sequence[Product]:
    seed, products = call.world.settings.seed, call.world.settings.products
    identifiers, keywords = arguments.get("identifiers"), arguments.get("keywords")
    if (identifiers is None) == (keywords is None):
        raise bad_input("Exactly one of identifiers and keywords is required.")
    if identifiers is None:
        words = [word.lower() for keyword in keywords or () for word in keyword.split()]
        brands = frozenset(arguments.get("brandNames") or ())
        return [
            article
            for article in (product(seed, index) for index in range(PRODUCTS))
            if all(word in article.title.lower() for word in words) and (not brands or article.brand in brands)
        ][:_MOST_RESULTS]
    kind = arguments.get("identifiersType")
    if kind is None:
        raise bad_input("identifiersType is missing.", "it is required beside identifiers")
    if kind == "SKU" and "sellerId" not in arguments:
        raise bad_input("sellerId is missing.", "it is required when identifiersType is SKU")
    if kind == "ASIN":
        spoiled = call.world.settings.refused_asins
        if any(_ASIN(asin) is None or asin in spoiled for asin in identifiers):
            raise bad_input("Invalid 'asin' provided.")  # the whole search, and Amazon does not say which it was
        return [article for asin in identifiers if (article := product_of_asin(seed, asin, products)) is not None]
    if kind == "SKU":
        listings = [call.seller.listings.get(sku) for sku in identifiers]
        return [listing.product for listing in listings if listing is not None and listing.product is not None]
    eans = frozenset(identifiers) if kind in ("EAN", "GTIN") else frozenset()
    return [article for article in (product(seed, index) for index in range(PRODUCTS)) if article.ean in eans]


def _item(article: Product, places: Sequence[str], included: Sequence[str] | None) -> dict[str, Any]:
    form: dict[str, Any] = {"asin": article.asin}
    for name in included or ("summaries",):
        section = _SECTIONS.get(name)
        if section is not None:
            form[name] = section(article, places)
    return form


def _each(make: Callable[[Product], dict[str, Any]]) -> Callable[[Product, Sequence[str]], Any]:
    return lambda article, places: [{"marketplaceId": place} | make(article) for place in places]


def _summary(article: Product) -> dict[str, Any]:
    return {
        "adultProduct": False,
        "autographed": False,
        "brand": article.brand,
        "browseClassification": _classification(article),
        "color": article.color,
        "itemClassification": "BASE_PRODUCT",
        "itemName": article.title,
        "manufacturer": article.brand,
        "memorabilia": False,
        "modelNumber": article.model_number,
        "packageQuantity": 1,
        "partNumber": article.model_number,
        "size": article.size,
        "tradeInEligible": False,
        "websiteDisplayGroup": article.department.lower().replace(" & ", "_").replace(" ", "_"),
        "websiteDisplayGroupName": article.department,
    }


def _classification(article: Product) -> dict[str, Any]:
    return {"displayName": article.department, "classificationId": str(10_000_000 + len(article.department) * 7919)}


def _attributes(article: Product, places: Sequence[str]) -> dict[str, Any]:
    here = {"marketplace_id": places[0]} if places else {}
    return {
        "brand": [{"value": article.brand, "language_tag": "en_US", **here}],
        "item_name": [{"value": article.title, "language_tag": "en_US", **here}],
        "list_price": [{"currency": "USD", "value": article.cents / 100, **here}],
        "item_weight": [{"unit": "grams", "value": article.grams, **here}],
        "externally_assigned_product_identifier": [{"type": "ean", "value": article.ean, **here}],
    }


def _dimensions(article: Product) -> dict[str, Any]:
    side = 4 + article.grams % 90 / 10
    centimetres = {"unit": "centimeters", "value": side}
    grams = {"unit": "grams", "value": article.grams}
    box = {"height": centimetres, "length": centimetres, "width": centimetres, "weight": grams}
    return {"item": box, "package": box}


def _images(article: Product) -> dict[str, Any]:
    link = f"https://m.media-amazon.com/images/I/{article.asin}"
    variants = ("MAIN", "PT01", "PT02")
    return {"images": [{"variant": v, "link": f"{link}.{v}.jpg", "height": 1500, "width": 1500} for v in variants]}


def _ranks(article: Product) -> dict[str, Any]:
    rank = 100 + article.index * 37 % 90_000
    return {
        "classificationRanks": [
            {
                "classificationId": _classification(article)["classificationId"],
                "title": article.department,
                "rank": rank,
            }
        ],
        "displayGroupRanks": [
            {"websiteDisplayGroup": "home", "title": article.department, "rank": rank * 11},
        ],
    }


_SECTIONS: dict[str, Callable[[Product, Sequence[str]], Any]] = {
    "summaries": _each(_summary),
    "attributes": _attributes,
    "classifications": _each(lambda article: {"classifications": [_classification(article)]}),
    "dimensions": _each(_dimensions),
    "identifiers": _each(lambda article: {"identifiers": [{"identifierType": "EAN", "identifier": article.ean}]}),
    "images": _each(_images),
    "productTypes": _each(lambda article: {"productType": article.product_type}),
    "relationships": _each(lambda _: {"relationships": []}),
    "salesRanks": _each(_ranks),
    "vendorDetails": _each(lambda article: {"brandCode": article.brand[:5].upper()}),
}

HANDLERS: dict[str, Handler] = {
    "catalog_items_2022_04_01.get_catalog_item": _get_item,
    "catalog_items_2022_04_01.search_catalog_items": _search,
}

"""Listings Items 2021-08-01 over a seller's listings, which put, patch and delete change.

The access token alone decides whose listings they are. Any seller id in the path is accepted, because programs cannot
know the id that the emulator gives to a refresh token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from spapi_async.emulator.data.listings import Listing
from spapi_async.emulator.data.world import Call, Handler
from spapi_async.emulator.gateway.pages import page_of
from spapi_async.emulator.gateway.replies import Reply, bad_input, not_found
from spapi_async.emulator.gateway.times import iso, parse_date

__all__ = ["HANDLERS"]


def _get(call: Call) -> Reply:
    return Reply.json(_item(call, _find(call), call.arguments["marketplaceIds"]))


def _find(call: Call) -> Listing:
    sku = call.arguments["sku"]
    listing = call.seller.listings.get(sku)
    if listing is None:
        raise not_found(f"SKU '{sku}' not found in marketplace.", f"seller {call.seller.id} has no such listing")
    return listing


def _put(call: Call) -> Reply:
    arguments, body = call.arguments, call.body
    if arguments.get("mode") != "VALIDATION_PREVIEW":
        old = call.seller.listings.get(arguments["sku"])
        marketplaces = frozenset(arguments["marketplaceIds"]) | (old.marketplaces if old else frozenset())
        listing = Listing(
            arguments["sku"],
            body["productType"],
            dict(body["attributes"]),
            product=old.product if old else None,
            marketplaces=marketplaces,
            created=old.created if old else call.now,
        )
        listing.updated = call.now
        call.seller.listings.keep(listing)
    return _accepted(call)


def _patch(call: Call) -> Reply:
    listing = _find(call)
    changed = dict(listing.attributes)
    for patch in call.body["patches"]:
        _apply(changed, patch)
    if call.arguments.get("mode") != "VALIDATION_PREVIEW":
        listing.attributes = changed
        listing.updated = call.now
    return _accepted(call)


def _apply(attributes: dict[str, Any], patch: dict[str, Any]) -> None:
    root, _, name = patch["path"].strip("/").partition("/")
    if root != "attributes" or not name or "/" in name:
        raise bad_input(f"patches.path: {patch['path']!r} is not valid.", "such as /attributes/item_name")
    value = patch.get("value")
    if patch["op"] == "delete":
        attributes.pop(name, None)
    elif value is None:
        raise bad_input(f"patches.value is missing for {patch['path']}.", f"op {patch['op']} needs one")
    elif patch["op"] == "add":
        attributes[name] = [*attributes.get(name, ()), *value]
    elif patch["op"] == "merge" and attributes.get(name):
        attributes[name] = [old | new for old, new in zip(attributes[name], value, strict=False)]
    else:
        attributes[name] = value


def _delete(call: Call) -> Reply:
    _find(call)
    call.seller.listings.drop(call.arguments["sku"])
    return _accepted(call)


def _accepted(call: Call) -> Reply:
    preview = call.arguments.get("mode") == "VALIDATION_PREVIEW"
    fields = {
        "sku": call.arguments["sku"],
        "status": "VALID" if preview else "ACCEPTED",
        "submissionId": call.seller.listings.submission_id(),
        "issues": [],
    }
    return Reply.json(fields)


def _search(call: Call) -> Reply:
    arguments = call.arguments
    if ("identifiers" in arguments) != ("identifiersType" in arguments):
        raise bad_input("identifiers and identifiersType must be given together.")
    marketplaces = frozenset(arguments["marketplaceIds"])
    found = [
        listing
        for listing in call.seller.listings.all()
        if listing.marketplaces & marketplaces and _wanted(arguments, listing)
    ]
    key = _SORT_KEYS[arguments.get("sortBy", "lastUpdatedDate")]
    found.sort(key=key, reverse=arguments.get("sortOrder", "DESC") == "DESC")
    size = arguments.get("pageSize", 10)
    fixed = {name: value for name, value in arguments.items() if name not in ("pageToken", "pageSize")}
    page, after = page_of(found, size, arguments.get("pageToken"), fixed, call.now)
    fields: dict[str, Any] = {
        "numberOfResults": len(found),
        "items": [_item(call, listing, arguments["marketplaceIds"]) for listing in page],
    }
    if after is not None:
        fields["pagination"] = {"nextToken": after}
    return Reply.json(fields)


_SORT_KEYS: dict[str, Callable[[Listing], Any]] = {
    "sku": lambda listing: listing.sku,
    "createdDate": lambda listing: (listing.created, listing.sku),
    "lastUpdatedDate": lambda listing: (listing.updated, listing.sku),
}


def _wanted(arguments: dict[str, Any], listing: Listing) -> bool:
    for name, moment in (("created", listing.created), ("lastUpdated", listing.updated)):
        after, before = arguments.get(f"{name}After"), arguments.get(f"{name}Before")
        if after is not None and moment < (parse_date(after) or 0):
            return False
        if before is not None and moment > (parse_date(before) or 0):
            return False
    if arguments.get("withIssueSeverity") or "BUYABLE" in (arguments.get("withoutStatus") or ()):
        return False  # the seeded listings are buyable and have no issues
    identifiers = arguments.get("identifiers")
    if identifiers is None:
        return True
    product = listing.product
    own = {"SKU": listing.sku}
    if product is not None:
        own |= {"ASIN": product.asin, "EAN": product.ean, "GTIN": product.ean}
    return own.get(arguments["identifiersType"]) in identifiers


def _item(call: Call, listing: Listing, marketplaces: Sequence[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {"sku": listing.sku}
    here = [marketplace for marketplace in marketplaces if marketplace in listing.marketplaces]
    for name in call.arguments.get("includedData") or ("summaries",):
        if name == "attributes":
            fields[name] = listing.attributes
        elif name == "issues":
            fields[name] = []
        elif name == "fulfillmentAvailability":
            code = "AMAZON_NA" if listing.fulfilled_by_amazon else "DEFAULT"
            fields[name] = [{"fulfillmentChannelCode": code, "quantity": len(listing.sku) * 3}]
        elif name in _BY_MARKETPLACE:
            fields[name] = [{"marketplaceId": marketplace} | _BY_MARKETPLACE[name](listing) for marketplace in here]
    return fields


def _summary(listing: Listing) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "productType": listing.product_type,
        "conditionType": "new_new",
        "status": ["BUYABLE", "DISCOVERABLE"],
        "createdDate": iso(listing.created),
        "lastUpdatedDate": iso(listing.updated),
    }
    product = listing.product
    if product is not None:
        image = {"link": f"https://m.media-amazon.com/images/I/{product.asin}.jpg", "height": 500, "width": 500}
        fields |= {"asin": product.asin, "itemName": product.title, "mainImage": image}
        if listing.fulfilled_by_amazon:
            fields["fnSku"] = "X0" + product.asin[2:]
    return fields


def _offer(listing: Listing) -> dict[str, Any]:
    cents = listing.product.cents if listing.product else 1999
    return {"offerType": "B2C", "price": {"currencyCode": "USD", "amount": f"{cents // 100}.{cents % 100:02d}"}}


_BY_MARKETPLACE: dict[str, Callable[[Listing], dict[str, Any]]] = {
    "summaries": _summary,
    "offers": _offer,
    "productTypes": lambda listing: {"productType": listing.product_type},
    "relationships": lambda _: {"relationships": []},
}

HANDLERS: dict[str, Handler] = {
    "listings_items_2021_08_01.get_listings_item": _get,
    "listings_items_2021_08_01.put_listings_item": _put,
    "listings_items_2021_08_01.patch_listings_item": _patch,
    "listings_items_2021_08_01.delete_listings_item": _delete,
    "listings_items_2021_08_01.search_listings_items": _search,
}

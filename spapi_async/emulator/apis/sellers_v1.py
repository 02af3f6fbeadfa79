"""Sellers v1: the seller's marketplaces and its account."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from spapi_async.emulator.data.places import SHOPS
from spapi_async.emulator.data.world import Call, Handler
from spapi_async.emulator.gateway.replies import Reply
from spapi_async.marketplaces import Marketplace

__all__ = ["HANDLERS"]


def _participations(call: Call) -> list[dict[str, Any]]:
    return [_participation(marketplace) for marketplace in call.world.settings.marketplaces]


def _participation(marketplace: Marketplace) -> dict[str, Any]:
    shop = SHOPS[marketplace]
    return {
        "marketplace": {
            "id": str(marketplace),
            "name": shop.name,
            "countryCode": marketplace.country,
            "defaultCurrencyCode": shop.currency,
            "defaultLanguageCode": shop.language,
            "domainName": "www." + (urlsplit(marketplace.seller_central).hostname or "").partition(".")[2],
        },
        "participation": {"isParticipating": True, "hasSuspendedListings": False},
        "storeName": "Tarn & Moor Outfitters",
    }


def _get_marketplace_participations(call: Call) -> Reply:
    return Reply.json({"payload": _participations(call)})


def _get_account(call: Call) -> Reply:
    address = {"addressLine1": "12 Harbour Road", "countryCode": "US", "city": "Portland", "postalCode": "97201"}
    payload = {
        "marketplaceParticipationList": _participations(call),
        "businessType": "PRIVATE_LIMITED",
        "sellingPlan": "PROFESSIONAL",
        "business": {"name": "Tarn & Moor Outfitters", "registeredBusinessAddress": address},
        "primaryContact": {"name": "Mara Whitfield", "address": address},
    }
    return Reply.json({"payload": payload})


HANDLERS: dict[str, Handler] = {
    "sellers_v1.get_marketplace_participations": _get_marketplace_participations,
    "sellers_v1.get_account": _get_account,
}

"""Deviations of synthesised replies from Amazon's models, as observed in real replies of the same operation.

Each was seen in a recording or an issue report. A quirk changes about half of the objects to which it can apply, chosen
by the reply's seed; ``Emulator(violations=False)`` and ``synthetic=True`` disable quirks.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

__all__ = ["damage"]

Quirk = Callable[[dict[str, Any]], None]


def damage(operation: str, value: Any, rng: random.Random) -> None:
    """Apply the operation's quirks to a reply, in place."""
    for quirk in _QUIRKS.get(operation, ()):
        _visit(value, quirk, rng)


def _visit(value: Any, quirk: Quirk, rng: random.Random) -> None:
    if isinstance(value, list):
        for each in value:
            _visit(each, quirk, rng)
    elif isinstance(value, dict):
        for each in value.values():
            _visit(each, quirk, rng)
        if rng.random() < 0.5:
            quirk(value)


def _drop(key: str) -> Quirk:
    return lambda holder: holder.pop(key, None)


def _put(key: str, wrong: Any) -> Quirk:
    def put(holder: dict[str, Any]) -> None:
        if key in holder:
            holder[key] = wrong

    return put


def _rename(key: str, wrong: str) -> Quirk:
    def rename(holder: dict[str, Any]) -> None:
        if key in holder:
            holder[wrong] = holder.pop(key)

    return rename


_QUIRKS: dict[str, tuple[Quirk, ...]] = {
    # An empty string where the model has a date.
    "fba_inventory_v1.get_inventory_summaries": (_put("lastUpdatedTime", ""),),
    # Required fields that are sometimes missing.
    "fulfillment_inbound_v0.get_shipments": (_drop("AreCasesRequired"), _drop("PostalCode")),
    "merchant_fulfillment_v0.get_eligible_shipment_services": (
        _drop("RequiresAdditionalSellerInputs"),
        _drop("CarrierWillPickUp"),
    ),
    "fulfillment_outbound_2020_07_01.get_fulfillment_order": (_drop("sellerReturnReasonCode"),),
    "product_pricing_2022_05_01.get_competitive_summary": (_drop("condition"),),
    "supply_sources_2020_07_01.get_supply_source": (_put("email", ""), _drop("name")),
    # A key that the model spells differently.
    "product_pricing_v0.get_item_offers": (_rename("MarketplaceId", "MarketplaceID"),),
    "product_pricing_v0.get_listing_offers": (_rename("MarketplaceId", "MarketplaceID"),),
}

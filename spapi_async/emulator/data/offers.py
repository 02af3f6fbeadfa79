"""The offers of each product, the same for every seller that asks."""

from __future__ import annotations

from typing import Any

import msgspec

from spapi_async.emulator.data.products import Product, rng_for
from spapi_async.marketplaces import Marketplace

__all__ = ["Offer", "money", "offers_of"]

_CURRENCIES = {"US": "USD", "CA": "CAD", "MX": "MXN", "BR": "BRL", "UK": "GBP", "JP": "JPY", "AU": "AUD", "IN": "INR"}


class Offer(msgspec.Struct, frozen=True):
    """One seller's offer of a product; prices are in cents."""

    seller: str
    cents: int
    shipping: int
    condition: str
    fulfilled_by_amazon: bool


def offers_of(seed: int, product: Product, condition: str = "New") -> list[Offer]:
    """The offers of a product, cheapest first; one product in eight has none."""
    rng = rng_for(seed, "offers", product.asin, condition)
    if rng.random() < 0.125:
        return []
    offers = [
        Offer(
            seller=f"A{rng.randrange(10**12):012d}X",
            cents=max(99, round(product.cents * rng.uniform(0.85, 1.15))),
            shipping=rng.choice((0, 0, 399)),
            condition=condition,
            fulfilled_by_amazon=rng.random() < 0.6,
        )
        for _ in range(rng.randrange(1, 6))
    ]
    return sorted(offers, key=lambda offer: offer.cents + offer.shipping)


def money(cents: int, marketplace_id: str) -> dict[str, Any]:
    """An amount as Amazon writes it in pricing and fees: a JSON number."""
    try:
        country = Marketplace(marketplace_id).name
    except ValueError:
        country = "US"
    return {"CurrencyCode": _CURRENCIES.get(country, "EUR"), "Amount": cents / 100}

"""A seller's listings: made from the seed, then changed by put, patch and delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spapi_async.emulator.data.orders import sku_of
from spapi_async.emulator.data.products import PRODUCTS, Product, product_at, rng_for
from spapi_async.marketplaces import Marketplace

__all__ = ["Listing", "ListingsStore"]


class Listing:
    """One SKU; ``attributes`` are free-form, as in Amazon's putListingsItem."""

    __slots__ = (
        "attributes",
        "created",
        "fulfilled_by_amazon",
        "marketplaces",
        "product",
        "product_type",
        "sku",
        "updated",
    )

    def __init__(
        self,
        sku: str,
        product_type: str,
        attributes: dict[str, Any],
        *,
        product: Product | None,
        marketplaces: frozenset[str],
        created: float,
        fulfilled_by_amazon: bool = False,
    ) -> None:
        self.sku = sku
        self.product_type = product_type
        self.attributes = attributes
        self.product = product
        self.marketplaces = marketplaces
        self.created = created
        self.updated = created
        self.fulfilled_by_amazon = fulfilled_by_amazon


class ListingsStore:
    """All listings of one seller, by SKU."""

    def __init__(self, seed: int, seller: str, count: int, marketplaces: Sequence[Marketplace], anchor: float) -> None:
        self._rng = rng_for(seed, seller, "listings")
        self._listings: dict[str, Listing] = {}
        for number in self._rng.sample(range(PRODUCTS), min(count, PRODUCTS)):
            product = product_at(seed, number)
            created = anchor - 86400 - self._rng.randrange(200 * 86400)
            listing = Listing(
                sku_of(product),
                product.product_type,
                _attributes(product, marketplaces[0]),
                product=product,
                marketplaces=frozenset(map(str, marketplaces)),
                created=created,
                fulfilled_by_amazon=self._rng.random() < 0.5,
            )
            listing.updated = created + self._rng.random() * (anchor - created)
            self._listings[listing.sku] = listing

    def __len__(self) -> int:
        return len(self._listings)

    def get(self, sku: str) -> Listing | None:
        """The listing of this SKU."""
        return self._listings.get(sku)

    def all(self) -> Sequence[Listing]:
        """Every listing."""
        return tuple(self._listings.values())

    def keep(self, listing: Listing) -> None:
        """Add or replace a listing."""
        self._listings[listing.sku] = listing

    def drop(self, sku: str) -> bool:
        """Remove a listing; False if there is none."""
        return self._listings.pop(sku, None) is not None

    def submission_id(self) -> str:
        """A new id of a submission."""
        return f"{self._rng.getrandbits(128):032x}"


def _attributes(product: Product, marketplace: Marketplace) -> dict[str, Any]:
    here = {"marketplace_id": str(marketplace)}
    text = {"language_tag": "en_US", **here}
    price = {"schedule": [{"value_with_tax": product.cents / 100}]}
    return {
        "item_name": [{"value": product.title, **text}],
        "brand": [{"value": product.brand, **text}],
        "color": [{"value": product.color, **text}],
        "condition_type": [{"value": "new_new", **here}],
        "externally_assigned_product_identifier": [{"type": "ean", "value": product.ean, **here}],
        # Amazon's replies contain nulls in free-form attributes.
        "purchasable_offer": [{"currency": "USD", "our_price": [price], "end_at": {"value": None}, **here}],
        "item_package_weight": [{"value": product.grams, "unit": "grams", **here}],
        "merchant_suggested_asin": [{"value": product.asin, **here}],
    }

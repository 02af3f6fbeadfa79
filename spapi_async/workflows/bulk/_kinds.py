"""The kinds of crawls: how an identifier is looked up, and whose quota is used."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from spapi_async._core.operation import Operation
from spapi_async.errors import ConfigurationError

if TYPE_CHECKING:
    from spapi_async._client.application import SellingPartner
    from spapi_async.marketplaces import Marketplace, Region

__all__ = ["KINDS", "Kind", "LookUp", "kind_named"]

LookUp = Callable[[str, "Marketplace"], Awaitable[bytes]]
"""Returns Amazon's JSON for an identifier in a marketplace."""


class Kind(NamedTuple):
    """One kind of crawl.

    ``open`` makes the look-up function for sellers and options. ``operation`` is the name of the batch operation, and
    ``maximum`` its number of look-ups per request. ``pooled``: any seller may look up any identifier.
    """

    open: Callable[[Sequence[SellingPartner], Mapping[str, Any]], LookUp]
    operation: str
    maximum: int
    pooled: bool = False

    def batch_operation(self) -> Operation[Any]:
        """The batch operation."""
        from importlib import import_module

        module, _, method = self.operation.partition(".")
        return getattr(import_module(f"spapi_async.api.{module}"), method.upper())  # type: ignore[no-any-return]


def _catalog(sellers: Sequence[SellingPartner], options: Mapping[str, Any]) -> LookUp:
    catalogs: dict[Region, Any] = {}
    for region in dict.fromkeys(seller.region for seller in sellers):
        first, *others = (seller.catalog for seller in sellers if seller.region is region)
        catalogs[region] = first.variant(*others, raw=True)
    return lambda asin, place: catalogs[place.region].item(asin, marketplace=place, **options)


def _pricing(sellers: Sequence[SellingPartner], options: Mapping[str, Any]) -> LookUp:
    pricing: Any = sellers[0].pricing.variant(raw=True)
    return lambda asin, place: pricing.offers(asin, marketplace=place, **options)


def _fees(sellers: Sequence[SellingPartner], options: Mapping[str, Any]) -> LookUp:
    fees: Any = sellers[0].fees.variant(raw=True)

    async def look_up(identifier: str, place: Marketplace) -> bytes:
        asin, comma, price = identifier.rpartition(",")
        if not comma:
            raise ConfigurationError(f"fees depend on the price: write B07XJ8C8F5,19.99, not {identifier!r}")
        return await fees.estimate(asin=asin, price=price, marketplace=place, **options)  # type: ignore[no-any-return]

    return look_up


def _listings(sellers: Sequence[SellingPartner], options: Mapping[str, Any]) -> LookUp:
    if sellers[0].seller_id is None:
        raise ConfigurationError("listings need the seller's id: selling_partner(…, seller_id=…)")
    listings: Any = sellers[0].listings.variant(raw=True)
    return lambda sku, place: listings.item(sku, marketplace=place, **options)


def _inventory(sellers: Sequence[SellingPartner], options: Mapping[str, Any]) -> LookUp:
    inventory: Any = sellers[0].inventory.variant(raw=True)
    return lambda sku, place: inventory.summary(sku, marketplace=place, **options)


KINDS: Mapping[str, Kind] = {
    "catalog": Kind(_catalog, "catalog_items_2022_04_01.search_catalog_items", 20, pooled=True),
    "pricing": Kind(_pricing, "product_pricing_v0.get_item_offers_batch", 20),
    "fees": Kind(_fees, "product_fees_v0.get_my_fees_estimates", 20),
    "listings": Kind(_listings, "listings_items_2021_08_01.search_listings_items", 20),
    "inventory": Kind(_inventory, "fba_inventory_v1.get_inventory_summaries", 50),
}
"""By name: items of the catalogue, offers, fees (identifiers are ``ASIN,price``), listings and stock by SKU."""


def kind_named(name: str, sellers: Sequence[SellingPartner]) -> Kind:
    """The kind with this name, for a crawl with these sellers.

    Raises:
        ConfigurationError: there is no such kind, no seller, or more than one seller for a kind that is not pooled.
    """
    kind = KINDS.get(name)
    if kind is None:
        raise ConfigurationError(f"there is no crawl of {name!r}; choose from {', '.join(KINDS)}")
    if not sellers:
        raise ConfigurationError("a crawl needs at least one seller")
    if len(sellers) > 1 and not kind.pooled:
        raise ConfigurationError(
            f"a crawl of {name} takes one seller, not {len(sellers)}: crawl each seller separately"
        )
    return kind

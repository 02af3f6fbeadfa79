"""``seller.pricing``: offers and prices, looked up one by one and fetched in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spapi_async._core.arguments import one_or_more
from spapi_async.errors import ConfigurationError
from spapi_async.workflows.lookups import LookUps, Rule, check_asin, check_sku
from spapi_async.workflows.pricing._rules import (
    COMPETITIVE_PRICE,
    COMPETITIVE_PRICE_OF_SKU,
    COMPETITIVE_SUMMARY,
    EXPECTED_PRICE,
    LISTING_OFFERS,
    OFFERS,
    PRICE,
    PRICE_OF_SKU,
    OffersGroup,
    PriceGroup,
    SummaryGroup,
)

if TYPE_CHECKING:
    from spapi_async.marketplaces import Marketplace
    from spapi_async.models.product_pricing_2022_05_01 import (
        CompetitiveSummaryResponseBody,
        FeaturedOfferExpectedPriceResponseBody,
    )
    from spapi_async.models.product_pricing_v0 import GetOffersResult, Price

__all__ = ["Pricing"]

_LOWEST = "lowestPricedOffers"


class Pricing(LookUps):
    """Offers and prices as one seller sees them.

    Calls made at about the same time share a request. Each method states Amazon's operation and its usage plan. If a
    single operation has quota sooner, some of the calls use it.
    """

    __slots__ = ()

    async def offers(
        self,
        asin: str,
        *,
        marketplace: Marketplace | str | None = None,
        item_condition: str = "New",
        customer_type: str | None = None,
    ) -> GetOffersResult:
        """The offers for an ASIN: getItemOffersBatch (20 items in 10 seconds) or getItemOffers (one in 2 seconds).

        Raises:
            ConfigurationError: no marketplace is known, or ``asin`` is not an ASIN.
            NotFoundError: the marketplace does not know the ASIN; for an ASIN without offers the list is empty.
        """
        check_asin(asin)
        answer: GetOffersResult = await self._look_up(
            OFFERS, asin, OffersGroup, marketplace, item_condition, customer_type
        )
        return answer

    async def listing_offers(
        self,
        sku: str,
        *,
        marketplace: Marketplace | str | None = None,
        item_condition: str = "New",
        customer_type: str | None = None,
    ) -> GetOffersResult:
        """The offers for a SKU: getListingOffersBatch (20 SKUs in 2 seconds) or getListingOffers (one a second).

        Raises:
            ConfigurationError: no marketplace is known.
            NotFoundError: the seller has no such listing.
        """
        check_sku(sku)
        answer: GetOffersResult = await self._look_up(
            LISTING_OFFERS, sku, OffersGroup, marketplace, item_condition, customer_type
        )
        return answer

    async def price(
        self,
        asin: str | None = None,
        *,
        sku: str | None = None,
        marketplace: Marketplace | str | None = None,
        item_condition: str | None = None,
        offer_type: str | None = None,
    ) -> Price:
        """The seller's own price for an ASIN, or for a SKU: getPricing (20 in 2 seconds).

        Raises:
            ConfigurationError: no marketplace is known, or not exactly one valid ``asin`` or ``sku`` is given.
            NotFoundError: the marketplace does not know it.
        """
        rule, key = _by_either(asin, sku, PRICE, PRICE_OF_SKU)
        answer: Price = await self._look_up(rule, key, PriceGroup, marketplace, item_condition, offer_type)
        return answer

    async def competitive_price(
        self,
        asin: str | None = None,
        *,
        sku: str | None = None,
        marketplace: Marketplace | str | None = None,
        customer_type: str | None = None,
    ) -> Price:
        """The competitive prices for an ASIN, or for a SKU: getCompetitivePricing (20 in 2 seconds).

        Raises:
            ConfigurationError: no marketplace is known, or not exactly one valid ``asin`` or ``sku`` is given.
            NotFoundError: the marketplace does not know it.
        """
        rule, key = _by_either(asin, sku, COMPETITIVE_PRICE, COMPETITIVE_PRICE_OF_SKU)
        answer: Price = await self._look_up(rule, key, PriceGroup, marketplace, None, None, customer_type)
        return answer

    async def competitive_summary(
        self,
        asin: str,
        *,
        marketplace: Marketplace | str | None = None,
        included_data: Sequence[str] = ("featuredBuyingOptions", "referencePrices"),
        lowest_priced_offers: Sequence[tuple[str, str]] = (),
    ) -> CompetitiveSummaryResponseBody:
        """Featured offer, reference and lowest prices of an ASIN: getCompetitiveSummary (20 ASINs in 30 seconds).

        ``lowest_priced_offers`` are pairs of item condition and offer type, such as ``("New", "Consumer")``; they add
        ``lowestPricedOffers`` to ``included_data``.

        Raises:
            ConfigurationError: no marketplace is known, or ``asin`` is not an ASIN.
            NotFoundError: the marketplace does not know it.
        """
        check_asin(asin)
        included = one_or_more(included_data)
        pairs = tuple((str(one), str(other)) for one, other in lowest_priced_offers)
        if pairs and _LOWEST not in included:
            included += (_LOWEST,)
        answer: CompetitiveSummaryResponseBody = await self._look_up(
            COMPETITIVE_SUMMARY, asin, SummaryGroup, marketplace, included, pairs
        )
        return answer

    async def expected_price(
        self, sku: str, *, marketplace: Marketplace | str | None = None
    ) -> FeaturedOfferExpectedPriceResponseBody:
        """The price at which a SKU may become the featured offer.

        It calls getFeaturedOfferExpectedPriceBatch (40 SKUs in 30 seconds). ``result_status`` of each result says
        whether there is such a price.

        Raises:
            ConfigurationError: no marketplace is known.
            NotFoundError: the seller has no such SKU.
        """
        check_sku(sku)
        answer: FeaturedOfferExpectedPriceResponseBody = await self._look_up(
            EXPECTED_PRICE, sku, PriceGroup, marketplace
        )
        return answer


def _by_either(
    asin: str | None, sku: str | None, by_asin: Rule[PriceGroup, str], by_sku: Rule[PriceGroup, str]
) -> tuple[Rule[PriceGroup, str], str]:
    """The rule and the key for the argument that is given; ASINs and SKUs never share a request."""
    if sku is None:
        check_asin(asin)
        assert asin is not None
        return by_asin, asin
    if asin is not None:
        raise ConfigurationError("give either asin or sku, not both")
    check_sku(sku)
    return by_sku, sku

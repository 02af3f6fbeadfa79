"""``seller.listings``: a seller's own listings, looked up one by one and fetched in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from spapi_async._core.arguments import one_or_more
from spapi_async.api.listings_items_2021_08_01 import GET_LISTINGS_ITEM, SEARCH_LISTINGS_ITEMS
from spapi_async.workflows.lookups import Answer, LookUps, Rule, check_sku, following_token, listed

if TYPE_CHECKING:
    from spapi_async.marketplaces import Marketplace
    from spapi_async.models.listings_items_2021_08_01 import Item

__all__ = ["Listings"]


class Group(NamedTuple):
    """What all SKUs of a request have in common."""

    place: str
    seller_id: str
    included_data: tuple[str, ...]
    issue_locale: str | None


def _arguments(group: Group, skus: Sequence[str]) -> dict[str, Any]:
    return {
        "seller_id": group.seller_id,
        "marketplace_ids": [group.place],
        "identifiers": skus,
        "identifiers_type": "SKU",
        "included_data": group.included_data,
        "issue_locale": group.issue_locale,
        "page_size": ITEM.maximum,
        "sort_by": "sku",  # by date, Amazon's default, items can move between pages
    }


def _answers(_group: Group, _skus: Sequence[str], body: Any) -> list[Answer]:
    return [(getattr(item, "sku", None), item, None) for item in listed(body, "items", SEARCH_LISTINGS_ITEMS)]


def _single_arguments(group: Group, sku: str) -> dict[str, Any]:
    return {
        "seller_id": group.seller_id,
        "sku": sku,
        "marketplace_ids": [group.place],
        "included_data": group.included_data,
        "issue_locale": group.issue_locale,
    }


ITEM: Rule[Group, str] = Rule(
    name="listings.item",
    batch=SEARCH_LISTINGS_ITEMS,
    maximum=20,
    arguments=_arguments,
    answers=_answers,
    entries=(("items",), ()),
    following=lambda body: following_token(body, "page_token"),
    single=lambda _: GET_LISTINGS_ITEM,
    single_arguments=_single_arguments,
    fits=lambda sku: "," not in sku,  # Amazon splits the list at every comma, however it is encoded
)


class Listings(LookUps):
    """The listings of one seller."""

    __slots__ = ()

    async def item(
        self,
        sku: str,
        *,
        marketplace: Marketplace | str | None = None,
        included_data: Sequence[str] = ("summaries",),
        issue_locale: str | None = None,
    ) -> Item:
        """One listing; calls made at about the same time share a request of searchListingsItems (20 SKUs, 5 a second).

        A SKU with a comma uses getListingsItem (5 a second), and so do other calls if it has quota sooner.

        Raises:
            ConfigurationError: the marketplace or the seller id is not known.
            NotFoundError: the seller has no such listing in that marketplace.
        """
        check_sku(sku)
        facts = (self._seller_id(), one_or_more(included_data), issue_locale)
        answer: Item = await self._look_up(ITEM, sku, Group, marketplace, *facts)
        return answer

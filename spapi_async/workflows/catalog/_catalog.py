"""``seller.catalog``: items of the catalogue, looked up one by one and fetched twenty at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from spapi_async.api.catalog_items_2022_04_01 import GET_CATALOG_ITEM, SEARCH_CATALOG_ITEMS
from spapi_async.workflows.lookups import Answer, LookUps, Rule, check_asin, listed

if TYPE_CHECKING:
    from spapi_async.marketplaces import Marketplace
    from spapi_async.models.catalog_items_2022_04_01 import Item

__all__ = ["Catalog"]


class _Group(NamedTuple):
    """searchCatalogItems takes one marketplace, and one includedData for all."""

    place: str
    included_data: tuple[str, ...]


def _arguments(group: _Group, asins: Sequence[str]) -> dict[str, Any]:
    return {
        "identifiers": asins,
        "identifiers_type": "ASIN",
        "marketplace_ids": [group.place],
        "included_data": group.included_data,
        "page_size": _ITEM.maximum,  # Amazon's default is 10: twenty identifiers would bring ten items
    }


def _answers(_group: _Group, _asins: Sequence[str], body: Any) -> list[Answer]:
    return [(getattr(item, "asin", None), item, None) for item in listed(body, "items", SEARCH_CATALOG_ITEMS)]


def _following(body: Any) -> Mapping[str, Any] | None:
    token = getattr(getattr(body, "pagination", None), "next_token", None)
    return {"page_token": token} if token else None


def _single_arguments(group: _Group, asin: str) -> dict[str, Any]:
    return {"asin": asin, "marketplace_ids": [group.place], "included_data": group.included_data}


_ITEM: Rule[_Group, str] = Rule(
    name="catalog.item",
    batch=SEARCH_CATALOG_ITEMS,
    maximum=20,
    arguments=_arguments,
    answers=_answers,
    entries=(("items",), ()),
    following=_following,
    single=lambda _: GET_CATALOG_ITEM,
    single_arguments=_single_arguments,
)


class Catalog(LookUps):
    """The catalogue as one seller may read it."""

    __slots__ = ()

    async def item(
        self,
        asin: str,
        *,
        marketplace: Marketplace | str | None = None,
        included_data: Sequence[str] = ("summaries",),
    ) -> Item:
        """One item; calls made at about the same time share a request of searchCatalogItems (20 items, 2 a second).

        Where its quota is used up and that of getCatalogItem (2 a second) is not, that serves some of them.

        Raises:
            ConfigurationError: no marketplace is known, or ``asin`` is not one.
            NotFoundError: the marketplace has no such item.
        """
        check_asin(asin)
        return await self._ask(_ITEM, _Group(self._place(marketplace), tuple(included_data)), asin)  # type: ignore[no-any-return]

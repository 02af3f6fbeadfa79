"""``seller.inventory``: Amazon's stock of a SKU, looked up one by one and fetched in batches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from spapi_async.api.fba_inventory_v1 import GET_INVENTORY_SUMMARIES
from spapi_async.models.fba_inventory_v1 import InventorySummary
from spapi_async.workflows.lookups import Answer, LookUps, Rule, check_sku, following_token, listed

if TYPE_CHECKING:
    from spapi_async.marketplaces import Marketplace

__all__ = ["Inventory", "SkuSummary"]


class SkuSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The stock of one SKU: one of Amazon's summaries for each condition."""

    summaries: tuple[InventorySummary, ...]

    @property
    def seller_sku(self) -> str | None:
        """The SKU."""
        return self.summaries[0].seller_sku

    @property
    def asin(self) -> str | None:
        """Its ASIN."""
        return self.summaries[0].asin

    @property
    def fn_sku(self) -> str | None:
        """Its FNSKU, Amazon's own identifier."""
        return self.summaries[0].fn_sku

    @property
    def product_name(self) -> str | None:
        """The name of the product."""
        return self.summaries[0].product_name

    @property
    def total_quantity(self) -> int:
        """Units in all conditions."""
        quantities = (each.total_quantity for each in self.summaries)
        return sum(quantity for quantity in quantities if isinstance(quantity, int))


class Group(NamedTuple):
    """What all SKUs of a request have in common."""

    place: str
    details: bool


def _arguments(group: Group, skus: Sequence[str]) -> dict[str, Any]:
    return {**_common(group), "seller_skus": skus}


def _single_arguments(group: Group, sku: str) -> dict[str, Any]:
    return {**_common(group), "seller_sku": sku}


def _common(group: Group) -> dict[str, Any]:
    # No start_date_time: with it, Amazon ignores the SKUs.
    return {
        "granularity_type": "Marketplace",
        "granularity_id": group.place,
        "marketplace_ids": [group.place],
        "details": group.details or None,
    }


def _answers(_group: Group, _skus: Sequence[str], body: Any) -> list[Answer]:
    found = listed(getattr(body, "payload", None), "inventory_summaries", GET_INVENTORY_SUMMARIES)
    return [(getattr(each, "seller_sku", None), each, None) for each in found]


SUMMARY: Rule[Group, str] = Rule(
    name="inventory.summary",
    batch=GET_INVENTORY_SUMMARIES,
    maximum=50,
    arguments=_arguments,
    answers=_answers,
    entries=(("payload", "inventorySummaries"), ()),
    combine=lambda each: SkuSummary(summaries=tuple(each)),
    following=lambda body: following_token(body, "next_token"),
    every_page=True,
    single=lambda _: GET_INVENTORY_SUMMARIES,
    single_arguments=_single_arguments,
    spare=False,  # both use the same bucket
    # Amazon splits the list at commas, and has ignored SKUs with spaces and apostrophes
    # (saleweaver/python-amazon-sp-api issues 22 and 306).
    fits=lambda sku: re.search(r"[,'\"\s]", sku) is None,
)


class Inventory(LookUps):
    """The stock of one seller in Amazon's warehouses."""

    __slots__ = ()

    async def summary(
        self, sku: str, *, marketplace: Marketplace | str | None = None, details: bool = False
    ) -> SkuSummary:
        """The stock of one SKU; calls made at about the same time share a request (50 SKUs, 2 a second).

        For more than a few thousand SKUs, ``seller.fba_inventory_v1.iter_inventory_summaries`` costs no more.

        Raises:
            ConfigurationError: no marketplace is known.
            NotFoundError: Amazon has never held this SKU.
        """
        check_sku(sku)
        answer: SkuSummary = await self._look_up(SUMMARY, sku, Group, marketplace, details)
        return answer

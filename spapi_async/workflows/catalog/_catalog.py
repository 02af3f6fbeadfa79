"""``seller.catalog``: items of the catalogue by ASIN or barcode, looked up one by one and fetched in batches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from spapi_async._core.arguments import one_or_more
from spapi_async.api.catalog_items_2022_04_01 import GET_CATALOG_ITEM, SEARCH_CATALOG_ITEMS
from spapi_async.errors import ConfigurationError
from spapi_async.workflows.lookups import Answer, LookUps, Rule, check_asin, following_token, listed

if TYPE_CHECKING:
    from spapi_async.marketplaces import Marketplace
    from spapi_async.models.catalog_items_2022_04_01 import Item

__all__ = ["Barcode", "Catalog"]

Barcode = Literal["EAN", "GTIN", "ISBN", "JAN", "MINSAN", "UPC"]
"""The identifiersType of searchCatalogItems, except ASIN (see :meth:`Catalog.item`) and SKU, which replies omit."""


class Group(NamedTuple):
    """What all items of a searchCatalogItems request have in common."""

    place: str
    included_data: tuple[str, ...]


def _arguments(group: Group, asins: Sequence[str]) -> dict[str, Any]:
    return {
        "identifiers": asins,
        "identifiers_type": "ASIN",
        "marketplace_ids": [group.place],
        "included_data": group.included_data,
        "page_size": ITEM.maximum,  # Amazon's default is 10, fewer than the identifiers
    }


def _answers(_group: Group, _asins: Sequence[str], body: Any) -> list[Answer]:
    return [(getattr(item, "asin", None), item, None) for item in listed(body, "items", SEARCH_CATALOG_ITEMS)]


def _single_arguments(group: Group, asin: str) -> dict[str, Any]:
    return {"asin": asin, "marketplace_ids": [group.place], "included_data": group.included_data}


ITEM: Rule[Group, str] = Rule(
    name="catalog.item",
    batch=SEARCH_CATALOG_ITEMS,
    maximum=20,
    arguments=_arguments,
    answers=_answers,
    entries=(("items",), ()),
    following=lambda body: following_token(body, "page_token"),
    single=lambda _: GET_CATALOG_ITEM,
    single_arguments=_single_arguments,
)


class Barcodes(NamedTuple):
    """What all barcodes of a searchCatalogItems request have in common."""

    place: str
    included_data: tuple[str, ...]
    kind: Barcode


def _barcode_arguments(group: Barcodes, codes: Sequence[str]) -> dict[str, Any]:
    return {
        "identifiers": codes,
        "identifiers_type": group.kind,
        "marketplace_ids": [group.place],
        "included_data": group.included_data,
        "page_size": ITEM.maximum,
    }


def barcode_answers(_group: Barcodes, codes: Sequence[str], body: Any) -> Iterator[Answer]:
    """Amazon does not say by which code it found an item, so they are compared with the codes that the item carries."""
    asked: dict[str, list[str]] = {}
    for code in codes:
        for form in _forms(code):
            asked.setdefault(form, []).append(code)
    for item in listed(body, "items", SEARCH_CATALOG_ITEMS):
        owners = dict.fromkeys(code for carried in _carried(item) for code in asked.get(carried, ()))
        if not owners and len(codes) == 1:
            owners = dict.fromkeys(codes)  # there is only one code by which Amazon can have found it
        for owner in owners or (None,):
            yield owner, item, None


def _carried(item: Any) -> Iterator[str]:
    for of_place in _list(getattr(item, "identifiers", None)):
        for each in _list(getattr(of_place, "identifiers", None)):
            code = getattr(each, "identifier", None)
            if isinstance(code, str):
                yield from _forms(code)


def _list(value: Any) -> list[Any]:
    """The value if it is a list; after lenient decoding it may be anything."""
    return value if isinstance(value, list) else []


def _forms(code: str) -> set[str]:
    """The forms in which codes are compared.

    Leading zeros, which make a UPC an EAN or a GTIN, are left out. An ISBN of ten digits is an EAN with another check
    digit.
    """
    forms = {code.lstrip("0")}
    if len(code) == 10 and code[:9].isdigit():
        digits = f"978{code[:9]}"
        total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
        forms.add(f"{digits}{-total % 10}")
    return forms


BY_BARCODE: Rule[Barcodes, str] = Rule(
    name="catalog.by_barcode",
    batch=SEARCH_CATALOG_ITEMS,
    maximum=20,
    arguments=_barcode_arguments,
    answers=barcode_answers,
    entries=(("items",), ()),
    following=lambda body: following_token(body, "page_token"),
    combine=tuple,
    every_page=True,  # several items may carry one code
)
_BARCODE = re.compile(r"[0-9]{5,13}[0-9X]").fullmatch


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

        If searchCatalogItems has no quota left, some of the calls use getCatalogItem (2 a second).

        Raises:
            ConfigurationError: no marketplace is known, or ``asin`` is not an ASIN.
            NotFoundError: the marketplace has no such item.
        """
        check_asin(asin)
        answer: Item = await self._look_up(ITEM, asin, Group, marketplace, one_or_more(included_data))
        return answer

    async def by_barcode(
        self,
        code: str,
        kind: Barcode,
        *,
        marketplace: Marketplace | str | None = None,
        included_data: Sequence[str] = ("summaries",),
    ) -> tuple[Item, ...]:
        """Every item that carries a barcode, identifiers included; calls at about the same time share a request.

        ``kind`` is ``"EAN"``, ``"UPC"``, ``"GTIN"``, ``"ISBN"``, ``"JAN"`` or ``"MINSAN"``. One code may belong to
        several items; if a request finds more than twenty, each further page costs a request.

        Raises:
            ConfigurationError: no marketplace is known, the kind is unknown, or ``code`` is not a barcode.
            NotFoundError: the marketplace has no such item.
        """
        if kind not in get_args(Barcode):
            raise ConfigurationError(f"unknown kind of barcode {kind!r}: give one of {', '.join(get_args(Barcode))}")
        if not (isinstance(code, str) and _BARCODE(code) and code.strip("0")):
            raise ConfigurationError(f"{code!r} is not a barcode: 6 to 14 digits, such as 4006381333931")
        # identifiers are needed to match items with codes
        included = tuple(dict.fromkeys((*one_or_more(included_data), "identifiers")))
        answer: tuple[Item, ...] = await self._look_up(BY_BARCODE, code, Barcodes, marketplace, included, kind)
        return answer

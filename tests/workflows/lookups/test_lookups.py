"""The look-ups of a seller with the emulator: what each sends, returns and refuses."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from spapi_async import (
    Application,
    BadRequestError,
    ConfigurationError,
    DecodeError,
    Marketplace,
    NotFoundError,
    SellingPartner,
    SPAPIError,
)
from spapi_async.emulator import Emulator
from spapi_async.emulator.data.products import product_at
from spapi_async.workflows.catalog._catalog import BY_BARCODE, Barcodes, barcode_answers
from spapi_async.workflows.lookups._fetch import fetch_batch


class Code(msgspec.Struct):
    identifier: str | None


class Codes(msgspec.Struct):
    identifiers: list[Code]


class Item(msgspec.Struct):
    asin: str
    identifiers: list[Codes] | None


class Following(msgspec.Struct):
    next_token: str


class Answered(msgspec.Struct):
    items: list[Item]
    pagination: Following | None = None


ASINS = [product_at(0, number).asin for number in range(45)]
SEARCH = "catalog_items_2022_04_01.search_catalog_items"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """Fifty times Amazon's quota; enough listings that fifty SKUs in two conditions need a second page."""
    async with Emulator(rate_scale=50, listings=200) as server:
        yield server


@pytest.fixture
async def seller(emulator: Emulator) -> AsyncIterator[SellingPartner]:
    """A seller in the US with an id."""
    async with Application("id", "secret", endpoint=emulator.url) as app:
        yield app.selling_partner("Atzr|1", marketplace="US", seller_id="A1")


async def skus_of(seller: SellingPartner) -> list[str]:
    """Every SKU of the seller's listings."""
    pages = seller.listings_items_2021_08_01.iter_listings_items("A1", marketplace_ids=[Marketplace.US], page_size=20)
    return [listing.sku async for listing in pages]


BY_ASIN: dict[str, Callable[[SellingPartner, str], Awaitable[Any]]] = {
    "catalog.item": lambda seller, asin: seller.catalog.item(asin),
    "pricing.offers": lambda seller, asin: seller.pricing.offers(asin),
    "pricing.price": lambda seller, asin: seller.pricing.price(asin),
    "pricing.competitive_price": lambda seller, asin: seller.pricing.competitive_price(asin),
    "pricing.competitive_summary": lambda seller, asin: seller.pricing.competitive_summary(asin),
}
BY_SKU: dict[str, Callable[[SellingPartner, str], Awaitable[Any]]] = {
    "listings.item": lambda seller, sku: seller.listings.item(sku),
    "pricing.listing_offers": lambda seller, sku: seller.pricing.listing_offers(sku),
    "pricing.expected_price": lambda seller, sku: seller.pricing.expected_price(sku),
    "pricing.price": lambda seller, sku: seller.pricing.price(sku=sku),
    "pricing.competitive_price": lambda seller, sku: seller.pricing.competitive_price(sku=sku),
}


@pytest.mark.parametrize("name", BY_ASIN)
async def test_look_ups_by_asin_share_requests(name: str, emulator: Emulator, seller: SellingPartner) -> None:
    """Each caller gets its answer; an ASIN that the marketplace does not know is not found."""
    look_up = BY_ASIN[name]
    answers: list[Any] = await asyncio.gather(
        *(look_up(seller, asin) for asin in [*ASINS, "B000000000"]), return_exceptions=True
    )
    *found, missing = answers
    assert [answer.asin for answer in found] == ASINS
    assert isinstance(missing, NotFoundError)
    assert sum(each["requests"] for each in emulator.stats()["operations"].values()) <= 8
    assert not any(each["throttled"] for each in emulator.stats()["operations"].values())


async def test_look_ups_by_barcode_share_requests(emulator: Emulator, seller: SellingPartner) -> None:
    """Identifiers are requested in addition to the caller's data sets."""
    eans = [product_at(0, number).ean for number in range(40)]
    asked = [*eans, "9999999999994"]
    answers: list[Any] = await asyncio.gather(
        *(seller.catalog.by_barcode(ean, "EAN", included_data=["images"]) for ean in asked), return_exceptions=True
    )
    *found, missing = answers
    assert [[item.asin for item in items] for items in found] == [[asin] for asin in ASINS[:40]]
    assert all(item.images and item.summaries is None for items in found for item in items)
    assert isinstance(missing, NotFoundError)
    assert emulator.stats()["operations"][SEARCH]["requests"] == 3


def test_items_are_matched_by_any_form_of_their_code() -> None:
    """Items may share a code, have several codes or an ISBN of ten digits, and one was not requested."""
    body = Answered(
        items=[
            Item(asin="B1", identifiers=[Codes(identifiers=[Code(identifier="0012345678905"), Code(identifier=None)])]),
            Item(asin="B2", identifiers=[Codes(identifiers=[Code(identifier="12345678905")])]),
            Item(asin="B3", identifiers=[Codes(identifiers=[Code(identifier="9783161484100")])]),
            Item(asin="B4", identifiers=None),
        ]
    )
    asked = ["012345678905", "00012345678905", "316148410X"]
    owners: dict[Any, list[str]] = {}
    for code, item, _ in barcode_answers(Barcodes("ATVPDKIKX0DER", (), "GTIN"), asked, body):
        owners.setdefault(code, []).append(item.asin)
    assert owners == {"012345678905": ["B1", "B2"], "00012345678905": ["B1", "B2"], "316148410X": ["B3"], None: ["B4"]}


async def test_a_code_of_several_items_is_read_to_the_last_page() -> None:
    """The first page may have an item for each code."""
    carried = [Codes(identifiers=[Code(identifier="4006381333931")])]
    first = Answered(items=[Item(asin="B1", identifiers=carried)], pagination=Following(next_token="t"))
    pages = {None: first, "t": Answered(items=[Item(asin="B2", identifiers=carried)])}

    class Amazon:
        async def call(self, _: Any, *, page_token: str | None = None, **__: Any) -> Any:
            return SimpleNamespace(body=pages[page_token], raw=b"", request_id=None)

    group: Any = Barcodes("ATVPDKIKX0DER", (), "EAN")
    amazon: Any = Amazon()
    fetched = await fetch_batch(BY_BARCODE, group, ["4006381333931"], amazon, raw=False)
    assert [item.asin for item in fetched.found["4006381333931"]] == ["B1", "B2"]


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("4006381333931", "ASIN", "unknown kind of barcode 'ASIN'"),
        ("4006381333931", "SKU", "EAN, GTIN"),
        ("40063,1", "EAN", "'40063,1' is not a barcode"),
        ("", "EAN", "is not a barcode"),
        ("00000000", "EAN", "is not a barcode"),
        ("123456789012345", "GTIN", "6 to 14 digits"),
    ],
)
async def test_an_invalid_barcode_is_refused_at_once(code: str, kind: Any, said: str, seller: SellingPartner) -> None:
    """It would spoil the batch of others."""
    with pytest.raises(ConfigurationError, match=said):
        await seller.catalog.by_barcode(code, kind)


@pytest.mark.parametrize("name", BY_SKU)
async def test_look_ups_by_sku_share_requests(name: str, emulator: Emulator, seller: SellingPartner) -> None:
    """A SKU may contain characters that a list or a URI cannot hold."""
    skus = await skus_of(seller)
    odd = "TEA, POT/100% 'blue'"
    await seller.listings_items_2021_08_01.put_listings_item(
        "A1", odd, marketplace_ids=[Marketplace.US], body={"productType": "TEA", "attributes": {}}
    )
    answers: list[Any] = await asyncio.gather(
        *(BY_SKU[name](seller, sku) for sku in [*skus, "NONE"]), return_exceptions=True
    )
    *found, missing = answers
    assert isinstance(missing, NotFoundError)
    assert [_sku_of(each) for each in found] == skus
    batches = sum(each["requests"] for each in emulator.stats()["operations"].values())
    assert batches < len(skus) / 2
    if name == "listings.item":
        assert (await seller.listings.item(odd)).sku == odd


def _sku_of(answer: Any) -> str | None:
    found = getattr(answer, "sku", None) or getattr(answer, "seller_sku", None)
    return found or answer.offer_identifier.sku  # type: ignore[no-any-return]


async def test_a_sku_with_a_comma_is_priced_alone(emulator: Emulator, seller: SellingPartner) -> None:
    """In a list Amazon would read it as two."""
    skus = (await skus_of(seller))[:4]
    answers = await asyncio.gather(
        *(seller.pricing.price(sku=sku) for sku in [*skus, "TEA,POT"]), return_exceptions=True
    )
    assert [isinstance(answer, NotFoundError) for answer in answers] == [False] * 4 + [True]
    assert emulator.stats()["operations"]["product_pricing_v0.get_pricing"]["requests"] == 2
    for given in ({}, {"asin": ASINS[0], "sku": skus[0]}, {"sku": " "}, {"asin": skus[0]}):
        with pytest.raises(ConfigurationError):
            await seller.pricing.competitive_price(**given)


async def test_fees_are_estimated_for_both_kinds_in_one_request(emulator: Emulator, seller: SellingPartner) -> None:
    """One ASIN at two prices is two questions; a bad one fails alone."""
    sku = (await skus_of(seller))[0]
    fees = seller.fees
    low, high, by_sku, bad = await asyncio.gather(
        fees.estimate(asin=ASINS[0], price="10.00"),
        fees.estimate(asin=ASINS[0], price=Decimal(20)),
        fees.estimate(sku=sku, price=10, fulfilled_by_amazon=False),
        fees.estimate(asin="B000000000", price="10"),
        return_exceptions=True,
    )
    assert not isinstance(low, BaseException)
    assert not isinstance(high, BaseException)
    assert not isinstance(by_sku, BaseException)
    referral = [each.fees_estimate.fee_detail_list[0].final_fee.amount for each in (low, high, by_sku)]  # type: ignore[union-attr, index]
    assert referral == [Decimal("1.5"), Decimal(3), Decimal("1.5")]
    assert isinstance(bad, BadRequestError)
    assert emulator.stats()["operations"]["product_fees_v0.get_my_fees_estimates"]["requests"] == 1


async def test_inventory_gathers_the_conditions_of_a_sku(emulator: Emulator, seller: SellingPartner) -> None:
    """A request has fifty SKUs, and all pages are read; a SKU that Amazon never held is not found."""
    everything = seller.fba_inventory_v1.iter_inventory_summaries(
        granularity_type="Marketplace", granularity_id="ATVPDKIKX0DER", marketplace_ids=[Marketplace.US]
    )
    held: dict[str, int] = {}
    async for each in everything:
        held[each.seller_sku or ""] = held.get(each.seller_sku or "", 0) + (each.total_quantity or 0)
    skus = await skus_of(seller)
    answers = await asyncio.gather(*(seller.inventory.summary(sku) for sku in skus), return_exceptions=True)
    for sku, answer in zip(skus, answers, strict=True):
        if isinstance(answer, BaseException):
            assert isinstance(answer, NotFoundError)
            assert sku not in held
        else:
            assert (answer.seller_sku, answer.total_quantity) == (sku, held[sku])
    assert any(not isinstance(each, BaseException) and len(each.summaries) == 2 for each in answers)
    fba = [sku for sku in skus if sku in held][:50]
    together = await asyncio.gather(*(seller.inventory.summary(sku) for sku in fba))
    assert sum(len(each.summaries) for each in together) > 50  # a page holds fifty
    assert [each.total_quantity for each in together] == [held[sku] for sku in fba]


async def test_different_questions_never_share_a_request(emulator: Emulator, seller: SellingPartner) -> None:
    """Marketplaces and included data apply to the whole request."""
    plain, rich, elsewhere = await asyncio.gather(
        seller.catalog.item(ASINS[0]),
        seller.catalog.item(ASINS[0], included_data=("images",)),
        seller.catalog.item(ASINS[0], marketplace="CA"),
    )
    assert plain.images is None
    assert rich.images
    assert [each.marketplace_id for each in elsewhere.summaries or []] == [Marketplace.CA]
    stats = emulator.stats()["operations"]
    assert sum(each["requests"] for each in stats.values()) == 3


@pytest.mark.parametrize(
    "look_up",
    [
        lambda seller: seller.catalog.item(ASINS[0], included_data="images"),
        lambda seller: seller.catalog.by_barcode("4006381333931", "EAN", included_data="images"),
        lambda seller: seller.listings.item("SKU", included_data="images"),
    ],
)
async def test_a_single_data_set_may_be_given_as_text(emulator: Emulator, seller: SellingPartner, look_up: Any) -> None:
    """Its letters were sent."""
    with contextlib.suppress(SPAPIError):
        await look_up(seller)
    assert "includedData=images" in emulator.received[-1].target
    await seller.pricing.competitive_summary(ASINS[0], included_data="referencePrices")


async def test_invalid_keys_are_refused_before_anything_is_sent(emulator: Emulator, seller: SellingPartner) -> None:
    """An invalid ASIN would spoil the batch of all callers."""
    for asin in ("", "b07xj8c8f5", "B07XJ8C8F", "B07XJ8C8F5X", "B07,J8C8F5", None):
        with pytest.raises(ConfigurationError, match="not an ASIN"):
            await seller.catalog.item(asin)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="not a SKU"):
        await seller.listings.item(" ")
    for price in (19.99, "cheap", "NaN", -1):
        with pytest.raises(ConfigurationError, match="price must be"):
            await seller.fees.estimate(asin=ASINS[0], price=price)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="asin or sku"):
        await seller.fees.estimate(price=1)
    assert emulator.stats()["operations"] == {}


async def test_a_handle_without_marketplace_or_seller_id_raises(seller: SellingPartner) -> None:
    """The error says what to do."""
    stranger = seller.application.selling_partner("Atzr|2", region="na")
    with pytest.raises(ConfigurationError, match="marketplace="):
        await stranger.catalog.item(ASINS[0])
    with pytest.raises(ConfigurationError, match="seller_id="):
        await stranger.listings.item("SKU", marketplace="US")
    assert (await stranger.catalog.item(ASINS[0], marketplace="US")).asin == ASINS[0]


async def test_a_reply_without_its_list_is_an_error(emulator: Emulator, seller: SellingPartner) -> None:
    """No caller gets "not found" for it."""
    emulator.faults({"operation": SEARCH, "body": {}, "times": None})
    answers = await asyncio.gather(*(seller.catalog.item(asin) for asin in ASINS[:3]), return_exceptions=True)
    assert [type(each) for each in answers] == [DecodeError] * 3


async def test_a_spoiled_search_affects_only_its_bad_key(seller: SellingPartner, emulator: Emulator) -> None:
    """Of a thousand look-ups, Amazon refuses one in a hundred with the rest of its batch."""
    bad = frozenset(product_at(0, number).asin for number in range(0, 1000, 100))
    async with (
        Emulator(throttle=False, rate_scale=50, refused_asins=bad) as strict,
        Application("id", "secret", endpoint=strict.url) as app,
    ):
        there = app.selling_partner("Atzr|1", marketplace="US")
        asins = [product_at(0, number).asin for number in range(1000)]
        answers = await asyncio.gather(*(there.catalog.item(asin) for asin in asins), return_exceptions=True)
        stats = strict.stats()["operations"]
    for asin, answer in zip(asins, answers, strict=True):
        if asin in bad:
            assert isinstance(answer, BadRequestError)
        else:
            assert not isinstance(answer, BaseException)
            assert answer.asin == asin
    assert stats[SEARCH]["requests"] <= 150

"""Listings and the catalogue."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from direct import US, Direct, running

from spapi_async.emulator.data.products import product_at, product_of_asin, products_of_eans
from spapi_async.models import catalog_items_2022_04_01, listings_items_2021_08_01

LISTINGS, CATALOG = "/listings/2021-08-01/items/A1", "/catalog/2022-04-01/items"
EVERYTHING = "summaries,attributes,issues,offers,fulfillmentAvailability,procurement,relationships,productTypes"
DATA_SETS = (
    "attributes,classifications,dimensions,identifiers,images,productTypes,relationships,salesRanks,summaries,"
    "vendorDetails"
)


async def _listings(api: Direct, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    query = {"marketplaceIds": US, "pageSize": 20, "includedData": EVERYTHING, **query}
    while True:
        answer = await api.get(LISTINGS, **query)
        msgspec.json.decode(answer.body, type=listings_items_2021_08_01.ItemSearchResults)
        found += answer.json["items"]
        if "pagination" not in answer.json:
            return found
        query["pageToken"] = answer.json["pagination"]["nextToken"]


async def test_listings_can_be_searched_and_read() -> None:
    """Every listing is found once, and read by its SKU, awkward characters included."""
    async with running(throttle=False) as api:
        found = await _listings(api)
        skus = [item["sku"] for item in found]
        assert len(set(skus)) == 60
        odd = next(sku for sku in skus if "/" in sku or "#" in sku or "+" in sku)
        from urllib.parse import quote

        answer = await api.get(f"{LISTINGS}/{quote(odd, safe='')}", marketplaceIds=US)
        assert answer.json["sku"] == odd


async def test_put_patch_and_delete_change_listings() -> None:
    """A listing is put and read back, patched, previewed without effect, and gone once deleted."""
    async with running() as api:
        path = f"{LISTINGS}/MY%2FSKU"
        at = f"{path}?marketplaceIds={US}"
        body = {"productType": "LAMP", "attributes": {"color": [{"value": "Rust"}]}}
        put = await api.send("PUT", at, body=body)
        msgspec.json.decode(put.body, type=listings_items_2021_08_01.ListingsItemSubmissionResponse)
        assert put.json["status"] == "ACCEPTED"
        patch = {
            "productType": "LAMP",
            "patches": [{"op": "replace", "path": "/attributes/color", "value": [{"value": "Oat"}]}],
        }
        preview = await api.send("PATCH", at + "&mode=VALIDATION_PREVIEW", body=patch)
        assert preview.json["status"] == "VALID"
        read = f"{path}"
        before = (await api.get(read, marketplaceIds=US, includedData="attributes")).json["attributes"]
        await api.send("PATCH", at, body=patch)
        after = (await api.get(read, marketplaceIds=US, includedData="attributes")).json["attributes"]
        assert (before["color"], after["color"]) == ([{"value": "Rust"}], [{"value": "Oat"}])
        assert (await api.send("DELETE", at)).status == 200
        assert (await api.get(read, marketplaceIds=US)).status == 404


async def test_listings_are_the_sellers_own() -> None:
    """Another seller does not see them."""
    async with running() as api:
        at = f"{LISTINGS}/MINE?marketplaceIds={US}"
        await api.send("PUT", at, body={"productType": "LAMP", "attributes": {}})
        assert (await api.send("GET", at)).status == 200
        assert (await api.send("GET", at, token=await api.log_in("Atzr|two"))).status == 404


async def test_catalogue_items() -> None:
    """An ASIN of a listing is in the catalogue with every data set; an unknown one is not."""
    async with running(throttle=False) as api:
        asin = (await _listings(api))[0]["summaries"][0]["asin"]
        answer = await api.get(f"{CATALOG}/{asin}", marketplaceIds=US, includedData=DATA_SETS)
        item = msgspec.json.decode(answer.body, type=catalog_items_2022_04_01.Item)
        assert item.asin == asin
        assert set(answer.json) == {"asin", *DATA_SETS.split(",")}
        assert (await api.get(f"{CATALOG}/B000000000", marketplaceIds=US)).status == 404


async def test_a_catalogue_item_is_a_single_piece_of_its_product() -> None:
    """Its summary has what the listing and the search show, too."""
    product = product_at(1, 0)
    async with running(seed=1) as api:
        answer = await api.get(f"{CATALOG}/{product.asin}", marketplaceIds=US, includedData="summaries")
    (summary,) = answer.json["summaries"]
    assert (summary["brand"], summary["itemName"]) == (product.brand, product.title)
    assert (summary["color"], summary["size"]) == (product.color, product.size)
    assert (summary["marketplaceId"], summary["packageQuantity"]) == (US, 1)


async def test_catalogue_search() -> None:
    """Keywords or identifiers find items, twenty a page at most."""
    async with running(throttle=False) as api:
        query: dict[str, Any] = {"marketplaceIds": US, "keywords": "yoga mat", "pageSize": 20}
        first = await api.get(CATALOG, **query)
        msgspec.json.decode(first.body, type=catalog_items_2022_04_01.ItemSearchResults)
        total = first.json["numberOfResults"]
        seen = [item["asin"] for item in first.json["items"]]
        page = first.json
        while "pagination" in page:
            page = (await api.get(CATALOG, **query, pageToken=page["pagination"]["nextToken"])).json
            seen += [item["asin"] for item in page["items"]]
        assert len(seen) == len(set(seen)) == total > 20
        by_id = await api.get(CATALOG, marketplaceIds=US, identifiers=",".join(seen[:20]), identifiersType="ASIN")
        assert by_id.json["numberOfResults"] == 20


async def test_a_search_of_the_catalogue_says_what_it_lacks() -> None:
    """It needs keywords or identifiers, but not both, and the type of these; SKUs belong to a seller."""
    lacking: dict[str, dict[str, str]] = {
        "Exactly one of identifiers and keywords is required.": {},
        "identifiersType is missing.": {"identifiers": "1"},
        "sellerId is missing.": {"identifiers": "1", "identifiersType": "SKU"},
        "Invalid 'asin' provided.": {"identifiers": "1", "identifiersType": "ASIN"},
    }
    async with running(throttle=False) as api:
        answers = [await api.get(CATALOG, marketplaceIds=US, **query) for query in lacking.values()]
        answers.append(
            await api.get(CATALOG, marketplaceIds=US, keywords="mat", identifiers="1", identifiersType="EAN")
        )
    said = [(answer.status, answer.json["errors"][0]["message"]) for answer in answers]
    assert said == [(400, message) for message in [*lacking, next(iter(lacking))]]


async def test_a_search_finds_products_with_every_word_and_one_of_the_brands() -> None:
    """Words may be in any case and in several keywords; the refinements count what was found by brand."""
    query = {"marketplaceIds": US, "keywords": "Yoga,mat oat", "includedData": "summaries"}
    async with running(seed=1, throttle=False) as api:
        everything = (await api.get(CATALOG, **query)).json
        some = (await api.get(CATALOG, **query, brandNames="Tarn,Velora", pageSize=20)).json
    numbers = {each["brandName"]: each["numberOfResults"] for each in everything["refinements"]["brands"]}
    titles = [product_at(1, index).title.lower() for index in range(5000)]
    assert everything["numberOfResults"] == sum("yoga" in each and "mat" in each and "oat" in each for each in titles)
    assert everything["numberOfResults"] == sum(numbers.values())
    found = [item["summaries"][0] for item in some["items"]]
    assert [each["brand"] for each in found].count("Tarn") == numbers["Tarn"]
    assert {each["brand"] for each in found} == {"Tarn", "Velora"}
    assert len(found) == some["numberOfResults"] == numbers["Tarn"] + numbers["Velora"]


async def test_a_search_finds_at_most_a_thousand_products() -> None:
    """As at Amazon, however many have the word."""
    async with running(seed=1, throttle=False) as api:
        found = (await api.get(CATALOG, marketplaceIds=US, keywords="a")).json
    assert sum("a" in product_at(1, index).title.lower() for index in range(5000)) > 1000
    assert found["numberOfResults"] == 1000


def test_products_are_found_by_their_eans() -> None:
    """Each once, in the order of the catalogue and whatever was asked twice; an EAN of nobody finds nothing."""
    products, elsewhere = [product_at(1, index) for index in range(0, 5000, 250)], product_at(2, 77)
    eans = [product.ean for product in products]
    assert products_of_eans(1, [*reversed(eans), "nobody's", eans[3]]) == products
    assert products_of_eans(2, [eans[0], elsewhere.ean]) == [elsewhere]


@pytest.mark.parametrize("index", [1, 4999])
def test_a_product_is_found_by_its_asin_alone(index: int) -> None:
    """Other spellings of the number in an ASIN find nothing, and neither does a smaller catalogue."""
    product = product_at(1, index)
    number = product.asin[2:]
    assert product_of_asin(1, product.asin) == product
    assert product_of_asin(1, product.asin, products=index) is None
    spellings = ["B0" + number.lower(), f"B1{number}", f"B0{number}0", f"B0{number[:-1]}", f"B0{number[:-1]}-"]
    assert [product_of_asin(1, asin) for asin in spellings] == [None] * 5

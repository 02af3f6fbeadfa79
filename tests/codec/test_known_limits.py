"""What Amazon is known to refuse is refused before a token is spent; each refusal names parameter, value and cure."""

import warnings
from typing import Any

import pytest

from spapi_async import ConfigurationError, Marketplace, Region, SPAPIWarning
from spapi_async._codec import body_keys
from spapi_async._codec.request import prepare
from spapi_async.api import operations
from spapi_async.models.reports_2021_06_30 import CreateReportSpecification

SEARCH, REPORT = "catalog_items_2022_04_01.search_catalog_items", "reports_2021_06_30.create_report"


def target(name: str, region: Region | None = Region.NA, **arguments: Any) -> str:
    return prepare(operations()[name], arguments, region).target


def query(places: Any, region: Region | None = Region.NA) -> str:
    return target("orders_v0.get_orders", region, marketplace_ids=places, created_after="2026-01-01").split("&")[0]


@pytest.mark.parametrize(
    "places", ["US", ["us"], Marketplace.US, [Marketplace.US], "ATVPDKIKX0DER", ("ATVPDKIKX0DER",)]
)
def test_a_marketplace_goes_by_country_id_or_member(places: Any) -> None:
    """One of them stands for a list of one."""
    assert query(places) == "/orders/v0/orders?MarketplaceIds=ATVPDKIKX0DER"


@pytest.mark.parametrize("place", ["GB", "UK", "uk"])
def test_great_britain_has_two_codes(place: str) -> None:
    """And one id."""
    assert query([place], Region.EU).endswith("=A1F83G8C2ARO7P")


def test_an_id_that_is_newer_than_the_library_is_sent() -> None:
    """Amazon opens marketplaces; a country that is none is a mistake."""
    assert query(["A1NEWMARKETPLA"]).endswith("=A1NEWMARKETPLA")
    with pytest.raises(ConfigurationError, match="marketplace_ids contains an unknown marketplace 'XX'"):
        query(["XX"])


@pytest.mark.parametrize("place", [Marketplace.DE, "DE", "A1PA6795UKMFR9"])
def test_a_marketplace_of_another_region_is_refused(place: Any) -> None:
    """The message says where it lies and how to reach it."""
    message = (
        r"marketplace_ids contains DE, which is in region EU, but this seller's handle is for NA: .*Marketplace\.DE"
    )
    with pytest.raises(ConfigurationError, match=message):
        query([Marketplace.US, place])


@pytest.mark.parametrize("as_struct", [True, False])
def test_a_body_of_another_region_is_refused_too(as_struct: bool) -> None:
    """As struct or as mapping; a country in it is refused with the id, for bodies are sent as they are."""
    struct = CreateReportSpecification(report_type="X", marketplace_ids=["A1PA6795UKMFR9"])
    mapping = {"reportType": "X", "marketplaceIds": ["A1PA6795UKMFR9"]}
    with pytest.raises(ConfigurationError, match="body: marketplaceIds contains DE, which is in region EU"):
        target(REPORT, body=struct if as_struct else mapping)
    with pytest.raises(ConfigurationError, match=r"contains 'US', .*use ATVPDKIKX0DER \(Marketplace\.US\)"):
        target(REPORT, body={"reportType": "X", "marketplaceIds": ["US"]})


def test_lists_have_a_size() -> None:
    """Twenty identifiers are a request, twenty-one are two."""
    known: dict[str, Any] = {"marketplace_ids": ["US"], "identifiers_type": "ASIN"}
    assert target(SEARCH, identifiers=["B0"] * 20, **known)
    with pytest.raises(ConfigurationError, match="identifiers takes at most 20 items, not 21: make several calls"):
        target(SEARCH, identifiers=["B0"] * 21, **known)


def test_numbers_have_bounds() -> None:
    """Those of the model."""
    known: dict[str, Any] = {"marketplace_ids": ["US"], "keywords": ["a"]}
    assert target(SEARCH, page_size=20, **known)
    with pytest.raises(ConfigurationError, match="page_size must be at most 20, not 21"):
        target(SEARCH, page_size=21, **known)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("orders_v0.get_orders", {"marketplace_ids": "US"}, "created_after or last_updated_after is required"),
        ("orders_2026_01_01.search_orders", {}, "created_after or last_updated_after is required"),
        (SEARCH, {"marketplace_ids": "US"}, "identifiers or keywords is required"),
        (SEARCH, {"marketplace_ids": "US", "identifiers": "a", "keywords": "b"}, "identifiers and keywords exclude"),
        ("reports_2021_06_30.get_reports", {}, "report_types or next_token is required"),
        ("feeds_2021_06_30.get_feeds", {"feed_types": []}, "feed_types or next_token is required"),
    ],
)
def test_one_of_several_must_be_there(name: str, arguments: dict[str, Any], message: str) -> None:
    """The models say so in prose alone."""
    with pytest.raises(ConfigurationError, match=message):
        target(name, **arguments)


def test_what_stands_for_all_of_them_is_enough() -> None:
    """A page's token; order ids."""
    assert target("orders_v0.get_orders", marketplace_ids="US", amazon_order_ids=["1"])
    assert target("orders_2026_01_01.search_orders", pagination_token="t")
    assert target("reports_2021_06_30.get_reports", next_token="t")


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("product_pricing_v0.get_item_offers_batch", 20),
        ("product_pricing_v0.get_listing_offers_batch", 20),
        ("product_pricing_2022_05_01.get_competitive_summary", 20),
        ("product_pricing_2022_05_01.get_featured_offer_expected_price_batch", 40),
    ],
)
def test_batches_have_a_size(name: str, most: int) -> None:
    """Also where no schema says so."""
    assert target(name, body={"requests": [{}] * most})
    with pytest.raises(ConfigurationError, match=f"body takes at most {most} requests in a call, not {most + 1}"):
        target(name, body={"requests": [{}] * (most + 1)})
    with pytest.raises(ConfigurationError, match="body takes at most 20 in a call, not 21"):
        target("product_fees_v0.get_my_fees_estimates", body=[{}] * 21)


@pytest.fixture
def nothing_said_yet() -> None:
    """Each set of keys is warned of once in a process."""
    body_keys.warned.clear()


@pytest.mark.usefixtures("nothing_said_yet")
def test_a_key_that_the_model_does_not_know_is_warned_of_once() -> None:
    """With the nearest that it knows, at the caller's line; the body is sent as it is."""
    body = {"reportType": "X", "markeplaceIds": ["ATVPDKIKX0DER"]}
    with pytest.warns(SPAPIWarning, match=r"markeplaceIds \(did you mean marketplaceIds\?\)") as caught:
        request = prepare(operations()[REPORT], {"body": body})
    assert b"markeplaceIds" in (request.body or b"")
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prepare(operations()[REPORT], {"body": body})


@pytest.mark.usefixtures("nothing_said_yet")
def test_keys_are_looked_at_all_the_way_down() -> None:
    """In lists and in structs; the path says where."""
    body = {"restrictedResources": [{"method": "GET", "path": "/x"}, {"methd": "GET"}]}
    with pytest.warns(SPAPIWarning, match=r"restrictedResources\[\]\.methd \(did you mean method\?\)"):
        prepare(operations()["tokens_2021_03_01.create_restricted_data_token"], {"body": body})


@pytest.mark.usefixtures("nothing_said_yet")
def test_free_form_objects_may_hold_any_key() -> None:
    """Options of a report, attributes of a listing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prepare(operations()[REPORT], {"body": {"reportType": "X", "reportOptions": {"anything": "goes"}}})
        listing = {"productType": "SHIRT", "attributes": {"no": [{"model": "knows"}]}}
        arguments = {"seller_id": "A", "sku": "B", "marketplace_ids": "US", "body": listing}
        prepare(operations()["listings_items_2021_08_01.put_listings_item"], arguments)

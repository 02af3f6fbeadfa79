"""Requests that Amazon is known to refuse are refused before quota is spent, with parameter, value and cure."""

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
def test_a_marketplace_is_given_by_country_id_or_member(places: Any) -> None:
    """A single one stands for a list of one."""
    assert query(places) == "/orders/v0/orders?MarketplaceIds=ATVPDKIKX0DER"


@pytest.mark.parametrize("place", ["GB", "UK", "uk"])
def test_great_britain_has_two_codes(place: str) -> None:
    """Both lead to one id."""
    assert query([place], Region.EU).endswith("=A1F83G8C2ARO7P")


def test_an_unknown_marketplace_id_is_sent() -> None:
    """Amazon opens marketplaces; an unknown country is an error."""
    assert query(["A1NEWMARKETPLA"]).endswith("=A1NEWMARKETPLA")
    with pytest.raises(ConfigurationError, match="marketplace_ids contains an unknown marketplace 'XX'"):
        query(["XX"])


@pytest.mark.parametrize("place", [Marketplace.DE, "DE", "A1PA6795UKMFR9"])
def test_a_marketplace_of_another_region_is_refused(place: Any) -> None:
    """The error names its region and how to call it."""
    message = (
        r"marketplace_ids contains DE, which is in region EU, but this seller's handle is for NA: .*Marketplace\.DE"
    )
    with pytest.raises(ConfigurationError, match=message):
        query([Marketplace.US, place])


@pytest.mark.parametrize("as_struct", [True, False])
def test_a_body_of_another_region_is_refused_too(as_struct: bool) -> None:
    """It may be a struct or a mapping; a country in it is refused with the id, since bodies are sent unchanged."""
    struct = CreateReportSpecification(report_type="X", marketplace_ids=["A1PA6795UKMFR9"])
    mapping = {"reportType": "X", "marketplaceIds": ["A1PA6795UKMFR9"]}
    with pytest.raises(ConfigurationError, match="body: marketplaceIds contains DE, which is in region EU"):
        target(REPORT, body=struct if as_struct else mapping)
    with pytest.raises(ConfigurationError, match=r"contains 'US', .*use ATVPDKIKX0DER \(Marketplace\.US\)"):
        target(REPORT, body={"reportType": "X", "marketplaceIds": ["US"]})


def test_lists_that_are_too_long_are_refused() -> None:
    """Twenty identifiers are one request, twenty-one need two."""
    known: dict[str, Any] = {"marketplace_ids": ["US"], "identifiers_type": "ASIN"}
    assert target(SEARCH, identifiers=["B0"] * 20, **known)
    with pytest.raises(ConfigurationError, match="identifiers takes at most 20 items, not 21: make several calls"):
        target(SEARCH, identifiers=["B0"] * 21, **known)


def test_numbers_out_of_bounds_are_refused() -> None:
    """The bounds are the model's."""
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
def test_one_of_several_alternatives_is_required(name: str, arguments: dict[str, Any], message: str) -> None:
    """The models state this only in prose."""
    with pytest.raises(ConfigurationError, match=message):
        target(name, **arguments)


def test_a_page_token_or_order_ids_replace_the_alternatives() -> None:
    """The request is then sent."""
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
def test_batches_that_are_too_large_are_refused(name: str, most: int) -> None:
    """Some limits are in no schema."""
    assert target(name, body={"requests": [{}] * most})
    with pytest.raises(ConfigurationError, match=f"body takes at most {most} requests in a call, not {most + 1}"):
        target(name, body={"requests": [{}] * (most + 1)})
    with pytest.raises(ConfigurationError, match="body takes at most 20 in a call, not 21"):
        target("product_fees_v0.get_my_fees_estimates", body=[{}] * 21)


@pytest.fixture
def no_warnings_yet() -> None:
    """Each set of keys is warned about once in a process: forget earlier warnings."""
    body_keys.warned.clear()


@pytest.mark.usefixtures("no_warnings_yet")
def test_an_unknown_key_is_warned_about_once() -> None:
    """The warning names the most similar known key at the caller's line; the body is sent unchanged."""
    body = {"reportType": "X", "markeplaceIds": ["ATVPDKIKX0DER"]}
    with pytest.warns(SPAPIWarning, match=r"markeplaceIds \(did you mean marketplaceIds\?\)") as caught:
        request = prepare(operations()[REPORT], {"body": body})
    assert b"markeplaceIds" in (request.body or b"")
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prepare(operations()[REPORT], {"body": body})


@pytest.mark.usefixtures("no_warnings_yet")
def test_keys_are_checked_at_every_level() -> None:
    """Lists and structs are included, and the warning has the path."""
    body = {"restrictedResources": [{"method": "GET", "path": "/x"}, {"methd": "GET"}]}
    with pytest.warns(SPAPIWarning, match=r"restrictedResources\[\]\.methd \(did you mean method\?\)"):
        prepare(operations()["tokens_2021_03_01.create_restricted_data_token"], {"body": body})


@pytest.mark.usefixtures("no_warnings_yet")
def test_free_form_objects_may_hold_any_key() -> None:
    """A report's options and a listing's attributes are such objects."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prepare(operations()[REPORT], {"body": {"reportType": "X", "reportOptions": {"anything": "goes"}}})
        listing = {"productType": "SHIRT", "attributes": {"no": [{"model": "knows"}]}}
        arguments = {"seller_id": "A", "sku": "B", "marketplace_ids": "US", "body": listing}
        prepare(operations()["listings_items_2021_08_01.put_listings_item"], arguments)

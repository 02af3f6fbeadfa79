"""Replies that Amazon has really sent and that lost pages in other clients, against the generated types."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from spapi_async._codec.response import Response, decode, error_from_reply
from spapi_async.api import operations
from spapi_async.errors import DecodeError, ForbiddenError, QuotaExceededError, ServerError


def read(name: str, content: Any, *, status: int = 200, strict: bool = False) -> Response[Any]:
    """The response of an operation to this body."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return decode(operations()[name], status, {"content-type": "application/json"}, body, strict=strict)


def broken(response: Response[Any]) -> list[str]:
    """The paths of violations, without the envelope."""
    return [violation.path.removeprefix("$.payload") for violation in response.violations]


AN_ITEM = {"ASIN": "B00551Q3CS", "OrderItemId": "05015851154158", "QuantityOrdered": 1}
AN_ORDER = {
    "AmazonOrderId": "902-3159896-1390916",
    "PurchaseDate": "2026-01-01T00:00:00Z",
    "LastUpdateDate": "2026-01-01T00:00:00Z",
    "OrderStatus": "Shipped",
}

# --- not a success ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", ServerError),
        (503, b"<!DOCTYPE html><title>Service Unavailable</title>", ServerError),
        (429, b"", QuotaExceededError),
        (401, b'{"message": "Unauthorized"}', ForbiddenError),
        (500, b"\x1f\x8b\x08 not text", ServerError),
    ],
)
def test_a_gateways_reply_is_an_error_of_its_status(status: int, body: bytes, kind: type[Exception]) -> None:
    """It may be HTML, empty, a lone message or any bytes."""
    error = error_from_reply(operations()["orders_v0.get_order"], status, {}, body, attempts=1)
    assert type(error) is kind


@pytest.mark.parametrize("name", ["orders_v0.get_order", "reports_2021_06_30.cancel_report"])
def test_a_page_of_html_with_status_200_is_an_error(name: str) -> None:
    """It does not matter whether the operation declares a body."""
    with pytest.raises(DecodeError):
        read(name, b"<html></html>")


# --- values that the models do not list ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("orders_v0.get_order_items", {"OrderItems": [AN_ITEM | {"DeemedResellerCategory": value}]})
        for value in ("CA_MPF", "SG_VOEC", "GB_VOEC", "NO_VOEC", "AU_VOEC", "XX_NEW")
    ]
    + [
        ("orders_v0.get_order_items", {"OrderItems": [AN_ITEM | {"TaxCollection": {"Model": "LowValueGoods"}}]}),
        ("orders_v0.get_order_items", {"OrderItems": [AN_ITEM | {"TaxCollection": {"ResponsibleParty": ""}}]}),
        ("orders_v0.get_order_items", {"OrderItems": [AN_ITEM | {"TaxCollection": {"ResponsibleParty": "A GmbH"}}]}),
        ("orders_v0.get_order_items", {"OrderItems": [AN_ITEM | {"PriceDesignation": "DISTRIBUTOR_PRICE"}]}),
        ("orders_v0.get_order", AN_ORDER | {"FulfillmentChannel": "SellerFulfilled"}),
        (
            "fulfillment_inbound_v0.get_transport_details",
            {"TransportContent": {"TransportDetails": {"PartneredLtlData": {"PreviewFreightClass": "50.0"}}}},
        ),
        (
            "finances_2024_06_19.list_transactions",
            {
                "transactions": [
                    {"relatedIdentifiers": [{"relatedIdentifierName": "SAFET_CLAIM_ID"}]},
                    {"relatedIdentifiers": [{"relatedIdentifierName": "ADJUSTMENT_EVENT_ID"}]},
                ]
            },
        ),
    ],
)
def test_an_unknown_enum_value_is_no_violation(name: str, content: Any) -> None:
    """It is sent back as it came."""
    response = read(name, {"payload": content})
    assert {violation.got for violation in response.violations} <= {"absent"}
    value = json.dumps(content).rpartition(': "')[2].partition('"')[0]
    assert value in repr(response.body)


@pytest.mark.parametrize("variant", ["PT08", "SWCH", "TOPP"])
def test_an_image_of_an_unknown_variant_is_an_image(variant: str) -> None:
    """Amazon adds variants to catalogue pages without notice."""
    image = {"variant": variant, "link": "https://m.media-amazon.com/x.jpg", "height": 1, "width": 2}
    content = {"asin": "B0", "images": [{"marketplaceId": "M", "images": [image]}]}
    response = read("catalog_items_2022_04_01.get_catalog_item", content, strict=True)
    assert response.body.images[0].images[0].variant == variant


def test_an_unknown_programme_of_orders_2026_is_kept() -> None:
    """INVOICE_BY_AMAZON came after the model."""
    order = {
        "orderId": "1",
        "createdTime": "2026-01-01T00:00:00Z",
        "lastUpdatedTime": "2026-01-01T00:00:00Z",
        "programs": ["PRIME", "INVOICE_BY_AMAZON"],
        "salesChannel": {"channelName": "AMAZON"},
        "orderItems": [],
    }
    response = read("orders_2026_01_01.get_order", {"order": order}, strict=True)
    assert response.body.order.programs == ["PRIME", "INVOICE_BY_AMAZON"]


# --- required, and missing or null -----------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["ASIN", "OrderItemId", "QuantityOrdered"])
@pytest.mark.parametrize("null", [True, False])
def test_an_order_item_without_its_ids_keeps_the_rest(missing: str, null: bool) -> None:
    """Items of deleted listings lack them; the other items of the page are not affected."""
    item: dict[str, Any] = {**AN_ITEM, "Title": "A book"}
    item.pop(missing)
    if null:
        item[missing] = None
    response = read("orders_v0.get_order_items", {"payload": {"AmazonOrderId": "1", "OrderItems": [item, AN_ITEM]}})
    first, second = response.body.order_items
    assert (first.title, second.asin) == ("A book", "B00551Q3CS")
    assert set(broken(response)) <= {f".OrderItems[0].{missing}"}


@pytest.mark.parametrize(
    ("name", "content", "kept"),
    [
        (
            "orders_v0.get_order_address",
            {"AmazonOrderId": "1", "ShippingAddress": {"City": "Reno", "Name": None}},
            "Reno",
        ),
        (
            "fulfillment_inbound_v0.get_shipments",
            {"ShipmentData": [{"ShipmentId": "FBA1", "ShipFromAddress": {"City": "Reno"}}]},
            "FBA1",
        ),
        (
            "fulfillment_inbound_v0.get_shipment_items",
            {"ItemData": [{"SellerSKU": "K1", "QuantityShipped": 2, "PrepDetailsList": [{}]}]},
            "K1",
        ),
        (
            "fulfillment_outbound_2020_07_01.get_fulfillment_order",
            {"returnItems": [{"sellerReturnItemId": "R1", "status": "New"}]},
            "R1",
        ),
        (
            "merchant_fulfillment_v0.get_eligible_shipment_services",
            {"ShippingServiceList": [{"CarrierName": "UPS", "ShippingServiceOptions": {"DeliveryExperience": "None"}}]},
            "UPS",
        ),
    ],
)
def test_a_missing_required_field_does_not_affect_the_others(name: str, content: Any, kept: str) -> None:
    """Names of addresses, AreCasesRequired, PrepDetails, return reasons and CarrierWillPickUp are missing at times."""
    response = read(name, {"payload": content})
    assert kept in str(msgspec.to_builtins(response.body))
    assert all(violation.got in ("absent", "null") for violation in response.violations)


@pytest.mark.parametrize("name", ["catalog_items_2020_12_01", "catalog_items_2022_04_01"])
def test_search_results_may_lack_pagination_and_refinements(name: str) -> None:
    """A search by identifiers has one page and nothing to refine, and no violation."""
    body = {"numberOfResults": 1, "items": [{"asin": "B0"}]}
    response = read(f"{name}.search_catalog_items", body, strict=True)
    assert [item.asin for item in response.body.items] == ["B0"]


def test_nulls_in_free_form_attributes_are_no_violation() -> None:
    """An offer without end has purchasable_offer[].end_at.value null."""
    content = {"sku": "K1", "attributes": {"purchasable_offer": [{"end_at": {"value": None}}]}}
    response = read("listings_items_2021_08_01.get_listings_item", content, strict=True)
    assert response.body.attributes == content["attributes"]


def test_an_error_without_message_beside_a_payload_is_kept() -> None:
    """The gateway sends "message": null."""
    response = read("orders_v0.get_order", {"payload": AN_ORDER, "errors": [{"code": "InvalidInput", "message": None}]})
    assert response.body.amazon_order_id == AN_ORDER["AmazonOrderId"]
    assert [(error.code, error.message) for error in response.errors] == [("InvalidInput", "")]
    assert [violation.path for violation in response.violations] == ["$.errors[0].message"]


# --- wrong type ------------------------------------------------------------------------------------------------------


def test_an_inventory_item_that_was_never_updated_stays_on_the_fast_path() -> None:
    """Its lastUpdatedTime is "", on nearly every page."""
    summary = {"asin": "B0", "lastUpdatedTime": "", "totalQuantity": 0}
    content = {"payload": {"granularity": {}, "inventorySummaries": [summary]}}
    response = read("fba_inventory_v1.get_inventory_summaries", content, strict=True)
    assert response.body.payload.inventory_summaries[0].total_quantity == 0


def test_booleans_and_integers_as_strings_are_converted() -> None:
    """Each conversion is a violation."""
    order = AN_ORDER | {"IsPrime": "true", "NumberOfItemsShipped": "2"}
    response = read("orders_v0.get_order", {"payload": order})
    assert (response.body.is_prime, response.body.number_of_items_shipped) == (True, 2)
    assert sorted(broken(response)) == [".IsPrime", ".NumberOfItemsShipped"]


@pytest.mark.parametrize(
    "errors",
    [
        {"code": "A", "message": "b"},
        {"errors": [{"code": "A", "message": "b"}]},
        [{"code": "A", "message": "b"}],
    ],
)
@pytest.mark.parametrize("name", ["orders_v0.get_order", "product_pricing_v0.get_item_offers"])
def test_errors_of_any_shape_beside_a_payload_are_read(name: str, errors: Any) -> None:
    """They may be an array where the model has an object, or the reverse."""
    response = read(name, {"payload": {}, "errors": errors})
    assert [(error.code, error.message) for error in response.errors] == [("A", "b")]


def test_money_as_a_json_number_is_exact_and_no_violation() -> None:
    """For sales metrics the model says string, and production sends numbers."""
    metric = {
        "interval": "2026-01-01T00:00-08:00--2026-01-02T00:00-08:00",
        "unitCount": 1,
        "orderItemCount": 1,
        "orderCount": 1,
        "averageUnitPrice": {"amount": 22.95, "currencyCode": "USD"},
        "totalSales": {"amount": 22.95, "currencyCode": "USD"},
    }
    response = read("sales_v1.get_order_metrics", {"payload": [metric]})
    assert response.body[0].total_sales.amount == Decimal("22.95")
    assert response.violations == ()


def test_fees_estimates_are_a_bare_array() -> None:
    """It is the only reply that is not an object."""
    response = read("product_fees_v0.get_my_fees_estimates", [{"Status": "Success"}], strict=True)
    assert response.body[0].status == "Success"


def test_an_offer_page_with_marketplace_id_in_capitals_is_read() -> None:
    """The pricing sandbox writes MarketplaceID where the model has marketplaceId."""
    summary = {"TotalOfferCount": 0}
    payload = {"MarketplaceID": "ATVPDKIKX0DER", "ASIN": "B0", "ItemCondition": "New", "status": "Success"}
    content = {"payload": payload | {"Identifier": {"MarketplaceId": "M", "ItemCondition": "New"}, "Offers": []}}
    content["payload"]["Summary"] = summary
    response = read("product_pricing_v0.get_item_offers", content)
    assert (response.body.asin, response.body.summary.total_offer_count) == ("B0", 0)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02T12:00:00Z",
        "2026-01-02T12:00:00.000Z",
        "2026-01-02T12:00:00.0000001Z",
        "2026-01-02T12:00:00+00:00",
        "2026-01-02T12:00:00",
        "2026-01-02T12:00Z",
        "2026-01-02T12:00",
    ],
)
def test_dates_are_read_in_every_form_seen(text: str) -> None:
    """Forms without seconds, without zone, and with fractions of any length give the same instant."""
    content = {"orders": [{"orderId": "1", "createdTime": text}]}
    response = read("orders_2026_01_01.search_orders", content)
    assert response.body.orders[0].created_time == datetime(2026, 1, 2, 12, tzinfo=UTC)
    forms = [violation.got for violation in response.violations if "createdTime" in violation.path]
    assert forms in ([], ["time without seconds"], ["time without zone"])


# --- empty -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("reports_2021_06_30.cancel_report", 200),
        ("reports_2021_06_30.cancel_report_schedule", 200),
        ("feeds_2021_06_30.cancel_feed", 200),
        ("orders_v0.confirm_shipment", 204),
        ("supply_sources_2020_07_01.update_supply_source", 204),
        ("customer_feedback_2024_06_01.get_item_review_topics", 204),
    ],
)
def test_replies_that_are_empty_by_nature_are_no_violation(name: str, status: int) -> None:
    """A Content-Type, a schema or status 200 makes no difference."""
    response = read(name, b"", status=status, strict=True)
    assert (response.body, response.status) == (None, status)


def test_a_207_is_a_success_like_any_other() -> None:
    """The batch of external fulfillment inventory has a status for each item."""
    response = read("external_fulfillment_inventory_2024_09_11.batch_inventory", {"responses": []}, status=207)
    assert (response.status, response.body.responses) == (207, [])


def test_models_carry_no_dict_and_no_state() -> None:
    """In other clients, classes with a logger for each instance made pages of 3.9 s."""
    order = read("orders_v0.get_order", {"payload": AN_ORDER}).body
    assert not hasattr(order, "__dict__")

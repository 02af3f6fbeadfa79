"""Every operation of every API exists, as a value and as a method."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime
from importlib import import_module
from typing import Any

import msgspec
import pytest

import spapi_async.api
import spapi_async.models
from spapi_async._core.namespace import Namespace
from spapi_async._core.operation import Operation
from spapi_async.api import NAMESPACES, operations

COUNTS = {
    "aplus_content_2020_11_01": 13,
    "app_integrations_2024_04_01": 3,
    "application_management_2023_11_30": 1,
    "awd_2024_05_09": 21,
    "catalog_items_2020_12_01": 2,
    "catalog_items_2022_04_01": 2,
    "catalog_items_v0": 3,
    "customer_feedback_2024_06_01": 7,
    "data_kiosk_2023_11_15": 5,
    "delivery_by_amazon_2022_07_01": 2,
    "easy_ship_2022_03_23": 5,
    "external_fulfillment_inventory_2024_09_11": 1,
    "external_fulfillment_location_2026_07_30": 1,
    "external_fulfillment_returns_2024_09_11": 2,
    "external_fulfillment_shipments_2024_09_11": 12,
    "fba_inbound_eligibility_v1": 1,
    "fba_inventory_v1": 4,
    "feeds_2020_09_04": 6,
    "feeds_2021_06_30": 6,
    "finance_remittance_2026_03_17": 2,
    "finances_2024_06_19": 3,
    "finances_invoices_2026_06_25": 2,
    "finances_v0": 4,
    "fulfillment_inbound_2024_03_20": 45,
    "fulfillment_inbound_v0": 16,
    "fulfillment_outbound_2020_07_01": 14,
    "fulfillment_outbound_2026_07_04": 9,
    "invoices_2024_06_19": 10,
    "listings_items_2020_09_01": 3,
    "listings_items_2021_08_01": 5,
    "listings_restrictions_2021_08_01": 1,
    "merchant_fulfillment_v0": 5,
    "messaging_v1": 13,
    "notifications_v1": 10,
    "orders_2026_01_01": 2,
    "orders_v0": 10,
    "product_fees_v0": 3,
    "product_pricing_2022_05_01": 2,
    "product_pricing_v0": 6,
    "product_type_definitions_2020_09_01": 2,
    "promotions_2025_12_01": 3,
    "replenishment_2022_11_07": 3,
    "reports_2020_09_04": 9,
    "reports_2021_06_30": 9,
    "sales_v1": 1,
    "seller_wallet_2024_03_01": 12,
    "sellers_v1": 2,
    "services_v1": 17,
    "shipment_invoicing_v0": 3,
    "shipping_v1": 9,
    "shipping_v2": 20,
    "solicitations_v1": 2,
    "supply_sources_2020_07_01": 6,
    "support_2025_02_01": 3,
    "tokens_2021_03_01": 1,
    "tracking_2026_01_30": 1,
    "transfers_2024_06_01": 4,
    "uploads_2020_11_01": 1,
    "vehicles_2024_11_01": 1,
    "vendor_direct_fulfillment_inventory_v1": 1,
    "vendor_direct_fulfillment_orders_2021_12_28": 3,
    "vendor_direct_fulfillment_orders_v1": 3,
    "vendor_direct_fulfillment_payments_v1": 1,
    "vendor_direct_fulfillment_sandbox_data_2021_10_28": 2,
    "vendor_direct_fulfillment_shipping_2021_12_28": 11,
    "vendor_direct_fulfillment_shipping_v1": 9,
    "vendor_direct_fulfillment_transactions_2021_12_28": 1,
    "vendor_direct_fulfillment_transactions_v1": 1,
    "vendor_invoices_v1": 1,
    "vendor_orders_v1": 4,
    "vendor_shipments_v1": 4,
    "vendor_transaction_status_v1": 1,
}


def namespace(module: str) -> type[Namespace]:
    """The namespace class of a module."""
    found = getattr(import_module(f"spapi_async.api.{module}"), NAMESPACES[module])
    assert isinstance(found, type)
    assert issubclass(found, Namespace)
    return found


def test_no_operation_is_missing() -> None:
    """There are 413 operations in 72 modules; another number means that Amazon's models have changed."""
    assert Counter(operation.api for operation in operations().values()) == COUNTS
    assert len(operations()) == 413
    assert set(NAMESPACES) == set(COUNTS) == spapi_async.models.MODULES


def test_each_operation_has_its_method() -> None:
    """Methods and constants, arguments and parameters correspond one to one."""
    assert [name for name, operation in operations().items() if not _has_its_method(operation)] == []


def _has_its_method(operation: Operation[Any]) -> bool:
    method = operation.name.partition(".")[2]
    function = getattr(namespace(operation.api), method)
    optional = ["data_elements"] if operation.restricted_data_elements else []
    parameters = [parameter.name for parameter in operation.parameters]
    return (
        getattr(import_module(f"spapi_async.api.{operation.api}"), method.upper()) is operation
        and inspect.iscoroutinefunction(function)
        and list(inspect.signature(function).parameters) == ["self", *parameters, *optional]
    )


def test_path_parameters_are_positional_and_the_rest_is_not() -> None:
    """They are in path order; only parameters that Amazon requires have no default."""
    assert [name for name, operation in operations().items() if not _is_called_as_amazon_says(operation)] == []


def _is_called_as_amazon_says(operation: Operation[Any]) -> bool:
    method = getattr(namespace(operation.api), operation.name.partition(".")[2])
    arguments = inspect.signature(method).parameters
    order = [piece.partition("}")[0] for piece in operation.path.split("{")[1:]]
    return [p.wire_name for p in operation.parameters if p.location == "path"] == order and all(
        (arguments[p.name].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD) == (p.location == "path")
        and (arguments[p.name].default is inspect.Parameter.empty) == p.required
        for p in operation.parameters
    )


def test_every_operation_has_a_usage_plan() -> None:
    """Figures are positive; the few that are assumed say so."""
    assert all(found.usage_plan.rate > 0 and found.usage_plan.burst >= 1 for found in operations().values())
    assumed = {found.name for found in operations().values() if found.usage_plan.source == "assumed"}
    living = {name for name in assumed if operations()[name].status != "removed"}
    assert living == {
        "awd_2024_05_09.confirm_replenishment_order",
        "awd_2024_05_09.create_replenishment_order",
        "awd_2024_05_09.get_replenishment_order",
        "awd_2024_05_09.list_replenishment_orders",
        "external_fulfillment_location_2026_07_30.create_sandbox_location",
        "external_fulfillment_shipments_2024_09_11.create_sandbox_shipment",
        "external_fulfillment_shipments_2024_09_11.update_sandbox_shipment",
        "finance_remittance_2026_03_17.get_remittance",
        "finance_remittance_2026_03_17.get_remittance_headers",
        "support_2025_02_01.get_case",
        "support_2025_02_01.list_contacts",
        "vendor_direct_fulfillment_sandbox_data_2021_10_28.generate_order_scenarios",
        "vendor_direct_fulfillment_sandbox_data_2021_10_28.get_order_scenarios",
    }


@pytest.mark.parametrize(
    ("name", "rate", "burst", "source"),
    [
        ("orders_v0.get_order", 0.5, 30, "model"),
        ("orders_v0.get_orders", 0.0167, 20, "model"),
        ("orders_2026_01_01.search_orders", 0.0056, 20, "model"),
        ("listings_items_2021_08_01.get_listings_item", 5, 10, "model"),
        ("seller_wallet_2024_03_01.create_transaction", 1, 10, "sdk"),
        ("support_2025_02_01.list_cases", 0.1, 10, "model"),
        ("support_2025_02_01.get_case", 0.1, 10, "assumed"),
        ("finance_remittance_2026_03_17.get_remittance", 1, 1, "assumed"),
        ("tracking_2026_01_30.get_shipment_tracking", 2, 30, "sdk"),
        ("reports_2020_09_04.create_report", 0.0167, 15, "assumed"),
    ],
)
def test_plans_have_amazons_figures(name: str, rate: float, burst: int, source: str) -> None:
    """A sample is checked."""
    plan = operations()[name].usage_plan
    assert (plan.rate, plan.burst, plan.source) == (rate, burst, source)


def test_writes_that_cost_money_are_not_idempotent() -> None:
    """Nothing that creates, buys or pays may be repeated after an unknown outcome; reads may."""
    idempotent = {name for name, found in operations().items() if found.idempotent}
    for name in (
        "feeds_2021_06_30.create_feed",
        "shipping_v2.purchase_shipment",
        "transfers_2024_06_01.initiate_payout",
        "fulfillment_outbound_2020_07_01.create_fulfillment_return",
        "fulfillment_outbound_2026_07_04.create_order",
        "shipping_v2.link_carrier_account_put",
    ):
        assert name not in idempotent
    for name in (
        "tokens_2021_03_01.create_restricted_data_token",
        "product_pricing_v0.get_item_offers_batch",
        "support_2025_02_01.list_cases",
        "aplus_content_2020_11_01.create_media",
        "external_fulfillment_location_2026_07_30.create_sandbox_location",
    ):
        assert name in idempotent
    assert all(found.idempotent for found in operations().values() if found.method == "GET")
    creating = {name for name in idempotent if operations()[name].method == "POST" and ".create_" in name}
    expiring = ("token", "document", "upload", "create_media", "create_sandbox_location")
    assert all(any(word in name for word in expiring) for name in creating)


def test_grantless_operations_name_their_scope() -> None:
    """Notifications, rotation of the secret and tracking of shipments need no seller."""
    scopes = Counter(found.grantless_scope for found in operations().values() if found.grantless_scope)
    assert scopes == {
        "sellingpartnerapi::notifications": 7,
        "sellingpartnerapi::client_credential:rotation": 1,
        "sellingpartnerapi::shipments:track": 1,
    }
    assert operations()["notifications_v1.create_subscription"].grantless_scope is None


def test_removed_operations_say_so() -> None:
    """29 operations are gone from Amazon's models, and six of the current ones are deprecated."""
    assert Counter(found.status for found in operations().values()) == {"current": 378, "deprecated": 6, "removed": 29}


def test_operations_to_be_removed_have_a_date_and_a_successor() -> None:
    """They are nine operations of two old APIs; each successor exists and stays."""
    leaving = {name: found for name, found in operations().items() if found.removal}
    assert Counter((found.api, found.removal) for found in leaving.values()) == {
        ("orders_v0", date(2027, 3, 27)): 6,
        ("finances_v0", date(2027, 8, 27)): 3,
    }
    successors = {name: found.successor for name, found in operations().items() if found.successor}
    assert successors.keys() == leaving.keys()
    assert successors["orders_v0.get_orders"] == "orders_2026_01_01.search_orders"
    assert successors["orders_v0.get_order_items"] == "orders_2026_01_01.get_order"
    assert set(successors.values()) - {name for name, found in operations().items() if found.stays} == set()
    stay = ("get_order_regulated_info", "update_verification_status", "update_shipment_status", "confirm_shipment")
    assert all(operations()[f"orders_v0.{name}"].stays for name in stay)


def test_special_encodings() -> None:
    """Amazon decodes some lists twice, and one path parameter may contain slashes."""
    special = {
        (found.name.partition(".")[2], parameter.name): parameter.encoding
        for found in operations().values()
        for parameter in found.parameters
        if parameter.encoding in ("multi", "multi_double", "csv_double", "greedy")
    }
    assert special == {
        ("list_item_compliance_details", "mskus"): "multi_double",
        ("list_prep_details", "mskus"): "multi_double",
        ("get_pricing", "skus"): "csv_double",
        ("get_pricing", "asins"): "csv_double",
        ("get_competitive_pricing", "skus"): "csv_double",
        ("get_competitive_pricing", "asins"): "csv_double",
        ("create_upload_destination_for_resource", "resource"): "greedy",
    }


def test_paged_operations_have_iterators() -> None:
    """Each takes the method's arguments except the token, and a cursor."""
    paged = [found for found in operations().values() if found.paging is not None]
    assert len(paged) == 84
    for operation in paged:
        assert operation.paging is not None
        method = operation.name.partition(".")[2]
        head, _, rest = method.partition("_")
        made = namespace(operation.api)
        short = f"iter_{rest}" if head in ("get", "list", "search") else f"iter_{method}"
        arguments = set(inspect.signature(getattr(made, short)).parameters)
        token = operation.paging.token_parameter
        assert token not in arguments
        assert ("cursor" in arguments) == (token is not None)


def test_the_items_of_a_page_are_what_the_iterator_says() -> None:
    """The paths of a Paging lead from the response type to a token and to the items."""
    for operation in operations().values():
        paging = operation.paging
        if paging is None or not paging.token_path:
            continue
        start = (operation.unwrap,) if operation.unwrap else ()
        response = msgspec.inspect.type_info(operation.response_type)
        assert _leads_to(response, start + paging.token_path), operation.name
        assert _leads_to(response, start + paging.items_path), operation.name


def _leads_to(type_: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        if isinstance(type_, msgspec.inspect.UnionType):
            type_ = next(part for part in type_.types if isinstance(part, msgspec.inspect.StructType))
        fields = {field.name: field.type for field in type_.fields}
        if name not in fields:
            return False
        type_ = fields[name]
    return True


def test_types_can_be_decoded() -> None:
    """Every annotation of every reply and body resolves to a type that msgspec decodes."""
    wrong = {}
    for name, operation in operations().items():
        for type_ in filter(None, (operation.response_type, operation.body_type)):
            try:
                msgspec.json.Decoder(type_)
            except (NameError, TypeError) as error:
                wrong[name] = error
    assert wrong == {}


def test_an_unpickled_operation_is_the_same_object() -> None:
    """Limiters use operations as keys."""
    for operation in operations().values():
        assert pickle.loads(pickle.dumps(operation)) is operation


def test_a_version_is_imported_on_first_use() -> None:
    """``import spapi_async.api`` imports no version; an attribute does."""
    program = (
        "import sys, spapi_async.api\n"
        "def versions(): return {name for name in sys.modules if name.count('.') == 2 and '.api.' in name}\n"
        "assert not versions(), versions()\n"
        "spapi_async.api.sellers_v1.SellersV1\n"
        "assert versions() == {'spapi_async.api.sellers_v1'}, versions()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)


@pytest.mark.parametrize("package", [spapi_async.api, spapi_async.models])
def test_an_unknown_version_is_an_attribute_error(package: Any) -> None:
    """The error has the module's name, like Python's own."""
    with pytest.raises(AttributeError, match="never_seen_v9"):
        package.never_seen_v9  # noqa: B018 - the access is the test
    assert "orders_v0" in package.__all__


def test_overlays_are_applied() -> None:
    """Inventory without a date and items of deleted listings stay on the fast path."""
    inventory = msgspec.json.decode(
        b'{"payload": {"granularity": {}, "inventorySummaries": [{"lastUpdatedTime": ""}]}}',
        type=operations()["fba_inventory_v1.get_inventory_summaries"].response_type,
    )
    assert inventory.payload.inventory_summaries[0].last_updated_time == ""
    items = msgspec.json.decode(
        b'{"payload": {"AmazonOrderId": "1", "OrderItems": [{"OrderItemId": "2", "QuantityOrdered": 1}]}}',
        type=operations()["orders_v0.get_order_items"].response_type,
    )
    assert items.payload.order_items[0].asin is None


def test_strings_that_are_date_times_are_datetimes() -> None:
    """Amazon's model of orders v0 calls them strings; decoded strictly they are datetimes with a zone."""
    reply = msgspec.json.decode(
        b'{"payload": {"AmazonOrderId": "1", "OrderStatus": "Shipped", "PurchaseDate": "2025-01-02T03:04:05.5Z",'
        b'"LastUpdateDate": "2025-01-02T03:04:05+01:00"}}',
        type=operations()["orders_v0.get_order"].response_type,
    )
    assert reply.payload.purchase_date == datetime(2025, 1, 2, 3, 4, 5, 500000, tzinfo=UTC)
    assert reply.payload.last_update_date == datetime(2025, 1, 2, 2, 4, 5, tzinfo=UTC)

"""Amazon's names become Python names."""

from __future__ import annotations

import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spapi_async.codegen.names import class_name, field_name, member_name, method_names, module_name, snake


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SellerSKUs", "seller_skus"),
        ("ASINs", "asins"),
        ("ASIN", "asin"),
        ("getMyFeesEstimateForSKU", "get_my_fees_estimate_for_sku"),
        ("buyerPONumber", "buyer_po_number"),
        ("isB2B", "is_b2b"),
        ("addressLine1", "address_line1"),
        ("contentMD5Value", "content_md5_value"),
        ("carrierTracking.trackingNumber", "carrier_tracking_tracking_number"),
        ("x-amzn-RequestId", "x_amzn_request_id"),
        ("_links", "links"),
        ("Accept-Language", "accept_language"),
    ],
)
def test_snake_case_keeps_acronyms_whole(name: str, expected: str) -> None:
    """Acronyms stay one word, in the plural too; dots and dashes become underscores."""
    assert snake(name) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("SellerFulfilled", "SELLER_FULFILLED"),
        ("MFN", "MFN"),
        ("2D_BARCODE", "VALUE_2D_BARCODE"),
        ("4x6", "VALUE_4X6"),
        ("application/pdf", "APPLICATION_PDF"),
        ("MwSt.", "MW_ST"),
        ("Amazon Services, Inc.", "AMAZON_SERVICES_INC"),
        ("", "EMPTY"),
        ("*", "VALUE"),
        ("Größe 2", "GROE_2"),
    ],
)
def test_enum_members_have_legal_names(value: str, expected: str) -> None:
    """Odd enum values get a legal member name."""
    assert member_name(value) == expected


def test_members_that_differ_in_case_alone_are_numbered() -> None:
    """``Active`` beside ``ACTIVE`` gets a number."""
    assert member_name("Active", {"ACTIVE"}) == "ACTIVE_2"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("type", "type"),
        ("class", "class_"),
        ("list", "list_"),
        ("msgspec", "msgspec_"),
        ("2d", "value_2d"),
        ("日", "value"),
    ],
)
def test_attributes_hide_no_type(name: str, expected: str) -> None:
    """Keywords and types that annotations use get an underscore."""
    assert field_name(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("buyerInfo", "BuyerInfo"),
        ("Warning", "WarningModel"),
        ("Decimal", "DecimalModel"),
        ("Error", "Error"),
        ("Item.Price", "ItemPrice"),
        ("3PL", "Value3PL"),
    ],
)
def test_classes_hide_no_builtin(name: str, expected: str) -> None:
    """A definition called like a builtin or an import gets another name."""
    assert class_name(name) == expected


@given(st.text(max_size=30))
def test_any_text_gives_legal_names(name: str) -> None:
    """Any name of Amazon's becomes valid in Python."""
    for made in (field_name(name), member_name(name), class_name(name)):
        assert made.isidentifier()
        assert not keyword.iskeyword(made)


@pytest.mark.parametrize(
    ("stem", "version", "expected"),
    [
        ("ordersV0", "v0", "orders_v0"),
        ("orders_2026-01-01", "2026-01-01", "orders_2026_01_01"),
        ("replenishment-2022-11-07", "2022-11-07", "replenishment_2022_11_07"),
        ("deliveryShipmentInvoiceV2022-07-01", "2022-07-01", "delivery_by_amazon_2022_07_01"),
        ("sellers", "v1", "sellers_v1"),
        ("neverSeen_2031-02-03", "2031-02-03", "never_seen_2031_02_03"),
    ],
)
def test_a_module_is_named_after_file_and_version(stem: str, version: str, expected: str) -> None:
    """A file whose name has no version takes the model's."""
    assert module_name(stem, version) == expected


def test_one_id_for_two_verbs_makes_two_methods() -> None:
    """POST keeps the name; the other is named after its verb (Shipping v2 linkCarrierAccount)."""
    assert method_names([("link", "PUT"), ("link", "POST"), ("other", "GET")]) == ["link_put", "link", "other"]


@pytest.mark.parametrize(("operation_id", "method"), [("import", "import_"), ("list", "list_"), ("2Go", "value_2_go")])
def test_a_method_has_a_legal_name(operation_id: str, method: str) -> None:
    """A keyword, a type that annotations use, or a digit at the start would break the module."""
    assert method_names([(operation_id, "GET")]) == [method]

"""The table of report types."""

from __future__ import annotations

from datetime import timedelta

import pytest

from spapi_async.auth._report_types import RESTRICTED_REPORT_TYPES
from spapi_async.workflows.reports import REPORT_TYPES, Covers, ReportFormat
from spapi_async.workflows.reports.report_types import report_type_of


def test_types_are_attributes_and_keys() -> None:
    """Editors complete the attributes, programs use the keys."""
    found = REPORT_TYPES.GET_MERCHANT_LISTINGS_ALL_DATA
    assert found is REPORT_TYPES["GET_MERCHANT_LISTINGS_ALL_DATA"]
    assert str(found) == found.name == "GET_MERCHANT_LISTINGS_ALL_DATA"
    assert (found.format, found.restricted, found.requestable) == (ReportFormat.TSV, False, True)
    assert len(REPORT_TYPES) == 133


def test_the_restricted_types_are_those_that_get_restricted_tokens() -> None:
    """Two lists of the same fact agree."""
    assert {each.name for each in REPORT_TYPES.values() if each.restricted} == RESTRICTED_REPORT_TYPES


@pytest.mark.parametrize(
    "report_type",
    ["GET_FLAT_FILE_VAT_INVOICE_DATA_REPORT", "GET_XML_VAT_INVOICE_DATA_REPORT", "GET_MERCHANT_LISTINGS_ALL_DATA"],
)
def test_reports_without_personal_data_need_no_restricted_token(report_type: str) -> None:
    """VAT invoice reports have a name like the restricted VAT transaction report."""
    assert not REPORT_TYPES[report_type].restricted
    assert REPORT_TYPES["GET_VAT_TRANSACTION_DATA"].restricted


def test_settlements_cannot_be_requested() -> None:
    """Amazon makes them; a request gets 429 (amzn/selling-partner-api-docs issue 1033)."""
    settlements = [each for name, each in REPORT_TYPES.items() if "V2_SETTLEMENT" in name]
    assert len(settlements) == 3
    assert not any(each.requestable for each in settlements)


def test_order_reports_cover_thirty_days() -> None:
    """Longer windows are split."""
    assert REPORT_TYPES.GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL.longest == timedelta(days=30)
    assert REPORT_TYPES.GET_AMAZON_FULFILLED_SHIPMENTS_DATA_GENERAL.cadence == timedelta(minutes=30)


def test_no_inventory_and_no_listings_are_events() -> None:
    """Reports of a current state are never read as empty."""
    for name, each in REPORT_TYPES.items():
        if "LISTING" in name or ("INVENTORY" in name and "ADJUSTMENTS" not in name and "RECEIPTS" not in name):
            assert each.covers is not Covers.EVENTS or each.vendor, name
            assert each.shows_state or each.vendor, name


def test_nothing_is_known_about_an_unlisted_type() -> None:
    """Amazon adds types; a new inventory type is recognised by its name."""
    unknown = report_type_of("GET_SOMETHING_NEW")
    assert (unknown.name, unknown.format, unknown.requestable, unknown.shows_state) == (
        "GET_SOMETHING_NEW",
        None,
        None,
        False,
    )
    assert report_type_of("GET_NEW_INVENTORY_DATA").shows_state

"""Which report types need a restricted data token."""

import pytest

from spapi_async.auth import RESTRICTED_REPORT_TYPES


@pytest.mark.parametrize(
    "report_type",
    ["GET_FLAT_FILE_VAT_INVOICE_DATA_REPORT", "GET_XML_VAT_INVOICE_DATA_REPORT", "GET_MERCHANT_LISTINGS_ALL_DATA"],
)
def test_reports_without_personal_data_need_no_restricted_token(report_type: str) -> None:
    """VAT invoice reports have a name like the restricted VAT transaction report."""
    assert report_type not in RESTRICTED_REPORT_TYPES
    assert "GET_VAT_TRANSACTION_DATA" in RESTRICTED_REPORT_TYPES

"""Which report documents are restricted, and what is known about the report type of each document.

``getReportDocument`` takes a document id, which does not show the report type; replies about reports do.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from spapi_async._core.operation import Operation

__all__ = ["RESTRICTED_REPORT_TYPES", "ReportTypes"]

# Amazon's Tokens API use case guide. The VAT and GST *invoice* reports are not among them.
RESTRICTED_REPORT_TYPES = frozenset(
    {
        "GET_AMAZON_FULFILLED_SHIPMENTS_DATA_INVOICING",
        "GET_AMAZON_FULFILLED_SHIPMENTS_DATA_TAX",
        "GET_EASYSHIP_DOCUMENTS",
        "GET_FLAT_FILE_ACTIONABLE_ORDER_DATA_SHIPPING",
        "GET_FLAT_FILE_ORDERS_RECONCILIATION_DATA_INVOICING",
        "GET_FLAT_FILE_ORDERS_RECONCILIATION_DATA_SHIPPING",
        "GET_FLAT_FILE_ORDERS_RECONCILIATION_DATA_TAX",
        "GET_FLAT_FILE_ORDER_REPORT_DATA_INVOICING",
        "GET_FLAT_FILE_ORDER_REPORT_DATA_SHIPPING",
        "GET_FLAT_FILE_ORDER_REPORT_DATA_TAX",
        "GET_GST_MTR_B2B_CUSTOM",
        "GET_ORDER_REPORT_DATA_INVOICING",
        "GET_ORDER_REPORT_DATA_SHIPPING",
        "GET_ORDER_REPORT_DATA_TAX",
        "GET_VAT_TRANSACTION_DATA",
        "SC_VAT_TAX_REPORT",
    }
)

_REPORT = "reports_2021_06_30.get_report"
_REPORTS = "reports_2021_06_30.get_reports"


class ReportTypes:
    """Which documents need a restricted token, as learned from replies; the oldest entries are dropped first."""

    def __init__(self, max_entries: int = 20_000) -> None:
        self._max_entries = max_entries
        self._restricted: OrderedDict[str, bool] = OrderedDict()

    def learn(self, operation: Operation[Any], body: Any) -> None:
        """Remember the documents and report types in a reply of getReport or getReports; other replies are ignored."""
        if operation.name == _REPORT:
            self._learn_report(body)
        elif operation.name == _REPORTS:
            reports = getattr(body, "reports", None)
            for report in reports if isinstance(reports, list) else ():
                self._learn_report(report)

    def mark(self, document_id: str, *, restricted: bool) -> None:
        """Remember whether one document is restricted."""
        self._restricted[document_id] = restricted
        self._restricted.move_to_end(document_id)
        while len(self._restricted) > self._max_entries:
            self._restricted.popitem(last=False)

    def restricted(self, document_id: str) -> bool | None:
        """Whether the document is restricted; None if unknown."""
        return self._restricted.get(document_id)

    def _learn_report(self, report: Any) -> None:
        document_id = getattr(report, "report_document_id", None)
        report_type = getattr(report, "report_type", None)
        if isinstance(document_id, str) and isinstance(report_type, str):
            self.mark(document_id, restricted=report_type in RESTRICTED_REPORT_TYPES)

    def __repr__(self) -> str:
        return f"<ReportTypes documents={len(self._restricted)}>"

"""Reports: Amazon makes one in minutes to hours; the result is a document.

::

    async with seller.reports.download("GET_MERCHANT_LISTINGS_ALL_DATA", marketplaces=["US"]) as document:
        async for row in document.iter_rows():
            ...

A report goes through the stages of a run (:mod:`spapi_async.workflows.runs`). This package adds what only reports need:
checked and split windows, the meaning of a cancelled or failed report, and the list of types (:data:`REPORT_TYPES`).
"""

from spapi_async.workflows.reports._reports import Reports
from spapi_async.workflows.reports._request import NoData
from spapi_async.workflows.reports._run import ReportRun
from spapi_async.workflows.reports.report_types import REPORT_TYPES, Covers, ReportFormat, ReportType

__all__ = ["REPORT_TYPES", "Covers", "NoData", "ReportFormat", "ReportRun", "ReportType", "Reports"]

"""Reports as runs: how Amazon is asked to make one, about one, and about many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from spapi_async._core.caller import Caller
from spapi_async.api.reports_2021_06_30 import GET_REPORT, GET_REPORTS, Reports20210630
from spapi_async.errors import OutcomeUnknownError
from spapi_async.workflows._bucket import bucket_of
from spapi_async.workflows.runs import FINAL_STATUSES, Job, job_from, jobs_in, places_of

if TYPE_CHECKING:
    from spapi_async.models.reports_2021_06_30 import Report

__all__ = ["ReportKind", "job_of"]

_TYPES_A_CALL = 10  # getReports.reportTypes
_MARKETPLACES_A_CALL = 10  # getReports.marketplaceIds
_PAGE = 100
_DELAY = timedelta(minutes=5)
"""How long before a report's creation its window may end that was to end then."""


class ReportKind:
    """The reports of one seller."""

    name = "report"

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._api = Reports20210630(caller)

    @property
    def get_rate(self) -> float:
        """The rate of getReport."""
        return bucket_of(self._caller, GET_REPORT).rate

    @property
    def list_rate(self) -> float:
        """The rate of getReports."""
        return bucket_of(self._caller, GET_REPORTS).rate

    async def create(self, request: Mapping[str, Any]) -> str:
        """CreateReport."""
        made = await self._api.create_report(body=request)
        if not isinstance(made.report_id, str) or not made.report_id:
            raise OutcomeUnknownError(
                "Amazon took the request and named no report", operation="reports_2021_06_30.create_report"
            )
        return made.report_id

    async def get(self, job_id: str) -> Job:
        """GetReport."""
        return job_of(await self._api.get_report(job_id), job_id)

    async def jobs(
        self, requests: Sequence[Mapping[str, Any]], since: datetime, *, ended: bool = False
    ) -> Sequence[Job]:
        """getReports, as often as it takes for all types."""
        statuses = sorted(FINAL_STATUSES) if ended else None
        types = sorted({request["reportType"] for request in requests})
        found: list[Job] = []
        for first in range(0, len(types), _TYPES_A_CALL):
            some = types[first : first + _TYPES_A_CALL]
            listed = self._api.iter_reports(
                report_types=some, created_since=since, page_size=_PAGE, processing_statuses=statuses
            )
            found += await jobs_in(listed, job_of, ended=ended)
        return found

    def lists(self, requests: Sequence[Mapping[str, Any]]) -> int:
        """One for each ten types; what has ended since the last is seldom more than a page."""
        return -(-len({request["reportType"] for request in requests}) // _TYPES_A_CALL)

    def matches(self, request: Mapping[str, Any], job: Job) -> bool:
        """Equal type and marketplaces, and the window where one was asked for; one without an end ends now."""
        report: Report = job.reply
        if report.report_type != request["reportType"]:
            return False
        if places_of(report.marketplace_ids) != set(request["marketplaceIds"]):
            return False
        start, end = request.get("dataStartTime"), request.get("dataEndTime")
        if not _same_time(start, report.data_start_time):
            return False
        return _ends_when_made(job) if end is None and start is not None else _same_time(end, report.data_end_time)

    def alike(self, request: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """Equal but for their options."""
        return _without_options(request) == _without_options(other)

    def interchangeable(self, request: Mapping[str, Any]) -> bool:
        """A report's reply shows everything that was asked for except its options."""
        return not request.get("reportOptions")


def job_of(report: Report, asked: str | None = None) -> Job:
    """A report as a job.

    Raises:
        DecodeError: as :func:`job_from`.
    """
    return job_from(report, "report", operation=GET_REPORT.name, document="report_document_id", asked=asked)


def _without_options(request: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in request.items() if name != "reportOptions"}
    return {**shown, "marketplaceIds": set(request["marketplaceIds"])}


def _ends_when_made(job: Job) -> bool:
    """Whether a report covers all until it was asked for, as one does that is asked for without an end."""
    end = job.reply.data_end_time
    if not isinstance(end, datetime):
        return True
    return job.created_at is not None and end > job.created_at - _DELAY


def _same_time(asked: str | None, shown: Any) -> bool:
    """Whether Amazon tells of the moment that was asked for; one that was not asked for is Amazon's to choose."""
    if asked is None:
        return True
    moment = shown if isinstance(shown, datetime) else None
    return moment is not None and abs(moment - datetime.fromisoformat(asked)) < timedelta(seconds=1)

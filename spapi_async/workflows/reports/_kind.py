"""Reports as runs: create one, get one, list many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from spapi_async._core.caller import Caller
from spapi_async.api.reports_2021_06_30 import CREATE_REPORT, GET_REPORT, GET_REPORTS, Reports20210630
from spapi_async.workflows._bucket import bucket_of
from spapi_async.workflows.reports.report_types import REPORT_TYPES
from spapi_async.workflows.runs import (
    FINAL_STATUSES,
    Job,
    job_from,
    jobs_in,
    new_id,
    places_of,
    suggesting,
    type_groups,
)

if TYPE_CHECKING:
    from spapi_async.models.reports_2021_06_30 import Report

__all__ = ["ReportKind", "job_of"]

_PAGE_SIZE = 100
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
        with suggesting(request["reportType"], REPORT_TYPES):
            made = await self._api.create_report(body=request)
        return new_id(made.report_id, "report", operation=CREATE_REPORT.name)

    async def get(self, job_id: str) -> Job:
        """GetReport."""
        return job_of(await self._api.get_report(job_id), job_id)

    async def jobs(
        self, requests: Sequence[Mapping[str, Any]], since: datetime, *, ended: bool = False
    ) -> Sequence[Job]:
        """GetReports, once for each ten types."""
        statuses = sorted(FINAL_STATUSES) if ended else None
        found: list[Job] = []
        for types in type_groups(requests, "reportType"):
            listed = self._api.iter_reports(
                report_types=types, created_since=since, page_size=_PAGE_SIZE, processing_statuses=statuses
            )
            found += await jobs_in(listed, job_of, ended=ended)
        return found

    def lists(self, requests: Sequence[Mapping[str, Any]]) -> int:
        """One for each ten types; the reports that ended since the last poll seldom fill more than a page."""
        return len(type_groups(requests, "reportType"))

    def matches(self, request: Mapping[str, Any], job: Job) -> bool:
        """Whether type, marketplaces and the requested window are equal; one without an end ends at its creation."""
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
        """Whether they are equal apart from their options."""
        return _without_options(request) == _without_options(other)

    def interchangeable(self, request: Mapping[str, Any]) -> bool:
        """Whether it has no options: a reply shows everything else that was requested."""
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
    """Whether Amazon shows the requested time; if none was requested, Amazon chooses it."""
    if asked is None:
        return True
    moment = shown if isinstance(shown, datetime) else None
    return moment is not None and abs(moment - datetime.fromisoformat(asked)) < timedelta(seconds=1)

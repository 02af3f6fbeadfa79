"""``seller.reports``: request a report, wait for it and read it, in one step or in three."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from spapi_async._core.arguments import check_moment, one_or_more
from spapi_async._core.caller import Caller
from spapi_async._core.resources import Resources
from spapi_async.api.reports_2021_06_30 import CREATE_REPORT_SCHEDULE, Reports20210630
from spapi_async.errors import ConfigurationError, DecodeError, NotFoundError, OutcomeUnknownError
from spapi_async.marketplaces import Marketplace
from spapi_async.workflows.documents import Document, Documents
from spapi_async.workflows.reports._kind import ReportKind, job_of
from spapi_async.workflows.reports._request import (
    NoData,
    check_no_data,
    requests_for,
    wire_time,
)
from spapi_async.workflows.reports._run import Access, ReportRun
from spapi_async.workflows.reports.report_types import REPORT_TYPES, ReportType, report_type_of
from spapi_async.workflows.runs import (
    MOST_MARKETPLACES,
    Job,
    Run,
    Runs,
    marketplace_ids,
    new_id,
    places_of,
    runs_of,
    suggesting,
)

if TYPE_CHECKING:
    from spapi_async.models.reports_2021_06_30 import Report

__all__ = ["Reports"]

logger = logging.getLogger("spapi_async.workflows.reports")

Places = Sequence[Marketplace | str]

_FAILED = ("CANCELLED", "FATAL")
_KEPT = timedelta(days=90)  # for which Amazon keeps reports
_MOST_MARKETPLACES_LISTED = 10  # getReports.marketplaceIds


class Reports:
    """The reports of one selling partner.

    ::

        async with seller.reports.download("GET_MERCHANT_LISTINGS_ALL_DATA", marketplaces=["US"]) as document:
            async for row in document.iter_rows():
                print(row["seller-sku"], row["quantity"])

    Usage plans: createReport and getReportDocument one a minute after a burst of 15, getReport 2 a second.
    """

    __slots__ = ("_api", "_caller", "_documents", "_kind", "_resources")

    def __init__(self, caller: Caller, resources: Resources) -> None:
        self._caller = caller
        self._resources = resources
        self._api = Reports20210630(caller)
        self._documents = Documents(caller, resources)
        self._kind = ReportKind(caller)

    async def request(
        self,
        report_type: ReportType | str,
        *,
        marketplaces: Places,
        start: datetime | None = None,
        end: datetime | None = None,
        options: Mapping[str, str] | None = None,
        reuse: timedelta | None = None,
        no_data: NoData = "error",
    ) -> ReportRun:
        """Request a report from Amazon; returns its run.

        With a journal (``Application(journal=...)``) the request is recorded before it is sent. If a run of the same
        request is still open, in this process or another, that run is continued and nothing is sent. If the reply is
        lost, the report is looked up, and requested again only if Amazon did not create it.

        Args:
            report_type: one of ``REPORT_TYPES``, or any name that Amazon accepts.
            marketplaces: members, ids or countries; at most 25.
            start: the beginning of the window, with a time zone; required for reports of events. A window that is
                longer than the type allows becomes several reports, read as one (TSV, CSV, XML).
            end: the end of the window; now by default.
            options: Amazon's ``reportOptions``.
            reuse: use an existing report of the same type, marketplaces and window that was requested no longer ago
                than this, by whichever program. A report with options is reused only if the journal knows it, because
                Amazon does not show the options of a report.
            no_data: how to treat a report that Amazon cancels because there is no data. ``"error"`` raises
                :class:`ReportCancelledError`; ``"empty"`` reads it as a file without rows, for reports of events over
                an explicit window; ``"latest"`` reads the newest one that is done.

        Raises:
            ConfigurationError: Amazon would refuse the request, or make a report that covers nothing.
            OutcomeUnknownError: requests were lost repeatedly, or several reports may be the one that was requested.
        """
        kind = report_type_of(report_type)
        places = marketplace_ids(marketplaces, self._caller.region)
        runs = self._runs
        now = datetime.fromtimestamp(runs.clock.time(), UTC)
        requests = requests_for(kind, places, start, end, options, now=now)
        check_no_data(kind, no_data, windowed=start is not None, parts=len(requests))
        # All are recorded before the first is sent, so that a process that continues after a kill finds the rest.
        parts = await self._planned(requests, reuse)
        for part in parts:
            await part.requested()
        return ReportRun(self._access, parts, no_data, latest=self._latest_job)

    @asynccontextmanager
    async def download(
        self,
        report_type: ReportType | str,
        *,
        marketplaces: Places,
        start: datetime | None = None,
        end: datetime | None = None,
        options: Mapping[str, str] | None = None,
        reuse: timedelta | None = None,
        no_data: NoData = "error",
        charset: str | None = None,
        errors: str = "replace",
    ) -> AsyncIterator[Document]:
        """Request a report, wait for it and read it: ``async with seller.reports.download(...) as document``.

        The arguments are those of :meth:`request`; ``charset`` and ``errors`` those of ``seller.documents``.

        Raises:
            DocumentError: as :meth:`ReportRun.wait` and :class:`Document`.
            SPAPIError: as :meth:`request`.
        """
        run = await self.request(
            report_type, marketplaces=marketplaces, start=start, end=end, options=options, reuse=reuse, no_data=no_data
        )
        async with run.document(charset=charset, errors=errors) as document:
            yield document

    async def find(self, report_id: str) -> ReportRun:
        """The run of a report with a known id, whichever program requested it.

        Raises:
            NotFoundError: Amazon knows no such report of this seller, or it is older than 90 days.
        """
        report = await self._api.get_report(report_id)
        return await self._run_of(report, job_of(report))

    async def latest(self, report_type: ReportType | str, *, marketplaces: Places | None = None) -> ReportRun:
        """The newest report of that type that is done, whichever program requested it.

        Args:
            report_type: as in :meth:`request`.
            marketplaces: if given, only a report of exactly these.

        Raises:
            NotFoundError: there is none from the last 90 days, the time for which Amazon keeps reports.
        """
        with suggesting(str(report_type), REPORT_TYPES):
            report, job = await self._newest(report_type, marketplaces)
        return await self._run_of(report, job)

    async def iter_available(
        self,
        report_type: ReportType | str,
        *,
        marketplaces: Places | None = None,
        created_since: datetime | None = None,
        created_until: datetime | None = None,
        statuses: Sequence[str] = ("DONE",),
    ) -> AsyncIterator[ReportRun]:
        """Every report of that type that Amazon keeps (90 days), whichever program requested it.

        Also finds reports that Amazon makes by itself, such as settlements: ``async for run in
        seller.reports.iter_available("GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2")``, then ``run.document()``.
        """
        async for report, job in self._listed(
            report_type, marketplaces, statuses=statuses, created_since=created_since, created_until=created_until
        ):
            yield await self._run_of(report, job)

    async def unfinished(self) -> list[ReportRun]:
        """The runs of this seller in the journal whose documents have not been read, oldest first."""
        return [ReportRun(self._access, [run]) for run in await self._runs.unfinished()]

    async def schedule(
        self,
        report_type: ReportType | str,
        *,
        every: str,
        marketplaces: Places,
        options: Mapping[str, str] | None = None,
        first: datetime | None = None,
    ) -> str:
        """Have Amazon make a report regularly; returns the schedule's id. If an equal schedule exists, it is kept.

        Args:
            report_type: a type that can be scheduled.
            every: Amazon's period, such as ``"PT30M"``, ``"P1D"`` or ``"P1M"``.
            marketplaces: as in :meth:`request`.
            options: Amazon's ``reportOptions``.
            first: when the first report is made; by default Amazon chooses. Ignored if an equal schedule exists.

        Raises:
            ConfigurationError: the type cannot be scheduled, or ``first`` has no time zone.
            OutcomeUnknownError: Amazon accepted the request twice, both times without returning the id.
        """
        kind = report_type_of(report_type)
        if kind.schedulable is False:
            raise ConfigurationError(
                f"{kind.name} cannot be scheduled: request it when it is needed (REPORT_TYPES shows which types can be)"
            )
        if first is not None:
            check_moment("first", first)
        body: dict[str, Any] = {
            "reportType": kind.name,
            "marketplaceIds": marketplace_ids(marketplaces, self._caller.region),
            "period": every,
        }
        if options:
            body["reportOptions"] = dict(options)
        if (found := await self._scheduled(body)) is not None:
            return found
        wanted = body if first is None else {**body, "nextReportCreationTime": wire_time(first)}
        try:
            return await self._create_schedule(wanted)
        except (OutcomeUnknownError, DecodeError):
            if (found := await self._scheduled(body)) is not None:
                return found
        # A schedule replaces that of the same type and marketplaces, so a second request makes no second schedule.
        return await self._create_schedule(wanted)

    def wake_on(self, messages: AsyncIterable[Any]) -> AbstractAsyncContextManager[None]:
        """During the block, a REPORT_PROCESSING_FINISHED notification wakes the run of its report.

        ``messages`` is any async iterable of notifications, parsed or as received from a queue. A notification is only
        a hint: Amazon is then polled at once. Polling also continues, at a slower pace, because notifications can be
        lost. Notifications about other sellers' reports, feeds and queries wake their runs, too: read each queue once.
        """
        return self._runs.wake_on(messages)

    def __repr__(self) -> str:
        return f"<Reports of {self._caller!r}>"

    @property
    def _runs(self) -> Runs:
        return runs_of(self._caller, self._resources, self._kind)

    @property
    def _access(self) -> Access:
        return Access(self._api, self._documents, self._runs)

    async def _newest(self, report_type: ReportType | str, marketplaces: Places | None) -> tuple[Report, Job]:
        newest: tuple[Report, Job] | None = None
        wanted = None if marketplaces is None else set(marketplace_ids(marketplaces, self._caller.region))
        # A report of all of them is one of the first ten's, too, and Amazon lists no more at a time.
        listed = self._listed(report_type, marketplaces, statuses=("DONE",), most=MOST_MARKETPLACES)
        async for report, job in listed:
            if wanted is not None and places_of(report.marketplace_ids) != wanted:
                continue
            if newest is None or _made_at(job) > _made_at(newest[1]):
                newest = report, job
        if newest is None:
            raise NotFoundError(
                f"no report {report_type} from the last 90 days is DONE",
                operation="reports_2021_06_30.get_reports",
            )
        return newest

    async def _latest_job(self, report_type: ReportType, marketplaces: Sequence[str]) -> Job:
        newest = await self.latest(report_type, marketplaces=marketplaces)
        return await newest.parts[0].finished()

    async def _planned(self, requests: Sequence[Mapping[str, Any]], reuse: timedelta | None) -> list[Run]:
        """A recorded run for each request; with an existing job, if one may be reused."""
        runs = self._runs
        if reuse is None:
            return [await runs.plan(request) for request in requests]
        since = await runs.store.now() - min(reuse, _KEPT).total_seconds()
        known = [await self._known(request, since) for request in requests]
        listed: Sequence[Job] = ()
        if None in known and self._kind.interchangeable(requests[0]):
            jobs = await self._kind.jobs(requests, datetime.fromtimestamp(since, UTC))
            listed = sorted((job for job in jobs if job.status not in _FAILED), key=_usefulness)
        planned = []
        for request, job in zip(requests, known, strict=True):
            found = job or next((job for job in listed if self._kind.matches(request, job)), None)
            planned.append(await runs.plan(request) if found is None else await runs.adopt(request, found))
        return planned

    async def _known(self, request: Mapping[str, Any], since: float) -> Job | None:
        """The journal's job for a request, with Amazon's current status; None if it has failed since."""
        entry = await self._runs.recent(request, since=since)
        if entry is None or entry.job_id is None:
            return None
        job = await self._kind.get(entry.job_id)
        return None if job.status in _FAILED else job

    async def _run_of(self, report: Report, job: Job) -> ReportRun:
        request: dict[str, Any] = {
            "reportType": report.report_type,
            "marketplaceIds": sorted(places_of(report.marketplace_ids)),
        }
        for name, moment in (("dataStartTime", report.data_start_time), ("dataEndTime", report.data_end_time)):
            if isinstance(moment, datetime):
                request[name] = wire_time(moment)
        runs = self._runs
        return ReportRun(self._access, [await runs.outside(request, job)])

    async def _listed(
        self,
        report_type: ReportType | str,
        marketplaces: Places | None,
        *,
        statuses: Sequence[str],
        most: int = _MOST_MARKETPLACES_LISTED,
        **window: Any,
    ) -> AsyncIterator[tuple[Report, Job]]:
        filters: dict[str, Any] = {"report_types": [str(report_type)], "page_size": 100}
        if marketplaces is not None:
            filters["marketplace_ids"] = marketplace_ids(marketplaces, self._caller.region, most=most)[
                :_MOST_MARKETPLACES_LISTED
            ]
        if statuses:
            filters["processing_statuses"] = list(one_or_more(statuses))
        filters |= {name: moment for name, moment in window.items() if moment is not None}
        async for report in self._api.iter_reports(**filters):
            if isinstance(report, msgspec.Struct):  # lenient decoding leaves an item that is not an object as it is
                try:
                    job = job_of(report)
                except DecodeError as error:  # one report does not keep the others from being found
                    logger.warning("a report in the list is left out: %s", error.message)
                else:
                    yield report, job

    async def _scheduled(self, body: Mapping[str, Any]) -> str | None:
        """The id of an existing schedule that is equal."""
        reply = await self._api.get_report_schedules(report_types=[body["reportType"]])
        listed = reply.report_schedules if isinstance(reply, msgspec.Struct) else ()  # lenient decoding
        for schedule in listed if isinstance(listed, list) else ():
            if (
                isinstance(schedule, msgspec.Struct)
                and isinstance(schedule.report_schedule_id, str)
                and schedule.report_schedule_id
                and places_of(schedule.marketplace_ids) == set(body["marketplaceIds"])
                and schedule.period == body["period"]
                and (schedule.report_options or {}) == body.get("reportOptions", {})
            ):
                return schedule.report_schedule_id
        return None

    async def _create_schedule(self, body: Mapping[str, Any]) -> str:
        made = await self._api.create_report_schedule(body=body)
        return new_id(made.report_schedule_id, "schedule", operation=CREATE_REPORT_SCHEDULE.name)


def _made_at(job: Job) -> float:
    return 0.0 if job.created_at is None else job.created_at.timestamp()


def _usefulness(job: Job) -> tuple[bool, float]:
    """Sorts jobs that are done first, then the newest first."""
    return not job.final, -_made_at(job)

"""A report under way: one run, or several if the window is longer than one report of its type may cover."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple, Self, cast

from spapi_async.api.reports_2021_06_30 import Reports20210630
from spapi_async.errors import SPAPIError
from spapi_async.workflows.documents import Document, Documents
from spapi_async.workflows.reports import _outcome
from spapi_async.workflows.reports._joined import JoinedFile
from spapi_async.workflows.reports._outcome import Outcome
from spapi_async.workflows.reports._request import NoData
from spapi_async.workflows.reports.report_types import ReportFormat, ReportType, report_type_of
from spapi_async.workflows.runs import Job, Run, Runs, explanation_in

__all__ = ["Access", "ReportRun"]

Latest = Callable[[ReportType, Sequence[str]], Awaitable[Job]]
"""Finds the newest report of a type and marketplaces that is done."""


class Access(NamedTuple):
    """What a run needs of its seller: the API, the documents and the other runs."""

    api: Reports20210630
    documents: Documents
    runs: Runs


class ReportRun:
    """A report that was requested, or found; ``await run.wait()``, then ``async with run.document() as document``.

    The journal keeps it: after the end of this process, the same request continues this run until its document has been
    read. ``wait`` may be called any number of times, and cancelled.
    """

    def __init__(
        self, access: Access, parts: Sequence[Run], no_data: NoData = "error", *, latest: Latest | None = None
    ) -> None:
        self._access = access
        self._latest = latest
        self._no_data: NoData = no_data
        self._by_us: set[str] = set()
        self._outcomes: dict[str, tuple[Outcome, Job]] = {}
        self.parts: tuple[Run, ...] = tuple(parts)
        """One run for each report; more than one if the window is longer than the type allows."""

    @property
    def report_type(self) -> ReportType:
        """The report's type."""
        return report_type_of(self.parts[0].request["reportType"])

    @property
    def report_ids(self) -> tuple[str, ...]:
        """Amazon's ids."""
        return tuple(part.job_id for part in self.parts if part.job_id is not None)

    @property
    def report_id(self) -> str:
        """Amazon's id of the (first) report."""
        return next(iter(self.report_ids), "")

    @property
    def status(self) -> str:
        """PLANNED, SENDING, IN_QUEUE, IN_PROGRESS, DONE, CANCELLED or FATAL: the status of the least advanced part."""
        return min((part.status for part in self.parts), key=_order)

    @property
    def next_poll_in(self) -> float | None:
        """Seconds until Amazon is polled again; None if no caller waits."""
        pauses = [pause for part in self.parts if (pause := part.next_poll_in) is not None]
        return min(pauses, default=None)

    async def wait(self) -> Self:
        """Wait until Amazon has finished the report.

        Polls at a pace that all waiting runs of the seller share, or wakes on a notification
        (:meth:`Reports.wake_on`).

        Raises:
            ReportCancelledError: it is CANCELLED, unless ``no_data`` says how to treat that.
            ReportFatalError: it is FATAL; with Amazon's explanation.
            SPAPIError: Amazon cannot be polled.
        """
        for part in self.parts:
            await self._outcome(part)
        return self

    @asynccontextmanager
    async def document(self, *, charset: str | None = None, errors: str = "replace") -> AsyncIterator[Document]:
        """The report's document, to be read once: ``async with run.document() as document``.

        Waits for the report first. When the block ends without an error, the run is closed: the same request is then a
        new one.

        Raises:
            DocumentError: as :meth:`wait`, and what :class:`Document` raises.
        """
        await self.wait()
        async with self._opened(charset, errors) as document:
            yield document
        await self.close()

    async def cancel(self) -> None:
        """Ask Amazon to cancel the report, and close the run.

        Raises:
            BadRequestError: the report is no longer in the queue, where alone it can be cancelled.
        """
        for part in self.parts:
            if part.job_id is not None:
                await self._access.api.cancel_report(part.job_id)
                self._by_us.add(part.job_id)
            await part.close()

    async def close(self) -> None:
        """End the run: the same request is then a new one."""
        for part in self.parts:
            await part.close()

    def __repr__(self) -> str:
        return f"<ReportRun {self.report_type} {', '.join(self.report_ids) or 'not requested'}: {self.status}>"

    def _opened(self, charset: str | None, errors: str) -> AbstractAsyncContextManager[Document]:
        if len(self.parts) == 1:
            return self._part_document(self.parts[0], charset, errors)
        # Each part is decoded in its own encoding; joined, they are UTF-8.
        openers = [lambda part=part: self._part_document(part, charset, errors) for part in self.parts]
        return Document(cast("Any", JoinedFile(openers, xml=self._is_xml)), charset="utf-8", errors=errors)

    @asynccontextmanager
    async def _part_document(self, part: Run, charset: str | None, errors: str) -> AsyncIterator[Document]:
        outcome, job = await self._outcome(part)
        if outcome is Outcome.EMPTY:
            async with Document(
                cast("Any", JoinedFile(xml=self._is_xml and len(self.parts) == 1)), charset="utf-8"
            ) as document:
                yield document
            return
        if outcome is Outcome.LATEST and self._latest is not None:
            job = await self._latest(self.report_type, part.request["marketplaceIds"])
        if job.document_id is None:
            raise _outcome.no_document_error(self.report_type, job)
        async with self._access.documents.report(job.document_id, charset=charset, errors=errors) as document:
            yield document

    async def _outcome(self, part: Run) -> tuple[Outcome, Job]:
        """What to do with a part, once it has ended; an error closes its run."""
        if (decided := self._outcomes.get(part.entry.id)) is not None:
            return decided
        job = await part.finished()
        kind, by_us = self.report_type, job.id in self._by_us
        outcome = _outcome.outcome_of(kind, job, self._no_data, by_us=by_us)
        error: SPAPIError | None = None
        if outcome is Outcome.FATAL:
            error = _outcome.fatal_error(kind, job, await self._explanation(job))
        elif outcome is Outcome.CANCELLED:
            error = _outcome.cancelled_error(kind, job, by_us=by_us)
        elif outcome is Outcome.EMPTY and (earlier := await self._earlier(part, job)) is not None:
            error = _outcome.cancelled_error(kind, job, by_us=by_us, earlier=earlier)
        if error is not None:
            await part.close()
            raise error
        self._outcomes[part.entry.id] = outcome, job
        return outcome, job

    @property
    def _is_xml(self) -> bool:
        return self.report_type.format is ReportFormat.XML

    async def _explanation(self, job: Job) -> str:
        """The explanation in the document of a FATAL report; empty if there is none."""
        return "" if job.document_id is None else await explanation_in(self._access.documents.report(job.document_id))

    async def _earlier(self, part: Run, job: Job) -> Job | None:
        """A report of the same type that was requested less than a cadence before, if there is one."""
        cadence = self.report_type.cadence
        if cadence is None or job.created_at is None:
            return None
        for other in await self._access.runs.kind.jobs([part.request], job.created_at - cadence):
            is_earlier = other.created_at is not None and other.created_at <= job.created_at
            if is_earlier and other.id != job.id and other.status not in ("CANCELLED", "FATAL"):
                return other
        return None


_ORDER = ("PLANNED", "SENDING", "IN_QUEUE", "IN_PROGRESS", "DONE", "CANCELLED", "FATAL")


def _order(status: str) -> int:
    """How far a status has come; one that this library does not know counts as IN_PROGRESS."""
    return _ORDER.index(status) if status in _ORDER else _ORDER.index("IN_PROGRESS")

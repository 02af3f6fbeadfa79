"""Decides whether an ended report is read, counts as empty, is replaced by an older one, or is an error. Pure."""

from __future__ import annotations

import enum

from spapi_async.errors import DocumentError, ReportCancelledError, ReportFatalError
from spapi_async.workflows.reports._request import NoData
from spapi_async.workflows.reports.report_types import ReportType
from spapi_async.workflows.runs import Job

__all__ = ["Outcome", "cancelled_error", "fatal_error", "no_document_error", "outcome_of", "was_asked_for"]


class Outcome(enum.Enum):
    """What to do with a report that has ended."""

    READ = enum.auto()
    """Read its document."""
    EMPTY = enum.auto()
    """Treat it as a file without rows."""
    LATEST = enum.auto()
    """Read the newest report that is done."""
    CANCELLED = enum.auto()
    """Raise ReportCancelledError."""
    FATAL = enum.auto()
    """Raise ReportFatalError."""


def outcome_of(kind: ReportType, job: Job, no_data: NoData, *, by_us: bool) -> Outcome:
    """What to do with the report; ``by_us`` says that this program asked Amazon to cancel it."""
    if job.status == "DONE":
        return Outcome.READ
    if job.status == "FATAL":
        # An FBA type that is requested again before its cadence has passed ends FATAL although there is data.
        return Outcome.LATEST if no_data == "latest" and kind.cadence is not None else Outcome.FATAL
    asked = was_asked_for(job, by_us=by_us)
    if no_data == "empty" and asked is False and not kind.shows_state:
        return Outcome.EMPTY
    if no_data == "latest" and asked is not True:
        return Outcome.LATEST
    return Outcome.CANCELLED


def was_asked_for(job: Job, *, by_us: bool) -> bool | None:
    """Whether the cancellation was requested: by this program, not (Amazon cancelled the report), or unknown (None).

    Amazon accepts a request to cancel only while the report is in the queue. A report that Amazon itself cancels has a
    ``processingStartTime`` (amzn/selling-partner-api-docs issues 1123 and 1604).
    """
    if by_us:
        return True
    return False if job.started_at is not None else None


def cancelled_error(kind: ReportType, job: Job, *, by_us: bool, earlier: Job | None = None) -> ReportCancelledError:
    """The error of a cancelled report; ``earlier`` is a report of the same type from less than a cadence before."""
    asked = was_asked_for(job, by_us=by_us)
    why = {
        True: "by this program",
        False: "by Amazon: there was no data to return, or the report was requested again too soon",
        None: "before Amazon began it, perhaps by another application",
    }[asked]
    if earlier is not None and kind.cadence is not None:
        minutes = kind.cadence.total_seconds() / 60
        why = (
            f"by Amazon, which makes it at most once in {minutes:.0f} minutes: report {earlier.id} was requested"
            ' shortly before, so this does not mean that there is no data; request it later, or give no_data="latest"'
        )
    return ReportCancelledError(
        f"report {job.id} ({kind.name}) was cancelled {why}",
        operation="reports_2021_06_30.get_report",
        report_id=job.id,
        asked_for=asked,
    )


def fatal_error(kind: ReportType, job: Job, explanation: str) -> ReportFatalError:
    """The error of a report that Amazon could not make."""
    return ReportFatalError(
        f"Amazon could not make report {job.id} ({kind.name}): {explanation or 'it gave no explanation'}",
        operation="reports_2021_06_30.get_report",
        report_id=job.id,
        explanation=explanation,
    )


def no_document_error(kind: ReportType, job: Job) -> DocumentError:
    """The error of a report that is DONE but has no document."""
    return DocumentError(
        f"report {job.id} ({kind.name}) is {job.status}, but Amazon's reply has no document id",
        operation="reports_2021_06_30.get_report",
    )

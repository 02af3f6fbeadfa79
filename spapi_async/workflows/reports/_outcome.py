"""What becomes of a report that has ended: read, read as empty, replaced by an older one, or an error. Pure."""

from __future__ import annotations

import enum

from spapi_async.errors import DocumentError, ReportCancelledError, ReportFatalError
from spapi_async.workflows.reports._request import NoData
from spapi_async.workflows.reports.report_types import ReportType
from spapi_async.workflows.runs import Job

__all__ = ["Outcome", "asked_for", "cancelled", "fatal", "outcome_of", "without_document"]


class Outcome(enum.Enum):
    """What is done with a report that has ended."""

    READ = enum.auto()
    EMPTY = enum.auto()
    LATEST = enum.auto()
    CANCELLED = enum.auto()
    FATAL = enum.auto()


def outcome_of(kind: ReportType, job: Job, no_data: NoData, *, by_us: bool) -> Outcome:
    """What is done with it, given what its caller wishes for where there is no data."""
    if job.status == "DONE":
        return Outcome.READ
    if job.status == "FATAL":
        # Inside their cool-down FBA types end FATAL although there is data.
        return Outcome.LATEST if no_data == "latest" and kind.cadence is not None else Outcome.FATAL
    asked = asked_for(job, by_us=by_us)
    if no_data == "empty" and asked is False and not kind.shows_state:
        return Outcome.EMPTY
    if no_data == "latest" and asked is not True:
        return Outcome.LATEST
    return Outcome.CANCELLED


def asked_for(job: Job, *, by_us: bool) -> bool | None:
    """Whether somebody cancelled it; None where that cannot be told.

    Amazon takes a cancellation only while a report is in the queue; one that it cancels itself has a
    ``processingStartTime`` (amzn/selling-partner-api-docs issues 1123 and 1604).
    """
    if by_us:
        return True
    return False if job.started_at is not None else None


def cancelled(kind: ReportType, job: Job, *, by_us: bool, sooner: Job | None = None) -> ReportCancelledError:
    """The error of a report that was cancelled; ``sooner`` is one of the same type from within its cool-down."""
    asked = asked_for(job, by_us=by_us)
    why = {
        True: "as asked for",
        False: "by Amazon: there was no data to return, or it was asked for again too soon",
        None: "before it was begun, perhaps by another application",
    }[asked]
    if sooner is not None and kind.cadence is not None:
        minutes = kind.cadence.total_seconds() / 60
        why = (
            f"by Amazon, which makes a new version every {minutes:.0f} minutes at most: report {sooner.id} was asked"
            " for shortly before, so this does not mean that there is no data"
        )
    return ReportCancelledError(
        f"report {job.id} ({kind.name}) was cancelled {why}",
        operation="reports_2021_06_30.get_report",
        report_id=job.id,
        asked_for=asked,
    )


def fatal(kind: ReportType, job: Job, explanation: str) -> ReportFatalError:
    """The error of a report that Amazon could not make."""
    said = f": {explanation}" if explanation else " and says nothing more"
    return ReportFatalError(
        f"Amazon could not make report {job.id} ({kind.name}){said}",
        operation="reports_2021_06_30.get_report",
        report_id=job.id,
        explanation=explanation,
    )


def without_document(kind: ReportType, job: Job) -> DocumentError:
    """The error of a report that is DONE and names no document."""
    return DocumentError(
        f"report {job.id} ({kind.name}) is {job.status} and names no document",
        operation="reports_2021_06_30.get_report",
    )

"""The outcome of a finished report, from its status and the caller's choice."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest
from report_fixtures import ALL_ORDERS, INVENTORY

from spapi_async.workflows.reports import NoData
from spapi_async.workflows.reports._outcome import (
    Outcome,
    cancelled_error,
    fatal_error,
    outcome_of,
    was_asked_for,
)
from spapi_async.workflows.reports.report_types import report_type_of
from spapi_async.workflows.runs import Job, explanation_of

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def job(status: str, *, begun: bool = True) -> Job:
    return Job(id="7", status=status, started_at=BEGUN if begun else None, document_id="d")


@pytest.mark.parametrize(
    ("report_type", "ended", "no_data", "outcome"),
    [
        (ALL_ORDERS, job("DONE"), "error", Outcome.READ),
        (ALL_ORDERS, job("CANCELLED"), "error", Outcome.CANCELLED),
        (ALL_ORDERS, job("CANCELLED"), "empty", Outcome.EMPTY),
        (ALL_ORDERS, job("CANCELLED", begun=False), "empty", Outcome.CANCELLED),
        (INVENTORY, job("CANCELLED"), "empty", Outcome.CANCELLED),
        (INVENTORY, job("CANCELLED"), "latest", Outcome.LATEST),
        (ALL_ORDERS, job("FATAL"), "empty", Outcome.FATAL),
        (ALL_ORDERS, job("FATAL"), "latest", Outcome.FATAL),
        (INVENTORY, job("FATAL"), "latest", Outcome.LATEST),
    ],
)
def test_the_outcome_of_a_report(report_type: str, ended: Job, no_data: NoData, outcome: Outcome) -> None:
    """No inventory is read as empty, nor a report that a caller may have cancelled."""
    assert outcome_of(report_type_of(report_type), ended, no_data, by_us=False) is outcome


def test_a_report_cancelled_by_this_program_is_always_an_error() -> None:
    """It does not show whether there is data."""
    for no_data in ("empty", "latest"):
        assert outcome_of(report_type_of(ALL_ORDERS), job("CANCELLED"), no_data, by_us=True) is Outcome.CANCELLED


def test_amazons_cancellation_differs_from_a_callers() -> None:
    """Amazon cancels reports that it has begun; a caller can cancel only queued ones."""
    assert was_asked_for(job("CANCELLED"), by_us=True) is True
    assert was_asked_for(job("CANCELLED"), by_us=False) is False
    assert was_asked_for(job("CANCELLED", begun=False), by_us=False) is None


def test_the_errors_say_which_report_and_why() -> None:
    """They pickle with their facts."""
    kind = report_type_of(INVENTORY)
    error = pickle.loads(pickle.dumps(cancelled_error(kind, job("CANCELLED"), by_us=False, earlier=job("DONE"))))
    assert (error.report_id, error.asked_for) == ("7", False)
    assert "does not mean that there is no data" in str(error)
    failed = pickle.loads(pickle.dumps(fatal_error(kind, job("FATAL"), "no such client")))
    assert (failed.report_id, failed.explanation) == ("7", "no such client")
    assert "no such client" in str(failed)


@pytest.mark.parametrize(
    ("text", "explanation"),
    [
        ('{"errorDetails": "Dates  are\\nwrong"}', "Dates are wrong"),
        ('{"other": 1}', '{"other": 1}'),
        ("plain words\n", "plain words"),
        ("", ""),
        ("[" * 100_000, "[" * 500 + "…"),
    ],
)
def test_the_explanation_of_a_fatal_report(text: str, explanation: str) -> None:
    """It is Amazon's errorDetails if the document is JSON, otherwise the document's beginning."""
    assert explanation_of(text.encode()) == explanation

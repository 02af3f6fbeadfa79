"""The next step of a run follows from its entry and the time alone."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spapi_async._core.journal import Entry, Stage
from spapi_async.workflows.runs import Job, _steps
from spapi_async.workflows.runs._steps import Todo, adoptable, claimed, decide, fingerprint_of, known, released

PLANNED = Entry(id="1", seller="A1@na", kind="report", fingerprint="f", request="{}", planned_at=0.0)


def test_a_planned_run_is_sent() -> None:
    """It was not sent yet, so nothing is looked up."""
    assert decide(PLANNED, 5.0).todo is Todo.SEND


def test_another_process_that_has_just_begun_to_send_is_left_alone() -> None:
    """Its reply usually comes within a few seconds; after that its request is looked up."""
    sending = claimed(PLANNED, 100.0)
    assert decide(sending, 101.0).todo is Todo.PAUSE
    assert decide(sending, 100.0 + _steps.POLITE_SECONDS).todo is Todo.LOOK_UP


def test_the_own_lost_request_is_looked_up_at_once() -> None:
    """The process knows that its own call is over."""
    assert decide(claimed(PLANNED, 100.0), 100.5, given_up=True).todo is Todo.LOOK_UP


@given(st.floats(0.0, _steps.SETTLED_SECONDS - 0.01), st.integers(0, 9), st.booleans())
def test_a_request_that_may_be_under_way_is_never_sent_again(passed: float, looks: int, given_up: bool) -> None:
    """Whichever process sent it, until it is settled it is looked up again and again."""
    step = decide(claimed(PLANNED, 100.0), 100.0 + passed, looks=looks, given_up=given_up)
    assert step.todo in (Todo.PAUSE, Todo.LOOK_UP)
    assert 0 < step.again_in <= _steps.SETTLED_SECONDS - passed + 1e-6


def test_a_settled_request_is_looked_up_one_last_time() -> None:
    """By then Amazon's gateway has ended every request."""
    step = decide(claimed(PLANNED, 100.0), 100.0 + _steps.SETTLED_SECONDS)
    assert step.todo is Todo.LOOK_UP_FOR_GOOD


def test_a_second_claim_remembers_the_first_attempt() -> None:
    """A late job of the first attempt is found too."""
    again = claimed(claimed(PLANNED, 100.0), 200.0)
    assert (again.attempted_at, again.claimed_at, again.version) == (100.0, 200.0, 2)
    assert released(again).attempted_at is None


@pytest.mark.parametrize("stage", [Stage.FINISHED, Stage.CLOSED])
def test_a_finished_run_needs_no_step(stage: Stage) -> None:
    """It needs neither a request nor a poll."""
    assert decide(msgspec.structs.replace(PLANNED, stage=stage), 0.0).todo is Todo.NOTHING


def test_a_run_with_an_id_is_polled() -> None:
    """Amazon is at work."""
    assert decide(known(PLANNED, "7", made=True), 0.0).todo is Todo.WATCH


def test_the_oldest_job_without_an_owner_is_adopted_first() -> None:
    """A lost request's job is the first that appeared after it."""
    jobs = [Job(id=name, status="DONE", created_at=datetime(2026, 1, day, tzinfo=UTC)) for name, day in _DAYS.items()]
    assert [job.id for job in adoptable(jobs, {"a"})] == ["c", "b"]


_DAYS = {"a": 1, "b": 3, "c": 2}


def test_equal_requests_have_equal_fingerprints_whatever_the_order() -> None:
    """Marketplaces are a set and keys have no order; another marketplace is another request."""
    one = fingerprint_of("amazon", {"reportType": "X", "marketplaceIds": ["A", "B"]})
    assert one == fingerprint_of("amazon", {"marketplaceIds": ["B", "A"], "reportType": "X"})
    assert one != fingerprint_of("emulator", {"reportType": "X", "marketplaceIds": ["A", "B"]})
    assert one != fingerprint_of("amazon", {"reportType": "X", "marketplaceIds": ["A"]})

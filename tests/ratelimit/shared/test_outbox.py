"""Feedback for the store, when requests and replies are lost."""

from __future__ import annotations

import itertools

import pytest

from spapi_async.ratelimit.shared._outbox import Outbox


@pytest.fixture
def outbox() -> Outbox:
    """Nothing to report yet; numbers count from 1."""
    return Outbox(itertools.count(1).__next__)


@pytest.mark.parametrize("field", ["back", "credit", "spent", "rate", "hits"])
def test_feedback_that_helps_other_processes_is_urgent(outbox: Outbox, field: str) -> None:
    """Until the next request has it."""
    setattr(outbox.feedback(), field, 1)
    assert outbox.is_urgent
    outbox.seal()
    assert not outbox.is_urgent


def test_the_use_of_a_lease_is_not_urgent(outbox: Outbox) -> None:
    """It can wait for the next exchange, but it must not be forgotten."""
    outbox.feedback().used += 1
    assert not outbox.is_urgent
    assert outbox
    assert outbox.unsent is not None


def test_a_reply_ends_the_doubt_about_earlier_requests(outbox: Outbox) -> None:
    """The next lost request is named anew, not the first one of the earlier loss."""
    for _ in range(2):
        outbox.seal()
        outbox.doubtful()
    assert (outbox.number, outbox.lost) == (2, 1)
    outbox.seal()
    outbox.confirmed()
    assert outbox.lost == 0
    outbox.seal()
    outbox.doubtful()
    assert outbox.lost == 4


def test_feedback_is_repeated_unchanged_until_a_reply_comes(outbox: Outbox) -> None:
    """What happens after the first request is reported as another one."""
    outbox.feedback().used += 1
    outbox.seal()
    outbox.feedback().used += 2
    outbox.feedback().used += 3
    assert [(each.seq, each.used) for each in outbox.seal()] == [(1, 1), (3, 5)]
    assert outbox.unsent is None
    assert outbox
    outbox.confirmed()
    assert not outbox
    assert outbox.seal() == []


def test_a_sent_request_keeps_its_feedback(outbox: Outbox) -> None:
    """The reply to another one does not take it out."""
    outbox.feedback().back += 1
    sent = outbox.seal()
    outbox.confirmed()
    assert [each.back for each in sent] == [1]


def test_feedback_does_not_accumulate_in_an_outage(outbox: Outbox) -> None:
    """The oldest is dropped."""
    for number in range(100):
        outbox.feedback().used = number
        outbox.seal()
        outbox.doubtful()
    assert [each.used for each in outbox.seal()] == list(range(92, 100))

"""The sliding window: at most so many requests in any period of that length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spapi_async._core.plan_rules import Window
from spapi_async.ratelimit._book import Charge
from spapi_async.ratelimit._bucket import Flight
from spapi_async.ratelimit._meter import Meter
from spapi_async.ratelimit._window import SlidingLog, opening


def entered(*moments: float, requests: int = 2, seconds: float = 10.0) -> SlidingLog:
    """A window with requests that arrived at these times."""
    log = SlidingLog(requests, seconds)
    for moment in moments:
        request = Flight(moment)
        log.launch(request)
        log.land(request, moment)
    return log


def test_a_window_is_not_a_bucket() -> None:
    """With two at 9 s there is none before 19 s, though a bucket of the same figures would have one at 14 s."""
    log = entered(9.0, 9.0)
    assert log.delay(10.0) == pytest.approx(9.0)
    assert not log.has_token(18.9)
    assert log.has_token(19.0)


def test_requests_under_way_hold_their_places() -> None:
    """Three of three fit; a fourth would be one too many, wherever the three are by then."""
    log, requests = SlidingLog(3, 10.0), [Flight(lands_by=5.0) for _ in range(3)]
    for left, request in zip((3, 2, 1), requests, strict=True):
        assert (log.tokens(0.0), log.has_token(0.0)) == (left, True)
        log.launch(request)
        assert request.spare == left
    assert (log.tokens(0.0), log.has_token(0.0), log.has_token(6.0)) == (0, False, False)
    log.reserved = 1
    assert log.tokens(0.0) == -1


def test_a_request_counts_from_its_latest_possible_arrival() -> None:
    """While it is under way it keeps its place; a reply makes it count from an earlier time."""
    log = SlidingLog(1, 10.0)
    request = Flight(lands_by=1.0)
    log.launch(request)
    assert log.delay(0.0) == pytest.approx(11.0)
    log.land(request, 0.2)
    assert log.delay(0.2) == pytest.approx(10.0)


def test_an_unsent_or_refused_request_gives_its_place_back() -> None:
    """It does so before and after its latest arrival; the entries of other requests stay."""
    log = entered(0.0)
    early, late = Flight(lands_by=1.0), Flight(lands_by=1.0)
    log.launch(early)
    log.recall(early, 0.5)
    assert log.tokens(0.5) == 1
    log.launch(late)
    assert log.tokens(2.0) == 0
    log.recall(late, 2.0)
    assert log.tokens(2.0) == 1
    log.recall(late, 50.0)
    assert log.tokens(5.0) == 2


def test_a_refusal_blocks_for_the_mean_distance() -> None:
    """Another client spends too: no request passes before the named time, whatever the entries say."""
    log = SlidingLog(4, 100.0)
    log.block(25.0)
    assert not log.has_token(24.9)
    assert log.has_token(25.0)
    assert log.delay(0.0) == 25.0
    assert not log.is_full(24.9)


def test_entries_of_an_earlier_run_are_restored() -> None:
    """They keep their age; requests in flight count as arrived now."""
    log = entered(0.0, 4.0)
    again = SlidingLog(2, 10.0)
    again.restore(log.state(6.0), now=100.0)
    assert again.delay(100.0) == pytest.approx(4.0)


@given(st.lists(st.floats(0, 30), max_size=6), st.integers(1, 3), st.integers(1, 9), st.floats(0, 40))
def test_a_window_opens_when_predicted(moments: list[float], requests: int, number: int, now: float) -> None:
    """Waiting for each place in turn brings the ``number``-th request exactly when predicted."""
    log = [moment for moment in sorted(moments) if moment <= now and moment + 10 > now]
    predicted = opening(log, requests, 10.0, now, number)
    at = now
    for _ in range(number):
        while sum(moment + 10 > at for moment in log) >= requests:
            at = min(moment + 10 for moment in log if moment + 10 > at)
        log.append(at)
    assert predicted == pytest.approx(at)


@given(st.lists(st.floats(0, 4), min_size=1, max_size=40), st.integers(1, 4))
def test_no_window_holds_more_than_it_may(pauses: list[float], requests: int) -> None:
    """Whatever the traffic, at most ``requests`` of those let through lie in any ten seconds."""
    log, now, passed = SlidingLog(requests, 10.0), 0.0, []
    for pause in pauses:
        now += pause
        if log.has_token(now):
            request = Flight(now)
            log.launch(request)
            log.land(request, now)
            passed.append(now)
    assert all(after - before >= 10.0 for before, after in zip(passed, passed[requests:], strict=False))


def test_a_window_used_by_another_client_opens_evenly() -> None:
    """One place opens at a time, as if its requests had come at their mean distance."""
    charge = Charge(key=("op", "payer"), limit=Window(4, 60.0), kind="rule", shared=False)
    meter = Meter(charge, 1000.0)
    meter.drain(1000.0, 1000.0)
    assert meter.counter.tokens(1000.0) == 0
    assert [meter.counter.delay(1000.0, number) for number in (1, 2, 3, 4)] == [15.0, 30.0, 45.0, 60.0]


def test_a_request_under_way_is_saved_as_one_that_arrives_now() -> None:
    """The next run counts it for the whole window."""
    log = SlidingLog(3, 60.0)
    log.launch(Flight(0.2))
    log.launch(Flight(5.0))
    assert log.state(1.0) == [0.8, 0.0]

"""How long a call will wait, by the last reply of the store."""

from __future__ import annotations

import pytest

from spapi_async.ratelimit.shared._forecast import limit_wait, wait_for
from spapi_async.ratelimit.shared._store import LimitSpec, LimitState, Reply


@pytest.mark.parametrize(("age", "number", "wait"), [(0.0, 10, 9.0), (3.0, 10, 6.0), (1000.0, 10, 2.0), (3.0, 2, 0.0)])
def test_an_old_reply_about_a_bucket_predicts_a_full_one_at_most(age: float, number: int, wait: float) -> None:
    """Of a capacity of eight, the tenth call waits for two tokens, however old the reply is."""
    state = LimitState(level=1.0, rate=1.0, announced=1.0, burst=8, pace=1.0, capacity=8.0)
    assert limit_wait(state, age, number) == wait


def test_a_full_window_opens_when_its_requests_leave_it() -> None:
    """Also those that a reply states as a run, and those that have left since. Then new ones take their places."""
    state = LimitState(burst=4, seconds=100.0, starts=[-95.0, -50.0], later=[(-10.0, 2)])
    assert [limit_wait(state, 0.0, number) for number in (1, 2, 3, 4, 5)] == [5.0, 50.0, 90.0, 90.0, 105.0]
    assert [limit_wait(state, 20.0, number) for number in (1, 2, 3, 4, 5)] == [0.0, 30.0, 70.0, 70.0, 100.0]


@pytest.mark.parametrize(("age", "wait"), [(2.0, 3.0), (9.0, 0.0)])
def test_a_window_that_a_429_closed_opens_later(age: float, wait: float) -> None:
    """Although it has room."""
    assert limit_wait(LimitState(burst=4, seconds=100.0, opens=5.0), age, 1) == wait


def bucket(rate: float, *, absent: bool = False) -> LimitState:
    """An empty bucket."""
    return LimitState(rate=rate, announced=rate, burst=10, pace=rate, capacity=10.0, absent=absent)


@pytest.mark.parametrize(("same_kind", "wait"), [(1, 4.0), (0, 2.0)])
def test_only_calls_of_a_kind_compete_for_its_rules(same_kind: int, wait: float) -> None:
    """All compete for the plan; of a process with many calls, as many come before as this process has."""
    specs = LimitSpec(kind="plan", rate=4.0, burst=10), LimitSpec(kind="rule", rate=1.0, burst=10)
    reply = Reply(now=0.0, limits=[bucket(4.0), bucket(1.0)], others=[(0, 7, 0, same_kind)])
    assert wait_for(reply, specs, 0.0, 2, 1) == wait


def test_a_limit_that_does_not_exist_yet_delays_nothing() -> None:
    """It comes into being with a 429."""
    specs = (LimitSpec(kind="plan", rate=4.0, burst=10), LimitSpec(kind="rule", rate=1.0, burst=10, optional=True))
    reply = Reply(now=0.0, limits=[bucket(4.0), bucket(1.0, absent=True)])
    assert wait_for(reply, specs, 0.0, 1, 1) == 0.25

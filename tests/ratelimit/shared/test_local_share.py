"""One process's part of a limit while the store is away."""

from __future__ import annotations

import pytest

from spapi_async.ratelimit.shared._local_share import LocalShare
from spapi_async.ratelimit.shared._store import LimitSpec, LimitState

PLAN = LimitSpec(kind="plan", rate=1.0, burst=10)
WINDOW = LimitSpec(kind="rule", rate=0.1, burst=6.0, seconds=60.0)
SHARED = LimitSpec(kind="application", rate=10.0, burst=20.0, shared=True)


def test_each_process_gets_its_share_of_a_burst() -> None:
    """A full bucket of ten gives each of four processes two and a half."""
    shares = [LocalShare(8.0, 10.0, 4, 100.0, now=0.0) for _ in range(4)]
    assert sum(share.level(0.0) for share in shares) == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("spec", "state", "level", "most"),
    [
        (PLAN, None, 1.0, 5.0),
        (SHARED, None, 0.0, 10.0),
        (WINDOW, None, 1.0, 1.0),
        (PLAN, LimitState(level=7.0, pace=2.0, capacity=8.0), 0.0, 4.0),
        (PLAN, LimitState(level=-9.0, pace=2.0, capacity=8.0), -2.5, 4.0),
        (WINDOW, LimitState(level=-2.0, pace=0.1, capacity=6.0, seconds=60.0), -0.9, 1.0),
    ],
    ids=["unheard", "unheard, all sellers'", "unheard window", "full", "in debt", "window in debt"],
)
def test_a_share_contains_only_tokens_that_are_surely_left(
    spec: LimitSpec, state: LimitState | None, level: float, most: float
) -> None:
    """Two processes get half each, two seconds after the last reply: debts stay, and no window is spent at once."""
    share = LocalShare.of(spec, state, rate=spec.rate, processes=2, age=2.0, now=100.0)
    assert share.level(100.0) == pytest.approx(level)
    assert share.level(100_000.0) == most


def test_returned_tokens_cannot_overfill_a_share() -> None:
    """Unused tokens come back, up to the size of the share."""
    share = LocalShare(8.0, 10.0, 1, 10.0, now=0.0)
    share.take(0.0)
    share.put_back()
    share.put_back()
    assert share.level(0.0) == 10.0


def test_a_lowered_rate_keeps_its_proportion_to_the_announced_one() -> None:
    """Half the announced rate means half the lowered one."""
    share = LocalShare(8.0, 10.0, 1, 5.0, now=0.0)
    share.throttled(now=2.0, admitted_at=1.0)
    lowered = share.rate
    share.announce(4.0, now=2.0)
    assert share.rate == pytest.approx(lowered / 2)


@pytest.mark.parametrize(("level", "left"), [(4.0, 0.0), (-3.0, -2.0)])
def test_a_429_empties_a_local_share_and_keeps_its_debt(level: float, left: float) -> None:
    """Tokens sold for a later time are still to be paid for."""
    share = LocalShare(1 / 0.95, 10.0, 1, level, now=0.0)
    share.throttled(now=1.0, admitted_at=0.5)
    assert share.level(1.0) == pytest.approx(left)


def test_tokens_that_flowed_in_before_a_header_did_so_at_the_old_rate() -> None:
    """Two seconds at one token a second, then one at four."""
    share = LocalShare(1 / 0.95, 10.0, 1, 0.0, now=0.0)
    share.announce(4 / 0.95, now=2.0)
    assert share.level(2.0) == pytest.approx(2.0)
    assert share.level(3.0) == pytest.approx(6.0)


def test_no_time_counts_twice() -> None:
    """Whatever the order in which events are reported."""
    share = LocalShare(1 / 0.95, 10.0, 1, 0.0, now=0.0)
    levels = [share.level(now) for now in (2.0, 1.0, 2.0, 3.0)]
    assert levels == pytest.approx([2.0, 2.0, 2.0, 3.0])


def test_a_token_is_there_when_predicted() -> None:
    """Also where the sum of time and delay is rounded: a timer set for it must not have to be set again."""
    for number in range(1, 100):
        share = LocalShare(number / 7, 10.0, 1, -number / 3, now=1000.0)
        delay = share.delay(1000.0)
        assert share.delay(1000.0, ahead=2) == pytest.approx(delay + 2 / share.rate)
        assert share.delay(1000.0 + delay) == 0.0


def test_taking_a_token_counts_what_has_flowed_in() -> None:
    """Up to the size of the share."""
    share = LocalShare(1 / 0.95, 10.0, 1, 0.0, now=0.0)
    share.take(4.0)
    assert share.level(4.0) == pytest.approx(3.0)
    share.take(100.0)
    assert share.level(100.0) == pytest.approx(9.0)


def test_a_lowered_rate_recovers_with_the_calls() -> None:
    """Each restores a hundredth of the announced rate, up to all of it."""
    share = LocalShare(10 / 0.95, 10.0, 1, 0.0, now=0.0)
    share.throttled(now=1.0, admitted_at=0.5)
    rates = []
    for number in range(22):
        share.take(2.0 + number)
        rates.append(share.rate)
    assert rates[:3] == pytest.approx([8.1, 8.2, 8.3])
    assert rates[-3:] == pytest.approx([10.0, 10.0, 10.0])
    share.announce(5 / 0.95, now=30.0)
    share.take(40.0)
    assert share.rate == pytest.approx(5.0)


def test_429s_to_requests_of_one_moment_lower_the_rate_once() -> None:
    """Those that were sent when the first one was answered count with it, but the rate falls to a twentieth at most."""
    share = LocalShare(10 / 0.95, 10.0, 1, 0.0, now=0.0)
    for now, admitted_at in ((2.0, 1.0), (3.0, 1.5), (3.0, 2.0)):
        share.throttled(now, admitted_at)
    assert share.rate == pytest.approx(8.0)
    for number in range(4, 40):
        share.throttled(number, number - 0.5)
    assert share.rate == pytest.approx(0.5)

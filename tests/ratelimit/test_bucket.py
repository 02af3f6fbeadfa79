"""The arithmetic under the limiter, compared with aiolimiter."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from aiolimiter import AsyncLimiter
from hypothesis import example, given
from hypothesis import strategies as st

from spapi_async.ratelimit._bucket import Flight, TokenBucket
from spapi_async.ratelimit._jitter import LARGEST_JITTER, REPLIES_KEPT, Jitter


def test_the_bucket_leaks_as_aiolimiter_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Level, capacity and leak are AsyncLimiter's; only the time is named by the caller."""
    moment = 0.0
    monkeypatch.setattr(AsyncLimiter, "_loop", SimpleNamespace(time=lambda: moment))
    theirs, ours = AsyncLimiter(10.0, 5.0), TokenBucket(2.0, 10.0, 0.0)
    for moment, taken in ((0.0, 9), (1.5, 4), (1.75, 0), (2.0, 1), (60.0, 10), (60.5, 1)):
        tokens = ours.tokens(moment)
        assert [theirs.has_capacity(tokens), theirs.has_capacity(tokens + 1e-9)] == [True, False]
        assert ours.has_token(moment) is theirs.has_capacity(1.0)
        for _ in range(taken):
            with pytest.raises(StopIteration):  # it has capacity, so it does not wait
                theirs.acquire().send(None)
            ours.launch(request := Flight(moment))
            ours.land(request, moment)
    assert (ours.burst, ours.burst / ours.rate) == (theirs.max_rate, theirs.time_period)


def test_a_rate_change_settles_first() -> None:
    """Tokens accrue at the old rate until the change."""
    bucket = TokenBucket(1.0, 10.0, 0.0)
    bucket.set_tokens(0.0, 0.0)
    bucket.set_rate(0.1, 4.0)
    assert bucket.tokens(4.0) == 4.0
    assert bucket.tokens(14.0) == pytest.approx(5.0)


def test_a_burst_change_keeps_the_tokens_that_fit() -> None:
    """A smaller burst drops the tokens that do not fit; a larger one adds none."""
    bucket = TokenBucket(1.0, 10.0, 0.0)
    bucket.set_burst(4.0, 0.0)
    assert bucket.tokens(0.0) == 4.0
    bucket.set_burst(10.0, 0.0)
    assert bucket.tokens(0.0) == 4.0
    assert bucket.tokens(100.0) == 10.0


def test_time_that_goes_back_is_ignored() -> None:
    """An earlier time than the last one counts as the last one."""
    bucket = TokenBucket(1.0, 10.0, 50.0)
    bucket.launch(request := Flight(50.0))
    bucket.land(request, 50.0)
    assert bucket.tokens(50.5) == 9.5
    assert bucket.tokens(10.0) == 9.5


def test_a_full_bucket_refills_only_after_a_request_has_arrived() -> None:
    """Nothing flows into Amazon's bucket before that: the refill starts at the latest possible arrival."""
    bucket = TokenBucket(1.0, 1.0, 0.0)
    request = Flight(lands_by=0.2)
    assert bucket.has_token(0.0)
    bucket.launch(request)
    assert bucket.delay(0.0) == pytest.approx(1.2)
    assert bucket.delay(0.0, 2) == pytest.approx(2.2)
    assert not bucket.has_token(1.1)
    assert bucket.has_token(1.2)


def test_a_reply_shows_that_the_request_has_arrived() -> None:
    """The refill starts then, whatever the jitter allows."""
    bucket = TokenBucket(1.0, 1.0, 0.0)
    request = Flight(lands_by=0.2)
    bucket.launch(request)
    bucket.land(request, 0.05)
    assert bucket.delay(0.05) == pytest.approx(1.0)
    assert bucket.tokens(0.55) == pytest.approx(0.5)


def in_flight(sent_at: float) -> Flight:
    """A request that arrives within 10 ms and is answered within 50, if nothing goes wrong."""
    return Flight(sent_at + 0.01, sent_at=sent_at, answered_by=sent_at + 0.05)


def test_overdue_replies_hold_tokens_back() -> None:
    """Three unanswered requests may arrive together, and a fourth would find the bucket empty."""
    bucket = TokenBucket(10.0, 3.0, 0.0)
    for moment in (0.0, 0.1, 0.2):
        assert bucket.has_token(moment)
        bucket.launch(in_flight(moment))
    assert not bucket.has_token(0.9)
    assert bucket.delay(0.9) == pytest.approx(0.2)
    assert not bucket.has_token(1.09)
    assert bucket.has_token(1.1)  # the first of them has arrived by now: no stall lasts so long


def test_a_late_reply_charges_the_requests_that_arrived_with_it() -> None:
    """The bucket was full, so nothing has flowed into it meanwhile."""
    bucket = TokenBucket(10.0, 2.0, 0.0)
    early, late = in_flight(0.0), in_flight(0.1)
    bucket.launch(early)
    bucket.launch(late)
    bucket.land(early, 0.5)
    bucket.land(late, 0.5)
    assert bucket.tokens(0.5) == 0.0
    assert bucket.delay(0.5) == pytest.approx(0.1)


def test_a_slow_reply_among_quick_ones_changes_nothing() -> None:
    """Later requests were answered, so this one has arrived too, and only its reply is slow."""
    bucket = TokenBucket(10.0, 2.0, 0.0)
    bucket.launch(slow := in_flight(0.0))
    bucket.launch(quick := in_flight(0.02))
    bucket.land(quick, 0.04)
    assert bucket.has_token(0.2)
    assert bucket.tokens(0.22) == pytest.approx(2.0)
    bucket.land(slow, 0.9)
    assert bucket.tokens(0.9) == 2.0


@given(
    gaps=st.lists(st.sampled_from([0.0, 0.01, 0.05, 0.3, 1.2]), min_size=4, max_size=12),
    answered=st.lists(st.integers(0, 12), max_size=6),
    arrival=st.sampled_from([0.0, 0.02, 0.4]),
    patience=st.sampled_from([0.03, 0.5, 2.0, float("inf")]),
)
@example(gaps=[0.0, 0.05, 0.01, 1.2, 0.3], answered=[0, 1], arrival=0.02, patience=0.03)
@example(gaps=[0.0, 0.3, 0.3, 0.3, 0.3], answered=[0], arrival=0.02, patience=0.5)
def test_the_state_does_not_depend_on_how_often_it_is_read(
    gaps: list[float], answered: list[int], arrival: float, patience: float
) -> None:
    """A bucket that is read every few milliseconds and one that only gets requests and replies end up alike."""
    asked, left_alone = TokenBucket(5.0, 6.0, 0.0), TokenBucket(5.0, 6.0, 0.0)
    on_the_way: list[tuple[Flight, Flight]] = []
    now = 0.0
    for number, gap in enumerate(gaps):
        for step in range(1, 100):
            asked.tokens(now + gap * step / 100)
        now += gap
        if number in answered and on_the_way:
            for bucket, flight in zip((asked, left_alone), on_the_way.pop(0), strict=True):
                bucket.land(flight, now)
        elif asked.has_token(now) and left_alone.has_token(now):
            pair = tuple(Flight(now + arrival, sent_at=now, answered_by=now + patience) for _ in range(2))
            on_the_way.append(pair)  # type: ignore[arg-type]
            for bucket, flight in zip((asked, left_alone), pair, strict=True):
                bucket.launch(flight)
    assert asked.tokens(now + 0.7) == pytest.approx(left_alone.tokens(now + 0.7), abs=1e-6)


def test_a_slow_reply_is_charged_at_the_arrival_of_its_request() -> None:
    """The refill began when the request arrived at the latest, however long Amazon then worked on it."""
    bucket = TokenBucket(1.0, 1.0, 0.0)
    bucket.launch(request := Flight(0.2))
    bucket.land(request, 1.0)
    assert bucket.tokens(1.0) == pytest.approx(0.8)


def test_a_reply_clears_requests_that_left_before_it() -> None:
    """The reply to an earlier one may be lost; no token is held back for it any more."""
    bucket = TokenBucket(10.0, 10.0, 0.0)
    bucket.launch(Flight(0.01, sent_at=0.0, answered_by=0.1))
    bucket.launch(second := Flight(0.5, sent_at=0.02, answered_by=0.5))
    assert bucket.tokens(0.04) == pytest.approx(8.3)
    bucket.land(second, 0.05)
    bucket.launch(Flight(0.56, sent_at=0.55))
    assert bucket.tokens(0.6) == pytest.approx(9.4)


def test_a_refused_request_holds_nothing_back() -> None:
    """It took no token and was answered, so its reply is not overdue."""
    bucket = TokenBucket(1.0, 2.0, 0.0)
    bucket.launch(refused := Flight(0.01, sent_at=0.0, answered_by=0.1))
    assert bucket.tokens(0.05) == pytest.approx(1.04)
    bucket.recall(refused, 0.05)
    assert bucket.tokens(0.2) == 2.0


def test_an_unsent_request_gives_its_token_back() -> None:
    """It does so before and after the time at which it would have arrived."""
    bucket = TokenBucket(1.0, 2.0, 0.0)
    first, second = Flight(lands_by=0.2), Flight(lands_by=0.3)
    bucket.launch(first)
    bucket.launch(second)
    bucket.recall(first, 0.1)
    assert bucket.tokens(0.1) == 1.0
    bucket.recall(second, 0.4)
    assert bucket.is_full(0.4)


def test_jitter_is_the_spread_of_round_trips() -> None:
    """A distant but steady host needs no margin, an unsteady one as much as its replies vary, up to a bound."""
    steady, unsteady, wild = Jitter(), Jitter(), Jitter()
    for number in range(2 * REPLIES_KEPT):
        steady.record(0.3)
        unsteady.record(0.3 + 0.05 * (number % 2))
        wild.record(0.3 + 5.0 * (number % 2))
    assert steady.bound < 0.001
    assert 0.05 <= unsteady.bound < 0.08
    assert wild.bound == LARGEST_JITTER
    assert Jitter().bound == LARGEST_JITTER


def test_a_quicker_reply_widens_the_jitter_at_once() -> None:
    """It shows that the requests before it may have arrived later than the quickest one by as much."""
    jitter = Jitter()
    for round_trip in [0.1] * 20 + [0.02]:
        jitter.record(round_trip)
    assert jitter.bound == pytest.approx(1.25 * 0.08)


@pytest.mark.parametrize("unusual", [0.2, 0.02])
def test_an_unusual_reply_is_forgotten_with_its_run(unusual: float) -> None:
    """It counts in the rest of its run of 64 replies, and in the next run."""
    jitter = Jitter()
    bounds = []
    for number in range(3 * REPLIES_KEPT):
        jitter.record(unusual if number == REPLIES_KEPT - 1 else 0.1)
        bounds.append(jitter.bound)
    assert bounds[REPLIES_KEPT - 2] == 0.0
    assert set(bounds[REPLIES_KEPT - 1 : 2 * REPLIES_KEPT]) == {1.25 * abs(unusual - 0.1)}
    assert set(bounds[2 * REPLIES_KEPT :]) == {0.0}


def test_after_a_429_a_debt_is_paid_while_other_requests_are_under_way() -> None:
    """Four tokens must flow in: one of the debt, two for these requests, and one for the next."""
    bucket = TokenBucket(1.0, 2.0, 0.0)
    for lands_by in (1.5, 2.5):
        assert bucket.has_token(0.0)
        bucket.launch(Flight(lands_by))
    bucket.set_tokens(-1.0, 0.0)
    assert bucket.delay(0.0) == 4.0
    assert bucket.delay(0.0, 2) == 5.0
    assert not bucket.has_token(3.99)
    assert bucket.has_token(4.0)


def test_a_reserved_token_stays_reserved_while_a_reply_is_overdue() -> None:
    """One token is reserved for a call that waits elsewhere, one for a request that may not have arrived."""
    bucket = TokenBucket(1.0, 3.0, 0.0)
    bucket.launch(Flight(0.1, sent_at=0.0, answered_by=0.2))
    assert bucket.has_token(0.15)
    bucket.reserved = 2
    assert not bucket.has_token(0.3)
    bucket.reserved = 1
    assert bucket.has_token(0.3)

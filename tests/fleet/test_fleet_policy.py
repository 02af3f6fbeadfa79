"""When a seller is due again."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from spapi_async.fleet._policy import FIRST_PAUSE, LONGEST_PAUSE, Outcome, SellerState, after


def step(
    state: SellerState, outcome: Outcome, now: float = 1000.0, *, quota_in: float = 0.0, every: float = 180.0
) -> SellerState:
    """The state after one more slice."""
    return after(state, outcome, now=now, every=every, quota_in=quota_in, reason="why", rng=random.Random(1))


NEW = SellerState(seller="A1@na")


def test_a_new_seller_is_due_at_once() -> None:
    """A complete one is due after its interval, within a tenth."""
    assert NEW.due_at == 0
    done = step(NEW, Outcome.COMPLETE)
    assert done.complete_at == 1000
    assert 1000 + 162 <= done.due_at <= 1000 + 198


def test_no_slice_is_due_before_its_quota() -> None:
    """It would only wait in a worker."""
    assert step(NEW, Outcome.COMPLETE, quota_in=400.0).due_at == 1400


def test_an_interrupted_seller_is_due_at_once() -> None:
    """The interruption is no failure."""
    state = step(step(NEW, Outcome.FAILED), Outcome.CUT_OFF)
    assert (state.due_at, state.failures) == (1000, 0)


def test_a_seller_that_is_held_is_tried_again_soon_and_not_before_it_is_due() -> None:
    """Its holder may have finished by the time that this is noted."""
    assert step(NEW, Outcome.HELD).due_at == 1005
    done = step(NEW, Outcome.COMPLETE)
    assert step(done, Outcome.HELD) == done


def test_failures_wait_twice_as_long_each_time() -> None:
    """They wait up to an hour; a success resets them."""
    state, pauses = NEW, []
    for _ in range(30):
        state = step(state, Outcome.FAILED)
        pauses.append(state.due_at - 1000)
    assert FIRST_PAUSE <= pauses[0] <= FIRST_PAUSE * 1.1
    assert pauses[3] > pauses[2] * 1.7
    assert LONGEST_PAUSE <= pauses[-1] <= LONGEST_PAUSE * 1.1
    assert (state.failures, state.reason) == (30, "why")
    assert step(state, Outcome.COMPLETE).failures == 0


def test_a_revoked_seller_is_marked() -> None:
    """Only a new authorisation helps, so it is never due."""
    state = step(NEW, Outcome.REVOKED)
    assert state.revoked


@given(st.lists(st.sampled_from(list(Outcome)), max_size=20), st.floats(0, 1e4), st.floats(1, 1e4))
def test_no_outcome_makes_a_seller_wait_for_ever(outcomes: list[Outcome], quota_in: float, every: float) -> None:
    """After any sequence of outcomes, the next slice is within the longest pause, or the seller is revoked."""
    state, now = NEW, 0.0
    for outcome in outcomes:
        state = step(state, outcome, now, quota_in=quota_in, every=every)
        assert state.revoked or now <= state.due_at <= now + max(LONGEST_PAUSE, every, quota_in) * 1.1 + 1
        now = state.due_at

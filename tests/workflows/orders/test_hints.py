"""Hints: merged by order, retried on schedule, and satisfied by stored versions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from spapi_async.workflows.orders._hints import RETRIES, Hint, Hints

T0 = datetime(2026, 11, 1, tzinfo=UTC)


def hint(order_id: str = "902-1", seconds: float | None = 0.0, **facts: int) -> Hint:
    """A hint about a change so many seconds after the beginning."""
    event_time = None if seconds is None else T0 + timedelta(seconds=seconds)
    return Hint(order_id=order_id, event_time=event_time, source="notification", **facts)


def test_hints_of_one_order_become_one() -> None:
    """The latest change counts; an older one that comes late is ignored."""
    hints = Hints()
    assert hints.hear(hint(seconds=5), 0.0)
    assert not hints.hear(hint(seconds=5), 0.0)
    assert not hints.hear(hint(seconds=3), 1.0)
    assert hints.hear(hint(seconds=9), 1.0)
    assert len(hints) == 1
    assert hints.take(1.0) == hint(seconds=9)
    assert hints.take(9.0) is None


def test_hints_are_taken_in_the_order_in_which_they_came() -> None:
    """A seller's busiest order delays no other."""
    hints = Hints()
    for name in "bca":
        hints.hear(hint(name), 0.0)
    hints.hear(hint("b", seconds=9), 0.0)
    taken = [hints.take(1.0) for _ in "bca"]
    assert {each.order_id for each in taken if each} == {"a", "b", "c"}
    assert taken[-1] == hint("b", seconds=9) or taken[0] == hint("b", seconds=9)


def test_an_order_that_lags_behind_is_requested_three_times_more() -> None:
    """It is requested after 5, 30 and 120 s; then searches find it."""
    hints, now = Hints(), 100.0
    hints.hear(hint(), now)
    for seconds in RETRIES:
        taken = hints.take(now)
        assert taken is not None
        assert hints.again(taken, now)
        assert hints.take(now + seconds - 0.01) is None
        assert hints.next_due() == now + seconds
        now += seconds
    taken = hints.take(now)
    assert taken is not None
    assert not hints.again(taken, now)
    assert hints.next_due() is None


def test_a_new_hint_is_fetched_at_once_though_an_older_one_waits() -> None:
    """The order changes while an earlier change is being retried."""
    hints = Hints()
    hints.hear(hint(seconds=0), 0.0)
    taken = hints.take(0.0)
    assert taken is not None
    hints.again(taken, 0.0)
    assert hints.hear(hint(seconds=2), 2.0)
    assert hints.take(2.0) == hint(seconds=2)
    assert hints.next_due() is None


def test_a_hint_during_a_fetch_is_not_delayed_by_its_retry() -> None:
    """The newer hint keeps its place and its attempts."""
    hints = Hints()
    hints.hear(hint(seconds=0), 0.0)
    taken = hints.take(0.0)
    assert taken is not None
    hints.hear(hint(seconds=1), 1.0)
    assert hints.again(taken, 1.5)
    assert hints.take(1.5) == hint(seconds=1)


def test_a_hint_is_satisfied_by_a_version_of_its_second_or_later() -> None:
    """Amazon's updates have whole seconds, notifications milliseconds."""
    event = Hint(order_id="1", event_time=T0 + timedelta(milliseconds=900), source="notification")
    assert event.is_met_by(T0)
    assert not event.is_met_by(T0 - timedelta(seconds=1))
    assert not event.is_met_by(None)
    assert hint(seconds=None).is_met_by(T0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20), st.integers(0, 5)), max_size=40))
def test_no_hint_is_lost(heard: list[tuple[str, int, int]]) -> None:
    """In any order of events, the latest hint of each order is taken in the end, once."""
    hints, now = Hints(), 0.0
    for order_id, seconds, later in heard:
        now += later
        hints.hear(hint(order_id, seconds), now)
    taken = []
    while (each := hints.take(now)) is not None:
        taken.append(each)
    latest = {order_id: max(at for name, at, _ in heard if name == order_id) for order_id, _, _ in heard}
    assert {each.order_id: each for each in taken} == {name: hint(name, at) for name, at in latest.items()}
    assert len(taken) == len(latest)

"""The one decision: which call may leave now, paying from which limits. No loop, no clock."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from simulated import account, operation

from spapi_async._core.plan_rules import Bucket, Limit, Window
from spapi_async.ratelimit._book import Charge
from spapi_async.ratelimit._bucket import Flight
from spapi_async.ratelimit._decision import MOST_MOVES, assign, blame, dequeue, enqueue, overdue, predict
from spapi_async.ratelimit._jitter import Jitter
from spapi_async.ratelimit._meter import Lane, Meter
from spapi_async.ratelimit._turns import LaneQueue
from spapi_async.ratelimit._waiting import Waiter

GET = operation(1.0, 1)


def meter(limit: Limit, name: str, *, shared: bool = False, kind: Any = "plan", level: str = "") -> Meter:
    """An unused limit."""
    return Meter(Charge(key=(GET.name, name), limit=limit, kind=kind, shared=shared, level=level), 0.0)


class Decisions:
    """Lanes and limits, and which calls left when."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.left: list[tuple[float, str]] = []
        self.names: dict[Waiter, str] = {}
        self.number = 0

    def lane(self, *meters: Meter, value: str = "") -> Lane:
        return Lane(GET, account(), meters, jitter=Jitter(), value=value, now=0.0)

    def call(self, lane: Lane, name: str, now: float = 0.0, priority: int = 1, deadline: float | None = None) -> Waiter:
        self.number += 1
        waiter = Waiter(self.loop.create_future(), priority, deadline, self.number)
        self.names[waiter] = name
        lane.queue.join(waiter)
        if lane.queue.total == 1:
            lane.turn = self.number
        self.decide(enqueue(lane, now), now)
        return waiter

    def decide(self, meters: list[Meter], now: float) -> dict[Meter, float | None]:
        return assign(meters, now, self.launch)

    def launch(self, lane: Lane, waiter: Waiter, now: float) -> None:
        self.left.append((now, self.names[waiter]))
        self.number += 1
        lane.turn = self.number
        for each in lane.meters:
            request = Flight(now)
            each.counter.launch(request)
            each.counter.land(request, now)

    def run(self, meters: list[Meter], until: float) -> None:
        """Look at each limit whenever the decision says so."""
        due = dict.fromkeys(meters, 0.0)
        while due and (now := min(due.values())) <= until:
            again = [each for each, at in due.items() if at <= now]
            for each in again:
                del due[each]
            for each, delay in self.decide(again, now).items():
                due.pop(each, None)
                if delay is not None:
                    due[each] = now + max(delay, 1e-6)


@pytest.fixture
def decisions() -> Any:
    """No lanes and no calls yet."""
    decisions = Decisions()
    yield decisions
    decisions.loop.close()


def test_a_call_pays_from_every_limit_or_from_none(decisions: Decisions) -> None:
    """Waiting for one limit leaves the others as they are."""
    plan, rule = meter(Bucket(1.0, 5), "plan"), meter(Window(1, 10.0), "rule", kind="rule")
    lane = decisions.lane(plan, rule)
    decisions.call(lane, "first")
    decisions.call(lane, "second")
    assert decisions.left == [(0.0, "first")]
    assert plan.counter.tokens(0.0) == 4
    decisions.run([plan, rule], 20.0)
    assert decisions.left[1:] == [(10.0, "second")]


def test_a_full_window_of_one_value_does_not_hold_up_others(decisions: Decisions) -> None:
    """Report types whose windows have room are requested meanwhile."""
    plan, rule = meter(Bucket(1.0, 3), "plan"), meter(Window(1, 100.0), "rule", kind="rule")
    sales, other = decisions.lane(plan, rule), decisions.lane(plan)
    for name in ("sales 1", "sales 2"):
        decisions.call(sales, name)
    for name in ("a", "b"):
        decisions.call(other, name)
    assert [name for _, name in decisions.left] == ["sales 1", "a", "b"]


def test_calls_of_one_seller_leave_in_order_whatever_their_arguments(decisions: Decisions) -> None:
    """Two lanes of one plan are served in order of arrival."""
    plan = meter(Bucket(1.0, 1), "plan")
    first, second = decisions.lane(plan), decisions.lane(plan)
    for number in range(6):
        decisions.call((first, second)[number > 2], str(number))
    decisions.run([plan], 10.0)
    assert [name for _, name in decisions.left] == list("012345")


def test_a_more_urgent_call_of_another_lane_goes_first(decisions: Decisions) -> None:
    """Priorities apply across lanes."""
    plan = meter(Bucket(1.0, 1), "plan")
    bulk, urgent = decisions.lane(plan), decisions.lane(plan)
    for name in "abc":
        decisions.call(bulk, name, priority=2)
    decisions.call(urgent, "urgent", priority=0)
    decisions.run([plan], 10.0)
    assert [name for _, name in decisions.left] == ["a", "urgent", "b", "c"]


def test_sellers_take_turns_at_a_shared_limit(decisions: Decisions) -> None:
    """Many calls of one seller leave every second place to another's."""
    shared = meter(Bucket(1.0, 1), "all", shared=True, kind="application")
    crowd, few = (decisions.lane(meter(Bucket(9.0, 9), name), shared) for name in "ab")
    for number in range(6):
        decisions.call(crowd, f"c{number}")
    for number in range(2):
        decisions.call(few, f"f{number}")
    decisions.run([shared, crowd.first, few.first], 20.0)
    assert [name for _, name in decisions.left] == ["c0", "c1", "f0", "c2", "f1", "c3", "c4", "c5"]


def test_a_call_that_needs_two_busy_limits_is_served(decisions: Decisions) -> None:
    """Each limit has room only when the other has none, and other calls wait for each."""
    left, right = meter(Bucket(1.0, 1), "left"), meter(Bucket(1.0, 1), "right")
    right.counter.set_tokens(0.5, 0.0)  # type: ignore[union-attr]
    both, only_left, only_right = decisions.lane(left, right), decisions.lane(left), decisions.lane(right)
    for number in range(60):
        decisions.call(only_left, f"l{number}")
        decisions.call(only_right, f"r{number}")
        if number == 0:
            decisions.call(both, "both")
    decisions.run([left, right], 59.0)
    moment = next((at for at, name in decisions.left if name == "both"), None)
    assert moment is not None
    assert moment < 15.0
    assert len(decisions.left) >= 115
    assert (left.counter.reserved, right.counter.reserved) == (0, 0)


@pytest.fixture
def reserved(decisions: Decisions) -> tuple[Meter, Meter, Lane]:
    """A lane that waits at the right limit at 1 s, with a place reserved at the left one, where it had its turn."""
    left, right = meter(Bucket(1.0, 2), "left"), meter(Bucket(1.25, 1), "right")
    left.counter.set_tokens(0.0, 0.0)  # type: ignore[union-attr]
    lane = decisions.lane(left, right)
    for name in ("first", "second"):
        decisions.call(lane, name)
    lane.moves = MOST_MOVES
    right.counter.set_tokens(0.0, 1.0)  # type: ignore[union-attr]
    decisions.decide([left], 1.0)
    assert (lane.waits_at, left.counter.reserved, decisions.left) == (right, 1, [])
    return left, right, lane


def test_a_served_lane_has_used_its_reserved_place(decisions: Decisions, reserved: tuple[Meter, Meter, Lane]) -> None:
    """Its next call at the same limit has no place reserved."""
    left, right, lane = reserved
    decisions.decide([right], 1.81)
    assert decisions.left == [(1.81, "first")]
    assert (lane.waits_at, left.counter.reserved, lane.reserved_at) == (right, 0, [])
    assert left.counter.tokens(1.81) == pytest.approx(0.81)


def test_a_place_is_reserved_no_longer_than_the_next_one_takes(
    decisions: Decisions, reserved: tuple[Meter, Meter, Lane]
) -> None:
    """When the other limit turns out to be in debt, another call gets the place."""
    left, right, lane = reserved
    decisions.call(decisions.lane(left), "other", 1.0)
    assert decisions.left == []
    right.counter.set_tokens(-3.0, 1.0)  # type: ignore[union-attr]
    decisions.call(lane, "third", 1.0)
    assert decisions.left == [(1.0, "other")]
    assert (left.counter.reserved, lane.reserved_at) == (0, [])


def test_no_place_is_reserved_for_calls_that_gave_up(decisions: Decisions, reserved: tuple[Meter, Meter, Lane]) -> None:
    """Another waiting call gets it in the same moment."""
    left, right, lane = reserved
    decisions.call(decisions.lane(left), "other", 1.0)
    lane.queue.clear()
    looked_at = enqueue(lane, 1.0)
    assert set(looked_at) == {left, right}
    assert left.counter.reserved == 0
    decisions.decide(looked_at, 1.0)
    assert decisions.left == [(1.0, "other")]


def test_an_empty_lane_is_in_no_queue(decisions: Decisions) -> None:
    """Its reserved places are given up."""
    plan, rule = meter(Bucket(1.0, 1), "plan"), meter(Window(1, 10.0), "rule", kind="rule")
    lane = decisions.lane(plan, rule)
    decisions.call(lane, "first")
    decisions.call(lane, "second")
    lane.queue.clear()
    assert dequeue(lane)
    assert (plan.queue.total, rule.queue.total, plan.lanes, rule.lanes) == (0, 0, {}, {})


def test_calls_are_served_when_predicted(decisions: Decisions) -> None:
    """The prediction holds for calls with a limit of their own, beside others that wait for the same plan."""
    plan, rule = meter(Bucket(1.0, 2), "plan"), meter(Window(2, 30.0), "rule", kind="rule")
    sales, other = decisions.lane(plan, rule), decisions.lane(plan)
    for number in range(3):
        decisions.call(sales, f"s{number}")
    for number in range(5):
        decisions.call(other, f"o{number}")
    predicted = {"o": predict(other, 0.0, 1), "s": predict(sales, 0.0, 1), "s4": predict(sales, 0.0, 1, 4)}
    decisions.call(other, "o")
    for name in ("s", "s2", "s3", "s4"):
        decisions.call(sales, name)
    decisions.run([plan, rule], 200.0)
    happened = {name: at for at, name in decisions.left if name in predicted}
    assert happened == pytest.approx(predicted, abs=1e-3)


def test_when_a_rate_falls_calls_are_refused_by_the_places_that_they_have_then(decisions: Decisions) -> None:
    """A refused call makes room, and so does one that was just cancelled, whose task has not run yet to leave."""
    plan = meter(Bucket(1.0, 1), "plan")
    lane = decisions.lane(plan)
    decisions.call(lane, "served")
    cancelled = decisions.call(lane, "cancelled", deadline=5.0)
    for name, deadline in (("patient", None), ("in time", 2.0), ("late", 2.5), ("moved up", 3.0)):
        decisions.call(lane, name, deadline=deadline)
    cancelled.future.cancel()
    found = [(decisions.names[waiter], wait) for _, waiter, wait in overdue([plan], 0.0)]
    assert found == [("late", 3.0)]


def flights(*spare: float) -> list[Flight]:
    """Requests that relied on so many tokens when they were sent."""
    found = [Flight(0.0) for _ in spare]
    for flight, tokens in zip(found, spare, strict=True):
        flight.spare = tokens
    return found


def test_a_429_is_blamed_on_the_limit_that_its_message_names(decisions: Decisions) -> None:
    """Its level does not matter. If the call did not pay from the limit named, the levels decide."""
    plan = meter(Bucket(5.0, 5), "plan")
    rule = meter(Bucket(5.0, 5), "rule", shared=True, kind="rule", level="relationships")
    lane = decisions.lane(plan, rule)
    message = b"The frequency of requests was greater than what is allowed for relationships."
    assert blame(lane, flights(1, 5), message) is rule
    assert blame(lane, flights(1, 5), message.replace(b"relationships", b"product data")) is plan


def test_a_429_is_blamed_on_the_limit_nearest_to_empty(decisions: Decisions) -> None:
    """Of two that were equally full, the narrower one is blamed."""
    plan, rule = meter(Bucket(5.0, 10), "plan"), meter(Window(4, 60.0), "rule", kind="rule")
    lane = decisions.lane(plan, rule)
    assert blame(lane, flights(2, 3), b"") is plan
    assert blame(lane, flights(9, 2), b"") is rule
    assert blame(lane, flights(10, 4), b"") is rule


def test_429s_of_two_lanes_in_a_row_are_blamed_on_their_common_limit(decisions: Decisions) -> None:
    """Refusals of a single lane are not, nor are those with a success between them."""
    shared = meter(Bucket(20.0, 20), "all", shared=True, kind="application")
    one, two = (decisions.lane(meter(Bucket(5.0, 10), name), shared) for name in "ab")
    shared.suspected(one)
    assert blame(one, flights(1, 20), b"") is one.first
    assert blame(two, flights(1, 20), b"") is shared
    shared.succeeded(0.0)
    assert blame(two, flights(1, 20), b"") is two.first


def test_a_429_is_blamed_on_a_value_while_the_plan_has_room(decisions: Decisions) -> None:
    """A refusal of another value, or a nearly empty plan, clears it."""
    plan = meter(Bucket(1.0, 15), "plan")
    settlement, other = decisions.lane(plan, value="SETTLEMENT"), decisions.lane(plan, value="OTHER")
    assert blame(settlement, flights(14), b"") is None
    assert blame(settlement, flights(1.5), b"") is plan
    assert blame(decisions.lane(plan), flights(14), b"") is plan  # a call without the argument
    plan.suspected(settlement)
    assert blame(other, flights(14), b"") is plan


def test_a_429_of_a_request_that_left_before_the_values_limit_was_learned(decisions: Decisions) -> None:
    """It was not charged to that limit, but is blamed on it, unless the plan was nearly empty."""
    plan, learned = meter(Bucket(1.0, 15), "plan"), meter(Bucket(1.0, 15), "value", kind="value")
    lane = decisions.lane(plan, value="SETTLEMENT")
    lane.use((plan, learned))
    assert blame(lane, flights(13), b"") is learned
    assert blame(lane, flights(1.5), b"") is plan
    rule = meter(Window(4, 60.0), "rule", kind="rule")
    lane.use((plan, rule, learned))
    assert blame(lane, flights(13, 1), b"") is rule


def test_lanes_that_left_a_queue_do_not_accumulate() -> None:
    """A lane that comes and goes a thousand times before one that stays leaves a bounded number of entries."""
    turns: LaneQueue[str] = LaneQueue()
    turns.join("patient", 1, 0)
    for number in range(1000):
        turns.join("fickle", 1, number)
        turns.leave("fickle")
    assert turns.total == 1
    assert turns.first() == "patient"
    assert sum(map(len, turns.heaps)) < 50

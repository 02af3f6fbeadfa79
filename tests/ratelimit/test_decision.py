"""The one decision: who may leave now, from whichever limits they pay. No loop, no clock."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from simulated import account, operation

from spapi_async._core.plan_rules import Bucket, Limit, Window
from spapi_async.ratelimit._book import Charge
from spapi_async.ratelimit._bucket import Flight
from spapi_async.ratelimit._decision import MOST_MOVES, assign, blame, dequeue, enqueue, predict
from spapi_async.ratelimit._jitter import Jitter
from spapi_async.ratelimit._meter import Lane, Meter
from spapi_async.ratelimit._turns import LaneQueue
from spapi_async.ratelimit._waiting import Waiter

GET = operation(1.0, 1)


def meter(limit: Limit, name: str, *, shared: bool = False, kind: Any = "plan", level: str = "") -> Meter:
    """A limit nobody has used."""
    return Meter(Charge(key=(GET.name, name), limit=limit, kind=kind, shared=shared, level=level), 0.0)


class Desk:
    """Lanes and limits, and who left when."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.left: list[tuple[float, str]] = []
        self.names: dict[Waiter, str] = {}
        self.number = 0

    def lane(self, *meters: Meter, value: str = "") -> Lane:
        return Lane(GET, account(), meters, jitter=Jitter(), value=value, now=0.0)

    def call(self, lane: Lane, name: str, now: float = 0.0, priority: int = 1) -> None:
        self.number += 1
        waiter = Waiter(self.loop.create_future(), priority, None, self.number)
        self.names[waiter] = name
        lane.queue.join(waiter)
        if lane.queue.total == 1:
            lane.turn = self.number
        self.decide(enqueue(lane, now), now)

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
def desk() -> Any:
    """An empty one."""
    desk = Desk()
    yield desk
    desk.loop.close()


def test_a_call_pays_from_every_limit_or_from_none(desk: Desk) -> None:
    """Waiting for one limit leaves the others as they are."""
    plan, rule = meter(Bucket(1.0, 5), "plan"), meter(Window(1, 10.0), "rule", kind="rule")
    lane = desk.lane(plan, rule)
    desk.call(lane, "first")
    desk.call(lane, "second")
    assert desk.left == [(0.0, "first")]
    assert plan.counter.tokens(0.0) == 4
    desk.run([plan, rule], 20.0)
    assert desk.left[1:] == [(10.0, "second")]


def test_what_one_kind_of_calls_cannot_use_yet_others_do(desk: Desk) -> None:
    """A full window of one report type holds no other type up."""
    plan, rule = meter(Bucket(1.0, 3), "plan"), meter(Window(1, 100.0), "rule", kind="rule")
    sales, other = desk.lane(plan, rule), desk.lane(plan)
    for name in ("sales 1", "sales 2"):
        desk.call(sales, name)
    for name in ("a", "b"):
        desk.call(other, name)
    assert [name for _, name in desk.left] == ["sales 1", "a", "b"]


def test_calls_of_one_seller_leave_in_order_whatever_their_arguments(desk: Desk) -> None:
    """Two lanes at one plan: first come, first served."""
    plan = meter(Bucket(1.0, 1), "plan")
    first, second = desk.lane(plan), desk.lane(plan)
    for number in range(6):
        desk.call((first, second)[number > 2], str(number))
    desk.run([plan], 10.0)
    assert [name for _, name in desk.left] == list("012345")


def test_a_more_urgent_call_of_another_lane_goes_first(desk: Desk) -> None:
    """Priorities hold across lanes."""
    plan = meter(Bucket(1.0, 1), "plan")
    bulk, urgent = desk.lane(plan), desk.lane(plan)
    for name in "abc":
        desk.call(bulk, name, priority=2)
    desk.call(urgent, "urgent", priority=0)
    desk.run([plan], 10.0)
    assert [name for _, name in desk.left] == ["a", "urgent", "b", "c"]


def test_sellers_take_turns_at_a_shared_limit(desk: Desk) -> None:
    """A crowd of one seller's calls leaves every second place to another's."""
    shared = meter(Bucket(1.0, 1), "all", shared=True, kind="application")
    crowd, few = (desk.lane(meter(Bucket(9.0, 9), name), shared) for name in "ab")
    for number in range(6):
        desk.call(crowd, f"c{number}")
    for number in range(2):
        desk.call(few, f"f{number}")
    desk.run([shared, crowd.first, few.first], 20.0)
    assert [name for _, name in desk.left] == ["c0", "c1", "f0", "c2", "f1", "c3", "c4", "c5"]


def test_two_busy_limits_hand_nobody_to_and_fro_for_ever(desk: Desk) -> None:
    """Each has room only when the other has none, and others wait for each: who needs both is served all the same."""
    left, right = meter(Bucket(1.0, 1), "left"), meter(Bucket(1.0, 1), "right")
    right.counter.set_tokens(0.5, 0.0)  # type: ignore[union-attr]
    both, lefts, rights = desk.lane(left, right), desk.lane(left), desk.lane(right)
    for number in range(60):
        desk.call(lefts, f"l{number}")
        desk.call(rights, f"r{number}")
        if number == 0:
            desk.call(both, "both")
    desk.run([left, right], 59.0)
    moment = next((at for at, name in desk.left if name == "both"), None)
    assert moment is not None
    assert moment < 15.0
    assert len(desk.left) >= 115
    assert (left.counter.reserved, right.counter.reserved) == (0, 0)


@pytest.fixture
def kept(desk: Desk) -> tuple[Meter, Meter, Lane]:
    """A lane that waits at the right at 1 s, and is kept a place at the left, where it was its turn often enough."""
    left, right = meter(Bucket(1.0, 2), "left"), meter(Bucket(1.25, 1), "right")
    left.counter.set_tokens(0.0, 0.0)  # type: ignore[union-attr]
    lane = desk.lane(left, right)
    for name in ("first", "second"):
        desk.call(lane, name)
    lane.moves = MOST_MOVES
    right.counter.set_tokens(0.0, 1.0)  # type: ignore[union-attr]
    desk.decide([left], 1.0)
    assert (lane.waits_at, left.counter.reserved, desk.left) == (right, 1, [])
    return left, right, lane


def test_whoever_is_served_has_used_the_places_kept_for_it(desk: Desk, kept: tuple[Meter, Meter, Lane]) -> None:
    """Though its next call waits at the same limit again, and for no longer."""
    left, right, lane = kept
    desk.decide([right], 1.81)
    assert desk.left == [(1.81, "first")]
    assert (lane.waits_at, left.counter.reserved, lane.reserved_at) == (right, 0, [])
    assert left.counter.tokens(1.81) == pytest.approx(0.81)


def test_a_place_is_kept_no_longer_than_the_next_one_takes(desk: Desk, kept: tuple[Meter, Meter, Lane]) -> None:
    """When the other limit turns out to be in debt, the place goes to whoever can use it."""
    left, right, lane = kept
    desk.call(desk.lane(left), "other", 1.0)
    assert desk.left == []
    right.counter.set_tokens(-3.0, 1.0)  # type: ignore[union-attr]
    desk.call(lane, "third", 1.0)
    assert desk.left == [(1.0, "other")]
    assert (left.counter.reserved, lane.reserved_at) == (0, [])


def test_no_place_is_kept_for_calls_that_gave_up(desk: Desk, kept: tuple[Meter, Meter, Lane]) -> None:
    """It goes to whoever waits for it, in the same moment."""
    left, right, lane = kept
    desk.call(desk.lane(left), "other", 1.0)
    lane.queue.clear()
    looked_at = enqueue(lane, 1.0)
    assert set(looked_at) == {left, right}
    assert left.counter.reserved == 0
    desk.decide(looked_at, 1.0)
    assert desk.left == [(1.0, "other")]


def test_a_lane_that_nobody_waits_in_any_more_stands_nowhere(desk: Desk) -> None:
    """It leaves its line, and its places are given up."""
    plan, rule = meter(Bucket(1.0, 1), "plan"), meter(Window(1, 10.0), "rule", kind="rule")
    lane = desk.lane(plan, rule)
    desk.call(lane, "first")
    desk.call(lane, "second")
    lane.queue.clear()
    assert dequeue(lane)
    assert (plan.queue.total, rule.queue.total, plan.lanes, rule.lanes) == (0, 0, {}, {})


def test_the_prediction_is_what_happens(desk: Desk) -> None:
    """For calls of a kind with a limit of its own, beside others that wait for the same plan."""
    plan, rule = meter(Bucket(1.0, 2), "plan"), meter(Window(2, 30.0), "rule", kind="rule")
    sales, other = desk.lane(plan, rule), desk.lane(plan)
    for number in range(3):
        desk.call(sales, f"s{number}")
    for number in range(5):
        desk.call(other, f"o{number}")
    predicted = {"o": predict(other, 0.0, 1), "s": predict(sales, 0.0, 1), "s4": predict(sales, 0.0, 1, 4)}
    desk.call(other, "o")
    for name in ("s", "s2", "s3", "s4"):
        desk.call(sales, name)
    desk.run([plan, rule], 200.0)
    happened = {name: at for at, name in desk.left if name in predicted}
    assert happened == pytest.approx(predicted, abs=1e-3)


def flights(*spare: float) -> list[Flight]:
    """Flights that counted on so many tokens when they left."""
    found = [Flight(0.0) for _ in spare]
    for flight, tokens in zip(found, spare, strict=True):
        flight.spare = tokens
    return found


def test_a_429_is_put_down_to_the_limit_that_its_message_names(desk: Desk) -> None:
    """However full it seemed; a message that names none that was paid from leaves it to the figures."""
    plan = meter(Bucket(5.0, 5), "plan")
    rule = meter(Bucket(5.0, 5), "rule", shared=True, kind="rule", level="relationships")
    lane = desk.lane(plan, rule)
    message = b"The frequency of requests was greater than what is allowed for relationships."
    assert blame(lane, flights(1, 5), message) is rule
    assert blame(lane, flights(1, 5), message.replace(b"relationships", b"product data")) is plan


def test_a_429_is_put_down_to_the_limit_that_was_nearest_to_empty(desk: Desk) -> None:
    """Of two that were as full to the narrower one."""
    plan, rule = meter(Bucket(5.0, 10), "plan"), meter(Window(4, 60.0), "rule", kind="rule")
    lane = desk.lane(plan, rule)
    assert blame(lane, flights(2, 3), b"") is plan
    assert blame(lane, flights(9, 2), b"") is rule
    assert blame(lane, flights(10, 4), b"") is rule


def test_two_lanes_refused_in_a_row_blame_what_they_have_in_common(desk: Desk) -> None:
    """One lane's refusals alone do not, nor do they after somebody was served."""
    shared = meter(Bucket(20.0, 20), "all", shared=True, kind="application")
    one, two = (desk.lane(meter(Bucket(5.0, 10), name), shared) for name in "ab")
    shared.suspected(one)
    assert blame(one, flights(1, 20), b"") is one.first
    assert blame(two, flights(1, 20), b"") is shared
    shared.succeeded(0.0)
    assert blame(two, flights(1, 20), b"") is two.first


def test_a_value_is_suspected_while_the_plan_has_room(desk: Desk) -> None:
    """Another value refused in a row, or a plan that was nearly empty, clears it."""
    plan = meter(Bucket(1.0, 15), "plan")
    settlement, other = desk.lane(plan, value="SETTLEMENT"), desk.lane(plan, value="OTHER")
    assert blame(settlement, flights(14), b"") is None
    assert blame(settlement, flights(1.5), b"") is plan
    plan.suspected(settlement)
    assert blame(other, flights(14), b"") is plan


def test_those_who_left_a_line_do_not_pile_up() -> None:
    """A lane that comes and goes a thousand times before one that stays leaves a bounded number of entries."""
    turns: LaneQueue[str] = LaneQueue()
    turns.join("patient", 1, 0)
    for number in range(1000):
        turns.join("fickle", 1, number)
        turns.leave("fickle")
    assert turns.total == 1
    assert turns.first() == "patient"
    assert sum(map(len, turns.heaps)) < 50

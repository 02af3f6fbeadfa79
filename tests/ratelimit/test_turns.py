"""The queue at one bucket: whose turn it is, and how many calls come before."""

from __future__ import annotations

from spapi_async.ratelimit._shares import MOST_PASSES
from spapi_async.ratelimit._turns import LaneQueue


def test_within_a_priority_the_lowest_ticket_goes_first() -> None:
    """Of equal tickets the first to arrive is served; a lane that joins again gets a new place."""
    turns: LaneQueue[str] = LaneQueue()
    for lane, ticket in (("a", 5), ("b", 3), ("c", 3)):
        turns.join(lane, 1, ticket)
    assert turns.first() == "b"
    turns.join("b", 1, 4)
    assert turns.first() == "c"
    turns.leave("c")
    assert (turns.first(), turns.total) == ("b", 2)
    turns.serve("b")
    turns.leave("b")
    assert (turns.first(), turns.total) == ("a", 1)


def test_calls_of_the_same_or_a_higher_priority_count_as_before() -> None:
    """Less urgent ones do not."""
    turns: LaneQueue[str] = LaneQueue()
    for lane, priority in (("a", 0), ("b", 1), ("c", 1), ("d", 2)):
        turns.join(lane, priority, 1)
    assert [turns.up_to(priority) for priority in range(3)] == [1, 3, 4]
    turns.leave("b")
    assert [turns.up_to(priority) for priority in range(3)] == [1, 2, 3]


def test_a_lane_that_was_passed_over_eight_times_goes_next() -> None:
    """Urgent lanes come again and again: eight of them go first, then the patient one; and so the next patient one."""
    turns: LaneQueue[str] = LaneQueue()
    served = []
    turns.join("patient", 2, 0)
    for number in range(20):
        turns.join("urgent", 0, number)
        lane = turns.first()
        turns.serve(lane)
        served.append(lane)
        if lane == "patient":
            turns.join("patient", 2, number)
    patient = [place for place, lane in enumerate(served) if lane == "patient"]
    assert patient == [MOST_PASSES, 2 * MOST_PASSES + 1]


def test_lanes_that_left_do_not_disturb_the_order() -> None:
    """They are removed before they accumulate, and the heap stays in order."""
    turns: LaneQueue[int] = LaneQueue()
    tickets = [number * 37 % 101 // 4 for number in range(100)]
    for lane, ticket in enumerate(tickets):
        turns.join(lane, 1, ticket)
    for lane in range(70):
        turns.leave(lane)
    assert sum(map(len, turns.heaps)) <= 2 * 30 + 16
    served = []
    while turns.total:
        served.append(turns.first())
        turns.serve(served[-1])
    assert served == sorted(range(70, 100), key=tickets.__getitem__)

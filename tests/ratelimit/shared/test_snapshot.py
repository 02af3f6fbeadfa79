"""The limits that a process shares, as it shows them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from one_process import PLAN, Process

from spapi_async.ratelimit.shared._snapshot import snapshots
from spapi_async.ratelimit.shared._store import LimitSpec

SHARED = LimitSpec(kind="application", rate=4.0, burst=20, shared=True)
LEARNED = LimitSpec(kind="rule", rate=0.1, burst=5, optional=True, label="reportType=SALES")


@pytest.fixture
def process() -> Iterator[Process]:
    """A process whose calls use three limits."""
    process = Process(SHARED, PLAN, LEARNED)
    yield process
    process.loop.close()


def test_limits_of_single_sellers_come_first(process: Process) -> None:
    """A limit that is not known to exist is not shown; one of all sellers names none."""
    own, shared = snapshots([process.lane], process.now)
    assert (own.account, own.rate, own.burst) == (process.lane.account.name, 1.0, 10)
    assert (shared.account, shared.rate, shared.burst) == ("", 4.0, 20)


def test_a_learned_limit_is_shown(process: Process) -> None:
    """Unless the store says that it does not exist."""
    process.exchange()
    assert [each.rule for each in snapshots([process.lane], process.now)] == ["", "reportType=SALES", ""]
    reply = process.reply()
    reply.limits[2].absent = True
    process.lane.request()
    process.lane.absorb(reply)
    assert [each.rule for each in snapshots([process.lane], process.now)] == ["", ""]


def test_the_lane_with_the_latest_reply_shows_a_limit() -> None:
    """The calls that wait in all lanes of the limit are counted."""
    process = Process()
    lanes = [process.another() for _ in range(3)]
    for lane, level in ((lanes[1], 3.0), (lanes[0], 1.0)):
        process.now += 1.0
        process.lane = lane
        process.wait()
        process.exchange(level=level)
    (shown,) = snapshots(lanes, process.now)
    assert (shown.tokens, shown.waiting) == (1.0, 2)
    (shown,) = snapshots(reversed(lanes), process.now)
    assert (shown.tokens, shown.waiting) == (1.0, 2)
    process.loop.close()


def test_tokens_are_those_of_the_store_now_and_those_in_stock() -> None:
    """They flow in up to the capacity; the next call waits behind those that wait."""
    process = Process()
    process.wait()
    process.wait()
    process.exchange((4.0, False), level=-3.0)
    process.now += 2.0
    (shown,) = snapshots([process.lane], process.now)
    assert (shown.tokens, shown.next_available) == (0.0, 3.0)
    (shown,) = snapshots([process.lane], process.now + 100.0)
    assert shown.tokens == 11.0
    process.loop.close()


def test_429s_are_shown_before_the_store_has_counted_them() -> None:
    """And those of other processes; the rate is the one in use, beside the announced one."""
    process = Process()
    process.lane.throttled_by_amazon(process.now, 0, ())
    process.lane.rate_announced(2.0)
    (shown,) = snapshots([process.lane], process.now)
    assert (shown.throttled, shown.rate, shown.announced_rate) == (1, 1.0, 2.0)
    reply = process.reply()
    reply.limits[0].throttled, reply.limits[0].announced = 3, 2.0
    process.lane.request()
    process.lane.absorb(reply)
    assert snapshots([process.lane], process.now)[0].throttled == 3
    process.loop.close()


def test_without_a_store_the_share_of_the_process_is_shown() -> None:
    """Its rate, its tokens and the wait for the next one."""
    process = Process()
    process.lane.leave()
    process.lane.go_local(2)
    assert process.lane.take() is not None
    (shown,) = snapshots([process.lane], process.now)
    assert (shown.tokens, shown.rate) == (0.0, 0.475)
    assert shown.next_available == pytest.approx(1 / 0.475)
    process.loop.close()

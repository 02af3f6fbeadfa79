"""One process while the store is away: it spends its own part of every limit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from one_process import LEASED, PLAN, SALES, Process

from spapi_async.errors import RateLimitWaitError
from spapi_async.ratelimit.shared._store import LimitSpec

SHARED = LimitSpec(kind="application", rate=6.0, burst=60, shared=True)
LEARNED = LimitSpec(kind="rule", rate=0.1, burst=5, optional=True)
SAFETY = 0.95  # the part of a limit that all processes together use


def go_alone(process: Process, processes: int = 1) -> None:
    """The store goes away."""
    process.lane.leave()
    process.lane.go_local(processes)


def rates(process: Process) -> list[float]:
    """The rates of the shares of the process."""
    return [share.rate / SAFETY for share in process.lane.shares]


@pytest.fixture
def many() -> Iterator[Process]:
    """A process whose calls use four limits."""
    process = Process(PLAN, SHARED, SALES, LEARNED)
    yield process
    process.loop.close()


def test_a_quota_is_split_among_the_processes_that_use_it(many: Process) -> None:
    """A limit of all sellers is split among all processes of the operation, if these are more."""
    many.exchange(processes=2, shared_processes=3)
    go_alone(many, processes=10)
    assert rates(many) == pytest.approx([1 / 2, 6 / 3, 4 / 3600 / 2, 0.1 / 2])


def test_without_a_reply_a_quota_is_split_among_the_processes_seen_elsewhere(many: Process) -> None:
    """A limit that is not known to exist does not apply; the rate in Amazon's header does."""
    many.lane.rate_announced(3.0)
    go_alone(many, processes=10)
    assert rates(many) == pytest.approx([3 / 10, 6 / 10, 4 / 3600 / 10])


def test_a_limit_that_was_not_learned_does_not_apply(many: Process) -> None:
    """The store said so."""
    reply = many.reply()
    reply.limits[3].absent = True
    many.lane.request()
    many.lane.absorb(reply)
    go_alone(many)
    assert len(many.lane.shares) == 3


def test_a_call_pays_from_every_share_or_from_none(many: Process) -> None:
    """It waits for the slowest one; a returned token goes back to all."""
    many.exchange(level=1.0)
    go_alone(many)
    many.now += 100.0
    assert many.lane.take() is None
    many.now += 3600.0
    slot = many.lane.take()
    assert slot is not None
    assert [share.level(many.now) < 0.1 for share in many.lane.shares] == [False, False, True, False]
    assert many.lane.shares[0].level(many.now) == PLAN.burst - 1
    many.lane.put_back(slot)
    assert many.lane.shares[0].level(many.now) == PLAN.burst
    assert many.lane.take() is not None


def test_the_forecast_is_that_of_the_slowest_share(many: Process) -> None:
    """For the next call and the one after it."""
    many.exchange()
    go_alone(many)
    slowest = 3600 / 4 / SAFETY
    assert [many.lane.predict(1, ahead) for ahead in (0, 1)] == pytest.approx([slowest, 2 * slowest])


def test_returned_tokens_are_not_reported_as_spent(process: Process) -> None:
    """Only requests that were sent are."""
    go_alone(process)
    slot = process.lane.take()
    assert slot is not None
    process.lane.put_back(slot)
    process.settings.shares.clear()
    process.lane.come_back()
    assert process.lane.request().feedback == []


def test_calls_that_wait_get_tokens_as_they_come(process: Process) -> None:
    """At once where there is one; else a timer is set."""
    first, second = process.wait(), process.wait()
    process.lane.request()
    process.lane.lost()
    go_alone(process)
    assert (first.future.done(), second.future.done()) == (True, False)
    assert process.lane.due() == pytest.approx(process.now + 1 / SAFETY)
    process.now += 1.1
    process.lane.dispatch()
    assert second.future.done()


def test_a_timer_is_set_for_the_slowest_share(many: Process) -> None:
    """The others have tokens earlier."""
    many.exchange()
    many.wait()
    go_alone(many)
    assert many.lane.due() == pytest.approx(many.now + 3600 / 4 / SAFETY)


def test_calls_are_held_back_while_replies_are_overdue() -> None:
    """For a second after the last request, if ten processes share a burst of ten."""
    process = Process(LimitSpec(kind="plan", rate=100.0, burst=10))
    process.exchange(*[LEASED] * 17, processes=10, lease=100.0)
    for _ in range(17):
        slot = process.lane.take()
        assert slot is not None
        process.now += 0.1
        process.lane.answered(slot, 200)
    go_alone(process)
    process.now += 20.0
    assert process.lane.take() is not None
    process.now += 0.5
    process.wait()
    assert process.lane.due() == pytest.approx(process.now + 0.5)
    process.loop.close()


def test_max_wait_is_judged_by_the_share_of_the_process(process: Process) -> None:
    """Of a call that was accepted, of one whose request was under way, and then of a new one."""
    callers = [process.wait(max_wait=2.5)]
    process.exchange(level=-1.0, processes=5)
    callers.append(process.wait(max_wait=2.5))
    process.lane.request()
    assert process.lane.queue.total == 2
    go_alone(process)
    assert process.lane.queue.total == 0
    callers.append(process.wait(max_wait=0.5))
    for caller in callers:
        assert isinstance(caller.future.exception(), RateLimitWaitError)


def test_a_header_and_a_429_change_the_share_of_the_plan(process: Process) -> None:
    """A rate in Amazon's header applies from then on; a 429 empties the share and lowers its rate."""
    go_alone(process)
    share = process.lane.shares[0]
    process.now += 2.0
    process.lane.rate_announced(4.0)
    assert share.level(process.now) == pytest.approx(1.0 + 2.0 * SAFETY)
    process.now += 1.0
    assert share.level(process.now) == pytest.approx(1.0 + 6.0 * SAFETY)
    process.lane.throttled_by_amazon(process.now, 0, ())
    assert share.level(process.now) == 0.0
    assert share.rate == pytest.approx(0.8 * 4.0 * SAFETY)

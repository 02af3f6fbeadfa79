"""The limiter of a process that shares its limits through a store; the store is a fake under the test's control."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

import pytest
from fake_store import PLAN, FakeStore, limiter, take
from insides import lanes_of
from redis_worker import make_account
from virtual_time import run, virtual_time

from spapi_async._core.events import Throttled
from spapi_async._core.options import Priority
from spapi_async.errors import ConnectionFailedError, RateLimitWaitError
from spapi_async.ratelimit.shared._store import Outage


def test_a_forked_process_has_another_name_and_the_rates_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first request reports what Amazon announced to the parent, in case the store has forgotten."""
    store = FakeStore()
    shared = limiter(store, clock=None)

    async def learn() -> None:
        (await take(shared)).observe(200, 3.0)
        await shared.refresh()

    asyncio.run(learn())
    monkeypatch.setattr(os, "getpid", lambda: 1)
    store.batches = []
    asyncio.run(take(shared))
    ((request,),) = store.batches
    assert request.me.startswith("1-")
    assert (request.known_announced, request.known) == (3.0, "m")


@virtual_time
async def test_a_permit_counts_once() -> None:
    """A second report or a release after the first changes nothing."""
    store = FakeStore()
    shared = limiter(store)
    permit, another = await take(shared), await take(shared)
    permit.release()
    permit.observe(429, None)
    permit.release()
    another.observe(200, None)
    another.observe(429, None)
    (lane,) = lanes_of(shared).values()
    assert (lane.in_flight, lane.throttled) == (0, 0)
    assert "closed" in repr(permit)
    await shared.aclose()


@virtual_time
async def test_a_forecast_counts_the_calls_that_are_asked_about() -> None:
    """With five tokens and ten more each second, the fifth call may leave now, the sixth in a tenth of a second."""
    shared = limiter(FakeStore())
    (await take(shared)).observe(200, None)
    await shared.refresh()
    for count, wait in ((1, 0.0), (5, 0.0), (6, 0.1), (10, 0.5)):
        assert shared.forecast(PLAN, make_account("one"), count=count) == pytest.approx(wait)
    await shared.aclose()


@virtual_time
async def test_closing_gives_the_tokens_of_every_lane_back() -> None:
    """Leased and granted tokens that were not used go back."""
    store = FakeStore()
    shared = limiter(store)
    for seller in ("one", "two"):
        (await take(shared, seller)).release()
    store.batches = []
    await shared.aclose()
    assert [request.bye for batch in store.batches for request in batch] == [1, 1]


def only_lane(shared: Any) -> Any:
    """The single lane of a limiter."""
    (lane,) = lanes_of(shared).values()
    return lane


async def lose(store: FakeStore, shared: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The store goes away, and the limiter notices."""
    caplog.set_level(logging.CRITICAL)
    store.broken = Outage("gone")
    with pytest.raises(ConnectionFailedError):
        await shared.refresh()


@virtual_time
async def test_a_permit_says_when_it_was_admitted_and_after_which_wait() -> None:
    """A 429 concerns requests admitted before it."""
    shared = limiter(FakeStore())
    await asyncio.sleep(5.0)
    permit = await take(shared)
    assert (permit.admitted_at, permit.waited) == (pytest.approx(5.01), pytest.approx(0.01))
    await shared.aclose()


@virtual_time
async def test_calls_at_a_steady_pace_do_not_wait_for_the_store() -> None:
    """Their tokens are leased in time, although no call has been answered yet."""
    store = FakeStore(lends=True)
    shared = limiter(store)
    waits = 0
    for _ in range(50):
        waits += (await take(shared)).waited > 0
        await asyncio.sleep(0.1)
    assert waits <= 4
    assert len(store.batches) < 20
    await shared.aclose()


@virtual_time
async def test_a_header_with_the_known_rate_is_no_news() -> None:
    """Another rate is."""
    shared = limiter(FakeStore())
    (await take(shared)).observe(200, PLAN.usage_plan.rate)
    assert only_lane(shared).exchange.outbox.unsent is None
    (await take(shared)).observe(200, 5.0)
    assert only_lane(shared).exchange.outbox.unsent.rate == 5.0
    await shared.aclose()


@virtual_time
async def test_a_429_is_reported_with_the_rate_in_use() -> None:
    """It may be lower than the announced one."""
    events: list[Any] = []
    store = FakeStore()
    store.announced = 20.0
    shared = limiter(store, observers=[events.append])
    (await take(shared)).observe(429, None)
    (throttled,) = (event for event in events if isinstance(event, Throttled))
    assert (throttled.rate, throttled.waiting) == (10.0, 0)
    await shared.aclose()


@virtual_time
async def test_a_call_that_was_served_is_not_asked_about_any_more() -> None:
    """Its max_wait is over."""
    shared = limiter(FakeStore())
    await shared.acquire(PLAN, make_account(), priority=Priority.NORMAL, max_wait=5.0)
    assert not only_lane(shared).promises.ask()
    await shared.aclose()


@virtual_time
async def test_in_an_outage_a_call_is_accepted_if_it_waits_for_max_wait_at_most(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A longer wait is refused at once."""
    store = FakeStore()
    shared = limiter(store)
    await take(shared)
    await lose(store, shared, caplog)
    account = make_account("one")
    wait = shared.forecast(PLAN, account)
    assert wait > 0
    with pytest.raises(RateLimitWaitError):
        await shared.acquire(PLAN, account, priority=Priority.NORMAL, max_wait=0.99 * wait)
    permit = await shared.acquire(PLAN, account, priority=Priority.NORMAL, max_wait=wait)
    assert permit.waited == pytest.approx(wait)
    await shared.aclose()


@virtual_time
async def test_in_an_outage_a_new_seller_gets_the_share_of_a_process(caplog: pytest.LogCaptureFixture) -> None:
    """Of as many as use the operation of another seller; the setting applies if nothing is known."""
    store = FakeStore()
    shared = limiter(store, processes=4)
    await take(shared, "one")
    await lose(store, shared, caplog)
    assert (await take(shared, "two")).waited == 0.0
    assert [lane.shares[0].rate for lane in lanes_of(shared).values()] == [9.5, 9.5]
    await shared.aclose()


@virtual_time
async def test_a_lane_has_one_timer() -> None:
    """Whenever something happens it is set anew."""
    shared = limiter(FakeStore(lends=True))
    timers = []
    for _ in range(20):
        await take(shared)
        timers.append(only_lane(shared).timer)
    *former, last = dict.fromkeys(timers)
    assert former
    assert all(timer is None or timer.cancelled() for timer in former)
    assert not last.cancelled()
    await shared.aclose()


def test_a_share_of_a_former_loop_is_not_spent(caplog: pytest.LogCaptureFixture) -> None:
    """Its time was another."""
    store = FakeStore()
    shared = limiter(store)

    async def share() -> Any:
        await take(shared)
        await lose(store, shared, caplog)
        found = only_lane(shared).shares[0]
        store.broken = None
        return found

    assert run(share()) is not run(share())


def test_requests_of_a_former_loop_are_not_waited_for() -> None:
    """Their replies will not be reported."""
    shared = limiter(FakeStore())

    async def call() -> int:
        await take(shared)
        return len(only_lane(shared).view.flights)

    assert [run(call()), run(call())] == [1, 1]


@virtual_time
async def test_lanes_of_sellers_that_stopped_calling_do_not_accumulate() -> None:
    """They are looked through when there are many."""
    shared = limiter(FakeStore())
    for number in range(1023):
        shared.forecast(PLAN, make_account(str(number)))
    assert len(lanes_of(shared)) == 1023
    await asyncio.sleep(301)
    shared.forecast(PLAN, make_account("1023"))
    assert len(lanes_of(shared)) == 1
    await shared.aclose()

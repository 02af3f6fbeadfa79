"""What every caller of the limiter relies on; most of it has gone wrong in another client."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Coroutine
from typing import Any

import pytest
from insides import lanes_of
from simulated import SimulatedAmazon, account, operation, saturate, take
from virtual_time import VirtualClock, virtual_time

import spapi_async.ratelimit as package
from spapi_async._core.events import Event, Observers
from spapi_async._core.options import Priority
from spapi_async.errors import ClosedError, RateLimitWaitError, SPAPIWarning
from spapi_async.marketplaces import Region
from spapi_async.ratelimit import LocalRateLimiter, Permit, RateLimiter

GET_ORDER = operation(0.5, 30)


def now() -> float:
    return asyncio.get_running_loop().time()


def test_it_is_a_rate_limiter() -> None:
    """The local limiter has the protocol's methods with the protocol's types."""
    limiter: RateLimiter = LocalRateLimiter()
    assert "buckets=0" in repr(limiter)
    assert sorted(package.__all__) == package.__all__
    with pytest.raises(AttributeError):
        _ = package.Nonsense


@virtual_time
async def test_the_whole_burst_goes_at_once_and_then_one_per_interval() -> None:
    """Nothing is paced while tokens are left; after that a call leaves the moment its token is there."""
    limiter, seller = LocalRateLimiter(), account()
    left = []
    for _ in range(33):
        await take(limiter, GET_ORDER, seller)
        left.append(now())
    assert left == pytest.approx([0.0] * 30 + [2.0, 4.0, 6.0])


@virtual_time
async def test_an_empty_bucket_makes_calls_wait_not_fail() -> None:
    """A call without max_wait waits however long it takes, and the permit says how long that was."""
    limiter, seller = LocalRateLimiter(), account()
    search_orders = operation(0.0056, 1)
    assert (await take(limiter, search_orders, seller)).waited == 0.0
    assert (await take(limiter, search_orders, seller)).waited == pytest.approx(1 / 0.0056)


@virtual_time
async def test_a_wait_beyond_max_wait_is_refused_at_once() -> None:
    """The refusal takes no time, says when to come again, names the operation and costs no token."""
    limiter, seller = LocalRateLimiter(), account()
    slow = operation(0.1, 1)
    await take(limiter, slow, seller)
    with pytest.raises(RateLimitWaitError) as caught:
        await take(limiter, slow, seller, max_wait=9.9)
    assert now() == 0.0
    assert caught.value.operation == slow.name
    assert caught.value.retry_after == pytest.approx(10.0)
    assert (await take(limiter, slow, seller, max_wait=10.1)).waited == pytest.approx(10.0)


@virtual_time
async def test_max_wait_zero_takes_a_free_token() -> None:
    """A caller that will not wait at all is served while tokens last."""
    limiter, seller = LocalRateLimiter(), account()
    two = operation(1, 2)
    await take(limiter, two, seller, max_wait=0)
    await take(limiter, two, seller, max_wait=0)
    with pytest.raises(RateLimitWaitError):
        await take(limiter, two, seller, max_wait=0)


@virtual_time
async def test_callers_are_refused_when_the_rate_falls_beyond_their_patience() -> None:
    """A call that was promised ten seconds is told at once when the header makes it hours; a patient one stays."""
    limiter, seller = LocalRateLimiter(), account()
    slow = operation(1.0, 1)
    sent = await limiter.acquire(slow, seller, priority=Priority.NORMAL, max_wait=None)
    hasty = asyncio.create_task(take(limiter, slow, seller, max_wait=10))
    patient = asyncio.create_task(take(limiter, slow, seller))
    await asyncio.sleep(0.5)
    sent.observe(200, 0.001)
    with pytest.raises(RateLimitWaitError):
        await hasty
    assert now() == 0.5
    assert (await patient).waited == pytest.approx(0.5 + 1 / 0.001)


@virtual_time
async def test_sellers_regions_operations_and_applications_do_not_share_a_bucket() -> None:
    """Each has its own tokens; grantless calls too, whose account is the application's scope."""
    limiter = LocalRateLimiter()
    one = operation(0.001, 1)
    for who in (account("a"), account("b"), account("a", region=Region.EU), account("a", application="other")):
        assert (await take(limiter, one, who)).waited == 0.0
    assert (await take(limiter, operation(0.001, 1, name="other"), account("a"))).waited == 0.0
    assert len(limiter.limits()) == 5


@virtual_time
async def test_two_handles_of_one_seller_share_a_bucket() -> None:
    """Equal credentials are one account to Amazon."""
    limiter = LocalRateLimiter()
    one = operation(0.1, 1)
    await take(limiter, one, account("a"))
    assert (await take(limiter, one, account("a"))).waited == pytest.approx(10.0)


@virtual_time
async def test_four_workers_on_one_quota_lose_no_request() -> None:
    """200 requests at 5/s with burst 10, four workers, a jittery network: nobody is refused, and it takes 38 s."""
    limiter, seller = LocalRateLimiter(), account()
    get_listing = operation(5, 10)
    amazon = SimulatedAmazon(5, 10, latency=(0.0, 0.2))

    async def worker() -> None:
        for _ in range(50):
            permit = await limiter.acquire(get_listing, seller, priority=Priority.NORMAL, max_wait=None)
            await amazon.request(permit)

    await asyncio.gather(*(worker() for _ in range(4)))
    assert (len(amazon.served), len(amazon.refused)) == (200, 0)
    assert now() == pytest.approx(190 / 5, rel=0.03)


@virtual_time
async def test_a_permit_counts_once() -> None:
    """A second report or a release after it changes nothing."""
    limiter, seller = LocalRateLimiter(), account()
    permit = await take(limiter, operation(1, 2), seller)
    permit.release()
    permit.observe(429, 7.0)
    (limit,) = limiter.limits()
    assert (limit.tokens, limit.rate, limit.throttled) == (1.0, 1.0, 0)


@virtual_time
async def test_a_permit_nobody_reports_on_is_spent() -> None:
    """A lost permit neither blocks the bucket for ever nor brings its token back."""
    limiter, seller = LocalRateLimiter(), account()
    one = operation(1, 1)
    await limiter.acquire(one, seller, priority=Priority.NORMAL, max_wait=None)
    permit = await take(limiter, one, seller)
    assert 1.0 <= permit.waited <= 2.1


@virtual_time
async def test_a_released_permit_wakes_the_next_in_line() -> None:
    """A request that was never sent costs nothing: its token goes to who waits."""
    limiter, seller = LocalRateLimiter(), account()
    slow = operation(0.001, 1)
    unused = await limiter.acquire(slow, seller, priority=Priority.NORMAL, max_wait=None)
    waiting = asyncio.create_task(take(limiter, slow, seller))
    await asyncio.sleep(5)
    unused.release()
    assert (await waiting).waited == pytest.approx(5.0)


@virtual_time
async def test_limits_shows_every_bucket() -> None:
    """A snapshot tells rate, burst, tokens, queue, next token and counts."""
    limiter, seller = LocalRateLimiter(), account()
    two = operation(0.5, 2)
    for _ in range(2):
        await take(limiter, two, seller)
    waiting = asyncio.create_task(take(limiter, two, seller))
    await asyncio.sleep(1)
    (limit,) = limiter.limits()
    assert (limit.operation, limit.account, limit.application) == (two.name, seller.key, "amzn1.app")
    assert (limit.region, limit.rate, limit.announced_rate, limit.burst) == ("na", 0.5, 0.5, 2)
    assert (limit.waiting, limit.admitted, limit.throttled) == (1, 2, 0)
    assert limit.tokens == pytest.approx(0.5)
    assert limit.next_available == pytest.approx(3.0)
    await waiting


@virtual_time
async def test_observers_of_an_application_are_told_too() -> None:
    """A limiter that is given to an application tells the application's observers beside its own, each once."""
    own: list[Event] = []
    application: list[Event] = []
    limiter = LocalRateLimiter(observers=[own.append])
    observers = Observers([application.append])
    for _ in range(2):
        limiter.bind(clock=VirtualClock(), observers=observers, rules=())
    await take(limiter, operation(0.1, 2), account(), status=429)
    assert own == application
    assert [type(event).__name__ for event in own] == ["RateChanged", "Throttled"]


@virtual_time
async def test_closing_sends_waiters_away() -> None:
    """Those that wait get an error at once, and so do calls that come later."""
    limiter, seller = LocalRateLimiter(clock=VirtualClock()), account()
    one = operation(0.001, 1)
    await take(limiter, one, seller)
    waiting = [asyncio.create_task(take(limiter, one, seller)) for _ in range(3)]
    await asyncio.sleep(1)
    await limiter.aclose()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [ClosedError] * 3
    with pytest.raises(ClosedError, match="closed"):
        await take(limiter, one, seller)
    assert now() == 1.0


def test_one_limiter_serves_one_loop_after_another() -> None:
    """asyncio.run twice with one limiter: buckets keep their level, dead waiters are forgotten."""
    limiter, seller = LocalRateLimiter(), account()
    fast = operation(200, 1)

    async def leave_one_waiting() -> None:
        await take(limiter, fast, seller)
        task = asyncio.create_task(take(limiter, fast, seller))
        await asyncio.sleep(0)
        task.cancel()

    async def go_on() -> None:
        async with asyncio.timeout(5):
            await asyncio.gather(*(take(limiter, fast, seller) for _ in range(3)))

    asyncio.run(leave_one_waiting())
    asyncio.run(go_on())
    assert lanes_of(limiter)[seller.key, fast].queue.total == 0


def test_a_forked_process_begins_with_nothing_at_the_rate_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no burst; one warning says how processes share."""
    limiter, seller = LocalRateLimiter(), account()
    plan = operation(10, 5)

    async def one_call() -> None:
        await take(limiter, plan, seller, rate=8.0)

    async def look() -> None:
        with pytest.raises(RateLimitWaitError):
            await take(limiter, plan, seller, max_wait=0.01)

    asyncio.run(one_call())
    monkeypatch.setattr(os, "getpid", lambda: 1)
    with pytest.warns(SPAPIWarning, match="this process was forked"):
        asyncio.run(look())
    (bucket,) = limiter.limits()
    assert bucket.tokens < 1
    assert bucket.announced_rate == 8.0


def test_calls_that_an_ended_loop_left_waiting_are_in_nobodys_way() -> None:
    """The wait predicted in the next loop does not count them."""
    limiter, seller = LocalRateLimiter(), account()
    tenth = operation(10, 1)
    abandoned: list[Coroutine[Any, Any, Permit]] = []

    async def leave_fifty_waiting() -> None:
        await take(limiter, tenth, seller)
        for _ in range(50):
            coroutine = limiter.acquire(tenth, seller, priority=Priority.NORMAL, max_wait=None)
            coroutine.send(None)  # it waits, and no task will ever be there to cancel it
            abandoned.append(coroutine)

    async def go_on() -> None:
        await take(limiter, tenth, seller, max_wait=2.0)

    asyncio.run(leave_fifty_waiting())
    asyncio.run(go_on())
    for coroutine in abandoned:
        coroutine.close()


@virtual_time
async def test_a_call_takes_from_both_tiers_or_from_neither() -> None:
    """With an application limit, three sellers draw on one bucket; who waits for it has spent no token of its own."""
    limiter = LocalRateLimiter()
    shared = operation(1.0, 5, application_rate=0.5, application_burst=2)
    sellers = [account(name) for name in "abc"]
    for seller in sellers[:2]:
        assert (await take(limiter, shared, seller)).waited == 0.0
    third = asyncio.create_task(take(limiter, shared, sellers[2]))
    await asyncio.sleep(1)
    tokens = {limit.account: limit.tokens for limit in limiter.limits()}
    assert tokens[sellers[2].key] == 5.0
    assert tokens[""] == pytest.approx(0.5)
    assert (await third).waited == pytest.approx(2.0)


@virtual_time
async def test_a_token_of_the_shared_tier_comes_back_too() -> None:
    """Releasing a permit refunds the application's bucket."""
    limiter = LocalRateLimiter()
    shared = operation(1.0, 5, application_rate=0.001, application_burst=1)
    unused = await limiter.acquire(shared, account("a"), priority=Priority.NORMAL, max_wait=None)
    waiting = asyncio.create_task(take(limiter, shared, account("b")))
    await asyncio.sleep(3)
    unused.release()
    assert (await waiting).waited == pytest.approx(3.0)


@virtual_time
async def test_sellers_take_turns_at_the_shared_tier() -> None:
    """A seller with a hundred waiting calls does not keep another one out of the application's quota."""
    limiter = LocalRateLimiter()
    shared = operation(100.0, 100, application_rate=1.0, application_burst=1)
    crowd = [asyncio.create_task(take(limiter, shared, account("crowd"))) for _ in range(100)]
    await asyncio.sleep(0.5)
    assert (await take(limiter, shared, account("alone"))).waited == pytest.approx(1.5)
    for task in crowd:
        task.cancel()


@virtual_time
async def test_the_shared_tier_is_used_in_full() -> None:
    """Many saturated sellers together reach the application's rate."""
    limiter = LocalRateLimiter()
    shared = operation(2.0, 2, application_rate=10.0, application_burst=10)
    amazon = SimulatedAmazon(10, 10)
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(saturate(limiter, shared, account(str(number)), amazon.request, seconds=100))
    assert not amazon.refused
    assert len(amazon.served) >= 0.99 * (10 + 10 * 100)


@virtual_time
async def test_a_mean_of_many_hours_is_exact() -> None:
    """Two hundred hours of getOrders at one request a minute: no drift, no rounding loss."""
    limiter, seller = LocalRateLimiter(), account()
    get_orders = operation(1 / 60, 20)
    for _ in range(12_020):
        await take(limiter, get_orders, seller)
    assert math.isclose(now(), 12_000 * 60, rel_tol=1e-9)


@virtual_time
async def test_a_call_overtaken_until_its_time_is_up_is_refused_then() -> None:
    """Urgent calls that come later can break the promise of ``max_wait``; the call fails when that time has passed."""
    limiter = LocalRateLimiter()
    one, seller = operation(1, 1), account()
    await take(limiter, one, seller)
    patient = asyncio.create_task(take(limiter, one, seller, max_wait=2))
    await asyncio.sleep(0)
    urgent = [asyncio.create_task(take(limiter, one, seller, priority=Priority.INTERACTIVE)) for _ in range(4)]
    with pytest.raises(RateLimitWaitError) as refusal:
        await patient
    assert asyncio.get_running_loop().time() == pytest.approx(2, abs=0.1)
    assert refusal.value.retry_after is not None
    assert refusal.value.retry_after > 0
    await asyncio.gather(*urgent)

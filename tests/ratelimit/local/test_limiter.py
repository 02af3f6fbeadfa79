"""What callers of the local limiter rely on."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Coroutine
from typing import Any

import pytest
from insides import lanes_of
from simulated import SimulatedAmazon, account, now, operation, saturate, take
from virtual_time import VirtualClock, run, virtual_time

import spapi_async.ratelimit as package
from spapi_async._core.events import Event, Observers
from spapi_async._core.options import Priority
from spapi_async.errors import ClosedError, RateLimitWaitError, SPAPIWarning
from spapi_async.marketplaces import Region
from spapi_async.ratelimit import LocalRateLimiter, Permit, RateLimiter

GET_ORDER = operation(0.5, 30)


def test_the_local_limiter_has_the_protocols_methods() -> None:
    """Their types are the protocol's, too."""
    limiter: RateLimiter = LocalRateLimiter()
    assert "buckets=0" in repr(limiter)
    assert sorted(package.__all__) == package.__all__
    with pytest.raises(AttributeError):
        _ = package.Nonsense


@virtual_time
async def test_the_whole_burst_goes_at_once_and_then_one_per_interval() -> None:
    """Calls are not paced while tokens are left; after that, each is sent the moment its token is there."""
    limiter, seller = LocalRateLimiter(), account()
    left = []
    for _ in range(33):
        await take(limiter, GET_ORDER, seller)
        left.append(now())
    assert left == pytest.approx([0.0] * 30 + [2.0, 4.0, 6.0])


@virtual_time
async def test_an_empty_bucket_makes_calls_wait_not_fail() -> None:
    """A call without max_wait waits as long as it must, and the permit says how long that was."""
    limiter, seller = LocalRateLimiter(), account()
    search_orders = operation(0.0056, 1)
    assert (await take(limiter, search_orders, seller)).waited == 0.0
    assert (await take(limiter, search_orders, seller)).waited == pytest.approx(1 / 0.0056)


@virtual_time
async def test_a_wait_beyond_max_wait_is_refused_at_once() -> None:
    """The refusal takes no time, names the operation and the seconds to wait, and costs no token."""
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
    """A call that may not wait at all is served while tokens are left."""
    limiter, seller = LocalRateLimiter(), account()
    two = operation(1, 2)
    await take(limiter, two, seller, max_wait=0)
    await take(limiter, two, seller, max_wait=0)
    with pytest.raises(RateLimitWaitError):
        await take(limiter, two, seller, max_wait=0)


@virtual_time
async def test_waiting_calls_are_refused_when_a_lower_rate_exceeds_their_max_wait() -> None:
    """A call that may wait ten seconds is refused when the header makes it hours; one without max_wait stays."""
    limiter, seller = LocalRateLimiter(), account()
    slow = operation(1.0, 1)
    sent = await limiter.acquire(slow, seller, priority=Priority.NORMAL, max_wait=None)
    impatient = asyncio.create_task(take(limiter, slow, seller, max_wait=10))
    patient = asyncio.create_task(take(limiter, slow, seller))
    await asyncio.sleep(0.5)
    sent.observe(200, 0.001)
    with pytest.raises(RateLimitWaitError):
        await impatient
    assert now() == 0.5
    assert (await patient).waited == pytest.approx(0.5 + 1 / 0.001)


@virtual_time
async def test_sellers_regions_operations_and_applications_do_not_share_a_bucket() -> None:
    """Each has its own tokens, and so do grantless calls, whose account is the application's scope."""
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
    """Four workers send 200 requests at 5/s with burst 10 over a jittery network in 38 s, and none is refused."""
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
    """A second report or a release after the first changes nothing."""
    limiter, seller = LocalRateLimiter(), account()
    permit = await take(limiter, operation(1, 2), seller)
    permit.release()
    permit.observe(429, 7.0)
    (limit,) = limiter.limits()
    assert (limit.tokens, limit.rate, limit.throttled) == (1.0, 1.0, 0)


@virtual_time
async def test_a_permit_without_a_report_is_spent() -> None:
    """A lost permit neither blocks the bucket nor gives its token back."""
    limiter, seller = LocalRateLimiter(), account()
    one = operation(1, 1)
    await limiter.acquire(one, seller, priority=Priority.NORMAL, max_wait=None)
    permit = await take(limiter, one, seller)
    assert 1.0 <= permit.waited <= 2.1


@virtual_time
async def test_a_released_permit_wakes_the_next_waiting_call() -> None:
    """A request that was never sent costs nothing: its token goes to the next call."""
    limiter, seller = LocalRateLimiter(), account()
    slow = operation(0.001, 1)
    unused = await limiter.acquire(slow, seller, priority=Priority.NORMAL, max_wait=None)
    waiting = asyncio.create_task(take(limiter, slow, seller))
    await asyncio.sleep(5)
    unused.release()
    assert (await waiting).waited == pytest.approx(5.0)


@virtual_time
async def test_limits_shows_every_bucket() -> None:
    """A snapshot has rate, burst, tokens, queue length, the time of the next token, and counts."""
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
async def test_observers_of_the_application_are_called_too() -> None:
    """A limiter that is given to an application calls the application's observers beside its own, each once."""
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
async def test_closing_ends_waiting_calls() -> None:
    """They get an error at once, and so do later calls."""
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
    """After a second asyncio.run buckets keep their level, and the waiting calls of the first loop are forgotten."""
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


def test_a_forked_process_begins_with_empty_buckets_at_its_parents_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """One warning says how processes can share quota."""
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


def test_a_seller_that_a_forked_process_first_calls_later_has_what_has_flowed_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its parent may have used everything by the fork. A bucket that was forgotten because it was full is not empty."""
    limiter = LocalRateLimiter()
    plan = operation(0.1, 5)

    async def child() -> list[float]:
        await take(limiter, plan, account("before"))
        await asyncio.sleep(25)
        later = [(await take(limiter, plan, account("later"))).waited for _ in range(4)]
        await asyncio.sleep(100)
        limiter.limits()  # forgets buckets that are full
        return [*later, (await take(limiter, plan, account("before"))).waited]

    run(take(limiter, plan, account()))
    monkeypatch.setattr(os, "getpid", lambda: 1)
    with pytest.warns(SPAPIWarning, match="this process was forked"):
        waits = run(child())
    assert waits == pytest.approx([0.0, 0.0, 0.0, 5.0, 0.0])  # 3.5 tokens in 35 s


def test_calls_left_waiting_by_an_ended_loop_are_not_counted() -> None:
    """The wait that is predicted in the next loop does not include them."""
    limiter, seller = LocalRateLimiter(), account()
    tenth = operation(10, 1)
    abandoned: list[Coroutine[Any, Any, Permit]] = []

    async def leave_fifty_waiting() -> None:
        await take(limiter, tenth, seller)
        for _ in range(50):
            coroutine = limiter.acquire(tenth, seller, priority=Priority.NORMAL, max_wait=None)
            coroutine.send(None)  # it waits, and there will be no task to cancel it
            abandoned.append(coroutine)

    async def go_on() -> None:
        await take(limiter, tenth, seller, max_wait=2.0)

    asyncio.run(leave_fifty_waiting())
    asyncio.run(go_on())
    for coroutine in abandoned:
        coroutine.close()


@virtual_time
async def test_a_call_takes_from_both_buckets_or_from_neither() -> None:
    """Three sellers share the application's bucket; a call that waits for it has spent no token of its seller's."""
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
async def test_a_released_permit_refunds_the_applications_bucket() -> None:
    """Its token is there for the next call."""
    limiter = LocalRateLimiter()
    shared = operation(1.0, 5, application_rate=0.001, application_burst=1)
    unused = await limiter.acquire(shared, account("a"), priority=Priority.NORMAL, max_wait=None)
    waiting = asyncio.create_task(take(limiter, shared, account("b")))
    await asyncio.sleep(3)
    unused.release()
    assert (await waiting).waited == pytest.approx(3.0)


@virtual_time
async def test_sellers_take_turns_at_the_applications_bucket() -> None:
    """A seller with a hundred waiting calls does not keep another one out of the application's quota."""
    limiter = LocalRateLimiter()
    shared = operation(100.0, 100, application_rate=1.0, application_burst=1)
    crowd = [asyncio.create_task(take(limiter, shared, account("crowd"))) for _ in range(100)]
    await asyncio.sleep(0.5)
    assert (await take(limiter, shared, account("alone"))).waited == pytest.approx(1.5)
    for task in crowd:
        task.cancel()


@virtual_time
async def test_the_applications_quota_is_used_completely() -> None:
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
async def test_the_rate_over_many_hours_is_exact() -> None:
    """Fifty hours of getOrders at one request a minute show no drift and no rounding loss."""
    limiter, seller = LocalRateLimiter(), account()
    get_orders = operation(1 / 60, 20)
    for _ in range(3_020):
        await take(limiter, get_orders, seller)
    assert math.isclose(now(), 3_000 * 60, rel_tol=1e-9)


@virtual_time
async def test_an_overtaken_call_is_refused_when_max_wait_has_passed() -> None:
    """More urgent calls that come later may make the wait longer than predicted."""
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

"""A call with ``max_wait`` is served until the last moment, and its refusal names the wait that it would have had."""

from __future__ import annotations

import asyncio

import pytest
from simulated import account, now, operation, take
from virtual_time import virtual_time

from spapi_async._core.options import Priority
from spapi_async.api.reports_2021_06_30 import CREATE_REPORT
from spapi_async.errors import RateLimitWaitError
from spapi_async.ratelimit import Bucket, LocalRateLimiter, Permit, PlanRule


@virtual_time
async def test_a_token_that_comes_at_the_deadline_is_in_time() -> None:
    """Both are due at the same moment; the deadline's timer was set first."""
    limiter, slow = LocalRateLimiter(), operation(0.1, 1)
    await take(limiter, slow, account())
    assert (await take(limiter, slow, account(), max_wait=10.0)).waited == 10.0


@virtual_time
async def test_calls_that_are_refused_together_are_not_in_each_others_way() -> None:
    """Four urgent calls overtook two: each error names the wait of another such call, behind whoever still waits."""
    limiter, slow = LocalRateLimiter(), operation(0.1, 1)
    await take(limiter, slow, account())
    late = [asyncio.create_task(take(limiter, slow, account(), max_wait=25.0)) for _ in range(2)]
    await asyncio.sleep(0)
    urgent = [asyncio.create_task(take(limiter, slow, account(), priority=Priority.INTERACTIVE)) for _ in range(4)]
    errors = await asyncio.gather(*late, return_exceptions=True)
    assert {type(error) for error in errors} == {RateLimitWaitError}
    # At 25 s two urgent calls have been served, and two will be at 30 and 40 s. Behind them one of the two calls is
    # left when the first error is made, and none when the second is.
    waits = sorted(error.retry_after for error in errors if isinstance(error, RateLimitWaitError) and error.retry_after)
    assert waits == pytest.approx([25.0, 35.0], abs=0.02)
    assert "no quota within max_wait=25 s, and none for another" in str(errors[0])
    await asyncio.gather(*urgent)


@virtual_time
async def test_the_wait_behind_calls_of_the_same_priority_counts() -> None:
    """The error is about another call of this priority, not about an urgent one."""
    limiter, slow = LocalRateLimiter(), operation(0.1, 1)
    await take(limiter, slow, account())
    late = asyncio.create_task(take(limiter, slow, account(), priority=Priority.BULK, max_wait=15.0))
    await asyncio.sleep(0)
    others = [asyncio.create_task(take(limiter, slow, account())) for _ in range(3)]
    with pytest.raises(RateLimitWaitError) as refusal:
        await late
    assert refusal.value.retry_after == pytest.approx(25.0, abs=0.02)  # the others go at 20 and 30 s
    await asyncio.gather(*others)


@virtual_time
async def test_the_wait_behind_requests_under_way_is_known_at_once() -> None:
    """The token of a burst of one is in flight for a second, and the next one flows in after that."""
    limiter, slow = LocalRateLimiter(), operation(0.01, 1)
    await limiter.acquire(slow, account(), priority=Priority.NORMAL, max_wait=None)
    assert limiter.forecast(slow, account()) == pytest.approx(101.0)
    with pytest.raises(RateLimitWaitError) as refusal:
        await take(limiter, slow, account(), max_wait=50.0)
    assert now() == 0.0
    assert refusal.value.retry_after == pytest.approx(101.0)
    assert (await take(limiter, slow, account(), max_wait=101.5)).waited == pytest.approx(101.0)


@virtual_time
async def test_a_429_by_which_all_waiting_calls_are_late_is_reported_to_its_own_call() -> None:
    """The plan has got the token of the refused request back, but the call that waited there has just been refused."""
    limiter = LocalRateLimiter(rules=[PlanRule(CREATE_REPORT.name, "body.reportType", "X", (Bucket(0.0167, 15),))])

    async def report(max_wait: float | None = None) -> Permit:
        arguments = {"body": {"reportType": "X"}}
        return await limiter.acquire(
            CREATE_REPORT, account(), priority=Priority.NORMAL, max_wait=max_wait, arguments=arguments
        )

    served, refused, *_ = [await report() for _ in range(15)]
    served.observe(202, None)
    late = asyncio.create_task(report(max_wait=100.0))
    await asyncio.sleep(0)
    refused.observe(429, None)
    with pytest.raises(RateLimitWaitError, match="longer than max_wait=100 s"):
        await late
    assert now() == 0.0
    assert [limit.waiting for limit in limiter.limits()] == [0, 0]


@virtual_time
async def test_an_urgent_call_goes_after_another_sellers_urgent_call() -> None:
    """Also if the seller's normal call waits already: it is not the other seller's call that goes with it."""
    limiter, pool = LocalRateLimiter(), operation(10.0, 10, application_rate=0.1, application_burst=1)
    await take(limiter, pool, account("one"))
    urgent = asyncio.create_task(take(limiter, pool, account("two"), priority=Priority.INTERACTIVE))
    await asyncio.sleep(0)
    normal = asyncio.create_task(take(limiter, pool, account("one")))
    await asyncio.sleep(0)
    wait = limiter.forecast(pool, account("one"), priority=Priority.INTERACTIVE)
    last = await take(limiter, pool, account("one"), priority=Priority.INTERACTIVE)
    assert wait == last.waited == pytest.approx(20.0)
    await asyncio.gather(urgent, normal)


@virtual_time
async def test_sellers_with_many_calls_delay_a_sellers_calls_by_one_each() -> None:
    """They take turns: of three calls of another seller, as many go before as this seller makes."""
    limiter, pool = LocalRateLimiter(), operation(10.0, 10, application_rate=0.1, application_burst=1)
    await take(limiter, pool, account("one"))
    others = [asyncio.create_task(take(limiter, pool, account("two"))) for _ in range(3)]
    await asyncio.sleep(0)
    assert [limiter.forecast(pool, account("one"), count=count) for count in (1, 2)] == pytest.approx([20.0, 40.0])
    calls = [asyncio.create_task(take(limiter, pool, account("one"))) for _ in range(2)]
    assert [(await call).waited for call in calls] == pytest.approx([20.0, 40.0])
    await asyncio.gather(*others)

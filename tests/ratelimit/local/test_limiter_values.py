"""A limit that is learned for one value of an argument, in calls that wait and over a restart."""

from __future__ import annotations

import asyncio

import pytest
from simulated import account, now
from virtual_time import VirtualClock, virtual_time

from spapi_async._core.options import Priority
from spapi_async.api.reports_2021_06_30 import CREATE_REPORT
from spapi_async.credentials import Account, Grant
from spapi_async.errors import ClosedError, RateLimitWaitError
from spapi_async.marketplaces import Region
from spapi_async.ratelimit import LocalRateLimiter, Permit

GRANT = Grant.refresh_token("amzn1.app", "Atzr|one")


def arguments(kind: str) -> dict[str, object]:
    """A report of this type."""
    return {"body": {"reportType": kind}}


async def report(
    limiter: LocalRateLimiter, kind: str, who: Account | None = None, max_wait: float | None = None
) -> Permit:
    """Request a report."""
    return await limiter.acquire(
        CREATE_REPORT, who or account(), priority=Priority.NORMAL, max_wait=max_wait, arguments=arguments(kind)
    )


async def learn(limiter: LocalRateLimiter, who: Account) -> None:
    """Have type A refused while type B passes."""
    (await report(limiter, "B", who)).observe(202, None)
    (await report(limiter, "A", who)).observe(429, None)


@virtual_time
async def test_calls_that_wait_when_their_value_gets_a_limit_count_there() -> None:
    """They are displayed as waiting, and are refused at once if the new limit is too slow for their max_wait."""
    limiter = LocalRateLimiter()
    (await report(limiter, "B")).observe(202, None)
    refused, *_ = [await report(limiter, "A") for _ in range(14)]
    patient = asyncio.create_task(report(limiter, "A", max_wait=500.0))
    late = asyncio.create_task(report(limiter, "A", max_wait=150.0))
    await asyncio.sleep(0)
    refused.observe(429, None)
    assert [limit.waiting for limit in limiter.limits()] == [1, 1]
    with pytest.raises(RateLimitWaitError):
        await late
    assert now() == 0.0
    assert (await patient).waited == pytest.approx(2 / (0.0167 * 0.85))


@virtual_time
async def test_calls_that_have_waited_for_long_end_when_the_limiter_is_closed() -> None:
    """Calls that wait are not forgotten, although others use the same plan."""
    limiter = LocalRateLimiter()
    for kind in "A" + "B" * 14:
        (await report(limiter, kind)).observe(202, None)
    waiting = asyncio.create_task(report(limiter, "A"))
    await asyncio.sleep(20)
    limiter.limits()
    await limiter.aclose()
    with pytest.raises(ClosedError):
        await waiting


@virtual_time
@pytest.mark.parametrize("seller_id", [None, "A1SELLER"])
async def test_a_learned_limit_outlives_a_restart(seller_id: str | None) -> None:
    """Also if the next run knows the seller's id and the former one did not."""
    limiter = LocalRateLimiter(clock=VirtualClock())
    await learn(limiter, Account(GRANT, Region.NA))
    again = LocalRateLimiter(clock=VirtualClock())
    again.load_state(limiter.dump_state())
    seller = Account(GRANT, Region.NA, seller_id)
    assert again.forecast(CREATE_REPORT, seller, arguments("A")) == pytest.approx(2 / (0.0167 * 0.85))
    assert again.forecast(CREATE_REPORT, seller, arguments("B")) == 0.0
    assert [limit.rule for limit in again.limits()] == ["", "reportType=A"]

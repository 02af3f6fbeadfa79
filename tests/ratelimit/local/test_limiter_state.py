"""A saved state: a restarted job does not spend what its last run has already spent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from simulated import account, operation, take
from virtual_time import VirtualClock, virtual_time

from spapi_async._core.options import Priority
from spapi_async.api.reports_2021_06_30 import CREATE_REPORT
from spapi_async.errors import ConfigurationError
from spapi_async.ratelimit import Bucket, LocalRateLimiter, PlanRule, Window

SLOW = operation(0.1, 10)


async def saved_after(number: int, *, status: int = 200, rate: float | None = None) -> bytes:
    """The state of a run that made ``number`` calls."""
    limiter = LocalRateLimiter(clock=VirtualClock())
    for _ in range(number):
        await take(limiter, SLOW, account(), status=status, rate=rate)
    return limiter.dump_state()


def restored(saved: bytes, *, seconds_later: float, rules: Sequence[PlanRule] = ()) -> LocalRateLimiter:
    limiter = LocalRateLimiter(rules=rules, clock=VirtualClock(VirtualClock().epoch + seconds_later))
    limiter.load_state(saved)
    return limiter


@virtual_time
async def test_a_spent_burst_stays_spent_after_a_restart() -> None:
    """Five of ten tokens were spent; ten seconds later, six are left."""
    limiter = restored(await saved_after(5), seconds_later=10)
    for _ in range(6):
        assert (await take(limiter, SLOW, account())).waited == 0.0
    assert (await take(limiter, SLOW, account())).waited == pytest.approx(10.0)


@virtual_time
async def test_the_bucket_refills_between_two_runs_up_to_its_burst() -> None:
    """After a day it is full."""
    limiter = restored(await saved_after(10), seconds_later=86_400)
    await take(limiter, SLOW, account())
    assert limiter.limits()[0].tokens == 9.0


@virtual_time
async def test_a_clock_that_went_back_refills_nothing() -> None:
    """A saved state from the future counts as saved just now."""
    limiter = restored(await saved_after(10), seconds_later=-500)
    assert (await take(limiter, SLOW, account())).waited == pytest.approx(10.0)


@virtual_time
async def test_learned_rates_are_saved() -> None:
    """The rate of the header stays; one lowered by a 429 does so for an hour."""
    limiter = restored(await saved_after(1, rate=0.5), seconds_later=0)
    await take(limiter, SLOW, account())
    assert limiter.limits()[0].rate == 0.5
    for later, rate in ((60, 0.085), (4000, 0.1)):
        limiter = restored(await saved_after(1, status=429), seconds_later=later)
        await take(limiter, SLOW, account())
        assert limiter.limits()[0].rate == pytest.approx(rate, rel=0.02)


@virtual_time
async def test_a_lowered_rate_recovers_after_a_restart() -> None:
    """The announced rate is back after six hundred successes, as if the program had not been restarted."""
    limiter = restored(await saved_after(1, status=429), seconds_later=60)
    for _ in range(600):
        await take(limiter, SLOW, account())
    assert limiter.limits()[0].rate == 0.1


@virtual_time
async def test_a_learned_burst_is_saved() -> None:
    """Three of ten requests were served."""
    limiter = LocalRateLimiter(clock=VirtualClock())
    for status in (200, 200, 200, 429):
        await take(limiter, SLOW, account(), status=status)
    again = restored(limiter.dump_state(), seconds_later=300)
    assert again.forecast(SLOW, account(), count=3) == 0.0
    assert again.forecast(SLOW, account(), count=4) > 0.0
    assert again.limits()[0].burst == 3.0


@virtual_time
async def test_a_429_to_the_first_request_after_a_restart_counts() -> None:
    """Even if the clock has not advanced since the state was loaded."""
    limiter = restored(await saved_after(1), seconds_later=0)
    await take(limiter, SLOW, account(), status=429)
    assert limiter.limits()[0].rate == pytest.approx(0.085)


@virtual_time
async def test_unused_buckets_are_saved_again() -> None:
    """A run that makes no call saves what it loaded, with the time that has passed."""
    second = restored(await saved_after(10), seconds_later=10).dump_state()
    limiter = restored(second, seconds_later=20)
    for _ in range(2):
        assert (await take(limiter, SLOW, account())).waited == 0.0
    assert (await take(limiter, SLOW, account())).waited > 0.0


@virtual_time
async def test_unused_buckets_refill_during_a_run() -> None:
    """The run took ten seconds, so one more token is there when the next one begins."""
    second = restored(await saved_after(10), seconds_later=10)
    await asyncio.sleep(10)
    third = restored(second.dump_state(), seconds_later=10)
    assert third.forecast(SLOW, account(), count=2) == 0.0
    assert third.forecast(SLOW, account(), count=3) == pytest.approx(10.0)


@virtual_time
async def test_requests_in_flight_count_as_spent() -> None:
    """The process died with a request under way, whose token is gone."""
    limiter = LocalRateLimiter(clock=VirtualClock())
    for _ in range(10):
        await limiter.acquire(SLOW, account(), priority=Priority.NORMAL, max_wait=None)
    again = restored(limiter.dump_state(), seconds_later=0)
    assert (await take(again, SLOW, account())).waited == pytest.approx(10.0)


@virtual_time
async def test_the_applications_bucket_is_saved_too() -> None:
    """It is restored for any seller."""
    shared = operation(1.0, 5, application_rate=0.1, application_burst=1)
    limiter = LocalRateLimiter(clock=VirtualClock())
    await take(limiter, shared, account("a"))
    again = restored(limiter.dump_state(), seconds_later=0)
    assert (await take(again, shared, account("b"))).waited == pytest.approx(10.0)


SALES = {"body": {"reportType": "SALES"}}


def sales_rule(limit: Bucket | Window) -> list[PlanRule]:
    return [PlanRule(CREATE_REPORT.name, "body.reportType", "SALES", (limit,))]


async def saved_after_reports(limit: Bucket | Window, *statuses: int) -> bytes:
    """The state of a run whose requests for that report had these answers."""
    limiter = LocalRateLimiter(rules=sales_rule(limit), clock=VirtualClock())
    for status in statuses:
        permit = await limiter.acquire(
            CREATE_REPORT, account(), priority=Priority.NORMAL, max_wait=None, arguments=SALES
        )
        permit.observe(status, None)
    return limiter.dump_state()


@virtual_time
async def test_a_window_closed_by_a_429_stays_closed_after_a_restart() -> None:
    """Another client has spent it: the next run waits for the rest of the mean distance, too."""
    saved = await saved_after_reports(Window(4, 3600), 429)
    for later, wait in ((0, 900), (600, 300), (1000, 0)):
        limiter = restored(saved, seconds_later=later, rules=sales_rule(Window(4, 3600)))
        assert limiter.forecast(CREATE_REPORT, account(), SALES) == pytest.approx(wait)


@virtual_time
async def test_a_changed_rule_applies_after_a_restart() -> None:
    """The saved rate is not used, since no header would correct it; what was spent and lowered stays."""
    saved = await saved_after_reports(Bucket(0.01, 5), 202, 202, 429)
    limiter = restored(saved, seconds_later=0, rules=sales_rule(Bucket(1.0, 8)))
    limiter.forecast(CREATE_REPORT, account(), SALES)
    _, rule = limiter.limits()
    assert rule.announced_rate == 1.0
    assert rule.rate == pytest.approx(0.85)
    assert rule.tokens < 0


@virtual_time
async def test_a_bucket_made_of_a_closed_window_stays_empty() -> None:
    """It is empty for as long as the window would be closed, without a request of its own."""
    saved = await saved_after_reports(Window(4, 3600), 429)
    limiter = restored(saved, seconds_later=0, rules=sales_rule(Bucket(0.01, 5)))
    assert limiter.forecast(CREATE_REPORT, account(), SALES) == pytest.approx(900)


@virtual_time
async def test_a_bucket_made_of_a_closed_window_has_no_more_than_its_requests_left() -> None:
    """Three requests have left nothing in a bucket of one that fills in three hours, although the window soon opens."""
    saved = await saved_after_reports(Window(4, 3600), 202, 202, 202, 429)
    limiter = restored(saved, seconds_later=895, rules=sales_rule(Bucket(1e-4, 1)))
    assert limiter.forecast(CREATE_REPORT, account(), SALES) == pytest.approx(10_000 - 895)


@virtual_time
async def test_a_window_closed_by_a_429_is_still_closed_when_it_returns() -> None:
    """Another version of the rule had a bucket meanwhile."""
    saved = await saved_after_reports(Window(4, 3600), 429)
    meanwhile = restored(saved, seconds_later=100, rules=sales_rule(Bucket(0.01, 5)))
    meanwhile.forecast(CREATE_REPORT, account(), SALES)
    limiter = restored(meanwhile.dump_state(), seconds_later=200, rules=sales_rule(Window(4, 3600)))
    assert limiter.forecast(CREATE_REPORT, account(), SALES) == pytest.approx(700)


@virtual_time
async def test_a_window_made_of_a_full_bucket_admits_its_burst() -> None:
    """The bucket had been full for a day."""
    saved = await saved_after_reports(Bucket(0.01, 5), 202)
    limiter = restored(saved, seconds_later=86_400, rules=sales_rule(Window(12, 3600)))
    assert limiter.forecast(CREATE_REPORT, account(), SALES, count=5) == 0.0
    assert limiter.forecast(CREATE_REPORT, account(), SALES, count=6) == pytest.approx(100.0)


@virtual_time
@pytest.mark.parametrize("later", [0, 5])
async def test_a_window_that_returns_counts_what_a_bucket_admitted(later: int) -> None:
    """Each of its requests, but for one that was refused and one that was never sent."""
    saved = await saved_after_reports(Window(4, 3600), 202)
    limiter = restored(saved, seconds_later=4000, rules=sales_rule(Bucket(1.0, 8)))
    permits = [
        await limiter.acquire(CREATE_REPORT, account(), priority=Priority.NORMAL, max_wait=None, arguments=SALES)
        for _ in range(4)
    ]
    await asyncio.sleep(later)
    permits.pop().release()
    for permit, status in zip(permits, (202, 202, 429), strict=True):
        permit.observe(status, None)
    again = restored(limiter.dump_state(), seconds_later=4000, rules=sales_rule(Window(4, 3600)))
    assert again.forecast(CREATE_REPORT, account(), SALES, count=2) == 0.0
    assert again.forecast(CREATE_REPORT, account(), SALES, count=3) > 3500


@virtual_time
async def test_a_limit_is_kept_as_long_as_one_of_its_forms_is_in_use() -> None:
    """The bucket is full again in no time; the window remembers the request for an hour."""
    saved = await saved_after_reports(Window(4, 3600), 202)
    limiter = restored(saved, seconds_later=0, rules=sales_rule(Bucket(1.0, 8)))
    limiter.forecast(CREATE_REPORT, account(), SALES)
    await asyncio.sleep(60)
    limiter.limits()
    again = restored(limiter.dump_state(), seconds_later=60, rules=sales_rule(Window(4, 3600)))
    assert again.forecast(CREATE_REPORT, account(), SALES, count=3) == 0.0
    assert again.forecast(CREATE_REPORT, account(), SALES, count=4) > 3400


@virtual_time
async def test_a_saved_state_holds_no_secret() -> None:
    """It holds digests, not tokens."""
    assert b"Atzr" not in await saved_after(3)


@pytest.mark.parametrize(
    "garbage", [b"", b"{}", b"\xff", b"[1,2]", b'{"version":9,"saved_at":0,"buckets":[]}', b"[" * 10_000]
)
def test_a_damaged_state_is_refused(garbage: bytes) -> None:
    """The error is clear, and nothing is loaded."""
    with pytest.raises(ConfigurationError):
        LocalRateLimiter().load_state(garbage)

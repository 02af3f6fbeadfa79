"""The rates that headers announce, and what the limiter learns from a 429."""

from __future__ import annotations

import asyncio
import itertools
import math

import pytest
from simulated import SimulatedAmazon, account, now, operation, saturate, take
from virtual_time import virtual_time

from spapi_async._core.events import Event, RateChanged, Throttled
from spapi_async._core.options import Priority
from spapi_async.ratelimit import LocalRateLimiter, Permit
from spapi_async.ratelimit._adaptation import Adaptation


async def permit(limiter: LocalRateLimiter, what: object) -> Permit:
    return await limiter.acquire(what, account(), priority=Priority.NORMAL, max_wait=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [200, 201, 204, 400, 404])
def test_a_header_raises_the_rate(status: int) -> None:
    """A higher x-amzn-RateLimit-Limit takes effect whatever the reply's status."""

    @virtual_time
    async def scenario() -> None:
        limiter = LocalRateLimiter()
        slow = operation(0.1, 1)
        await take(limiter, slow, account(), status=status, rate=2.0)
        assert (await take(limiter, slow, account())).waited == pytest.approx(0.5)
        assert limiter.limits()[0].announced_rate == 2.0

    scenario()


@virtual_time
async def test_a_higher_rate_shortens_waits_that_have_begun() -> None:
    """The queue is rescheduled at once, not after the wait at the old rate."""
    limiter, slow = LocalRateLimiter(), operation(0.001, 2)
    first, _ = [await permit(limiter, slow) for _ in range(2)]
    waiting = [asyncio.create_task(take(limiter, slow, account())) for _ in range(3)]
    await asyncio.sleep(10)
    first.observe(200, 1.0)
    assert [(await task).waited for task in waiting] == pytest.approx([10.99, 11.99, 12.99], abs=0.02)


@virtual_time
async def test_a_lower_rate_slows_down_and_keeps_what_accrued() -> None:
    """Time before the header counts at the old rate, time after it at the new one."""
    limiter, op = LocalRateLimiter(), operation(1.0, 2)
    await take(limiter, op, account())
    second = await permit(limiter, op)
    waiting = asyncio.create_task(take(limiter, op, account()))
    await asyncio.sleep(0.5)
    second.observe(200, 0.1)
    assert (await waiting).waited == pytest.approx(0.5 + 0.5 / 0.1)


@virtual_time
@pytest.mark.parametrize("garbage", [math.nan, math.inf, -math.inf, 0.0, -1.0, 1e-9, 1e9])
async def test_an_implausible_header_changes_nothing(garbage: float) -> None:
    """Zero, negative, infinite and absurd figures keep the known rate."""
    limiter, op = LocalRateLimiter(), operation(0.5, 1)
    await take(limiter, op, account(), rate=garbage)
    assert limiter.limits()[0].rate == 0.5


@virtual_time
@pytest.mark.parametrize(
    ("plan", "header", "rate"),
    [(0.0167, 0.0167, 0.0167), (0.0167, 0.016, 0.0167), (1 / 60, 0.0167, 1 / 60), (0.5, 0.48, 0.48), (5.0, 5.0, 5.0)],
)
async def test_a_rounded_rate_changes_nothing(plan: float, header: float, rate: float) -> None:
    """Amazon truncates and rounds: 0.016 for one a minute is not another rate."""
    limiter, op = LocalRateLimiter(), operation(plan, 1)
    await take(limiter, op, account(), rate=header)
    assert limiter.limits()[0].rate == rate


@virtual_time
async def test_after_a_429_waiting_calls_leave_one_by_one() -> None:
    """The bucket is empty, and a queue of fifty is spaced at the lowered rate."""
    limiter, op = LocalRateLimiter(), operation(5.0, 10)
    first = await permit(limiter, op)
    first.observe(429, None)
    left: list[float] = []

    async def call() -> None:
        await take(limiter, op, account(), status=None)
        left.append(now())

    await asyncio.gather(*(call() for _ in range(50)))
    gaps = [after - before for before, after in itertools.pairwise(left)]
    assert left[0] == pytest.approx(2 / 4.25)
    assert min(gaps) >= 1 / 5.0


@virtual_time
async def test_429s_of_the_same_empty_bucket_lower_the_rate_once() -> None:
    """The ten requests were under way together, and their replies come one after another."""
    events: list[Event] = []
    limiter, op = LocalRateLimiter(observers=[events.append]), operation(5.0, 10)
    flights = [await permit(limiter, op) for _ in range(10)]
    for flight in flights:
        await asyncio.sleep(0.01)
        flight.observe(429, None)
    (limit,) = limiter.limits()
    assert limit.rate == pytest.approx(5.0 * 0.85)
    assert limit.throttled == 10
    assert sum(isinstance(event, Throttled) for event in events) == 10
    assert [event.reason for event in events if isinstance(event, RateChanged)] == ["throttled"]


@virtual_time
async def test_a_429_that_lowers_no_rate_reports_no_change() -> None:
    """The first one of a bucket of one token says that another client took it, not that tokens come more slowly."""
    events: list[Event] = []
    limiter = LocalRateLimiter(observers=[events.append])
    await take(limiter, operation(1.0, 1), account(), status=429)
    assert [type(event) for event in events] == [Throttled]


@virtual_time
async def test_a_change_of_the_applications_rate_names_no_seller() -> None:
    """The limit belongs to all sellers; that of a usage plan names its own."""
    events: list[Event] = []
    limiter = LocalRateLimiter(observers=[events.append])
    shared = operation(100.0, 100, application_rate=1.0, application_burst=2)
    await take(limiter, shared, account())
    await take(limiter, shared, account(), status=429)
    await take(limiter, operation(1.0, 2, name="orders_v0.get_orders"), account(), status=429)
    changed = [(event.operation, event.account) for event in events if isinstance(event, RateChanged)]
    assert changed == [("orders_v0.get_order", ""), ("orders_v0.get_orders", account().name)]


@virtual_time
async def test_the_rate_recovers_gradually_to_the_announced_one() -> None:
    """It rises with each success, never above what Amazon announces, and observers are called when it is back."""
    events: list[Event] = []
    limiter, op = LocalRateLimiter(observers=[events.append]), operation(5.0, 10)
    await take(limiter, op, account(), status=429)
    rates = []
    for _ in range(400):
        await take(limiter, op, account(), rate=5.0)
        rates.append(limiter.limits()[0].rate)
    assert rates == sorted(rates)
    assert max(after - before for before, after in itertools.pairwise(rates)) < 0.05 * 5.0
    assert rates[-1] == 5.0
    assert [event.reason for event in events if isinstance(event, RateChanged)] == ["throttled", "recovery"]


@virtual_time
async def test_server_errors_and_denials_do_not_raise_the_rate() -> None:
    """A request that got a 503 or a 403 may not have been counted by the bucket."""
    limiter, op = LocalRateLimiter(), operation(5.0, 10)
    await take(limiter, op, account(), status=429)
    for status in (500, 503, 403, 401, None) * 20:
        await take(limiter, op, account(), status=status)
    assert limiter.limits()[0].rate == pytest.approx(5.0 * 0.85)


@virtual_time
async def test_a_smaller_burst_is_learned_from_sequential_requests() -> None:
    """The sixth in a row is refused, so the bucket holds five; the next ones are served."""
    limiter, op = LocalRateLimiter(), operation(0.5, 10)
    amazon = SimulatedAmazon(0.5, 5, latency=(0.01, 0.02))
    for _ in range(8):
        await amazon.request(await permit(limiter, op))
    assert (len(amazon.refused), limiter.limits()[0].burst) == (1, 5)
    await asyncio.sleep(60)
    for _ in range(8):
        await amazon.request(await permit(limiter, op))
    assert len(amazon.refused) == 1


@virtual_time
async def test_a_smaller_burst_is_learned_from_simultaneous_requests() -> None:
    """Ten leave together and five are refused, so the bucket holds five."""
    limiter, op = LocalRateLimiter(), operation(5.0, 10)
    amazon = SimulatedAmazon(5.0, 5, latency=(0.01, 0.01))
    flights = [amazon.request(await permit(limiter, op)) for _ in range(10)]
    await asyncio.gather(*flights)
    assert len(amazon.refused) == 5
    assert limiter.limits()[0].burst == 5
    await saturate(limiter, op, account(), amazon.request, seconds=10)
    await asyncio.sleep(60)
    before = len(amazon.refused)
    await asyncio.gather(*[amazon.request(await permit(limiter, op)) for _ in range(10)])
    assert len(amazon.refused) == before


@virtual_time
@pytest.mark.parametrize("number", [1, 4])
async def test_no_burst_is_learned_when_every_request_is_refused(number: int) -> None:
    """Another client had emptied the bucket, however large it is."""
    limiter, op = LocalRateLimiter(), operation(5.0, 10)
    for flight in [await permit(limiter, op) for _ in range(number)]:
        flight.observe(429, None)
    assert limiter.limits()[0].burst == 10


@virtual_time
async def test_the_rate_of_a_burst_of_one_is_not_lowered() -> None:
    """A longer pause would only give another client more time to take the next token."""
    limiter, op = LocalRateLimiter(), operation(5.0, 1)
    for _ in range(10):
        await take(limiter, op, account(), status=429)
    assert limiter.limits()[0].rate == 5.0
    assert now() == pytest.approx(9 / 5.0)


@virtual_time
async def test_a_larger_burst_is_tried_less_and_less_often() -> None:
    """A bucket that stays smaller than published costs a vanishing part of the calls."""
    limiter, op = LocalRateLimiter(), operation(5.0, 10)
    amazon = SimulatedAmazon(5.0, 5, latency=(0.01, 0.01))
    for _ in range(400):
        await asyncio.gather(*[amazon.request(await permit(limiter, op)) for _ in range(10)])
        await asyncio.sleep(5)
    assert len(amazon.refused) <= 0.01 * len(amazon.served)


@virtual_time
async def test_a_burst_that_has_grown_is_learned() -> None:
    """After enough calls without a 429 the published burst is used again."""
    limiter, op = LocalRateLimiter(), operation(5.0, 10)
    amazon = SimulatedAmazon(5.0, 5, latency=(0.01, 0.01))
    await asyncio.gather(*[amazon.request(await permit(limiter, op)) for _ in range(10)])
    amazon.bucket.burst = 10
    await saturate(limiter, op, account(), amazon.request, seconds=200)
    assert limiter.limits()[0].burst == 10
    assert len(amazon.refused) == 5


@virtual_time
async def test_429s_of_two_sellers_in_a_row_lower_the_applications_rate() -> None:
    """The sellers' own rates stay."""
    limiter = LocalRateLimiter()
    op = operation(5.0, 10, application_rate=20.0, application_burst=20)
    for seller in "abcd":
        await take(limiter, op, account(seller), status=429)
    by_account = {limit.account: limit for limit in limiter.limits()}
    assert by_account[""].rate < 20.0
    assert [limit.rate for key, limit in by_account.items() if key not in ("", account("a").key)] == [5.0] * 3


def test_a_429_restarts_the_count_towards_a_larger_burst() -> None:
    """Ninety successes before it and ninety after it are not the hundred in a row that a larger burst takes."""
    belief = Adaptation(5.0, 10.0)
    belief.throttled(sent_at=1.0, now=1.0, number=6, drawn=6)
    assert belief.burst == 5
    for moment in (2.0, 3.0):
        for _ in range(90):
            belief.succeeded()
        belief.throttled(sent_at=moment, now=moment)
    assert belief.burst == 5
    for _ in range(100):
        belief.succeeded()
    assert belief.burst == 6


@virtual_time
async def test_no_burst_is_learned_for_a_limit_that_sellers_share() -> None:
    """How many of their requests were served since the bucket was full says nothing of one seller's."""
    limiter, op = LocalRateLimiter(), operation(5.0, 5, application_rate=5.0, application_burst=10)
    for _ in range(2):
        await take(limiter, op, account())
    refused = await permit(limiter, op)
    refused.observe(429, None, b"greater than what is allowed for the application")
    assert [limit.burst for limit in limiter.limits()] == [5.0, 10.0]
    assert [limit.throttled for limit in limiter.limits()] == [1, 1]
    assert limiter.limits()[1].rate == pytest.approx(5.0 * 0.85)


@virtual_time
async def test_a_429_of_the_same_empty_bucket_does_not_prolong_the_wait() -> None:
    """Two tokens are waited for from the first 429 on."""
    limiter, op = LocalRateLimiter(), operation(1.0, 10)
    flights = [await permit(limiter, op) for _ in range(4)]
    for flight, status in zip(flights, (200, 200, 429), strict=False):
        flight.observe(status, None)
    await asyncio.sleep(1.0)
    flights[3].observe(429, None)
    assert limiter.forecast(op, account()) == pytest.approx(2 / 0.85 - 1.0)

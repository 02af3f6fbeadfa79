"""The shared limiter on a real Redis: how several processes affect one another."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

import pytest
from insides import lanes_of
from redis_limiters import SELLER, admit_all, crash, limiters, make_account, make_operation, only, permit
from servers import RedisServer

from spapi_async._core.events import Event, RateChanged, Throttled
from spapi_async._core.options import Priority
from spapi_async.errors import RateLimitWaitError, SPAPIError
from spapi_async.ratelimit.shared.redis._limiter import RedisRateLimiter

SLOW = make_operation(1 / 180, 5)  # nothing refills during a test
FAST = make_operation(20, 40)


async def test_processes_share_one_burst(redis_url: str) -> None:
    """Two processes together are admitted as often as the bucket holds tokens."""
    async with limiters(redis_url) as (first, second):
        admitted = await admit_all(first, SLOW) + await admit_all(second, SLOW)
    assert admitted == 5


async def test_a_forecast_counts_the_calls_it_is_asked_for(redis_url: str) -> None:
    """With an empty bucket one call waits for one token, three calls for three."""
    async with limiters(redis_url, 1) as (limiter,):
        await admit_all(limiter, SLOW)
        await limiter.refresh()
        waits = [limiter.forecast(SLOW, SELLER, count=count) for count in (1, 3)]
    assert waits[0] == pytest.approx(180, rel=0.1)
    assert waits[1] == pytest.approx(3 * 180, rel=0.1)


async def test_sellers_do_not_share(redis_url: str) -> None:
    """Another seller's bucket is full, whatever the first one spent."""
    async with limiters(redis_url, 1) as (limiter,):
        await admit_all(limiter, SLOW)
        assert await admit_all(limiter, SLOW, make_account("another")) == 5


async def test_an_empty_application_bucket_leaves_the_sellers_alone(redis_url: str) -> None:
    """A call takes from both buckets or from neither."""
    operation = make_operation(1 / 180, 5, application_rate=1 / 180, application_burst=3)
    async with limiters(redis_url, 1) as (limiter,):
        admitted = await admit_all(limiter, operation)
        assert admitted == 3
        another = make_account("another")
        assert await admit_all(limiter, operation, another) == 0
        by_account = {snapshot.account: snapshot for snapshot in await limiter.snapshot_all()}
        assert by_account[another.key].tokens == pytest.approx(5, abs=0.1)
        assert by_account[""].admitted == admitted


async def test_a_rate_in_the_header_reaches_the_other_process(redis_url: str) -> None:
    """Every process uses the rate that one of them read in x-amzn-RateLimit-Limit."""
    async with limiters(redis_url) as (first, second):
        for announced in (0.5, 0.001):
            (await permit(first, SLOW)).observe(200, announced)
            await first.refresh()
            (await permit(second, SLOW)).observe(200, None)
            snapshot = only(await second.refresh())
            assert (snapshot.rate, snapshot.announced_rate) == (announced, announced)


async def test_a_429_drains_the_bucket_for_every_process(redis_url: str) -> None:
    """After one process was throttled, no other is admitted with tokens that did not exist."""
    async with limiters(redis_url) as (first, second):
        (await permit(first, SLOW)).observe(429, None)
        await first.refresh()
        assert await admit_all(second, SLOW) == 0


async def test_requests_in_flight_together_decrease_the_rate_once(redis_url: str) -> None:
    """Three 429s of the same empty bucket lower the rate by one step."""
    async with limiters(redis_url) as (first, second):
        permits = [await permit(limiter, SLOW) for limiter in (first, second, first)]
        for each, limiter in zip(permits, (first, second, first), strict=True):
            each.observe(429, None)
            await limiter.refresh()
        snapshot = only(await first.refresh())
        assert snapshot.rate == pytest.approx(SLOW.usage_plan.rate * 0.85)
        assert snapshot.throttled == 3


async def test_the_rate_recovers_as_calls_succeed(redis_url: str) -> None:
    """After a 429 the shared rate grows back towards the announced one with every token spent."""
    operation = make_operation(200, 10)
    async with limiters(redis_url, 1) as (limiter,):
        (await permit(limiter, operation)).observe(429, None)
        lowered = only(await limiter.refresh()).rate
        for _ in range(100):
            (await permit(limiter, operation)).observe(200, None)
        assert lowered < only(await limiter.refresh()).rate <= 200


async def test_an_urgent_call_overtakes_those_of_another_process(redis_url: str) -> None:
    """A bulk queue in one process does not hold up an interactive call in another for more than a token or two."""
    operation = make_operation(4, 1)
    order: list[str] = []

    async def call(limiter: RedisRateLimiter, name: str, priority: Priority) -> None:
        (await permit(limiter, operation, priority=priority)).observe(200, None)
        order.append(name)

    async with (
        limiters(redis_url, lease_seconds=0.2) as (first, second),
        asyncio.timeout(120),
        asyncio.TaskGroup() as tasks,
    ):
        await admit_all(first, operation, max_wait=0)
        for _ in range(6):
            tasks.create_task(call(first, "bulk", Priority.BULK))
        await asyncio.sleep(0)
        tasks.create_task(call(second, "urgent", Priority.INTERACTIVE))
    assert order.index("urgent") <= 2


async def test_urgent_calls_get_every_token_in_any_process(redis_url: str) -> None:
    """The token kept for urgent calls is not saved for a process that may have such a call later."""
    async with limiters(redis_url) as pair, asyncio.timeout(60):
        for turns in itertools.product((0, 1), repeat=5):
            account = make_account("".join(map(str, turns)))
            for turn in turns:
                await permit(pair[turn], SLOW, account, priority=Priority.INTERACTIVE, max_wait=2)


async def test_bulk_work_of_one_process_is_not_starved_by_urgent_work_of_another(redis_url: str) -> None:
    """Of ten tokens at least one goes to a lower priority, in whichever process it waits."""
    operation = make_operation(50, 1)
    order: list[str] = []

    async def call(limiter: RedisRateLimiter, name: str, priority: Priority) -> None:
        (await permit(limiter, operation, priority=priority)).observe(200, None)
        order.append(name)

    async with (
        limiters(redis_url, lease_seconds=0.2) as (first, second),
        asyncio.timeout(120),
        asyncio.TaskGroup() as tasks,
    ):
        await admit_all(first, operation, max_wait=0)
        for _ in range(100):
            tasks.create_task(call(first, "urgent", Priority.INTERACTIVE))
        tasks.create_task(call(second, "bulk", Priority.BULK))
    assert order.index("bulk") < 60


async def test_processes_of_equal_priority_take_turns(redis_url: str) -> None:
    """A process with a short queue is done long before one that came first with a long queue."""
    operation = make_operation(50, 1)
    order: list[int] = []

    async def call(limiter: RedisRateLimiter, number: int) -> None:
        (await permit(limiter, operation)).observe(200, None)
        order.append(number)

    async with limiters(redis_url, lease_seconds=0.2) as made, asyncio.timeout(120), asyncio.TaskGroup() as tasks:
        for _ in range(80):
            tasks.create_task(call(made[0], 0))
        await asyncio.sleep(0.1)
        for _ in range(5):
            tasks.create_task(call(made[1], 1))
    assert max(place for place, number in enumerate(order) if number == 1) < 70


async def test_a_wait_too_long_is_refused_with_its_length(redis_url: str) -> None:
    """The refusal comes before the wait, and names the time to the next token."""
    async with limiters(redis_url, 1) as (limiter,):
        await admit_all(limiter, SLOW)
        async with asyncio.timeout(10):
            with pytest.raises(RateLimitWaitError) as refusal:
                await permit(limiter, SLOW, max_wait=5)
    assert refusal.value.retry_after == pytest.approx(180, rel=0.5)
    assert refusal.value.operation == SLOW.name


async def test_a_call_that_a_lower_rate_serves_too_late_is_refused_at_once(redis_url: str) -> None:
    """The refusal comes when the rate falls, not when max_wait has passed."""
    operation = make_operation(1 / 100, 5)
    async with limiters(redis_url, 1) as (limiter,), asyncio.timeout(60):
        sent = [await permit(limiter, operation) for _ in range(5)]
        promised = asyncio.create_task(permit(limiter, operation, max_wait=150))
        while only(await limiter.refresh()).waiting == 0 and not promised.done():
            await asyncio.sleep(0.01)
        sent[0].observe(200, 1 / 1000)
        with pytest.raises(RateLimitWaitError) as refusal:
            await promised
    assert refusal.value.retry_after is not None
    assert refusal.value.retry_after > 150


async def test_a_call_whose_time_is_up_is_refused(redis_url: str) -> None:
    """A call that more urgent calls delay is refused when ``max_wait`` has passed."""
    operation = make_operation(1, 1)
    async with limiters(redis_url, 1) as (limiter,), asyncio.timeout(60):
        (await permit(limiter, operation)).observe(200, None)
        promised = asyncio.create_task(permit(limiter, operation, max_wait=3))
        while only(await limiter.refresh()).waiting == 0 and not promised.done():
            await asyncio.sleep(0.01)
        urgent = [asyncio.create_task(permit(limiter, operation, priority=Priority.INTERACTIVE)) for _ in range(9)]
        with pytest.raises(RateLimitWaitError, match="max_wait=3"):
            await promised
        for task in urgent:
            task.cancel()
        await asyncio.gather(*urgent, return_exceptions=True)


async def test_the_prediction_counts_calls_that_wait_in_other_processes(redis_url: str) -> None:
    """The wait named in a refusal includes their turns."""
    async with limiters(redis_url) as (first, second):
        await admit_all(first, SLOW)
        waiting = asyncio.create_task(permit(first, SLOW))
        await asyncio.sleep(0.01)
        await first.refresh()
        with pytest.raises(RateLimitWaitError) as refusal:
            await permit(second, SLOW, max_wait=5)
        waiting.cancel()
    assert refusal.value.retry_after is not None
    assert refusal.value.retry_after > 1.5 * 180


async def test_cancelled_calls_cost_nothing(redis_url: str) -> None:
    """Sixty cancelled calls leave the queue: the next one waits for one token, not for sixty-one."""
    async with limiters(redis_url, 1) as (limiter,):
        await admit_all(limiter, SLOW)
        tasks = [asyncio.create_task(permit(limiter, SLOW)) for _ in range(60)]
        while only(limiter.limits()).waiting < 60:
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with pytest.raises(RateLimitWaitError) as refusal:
            await permit(limiter, SLOW, max_wait=1)
    assert refusal.value.retry_after is not None
    assert refusal.value.retry_after < 1.5 * 180


@pytest.mark.parametrize("yields", range(12))
async def test_a_call_cancelled_at_any_moment_loses_no_token(redis_url: str, yields: int) -> None:
    """However far a call has come when it is cancelled, another process gets its token."""
    async with limiters(redis_url) as (first, second):
        task = asyncio.create_task(permit(first, SLOW))
        for _ in range(yields):
            await asyncio.sleep(0 if yields < 8 else 0.002)
        if not task.cancel():
            task.result().release()
        await asyncio.gather(task, return_exceptions=True)
        await first.refresh()
        assert await admit_all(second, SLOW) == 5


async def test_a_call_cancelled_after_its_grant_loses_no_token(redis_url: str) -> None:
    """It was admitted, and its task had not run yet: another process gets the token."""
    async with limiters(redis_url) as (first, second):
        (await permit(first, SLOW)).observe(200, None)
        await first.refresh()
        task = asyncio.create_task(permit(first, SLOW))
        await asyncio.sleep(0)
        while only(first.limits()).waiting:
            await asyncio.sleep(0)
        assert task.cancel()  # admitted, but not done
        with pytest.raises(asyncio.CancelledError):
            await task
        await first.refresh()
        assert await admit_all(second, SLOW) == 4


async def test_an_unsent_request_gives_its_token_back(redis_url: str) -> None:
    """release() makes the token available to other processes."""
    async with limiters(redis_url) as (first, second):
        permits = [await permit(first, SLOW) for _ in range(4)]
        for each in permits:
            each.release()
        await first.refresh()
        assert await admit_all(second, SLOW) == 5


async def test_fast_operations_share_round_trips(redis_server: RedisServer, redis_url: str) -> None:
    """Twenty sequential calls a second take at most one round trip for five calls."""
    before = redis_server.calls("evalsha")
    async with limiters(redis_url, 1) as (limiter,):
        for _ in range(100):
            (await permit(limiter, FAST)).observe(200, None)
    assert (redis_server.calls("evalsha") - before) / 100 <= 0.2


async def test_processes_that_share_a_fast_operation_share_round_trips(
    redis_server: RedisServer, redis_url: str
) -> None:
    """Four busy processes need one round trip for several calls, like a single one."""
    operation, number = make_operation(50, 50), 240
    before = redis_server.calls("evalsha")

    async def caller(limiter: RedisRateLimiter, calls: Iterator[int]) -> None:
        for _ in calls:
            (await permit(limiter, operation)).observe(200, None)

    async with limiters(redis_url, 4) as made, asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for limiter in made:
            calls = iter(range(number // 4))
            for _ in range(10):
                tasks.create_task(caller(limiter, calls))
    assert (redis_server.calls("evalsha") - before) / number <= 0.25


async def test_tokens_of_a_crashed_process_return(redis_url: str) -> None:
    """Tokens on lease to a process that vanished return when the lease ends."""
    async with limiters(redis_url, lease_seconds=0.1) as (first, second):
        for _ in range(60):
            (await permit(first, FAST)).observe(200, None)
        await crash(first)
        (await permit(second, FAST)).observe(200, None)
        async with asyncio.timeout(120):
            while only(await second.refresh()).tokens < 30:
                await asyncio.sleep(0.05)


async def test_closing_gives_leased_tokens_back(redis_url: str) -> None:
    """After aclose() Redis has no entry of the process, and its unused tokens are available."""
    async with limiters(redis_url, 1) as (watcher,):
        async with limiters(redis_url, 1) as (limiter,):
            used, (lane, *_) = 0, [*lanes_of(limiter).values(), None]
            while used < 30 or lane is None or not len(lane.stock):
                (await permit(limiter, FAST)).observe(200, None)
                used, (lane,) = used + 1, lanes_of(limiter).values()
            on_lease = len(lane.stock)
        assert on_lease > 0
        assert only(await watcher.snapshot_all()).admitted == used


async def test_closing_ends_waiting_calls(redis_url: str) -> None:
    """They get an error, and so does a call that comes later."""
    async with limiters(redis_url, 1) as (limiter,):
        await admit_all(limiter, SLOW)
        waiting = asyncio.create_task(permit(limiter, SLOW))
        await asyncio.sleep(0.01)
        await limiter.aclose()
        with pytest.raises(SPAPIError, match="closed"):
            await waiting
        with pytest.raises(SPAPIError, match="closed"):
            await permit(limiter, SLOW)


async def test_a_closed_limiter_holds_no_connection(redis_server: RedisServer, redis_url: str) -> None:
    """One connection serves every bucket, and aclose() closes it."""
    before = redis_server.connections()
    async with limiters(redis_url, 1) as (limiter,):
        await asyncio.gather(*(permit(limiter, SLOW, make_account(str(number))) for number in range(50)))
        assert redis_server.connections() - before == 1
    async with asyncio.timeout(5):
        while redis_server.connections() > before:
            await asyncio.sleep(0.01)


async def test_observers_are_called_with_429s_and_rate_changes(redis_url: str) -> None:
    """Both are events of the shared limiter as well."""
    events: list[Event] = []
    async with limiters(redis_url, 1, observers=[events.append]) as (limiter,):
        (await permit(limiter, SLOW)).observe(200, 0.25)
        await limiter.refresh()
        (await permit(limiter, SLOW)).observe(429, None)
        await limiter.refresh()
    changes = [(event.reason, event.new) for event in events if isinstance(event, RateChanged)]
    assert changes == [("header", 0.25), ("throttled", pytest.approx(0.25 * 0.85))]
    assert any(isinstance(event, Throttled) for event in events)


async def test_snapshot_all_shows_every_bucket(redis_url: str) -> None:
    """It reads the buckets of all processes and sellers, with the number of waiting calls."""
    async with limiters(redis_url) as (worker, watcher):
        await admit_all(worker, SLOW)
        waiting = asyncio.create_task(permit(worker, SLOW))
        await asyncio.sleep(0.01)
        await worker.refresh()
        snapshot = only(await watcher.snapshot_all())
        waiting.cancel()
    assert (snapshot.operation, snapshot.account, snapshot.region) == (SLOW.name, SELLER.key, "na")
    assert snapshot.waiting == 1
    assert snapshot.next_available > 170

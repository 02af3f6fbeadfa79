"""Redis away, back, emptied, full: what one process does."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress

import pytest
from insides import lanes_of, link_of
from redis_limiters import SELLER, admit_all, limiters, make_account, make_operation, only, permit
from servers import RedisServer, free_port

from spapi_async._core.limiter import LimitSnapshot
from spapi_async.errors import ConfigurationError, ConnectionFailedError, RateLimitWaitError, SPAPIError
from spapi_async.ratelimit.shared._local_share import LocalShare
from spapi_async.ratelimit.shared.redis._limiter import RedisRateLimiter
from spapi_async.ratelimit.shared.redis._store import RedisStore

SLOW = make_operation(1 / 180, 5)
QUICK = make_operation(50, 50)
UNLENT = make_operation(3.5, 20)  # too slow for tokens to be leased ahead: each is requested


async def meet(made: list[RedisRateLimiter]) -> None:
    """Let every process learn of the others: one call each, then another with what the first reply said."""
    for limiter in made:
        (await permit(limiter, QUICK)).observe(200, None)
    for limiter in (*made, *made):
        await limiter.refresh()


async def silence(server: RedisServer, limiter: RedisRateLimiter, seconds: float = 0.3) -> None:
    """Pause Redis, and from now on wait no longer for an answer; before, a busy machine may take longer than that."""
    server.pause()
    link = link_of(limiter)
    await link.store.disconnect()
    link.store = RedisStore(server.url, prefix="spapi", cluster=False, timeout=seconds, me="me")


async def notice(limiter: RedisRateLimiter) -> None:
    """Make requests until the limiter considers Redis away."""
    while "down" not in repr(limiter):
        with suppress(ConnectionFailedError):
            await limiter.refresh()


async def test_an_outage_splits_the_quota_among_the_processes_last_seen(redis_chaos: RedisServer) -> None:
    """Each of four processes continues at a quarter of the rate, less a margin."""
    async with limiters(redis_chaos.url, 4) as made, asyncio.timeout(120):
        await meet(made)
        redis_chaos.kill()
        for limiter in made:
            with pytest.raises(ConnectionFailedError):
                await limiter.refresh()
            (await permit(limiter, QUICK)).observe(200, None)
        rates = [only(limiter.limits()).rate for limiter in made]
    assert sum(rates) <= 50
    assert all(50 / 4 * 0.9 <= rate <= 50 / 4 for rate in rates)


async def test_calls_continue_while_redis_is_silent(redis_chaos: RedisServer) -> None:
    """A Redis that accepts connections and does not answer delays no call for longer than the timeout."""
    async with limiters(redis_chaos.url, 1) as (limiter,), asyncio.timeout(120):
        await meet([limiter])
        await silence(redis_chaos, limiter)
        for _ in range(10):
            (await permit(limiter, QUICK)).observe(200, None)
        with pytest.raises(ConnectionFailedError):
            await limiter.refresh()
        for _ in range(10):
            (await permit(limiter, QUICK)).observe(200, None)
        assert "down" in repr(limiter)
        redis_chaos.resume()


async def test_the_quota_is_shared_again_after_an_outage(redis_chaos: RedisServer) -> None:
    """The limiter uses Redis again without a restart, and reports what it spent meanwhile."""
    async with limiters(redis_chaos.url, 1) as (limiter,), asyncio.timeout(120):
        (await permit(limiter, UNLENT)).observe(200, None)
        redis_chaos.fill()
        await notice(limiter)
        for _ in range(3):
            (await permit(limiter, UNLENT)).observe(200, None)
        assert "down" in repr(limiter)
        redis_chaos.drain()
        while "down" in repr(limiter):
            await asyncio.sleep(0.02)
        await limiter.refresh()
        assert only(await limiter.snapshot_all()).admitted == 4


async def test_a_second_outage_begins_at_the_rate_known_in_redis(redis_chaos: RedisServer) -> None:
    """A 429 had lowered it; the share of the first outage is not used again."""
    async with limiters(redis_chaos.url, 1) as (limiter,), asyncio.timeout(120):
        (await permit(limiter, UNLENT)).observe(200, None)
        rates = []
        for status in (429, 200):
            await limiter.refresh()
            redis_chaos.fill()
            await notice(limiter)
            sent = await permit(limiter, UNLENT)
            (lane,) = lanes_of(limiter).values()
            assert lane.reply is not None
            rates.append(only(limiter.limits()).rate / lane.reply.limits[0].pace)
            sent.observe(status, None)
            redis_chaos.drain()
            while "down" in repr(limiter):
                await asyncio.sleep(0.02)
    assert rates == [pytest.approx(0.95)] * 2


async def test_an_emptied_redis_learns_at_once_what_was_spent(redis_chaos: RedisServer) -> None:
    """The processes need not make a call: the first one that does finds no full bucket."""
    async with limiters(redis_chaos.url) as (old, new), asyncio.timeout(30):
        (await permit(old, SLOW)).observe(200, None)
        await old.refresh()
        redis_chaos.kill()
        await notice(old)
        redis_chaos.restart_empty()
        while "down" in repr(old) or not await new.snapshot_all():
            await asyncio.sleep(0.02)
        with pytest.raises(RateLimitWaitError):
            await permit(new, SLOW, max_wait=5)


async def test_a_redis_restarted_empty_hands_out_no_second_burst(redis_chaos: RedisServer) -> None:
    """Processes that knew the lost state begin with an empty bucket."""
    async with limiters(redis_chaos.url, 2) as made, asyncio.timeout(120):
        for limiter in made:
            (await permit(limiter, SLOW)).observe(200, None)
        redis_chaos.restart_empty()
        for limiter in made:
            with pytest.raises(RateLimitWaitError):
                await permit(limiter, SLOW, max_wait=5)


async def test_a_new_process_on_an_emptied_redis_gets_no_second_burst(redis_chaos: RedisServer) -> None:
    """The first older process empties the bucket that the new one filled."""
    async with limiters(redis_chaos.url) as (old, new), asyncio.timeout(120):
        (await permit(old, SLOW)).observe(200, None)
        redis_chaos.restart_empty()
        (await permit(new, SLOW)).observe(200, None)
        with pytest.raises(RateLimitWaitError):
            await permit(old, SLOW, max_wait=5)
        while "down" in repr(old):
            await asyncio.sleep(0.02)
        await old.refresh()
        with pytest.raises(RateLimitWaitError):
            await permit(new, SLOW, max_wait=5)


async def test_an_announced_rate_survives_an_emptied_redis(redis_chaos: RedisServer) -> None:
    """The processes that know it send it again."""
    async with limiters(redis_chaos.url, 1) as (limiter,), asyncio.timeout(120):
        (await permit(limiter, SLOW)).observe(200, 2.0)
        await limiter.refresh()
        redis_chaos.restart_empty()
        (await permit(limiter, SLOW)).observe(200, None)
        while "down" in repr(limiter):
            await asyncio.sleep(0.02)
        assert only(await limiter.refresh()).announced_rate == 2.0


async def test_every_sellers_rate_survives_an_emptied_redis(redis_chaos: RedisServer) -> None:
    """There are more sellers than one round trip carries."""
    sellers = [make_account(f"seller{number}") for number in range(150)]
    async with limiters(redis_chaos.url, 1) as (limiter,), asyncio.timeout(120):
        for seller in sellers:
            (await permit(limiter, SLOW, seller)).observe(200, 0.01)
        await limiter.refresh()
        redis_chaos.kill()
        await notice(limiter)
        redis_chaos.restart_empty()
        while "down" in repr(limiter):
            await asyncio.sleep(0.02)
        await limiter.refresh()
        found = await limiter.snapshot_all()
        forecast = limiter.forecast(SLOW, sellers[-1])
    assert Counter((limit.announced_rate, limit.tokens < 2) for limit in found) == {(0.01, True): 150}
    assert 50 < forecast <= 105


async def test_a_restart_between_two_calls_is_noticed_by_the_next_one(redis_chaos: RedisServer) -> None:
    """The reply shows that Redis lost its state: what is known of the other sellers is sent at once."""
    other = make_account("another")
    async with limiters(redis_chaos.url) as (old, new), asyncio.timeout(120):
        for seller in (SELLER, other):
            (await permit(old, SLOW, seller)).observe(200, 2.0)
        await old.refresh()
        redis_chaos.restart_empty()
        await link_of(old).store.probe()  # on the same connection: nothing fails
        (await permit(old, SLOW, SELLER)).observe(200, 2.0)
        while len(found := await new.snapshot_all()) < 2:
            await asyncio.sleep(0.02)
        assert {limit.announced_rate for limit in found} == {2.0}
        assert " up" in repr(old)


@pytest.mark.parametrize("remembered", ["nothing", "another seller"])
async def test_a_learned_rate_replaces_the_published_one(redis_chaos: RedisServer, remembered: str) -> None:
    """It does so even if a process that knows only the published rate came first."""
    async with limiters(redis_chaos.url) as (knowing, first), asyncio.timeout(120):
        if remembered == "another seller":
            (await permit(first, SLOW, make_account("another"))).observe(200, None)
        (await permit(knowing, SLOW)).observe(200, 2.0)
        await knowing.refresh()
        redis_chaos.restart_empty()
        await link_of(first).store.probe()
        with suppress(RateLimitWaitError):
            (await permit(first, SLOW, max_wait=1)).observe(200, None)
        assert limit_of(first).announced_rate == SLOW.usage_plan.rate
        await link_of(knowing).store.probe()
        assert only(await knowing.refresh()).announced_rate == 2.0
        await first.refresh()
        assert limit_of(first).announced_rate == 2.0
        assert first.forecast(SLOW, SELLER) <= 0.5
        (await permit(first, SLOW, max_wait=5)).observe(200, None)


def limit_of(limiter: RedisRateLimiter) -> LimitSnapshot:
    """The limit of the usual seller, as the limiter last received it."""
    return only(tuple(limit for limit in limiter.limits() if limit.account == SELLER.name))


async def test_a_learned_rate_outlives_a_bucket_that_redis_dropped(redis_chaos: RedisServer) -> None:
    """When a bucket expired or was evicted, a process that knows its rate sends it again."""
    async with limiters(redis_chaos.url, 1) as (limiter,), asyncio.timeout(120):
        (await permit(limiter, SLOW)).observe(200, 2.0)
        await limiter.refresh()
        (bucket,) = [name for name in redis_chaos.command("KEYS", "*") if SELLER.name in str(name)]
        redis_chaos.command("DEL", bucket)
        assert only(await limiter.refresh()).announced_rate == 2.0


async def test_scripts_flushed_from_redis_are_sent_again(redis_url: str, redis_server: RedisServer) -> None:
    """NOSCRIPT does not count as an outage."""
    async with limiters(redis_url, 1) as (limiter,):
        (await permit(limiter, SLOW)).observe(200, None)
        redis_server.command("SCRIPT", "FLUSH")
        (await permit(limiter, SLOW)).observe(200, None)
        assert " up" in repr(limiter)


async def test_refusing_during_an_outage_names_redis_and_not_its_password(caplog: pytest.LogCaptureFixture) -> None:
    """on_outage="raise" raises ConnectionFailedError at once."""
    caplog.set_level(logging.DEBUG)
    url = f"redis://someone:s3cretword@127.0.0.1:{free_port()}/0"
    async with limiters(url, 1, on_outage="raise") as (limiter,), asyncio.timeout(120):
        for _ in range(2):
            with pytest.raises(
                ConnectionFailedError, match=r"^[\w. ]*:? ?redis://127\.0\.0\.1:\d+/0, which holds"
            ) as failure:
                await permit(limiter, SLOW)
        with pytest.raises(ConnectionFailedError):
            await limiter.snapshot_all()
        seen = f"{limiter!r} {failure.value!r} {failure.value.__cause__!r} {caplog.text}"
    assert "s3cretword" not in seen
    assert "someone" not in seen


async def test_a_wrong_password_is_an_outage_that_does_not_show_it() -> None:
    """A Redis that refuses the password is treated like one that is away."""
    with RedisServer(password="right") as server:
        url = server.url.replace("right", "s3cretword")
        async with limiters(url, 1, on_outage="raise") as (limiter,), asyncio.timeout(120):
            with pytest.raises(ConnectionFailedError) as failure:
                await permit(limiter, SLOW)
    assert "s3cretword" not in f"{failure.value} {failure.value.__context__!r} {limiter!r}"


@pytest.mark.parametrize("url", ["http://:s3cretword@host", "redis://:s3cretword@host:port", "s3cretword"])
def test_a_bad_redis_url_is_refused_without_showing_it(url: str) -> None:
    """It raises ConfigurationError when the limiter is made."""
    with pytest.raises(ConfigurationError) as failure:
        RedisRateLimiter(url)
    assert "s3cretword" not in f"{failure.value!r} {failure.value.__cause__!r}"


async def test_a_process_that_never_reached_redis_starts_with_one_call() -> None:
    """Nothing is known: one call passes, then the plan's rate applies."""
    async with limiters(f"redis://127.0.0.1:{free_port()}", 1) as (limiter,), asyncio.timeout(120):
        assert await admit_all(limiter, SLOW) == 1
        assert await admit_all(limiter, SLOW, make_account("another")) == 1


async def test_with_redis_away_from_the_start_processes_splits_the_quota() -> None:
    """``processes`` says how many share it, since they could not be counted; the default is one."""
    url = f"redis://127.0.0.1:{free_port()}"
    for processes, rate in ((1, 50), (5, 10)):
        async with limiters(url, 1, processes=processes) as (limiter,), asyncio.timeout(120):
            (await permit(limiter, QUICK)).observe(200, None)
            assert 0.9 * rate <= only(limiter.limits()).rate <= rate


async def test_a_redis_that_starts_after_the_process_is_used() -> None:
    """It is away at the first call; once it is there, the quota is shared."""
    server = RedisServer()
    async with limiters(server.url, 1) as (limiter,), asyncio.timeout(60):
        (await permit(limiter, QUICK)).observe(200, None)
        assert "down" in repr(limiter)
        server.start()
        try:
            while "down" in repr(limiter):
                await asyncio.sleep(0.02)
            (await permit(limiter, QUICK)).observe(200, None)
            assert only(await limiter.snapshot_all()).rate == 50
        finally:
            server.stop()


@pytest.mark.parametrize("noticed", [False, True])
async def test_calls_cancelled_during_an_outage_leave_the_queue(redis_chaos: RedisServer, noticed: bool) -> None:
    """It does not matter whether the outage was noticed."""
    async with limiters(redis_chaos.url, 1) as (limiter,), asyncio.timeout(120):
        await admit_all(limiter, SLOW)
        await silence(redis_chaos, limiter, seconds=0.3 if noticed else 2.0)
        if noticed:
            with pytest.raises(ConnectionFailedError):
                await limiter.refresh()
        tasks = [asyncio.create_task(permit(limiter, SLOW)) for _ in range(20)]
        while only(limiter.limits()).waiting < 20:
            await asyncio.sleep(0)
        assert ("down" in repr(limiter)) == noticed
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert only(limiter.limits()).waiting == 0
        redis_chaos.resume()


@pytest.mark.parametrize("noticed", [False, True])
async def test_closing_during_an_outage_is_quick(redis_chaos: RedisServer, noticed: bool) -> None:
    """aclose() does not wait for a silent Redis, and waiting calls get an error."""
    async with asyncio.timeout(60), limiters(redis_chaos.url, 1) as (limiter,):
        await admit_all(limiter, SLOW)
        await silence(redis_chaos, limiter, seconds=0.3 if noticed else 2.0)
        if noticed:
            with pytest.raises(ConnectionFailedError):
                await limiter.refresh()
        waiting = asyncio.create_task(permit(limiter, SLOW))
        while not only(limiter.limits()).waiting:
            await asyncio.sleep(0)
        assert ("down" in repr(limiter)) == noticed
        await limiter.aclose()
        with pytest.raises(SPAPIError, match="closed"):
            await waiting


def test_the_shares_of_a_quota_do_not_exceed_it() -> None:
    """However many processes split a quota, they spend no more than it together, and begin with what is left."""
    for processes in range(1, 9):
        shares = [LocalShare(8.0, 10.0, processes, -4.0, now=0.0) for _ in range(processes)]
        assert sum(share.rate for share in shares) <= 8.0
        assert sum(share.level(0.0) for share in shares) == pytest.approx(-4.0)


def test_429s_of_one_event_slow_an_isolated_process_down_once() -> None:
    """Requests that were under way at the last decrease do not count again."""
    share = LocalShare(8.0, 10.0, 1, 5.0, now=0.0)
    before = share.rate
    for _ in range(3):
        share.throttled(now=2.0, admitted_at=1.0)
    assert share.rate == pytest.approx(before * 0.8)
    assert share.delay(2.0) > 0

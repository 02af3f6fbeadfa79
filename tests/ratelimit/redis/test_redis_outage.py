"""Redis away, back, emptied, full: what one process does about it."""

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

SLOW = make_operation(1 / 180, 5)
QUICK = make_operation(50, 50)
UNLENT = make_operation(3.5, 20)  # too slow for tokens to be lent ahead: each is asked for


async def meet(made: list[RedisRateLimiter]) -> None:
    """Let every process see the others: one call each, then a look, and another with what the first reply taught."""
    for limiter in made:
        (await permit(limiter, QUICK)).observe(200, None)
    for limiter in (*made, *made):
        await limiter.refresh()


async def notice(limiter: RedisRateLimiter) -> None:
    """Ask until Redis is away, as far as the limiter knows."""
    while "down" not in repr(limiter):
        with suppress(ConnectionFailedError):
            await limiter.refresh()


async def test_an_outage_splits_the_quota_among_the_processes_last_seen(redis_chaos: RedisServer) -> None:
    """Each of four processes goes on at a quarter of the rate, less a margin."""
    async with limiters(redis_chaos.url, 4, timeout=0.3) as made, asyncio.timeout(120):
        await meet(made)
        redis_chaos.kill()
        for limiter in made:
            with pytest.raises(ConnectionFailedError):
                await limiter.refresh()
            (await permit(limiter, QUICK)).observe(200, None)
        rates = [only(limiter.limits()).rate for limiter in made]
    assert sum(rates) <= 50
    assert all(50 / 4 * 0.9 <= rate <= 50 / 4 for rate in rates)


async def test_calls_go_on_while_redis_is_silent(redis_chaos: RedisServer) -> None:
    """A Redis that accepts connections and answers nothing holds up no call for longer than the timeout."""
    async with limiters(redis_chaos.url, 1, timeout=0.3) as (limiter,), asyncio.timeout(120):
        await meet([limiter])
        redis_chaos.pause()
        for _ in range(10):
            (await permit(limiter, QUICK)).observe(200, None)
        with pytest.raises(ConnectionFailedError):
            await limiter.refresh()
        for _ in range(10):
            (await permit(limiter, QUICK)).observe(200, None)
        assert "down" in repr(limiter)
        redis_chaos.resume()


async def test_service_is_shared_again_after_an_outage(redis_chaos: RedisServer) -> None:
    """When Redis returns, the limiter uses it again without being restarted, and says what it spent meanwhile."""
    async with limiters(redis_chaos.url, 1, timeout=0.3) as (limiter,), asyncio.timeout(120):
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


async def test_a_second_outage_begins_with_what_the_first_left_in_redis(redis_chaos: RedisServer) -> None:
    """Not with the part of the quota that was handed out in the first: its rate was lowered there, by a 429."""
    async with limiters(redis_chaos.url, 1, timeout=0.3) as (limiter,), asyncio.timeout(120):
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


async def test_an_emptied_redis_hears_at_once_from_those_who_remember(redis_chaos: RedisServer) -> None:
    """Without a call of theirs: whoever comes first finds no full bucket."""
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
    """Processes that remember the lost memory begin with an empty bucket."""
    async with limiters(redis_chaos.url, 2, timeout=0.3) as made, asyncio.timeout(120):
        for limiter in made:
            (await permit(limiter, SLOW)).observe(200, None)
        redis_chaos.restart_empty()
        for limiter in made:
            with pytest.raises(RateLimitWaitError):
                await permit(limiter, SLOW, max_wait=5)


async def test_a_newcomers_full_bucket_is_corrected_by_those_who_remember(redis_chaos: RedisServer) -> None:
    """If the first to come to an emptied Redis is a new process, the first old one drains the bucket it filled."""
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


async def test_what_was_learned_survives_an_emptied_redis(redis_chaos: RedisServer) -> None:
    """The announced rate comes back from the processes that know it."""
    async with limiters(redis_chaos.url, 1, timeout=0.3) as (limiter,), asyncio.timeout(120):
        (await permit(limiter, SLOW)).observe(200, 2.0)
        await limiter.refresh()
        redis_chaos.restart_empty()
        (await permit(limiter, SLOW)).observe(200, None)
        while "down" in repr(limiter):
            await asyncio.sleep(0.02)
        assert only(await limiter.refresh()).announced_rate == 2.0


async def test_every_sellers_rate_survives_an_emptied_redis(redis_chaos: RedisServer) -> None:
    """More of them than one round trip carries: the memory that the first ones began is not taken for the lost one."""
    sellers = [make_account(f"seller{number}") for number in range(300)]
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
    assert Counter((limit.announced_rate, limit.tokens < 2) for limit in found) == {(0.01, True): 300}
    assert 50 < forecast <= 105


async def test_a_restart_that_nobody_met_is_noticed_by_the_next_call(redis_chaos: RedisServer) -> None:
    """One seller's reply tells that the memory is another one: what is known of the others is handed over at once."""
    other = make_account("another")
    async with limiters(redis_chaos.url) as (old, new), asyncio.timeout(120):
        for seller in (SELLER, other):
            (await permit(old, SLOW, seller)).observe(200, 2.0)
        await old.refresh()
        redis_chaos.restart_empty()
        await link_of(old).store.probe()  # on a connection of this Redis: nothing fails
        (await permit(old, SLOW, SELLER)).observe(200, 2.0)
        while len(found := await new.snapshot_all()) < 2:
            await asyncio.sleep(0.02)
        assert {limit.announced_rate for limit in found} == {2.0}
        assert " up" in repr(old)


@pytest.mark.parametrize("remembered", ["nothing", "another seller"])
async def test_who_knows_a_learned_rate_corrects_those_who_came_first_and_do_not(
    redis_chaos: RedisServer, remembered: str
) -> None:
    """A bucket of a process that knows the published rate alone takes on what another one had learned."""
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
    """What a limiter last heard of the usual seller."""
    return only(tuple(limit for limit in limiter.limits() if limit.account == SELLER.name))


async def test_a_learned_rate_outlives_a_bucket_that_redis_dropped(redis_chaos: RedisServer) -> None:
    """One alone, because it expired or memory was short: the process that knows its rate says so again."""
    async with limiters(redis_chaos.url, 1) as (limiter,), asyncio.timeout(120):
        (await permit(limiter, SLOW)).observe(200, 2.0)
        await limiter.refresh()
        (bucket,) = [name for name in redis_chaos.command("KEYS", "*") if SELLER.name in str(name)]
        redis_chaos.command("DEL", bucket)
        assert only(await limiter.refresh()).announced_rate == 2.0


async def test_scripts_flushed_from_redis_are_sent_again(redis_url: str, redis_server: RedisServer) -> None:
    """NOSCRIPT is no outage."""
    async with limiters(redis_url, 1) as (limiter,):
        (await permit(limiter, SLOW)).observe(200, None)
        redis_server.command("SCRIPT", "FLUSH")
        (await permit(limiter, SLOW)).observe(200, None)
        assert " up" in repr(limiter)


async def test_refusing_during_an_outage_names_redis_and_not_its_password(caplog: pytest.LogCaptureFixture) -> None:
    """on_outage="raise" raises ConnectionFailedError at once; nobody sees the password of the URL."""
    caplog.set_level(logging.DEBUG)
    url = f"redis://someone:s3cretword@127.0.0.1:{free_port()}/0"
    async with limiters(url, 1, on_outage="raise", timeout=0.3) as (limiter,), asyncio.timeout(120):
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
def test_a_url_that_cannot_work_is_refused_without_showing_it(url: str) -> None:
    """Settings that cannot work raise ConfigurationError when the limiter is made."""
    with pytest.raises(ConfigurationError) as failure:
        RedisRateLimiter(url)
    assert "s3cretword" not in f"{failure.value!r} {failure.value.__cause__!r}"


async def test_a_process_that_never_saw_redis_starts_with_one_call_in_hand() -> None:
    """With Redis away from the start nothing is known: one call passes, then the plan's rate applies."""
    async with limiters(f"redis://127.0.0.1:{free_port()}", 1, timeout=0.3) as (limiter,), asyncio.timeout(120):
        assert await admit_all(limiter, SLOW) == 1
        assert await admit_all(limiter, SLOW, make_account("another")) == 1


async def test_with_redis_away_from_the_start_the_quota_is_split_as_told() -> None:
    """Nobody could be counted: ``processes`` says how many there are, one unless told otherwise."""
    url = f"redis://127.0.0.1:{free_port()}"
    for processes, rate in ((1, 50), (5, 10)):
        async with limiters(url, 1, timeout=0.3, processes=processes) as (limiter,), asyncio.timeout(120):
            (await permit(limiter, QUICK)).observe(200, None)
            assert 0.9 * rate <= only(limiter.limits()).rate <= rate


async def test_a_redis_that_starts_after_the_process_is_used() -> None:
    """Away at the first call, there later: from then on the quota is shared."""
    server = RedisServer()
    async with limiters(server.url, 1, timeout=0.3) as (limiter,), asyncio.timeout(60):
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
async def test_cancelling_during_an_outage_gives_the_place_back(redis_chaos: RedisServer, noticed: bool) -> None:
    """Waiters cancelled while Redis is silent leave nothing behind, whether that was noticed or not."""
    async with limiters(redis_chaos.url, 1, timeout=0.3) as (limiter,), asyncio.timeout(120):
        await admit_all(limiter, SLOW)
        redis_chaos.pause()
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
    """aclose() does not wait for a Redis that is silent; who waited for quota hears of it."""
    async with asyncio.timeout(60), limiters(redis_chaos.url, 1, timeout=0.3) as (limiter,):
        await admit_all(limiter, SLOW)
        redis_chaos.pause()
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


def test_the_parts_of_a_quota_do_not_exceed_it() -> None:
    """However many processes split a quota, they spend no more than it together, and begin with what is there."""
    for processes in range(1, 9):
        shares = [LocalShare(8.0, 10.0, processes, -4.0, now=0.0) for _ in range(processes)]
        assert sum(share.rate for share in shares) <= 8.0
        assert sum(share.level(0.0) for share in shares) == pytest.approx(-4.0)


def test_a_429_during_an_outage_slows_this_process_down_once_per_event() -> None:
    """Requests that were already on their way at the last decrease say nothing new."""
    share = LocalShare(8.0, 10.0, 1, 5.0, now=0.0)
    before = share.rate
    for _ in range(3):
        share.throttled(now=2.0, admitted_at=1.0)
    assert share.rate == pytest.approx(before * 0.8)
    assert share.delay(2.0) > 0

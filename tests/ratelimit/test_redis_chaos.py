"""Four processes share a quota through a Redis that is killed, paused, filled or emptied under them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from servers import RedisServer

from reference_server import ReferenceServer, reference_server, run_workers

PROCESSES, CALLS = 4, 25
RATE, BURST = 20.0, 20


def kill(server: RedisServer) -> Callable[[], None]:
    server.kill()
    return server.start


def pause(server: RedisServer) -> Callable[[], None]:
    server.pause()
    return server.resume


def fill(server: RedisServer) -> Callable[[], None]:
    server.fill()
    return server.drain


def restart_empty(server: RedisServer) -> Callable[[], None]:
    server.restart_empty()
    return lambda: None


async def arrivals(server: ReferenceServer, number: int) -> None:
    """Wait until so many requests have come."""
    while len(server.record) < number:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("fault", [kill, pause, fill, restart_empty])
async def test_every_request_completes_whatever_happens_to_redis(
    redis_chaos: RedisServer, fault: Callable[[RedisServer], Callable[[], None]]
) -> None:
    """Every call is answered, in little more than the time the quota asks for, and 429s stay within a second's quota.

    Where 429s can come from: a process that finds Redis gone splits the quota and begins with nothing in hand, so the
    processes together stay below the rate; but they find out (within ``timeout``, half a second here) and come back (within
    a second, the longest pause between attempts) one by one, and until the last has done so those that share again may
    spend the whole rate beside the parts of those that do not. That is at most (n - 1)/n of a second's tokens, once, at the
    return; in the same way less than half a second's at the loss. One second's quota covers both where the headroom helps.
    """
    async with asyncio.timeout(40), reference_server(RATE, BURST) as server:
        config = {"redis": redis_chaos.url, "server": server.url, "rate": RATE, "burst": BURST, "calls": CALLS}
        workers = asyncio.create_task(run_workers(PROCESSES, **config))
        await arrivals(server, 40)
        restore = fault(redis_chaos)
        await arrivals(server, 70)
        restore()
        results = await workers
    assert [result["done"] for result in results] == [CALLS] * PROCESSES
    assert server.throttled <= RATE
    assert server.admitted == PROCESSES * CALLS


async def test_calls_are_refused_while_redis_is_away_if_so_configured(redis_chaos: RedisServer) -> None:
    """With on_outage="raise" calls fail during the outage and succeed after it, in the same processes."""
    async with asyncio.timeout(40), reference_server(RATE, BURST) as server:
        config = {"redis": redis_chaos.url, "server": server.url, "rate": RATE, "burst": BURST, "calls": CALLS}
        workers = asyncio.create_task(run_workers(2, on_outage="raise", **config))
        await arrivals(server, 40)
        redis_chaos.kill()
        await asyncio.sleep(1)  # long enough for some calls to be refused; the assertion does not depend on how many
        redis_chaos.start()
        results = await workers
    assert [result["done"] for result in results] == [CALLS] * 2
    assert all(result["refused"] for result in results)

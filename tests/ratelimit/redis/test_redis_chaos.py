"""Four processes share a quota through a Redis that is killed, paused, filled or emptied meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from reference_server import ReferenceServer, reference_server, run_workers
from servers import RedisServer

PROCESSES, CALLS = 4, 20
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
    """Wait until so many requests have arrived."""
    while len(server.record) < number:
        await asyncio.sleep(0.01)


@pytest.mark.long
@pytest.mark.parametrize("fault", [kill, pause, fill, restart_empty])
async def test_every_request_completes_whatever_happens_to_redis(
    redis_chaos: RedisServer, fault: Callable[[RedisServer], Callable[[], None]]
) -> None:
    """Every call is answered, in little more time than the quota requires, with at most a second's quota of 429s.

    These 429s have one cause: a process that finds Redis gone uses its share of the quota and begins without tokens, so
    that the processes together stay below the rate. But they return one by one (within a second, the longest pause
    between attempts), and until the last is back, those that share again may spend the whole rate beside the shares of
    the others: at most (n - 1)/n of a second's tokens. When Redis is lost there are none, since tokens sold before are
    paid for and no others are sold.
    """
    async with asyncio.timeout(300), reference_server(RATE, BURST) as server:
        config = {"redis": redis_chaos.url, "server": server.url, "rate": RATE, "burst": BURST, "calls": CALLS}
        workers = asyncio.create_task(run_workers(PROCESSES, **config))
        await arrivals(server, 40)
        restore = fault(redis_chaos)
        await arrivals(server, 65)
        restore()
        results = await workers
    assert [result["done"] for result in results] == [CALLS] * PROCESSES
    assert server.throttled <= RATE
    assert server.admitted == PROCESSES * CALLS


@pytest.mark.long
async def test_calls_are_refused_while_redis_is_away_if_so_configured(redis_chaos: RedisServer) -> None:
    """With on_outage="raise" calls fail during the outage and succeed after it, in the same processes."""
    async with asyncio.timeout(300), reference_server(RATE, BURST) as server:
        config = {"redis": redis_chaos.url, "server": server.url, "rate": RATE, "burst": BURST, "calls": CALLS}
        workers = asyncio.create_task(run_workers(2, on_outage="raise", **config))
        await arrivals(server, 22)
        redis_chaos.kill()
        while server.silence < 3.0:  # calls that were admitted before are still sent; then each process asks for more
            await asyncio.sleep(0.01)
        redis_chaos.start()
        results = await workers
    assert [result["done"] for result in results] == [CALLS] * 2
    assert any(result["refused"] for result in results)

"""Long saturated runs against a simulated Amazon: jittery networks, and several programs with one quota."""

from __future__ import annotations

import asyncio
import random

import pytest
from simulated import SimulatedAmazon, account, operation, saturate
from virtual_time import run

from spapi_async.ratelimit import LocalRateLimiter, Permit

CALLS = 500
CALLS_WITH_STALLS = 500


async def used(rate: float, burst: int, latency: tuple[float, float]) -> tuple[float, int]:
    """The part of the steady quota that was used, and how many requests were refused."""
    amazon = SimulatedAmazon(rate, burst, latency=latency)
    seconds = CALLS / rate
    await saturate(LocalRateLimiter(), operation(rate, burst), account(), amazon.request, seconds=seconds)
    start = burst / rate + 0.05 * seconds
    served = sum(start <= at < seconds for at in amazon.served)
    return served / ((seconds - start) * rate), len(amazon.refused)


@pytest.mark.parametrize("burst", [10, 40])
@pytest.mark.parametrize("rate", [0.5, 5.0, 20.0])
def test_jitter_costs_nothing_while_the_burst_covers_it(rate: float, burst: int) -> None:
    """With 0-200 ms each way, at least 97 % of the quota is used, and no request is refused."""
    part, refused = run(used(rate, burst, (0.0, 0.2)))
    assert refused == 0
    assert part >= 0.995


@pytest.mark.parametrize(("rate", "least"), [(0.0167, 0.99), (0.5, 0.91), (5.0, 0.5), (20.0, 0.2)])
def test_a_burst_of_one_is_never_overdrawn(rate: float, least: float) -> None:
    """With a burst of one every gap must outlast the jitter: avoiding refusals costs quota.

    No limiter can do much better: a request that must not be refused leaves 1/rate after the latest moment at which the
    one before can have arrived, and itself arrives 100 ms later on average: at most 95 %, 67 % and 33 % of 0.5, 5 and
    20 a second.
    """
    part, refused = run(used(rate, 1, (0.0, 0.2)))
    assert refused == 0
    assert part >= least


def test_a_steady_network_costs_a_burst_of_one_little() -> None:
    """With 2 ms of jitter on 50 ms, 97 % of 5/s are used."""
    part, refused = run(used(5.0, 1, (0.049, 0.051)))
    assert refused == 0
    assert part >= 0.97


@pytest.mark.parametrize(
    ("rate", "burst", "standstill"),
    [(50.0, 2, 0.05), (50.0, 2, 0.4), (10.0, 2, 0.15), (50.0, 5, 0.4), (50.0, 1, 0.05), (50.0, 1, 0.15)],
)
def test_a_network_that_stalls_costs_no_refusal(rate: float, burst: int, standstill: float) -> None:
    """Requests that were sent during a stall arrive together, and none is refused."""

    async def scenario() -> tuple[float, int]:
        amazon, limiter, op = SimulatedAmazon(rate, burst), LocalRateLimiter(), operation(rate, burst)
        rng = random.Random(7)
        gate = asyncio.Event()
        gate.set()

        async def stand_still() -> None:
            while True:
                await asyncio.sleep(rng.uniform(200, 400) / rate)  # longer than round trips are remembered
                gate.clear()
                await asyncio.sleep(standstill)
                gate.set()

        async def send(permit: Permit) -> None:
            await asyncio.sleep(rng.uniform(0.002, 0.004))
            await gate.wait()
            await amazon.request(permit)

        standing = asyncio.create_task(stand_still())
        await saturate(limiter, op, account(), send, seconds=CALLS_WITH_STALLS / rate)
        standing.cancel()
        return len(amazon.served) / (CALLS_WITH_STALLS + burst), len(amazon.refused)

    part, refused = run(scenario())
    assert refused == 0
    if burst > 1:
        assert part >= 0.97 - standstill * rate / 200  # what overflows while nothing gets through


def test_independent_limiters_share_a_quota() -> None:
    """They use all of it, few requests are refused, and none is starved."""

    async def scenario() -> tuple[SimulatedAmazon, list[int]]:
        amazon, op = SimulatedAmazon(5.0, 10, latency=(0.0, 0.1)), operation(5.0, 10)
        limiters = [LocalRateLimiter() for _ in range(3)]
        seconds = 700
        await asyncio.gather(*(saturate(each, op, account(), amazon.request, seconds=seconds) for each in limiters))
        return amazon, [each.limits()[0].admitted for each in limiters]

    amazon, admitted = run(scenario())
    assert len(amazon.served) >= 0.97 * 5.0 * 700
    assert len(amazon.refused) <= 0.03 * len(amazon.served)
    assert min(admitted) >= 0.1 * sum(admitted) / 3


def test_the_full_rate_returns_when_another_client_stops() -> None:
    """It takes a few hundred calls."""

    async def scenario() -> float:
        amazon, limiter, op = SimulatedAmazon(5.0, 10, latency=(0.0, 0.1)), LocalRateLimiter(), operation(5.0, 10)
        rng = random.Random(3)
        other = asyncio.create_task(amazon.neighbour(lambda: rng.uniform(0.3, 0.5)))
        await saturate(limiter, op, account(), amazon.request, seconds=300)
        other.cancel()
        await saturate(limiter, op, account(), amazon.request, seconds=240)
        return limiter.limits()[0].rate

    assert run(scenario()) == 5.0

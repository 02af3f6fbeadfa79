"""Other programs that spend from the same quota, in long saturated runs: what is left is used, few are refused.

What is possible depends on the neighbour. Between two refusals a program learns only that it was served, so that all it
can choose is a sequence of pauses; none was found that is much better than even ones, and ``most`` computes
what these reach for a client that knows the neighbour's rate. If it comes at random and spends half, that is, at 1.5 %
of refusals, 96 % of what it leaves with a burst of 10 and 99 % with one of 20, but 75 % with one of 5; with a burst of
2 no pause is long enough for fewer than 7 % of refusals. If it spends four fifths, a burst of 20 is needed for 93 %.

A neighbour that empties the bucket at once leaves it below one: the next request finds a token if enough has flowed in
by then, and is refused about once in four such bursts, whatever the rate; that is 1 / (4 * burst) of all, 1.25 % with a
burst of 20 and 2.5 % with one of 10.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from simulated import SimulatedAmazon, account, operation, saturate
from virtual_time import run

from spapi_async.ratelimit import LocalRateLimiter
from spapi_async.ratelimit._adaptation import Adaptation

Arrivals = Iterator[tuple[float, int]]
"""Pauses in tokens' time, and how many requests come after each."""


def paced(share: float, burst: int, rng: random.Random) -> Arrivals:
    """One request after another, as a limiter sends them."""
    while True:
        yield rng.uniform(0.8, 1.2) / share, 1


def at_random(share: float, burst: int, rng: random.Random) -> Arrivals:
    """A Poisson process, as caused by many users of one program."""
    while True:
        yield rng.expovariate(share), 1


def in_bursts(share: float, burst: int, rng: random.Random) -> Arrivals:
    """The whole bucket at once, then nothing for long."""
    while True:
        yield rng.uniform(0.8, 1.2) * burst / share, burst


class Outcome(NamedTuple):
    """The share of what the neighbour left that was used, and the share of our requests that were refused."""

    used: float
    refused: float


async def beside(
    neighbour: Callable[[float, int, random.Random], Arrivals],
    share: float,
    rate: float,
    burst: int,
    *,
    tokens: int = 2500,
    settling: int = 500,
) -> Outcome:
    """Always have calls waiting while so many tokens flow; the first ones are not judged."""
    loop = asyncio.get_running_loop()
    amazon = SimulatedAmazon(rate, burst, latency=(0.0, 0.1))
    theirs: list[float] = []

    async def spend() -> None:
        for pause, number in neighbour(share, burst, random.Random(7)):
            await asyncio.sleep(pause / rate)
            theirs.extend(loop.time() for _ in range(number) if amazon.bucket.take(loop.time()))

    other = asyncio.create_task(spend())
    start, end = settling / rate, (settling + tokens) / rate
    await saturate(LocalRateLimiter(), operation(rate, burst), account(), amazon.request, seconds=end)
    other.cancel()
    served, refused, taken = (
        sum(start <= at < end for at in moments) for moments in (amazon.served, amazon.refused, theirs)
    )
    return Outcome(served / (tokens - taken), refused / (served + refused))


def test_an_evenly_paced_neighbour_costs_nothing() -> None:
    """It spends half, one request after another: all that it leaves is used."""
    used, refused = run(beside(paced, 0.5, 20.0, 5, settling=1000))
    assert refused < 0.0175
    assert used > 0.98


def test_a_random_neighbour_costs_little() -> None:
    """It spends half: fewer than 2 % of our requests are refused, and we use 90 % of what it leaves."""
    used, refused = run(beside(at_random, 0.5, 5.0, 10))
    assert refused < 0.02
    assert used > 0.92


def test_a_neighbour_that_spends_little_costs_little() -> None:
    """It spends a tenth: we use 95 % of the rest."""
    used, refused = run(beside(at_random, 0.1, 0.5, 5, tokens=1500))
    assert refused < 0.02
    assert used > 0.95


@pytest.mark.parametrize(("neighbour", "rate", "burst"), [(paced, 0.5, 5), (at_random, 20.0, 30)])
def test_the_rest_of_a_neighbour_that_spends_most_is_used(
    neighbour: Callable[[float, int, random.Random], Arrivals], rate: float, burst: int
) -> None:
    """It spends four fifths: we use 90 % of the rest."""
    used, refused = run(beside(neighbour, 0.8, rate, burst, tokens=3000, settling=1500))
    assert refused < 0.0225  # 1.7 % in the long run; in so few requests it varies by 0.2
    assert used > 0.9


def test_a_neighbour_in_bursts_costs_little() -> None:
    """It empties the bucket at once, half of the time: fewer than 2 % are refused, and 90 % of the rest are used."""
    used, refused = run(beside(in_bursts, 0.5, 0.5, 20, tokens=1500))
    assert refused < 0.02
    assert used > 0.95


def test_a_neighbour_in_small_bursts_does_not_lower_the_rate() -> None:
    """With a burst of 10, one in forty is refused at any rate; the limiter learns this, and leaves no quota unused."""
    used, refused = run(beside(in_bursts, 0.5, 5.0, 10, tokens=2000, settling=4000))
    assert refused < 0.04
    assert used > 0.8


def test_a_burst_of_one_is_shared_by_asking_at_once() -> None:
    """Right after our own request we know when the next token is there, and every longer pause is the neighbour's.

    The next one arrives 1/rate later, plus what jitter takes (100 ms here on average: 50 until we know that the one
    before has arrived, 50 on the way). The chance that a neighbour that spends half comes in that time is rate / 2 *
    100 ms: 2.5 % at 0.5 a second, 25 % at 5 a second. After a pause of any other length half of the requests are
    refused if it is evenly paced, and a third if it comes at random.
    """
    used, refused = run(beside(at_random, 0.5, 0.5, 1, tokens=1500, settling=100))
    assert refused < 0.05
    assert used > 0.9


def test_beside_a_random_neighbour_a_small_burst_is_used_nearly_as_far_as_possible() -> None:
    """A burst of 5 is too small for 90 %; we come near to the possible 75 %."""
    used, refused = run(beside(at_random, 0.5, 5.0, 5, tokens=4000, settling=1000))
    assert refused < 0.02
    assert used > 0.9 * most(0.5, 5, refused)


def test_the_rate_follows_a_neighbour_that_comes_and_goes() -> None:
    """Twice it is there for 40 minutes, then gone for half an hour, within which the full rate is back."""

    async def scenario() -> tuple[list[float], SimulatedAmazon]:
        rate, minute = 0.5, 60.0
        rng, limiter, op = random.Random(7), LocalRateLimiter(), operation(rate, 10)
        amazon = SimulatedAmazon(rate, 10, latency=(0.0, 0.1))
        rates = []
        for _ in range(2):
            other = asyncio.create_task(amazon.neighbour(lambda: rng.expovariate(rate / 2)))
            await saturate(limiter, op, account(), amazon.request, seconds=40 * minute)
            other.cancel()
            rates.append(limiter.limits()[0].rate)
            await saturate(limiter, op, account(), amazon.request, seconds=30 * minute)
            rates.append(limiter.limits()[0].rate)
        return rates, amazon

    rates, amazon = run(scenario())
    assert rates[1::2] == [0.5, 0.5]
    assert max(rates[::2]) < 0.4
    assert len(amazon.refused) < 0.02 * len(amazon.served)


@pytest.mark.parametrize(("part", "most_calls"), [(0.5, 600), (0.1, 800)])
def test_the_announced_rate_returns_after_a_bounded_number_of_successes(part: float, most_calls: int) -> None:
    """It does not matter how certain the limiter was of the neighbour."""
    belief, moment = Adaptation(5.0, 10.0), 0.0
    while belief.rate > 5.0 * part:
        assert moment < 100.0, "the rate does not fall, although two of 62 requests are refused"
        for _ in range(60):
            belief.succeeded()
        moment += 1.0
        for _ in range(2):
            belief.throttled(sent_at=moment, now=moment)
            moment += 1.0
    calls = 0
    while belief.rate < 5.0 and calls <= most_calls:
        belief.succeeded()
        calls += 1
    assert calls <= most_calls


def test_refusals_that_no_rate_avoids_do_not_lower_it_for_ever() -> None:
    """Every eleventh request is refused, however slow they are: the announced rate is tried again, and kept."""
    belief, rates = Adaptation(5.0, 10.0), []
    for moment in range(400):
        belief.throttled(sent_at=float(moment), now=float(moment))
        rates.append(belief.rate)
        for _ in range(10):
            belief.succeeded()
    assert min(rates) < 2.0
    assert min(rates[200:]) > 4.0


def evenly(share: float, burst: int, interval: float, cells: int = 4) -> Outcome:
    """The share that pauses of ``interval`` tokens' time reach beside random arrivals, without a network.

    It is exact up to the grid of ``cells`` to a token: the probabilities of all levels are carried from one request to
    the next. They begin at a refusal, which left the level anywhere below one; refused requests drop out, so that one
    such round ends with one refusal.
    """
    chances = [1.0 / cells] * cells + [0.0] * (cells * (burst - 1) + 1)
    served = time = taken = 0.0
    step, number = 0, 0
    while (alive := sum(chances)) > 0.01:
        number += 1
        while step < (number + 1) * interval * cells:
            step += 1
            time += alive / cells
            chances = [0.0, *chances[:-2], chances[-2] + chances[-1]]
            theirs = [share / cells * chance for chance in chances[cells:]]
            taken += sum(theirs)
            for level, chance in enumerate(theirs):
                chances[level + cells] -= chance
                chances[level] += chance
        chances = chances[cells:] + [0.0] * cells
        served += sum(chances)
    return Outcome(used=served / (time - taken), refused=1 / (served + 1))


def most(share: float, burst: int, refused: float) -> float:
    """The share of what is left that a client who knows the neighbour's rate can use with so many refusals."""
    low, high = 0.8 / (1 - share), 2.0 / (1 - share)
    for _ in range(5):
        interval = (low + high) / 2
        if evenly(share, burst, interval).refused > refused:
            low = interval
        else:
            high = interval
    return evenly(share, burst, high).used


@pytest.mark.parametrize("burst", [1, 2, 10])
def test_a_slower_bucket_is_learned_without_a_header(burst: int) -> None:
    """It fills at a fifth of the published rate, and no reply says so."""

    async def scenario() -> tuple[int, int]:
        amazon = SimulatedAmazon(1.0, burst, latency=(0.0, 0.1))
        amazon.header = None
        await saturate(LocalRateLimiter(), operation(5.0, burst), account(), amazon.request, seconds=1500.0)
        served, refused = (sum(at > 500.0 for at in moments) for moments in (amazon.served, amazon.refused))
        return served, refused

    served, refused = run(scenario())
    assert served > 0.85 * 1000
    assert refused < 0.05 * (served + refused)


def test_a_bucket_that_is_slower_than_the_lowest_rate_does_not_bring_back_the_announced_one() -> None:
    """It fills at 6 % of the published rate, and no reply says so: all of it is used, and a quarter is refused.

    With the pause of two requests after each 429, three are served at the lowest rate between two refusals.
    """

    async def scenario() -> tuple[int, int]:
        amazon = SimulatedAmazon(0.06, 10, latency=(0.0, 0.1))
        amazon.header = None
        await saturate(LocalRateLimiter(), operation(1.0, 10), account(), amazon.request, seconds=12_000.0)
        served, refused = (sum(at > 4000.0 for at in moments) for moments in (amazon.served, amazon.refused))
        return served, refused

    served, refused = run(scenario())
    assert served > 0.98 * 0.06 * 8000
    assert refused < 0.3 * (served + refused)

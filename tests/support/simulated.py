"""Amazon's side of a usage plan: a token bucket written apart from the limiter's, behind a jittery network."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from spapi_async._core.operation import Operation, UsagePlan
from spapi_async._core.options import Priority
from spapi_async.credentials import Account, Grant
from spapi_async.marketplaces import Region
from spapi_async.ratelimit import LocalRateLimiter, Permit

__all__ = ["ReferenceBucket", "SimulatedAmazon", "account", "choices", "now", "operation", "saturate", "take"]

GRACE = 1e-6
"""Tokens: more than the rounding of a long run, less than any mistake."""


def now() -> float:
    """The loop's time, which is virtual in these tests."""
    return asyncio.get_running_loop().time()


def operation(rate: float, burst: int, *, name: str = "orders_v0.get_order", **plan: float) -> Operation[object]:
    """An operation with this usage plan."""
    usage = UsagePlan(rate=rate, burst=burst, **plan)  # type: ignore[arg-type]
    return Operation(name=name, id=name, method="GET", path="/", usage_plan=usage)


def account(seller: str = "one", *, application: str = "amzn1.app", region: Region = Region.NA) -> Account:
    """A seller of the application."""
    return Account(Grant.refresh_token(application, f"Atzr|{seller}"), region)


async def take(
    limiter: LocalRateLimiter,
    what: Operation[object],
    who: Account,
    *,
    priority: Priority = Priority.NORMAL,
    max_wait: float | None = None,
    status: int | None = 200,
    rate: float | None = None,
) -> Permit:
    """A permit whose request was answered at once."""
    permit = await limiter.acquire(what, who, priority=priority, max_wait=max_wait)
    permit.observe(status, rate)
    return permit


def choices(**values: Sequence[object]) -> st.SearchStrategy[dict[str, Any]]:
    """One of the values for each name, in a single draw: with one draw each, they cost more than what is tested."""

    def chosen(number: int) -> dict[str, Any]:
        found = {}
        for name, each in values.items():
            number, place = divmod(number, len(each))
            found[name] = each[place]
        return found

    return st.sampled_from(range(math.prod(map(len, values.values())))).map(chosen)


class ReferenceBucket:
    """The token bucket of Amazon's documentation, as literally as it can be written."""

    def __init__(self, rate: float, burst: float, now: float = 0.0) -> None:
        self.rate = rate
        self.burst = burst
        self.tokens = float(burst)
        self.at = now

    def take(self, now: float) -> bool:
        """Whether one request at this moment is served."""
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1 - GRACE:
            return False
        self.tokens -= 1
        return True

    def set_rate(self, rate: float, now: float) -> None:
        """Another rate from now on."""
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        self.rate = rate


class SimulatedAmazon:
    """One bucket behind a network that takes ``latency`` (lowest, highest seconds) each way."""

    def __init__(self, rate: float, burst: float, *, latency: tuple[float, float] = (0.0, 0.0), seed: int = 1) -> None:
        self.bucket = ReferenceBucket(rate, burst, asyncio.get_running_loop().time())
        self.header: float | None = rate
        self.latency = latency
        self.random = random.Random(seed)
        self.served: list[float] = []
        self.refused: list[float] = []

    def request(self, permit: Permit) -> asyncio.Future[int]:
        """Send one request and report to its permit; the future's result is the status.

        Two timers instead of a task that sleeps twice: long runs cost a third less.
        """
        loop = asyncio.get_running_loop()
        replied = loop.create_future()
        loop.call_later(self.random.uniform(*self.latency), self._arrived, permit, replied)
        return replied

    def _arrived(self, permit: Permit, replied: asyncio.Future[int]) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        served = self.bucket.take(now)
        (self.served if served else self.refused).append(now)
        loop.call_later(self.random.uniform(*self.latency), self._replied, permit, replied, 200 if served else 429)

    def _replied(self, permit: Permit, replied: asyncio.Future[int], status: int) -> None:
        permit.observe(status, self.header if status == 200 else None)
        if not replied.cancelled():
            replied.set_result(status)

    async def neighbour(self, pause: Callable[[], float]) -> None:
        """Another program that spends from the same bucket for ever."""
        while True:
            await asyncio.sleep(pause())
            self.bucket.take(asyncio.get_running_loop().time())


async def saturate(
    limiter: LocalRateLimiter,
    what: Operation[object],
    who: Account,
    send: Callable[[Permit], Awaitable[object]],
    *,
    seconds: float,
) -> None:
    """Always have calls waiting, for so many virtual seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    flights: list[asyncio.Future[object]] = []

    async def caller() -> None:
        while loop.time() < end:
            permit = await limiter.acquire(what, who, priority=Priority.NORMAL, max_wait=None)
            flights.append(asyncio.ensure_future(send(permit)))

    async with asyncio.TaskGroup() as callers:
        for _ in range(3):
            callers.create_task(caller())
    for flight in flights:
        await flight

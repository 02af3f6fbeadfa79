"""Random traffic against an independent bucket: the quota is kept, no call is forgotten, no token is left unused."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import GRACE, ReferenceBucket, SimulatedAmazon, account, choices, operation
from virtual_time import run

from spapi_async._core.options import Priority
from spapi_async.errors import RateLimitWaitError
from spapi_async.ratelimit import LocalRateLimiter

RATES = [0.1, 0.5, 1.0, 5.0]
PAUSES = [0.0, 0.0, 0.01, 0.3, 1.0, 2.5, 30.0]

GIVE_UP_AFTER = [None, None, None, 0.0, 0.2, 1.0, 10.0]
CALL = choices(
    pause=PAUSES,
    priority=list(Priority),
    max_wait=[None, None, None, 0.0, 3.0],
    give_up_after=GIVE_UP_AFTER,
    outcome=[200, 200, 200, 200, 404, 500, "release", "header", 429],
    header=RATES,
)


class Traffic:
    """Plays a script of calls, each answered at once, and checks every admission."""

    def __init__(self, rate: float, burst: int) -> None:
        self.operation = operation(rate, burst)
        self.limiter = LocalRateLimiter()
        self.reference = ReferenceBucket(rate, burst)
        self.exact = True  # false once a 429 or a returned token makes the client wait longer than the reference
        self.finished = 0

    async def play(self, script: list[dict[str, Any]]) -> None:
        tasks = []
        for call in script:
            await asyncio.sleep(call["pause"])
            tasks.append(asyncio.create_task(self._call(**call)))
        async with asyncio.timeout(1000 + 20 * len(script) / min(RATES)):
            await asyncio.gather(*tasks)
        assert self.finished == len(script)
        assert all(limit.waiting == 0 for limit in self.limiter.limits())

    async def _call(
        self,
        *,
        pause: float,
        priority: Priority,
        max_wait: float | None,
        give_up_after: float | None,
        outcome: int | str,
        header: float,
    ) -> None:
        try:
            async with asyncio.timeout(give_up_after):
                await self._admitted(priority, max_wait, outcome, header)
        except (TimeoutError, RateLimitWaitError):
            pass
        self.finished += 1

    async def _admitted(self, priority: Priority, max_wait: float | None, outcome: int | str, header: float) -> None:
        permit = await self.limiter.acquire(self.operation, account(), priority=priority, max_wait=max_wait)
        now = asyncio.get_running_loop().time()
        if outcome == "release":
            self.exact = False
            permit.release()
            return
        assert self.reference.take(now), "more admitted than the bucket allows"
        if permit.waited and self.exact:
            assert self.reference.tokens <= 10 * GRACE, "a token lay there while a call waited"
        if outcome == "header":
            self.reference.set_rate(header, now)
            permit.observe(200, header)
        elif outcome == 429:
            self.exact = False
            permit.observe(429, None)
        else:
            permit.observe(int(outcome), None)


@settings(max_examples=60, deadline=None)
@given(rate=st.sampled_from(RATES), burst=st.integers(1, 4), script=st.lists(CALL, min_size=5, max_size=40))
def test_random_traffic_keeps_to_the_reference(rate: float, burst: int, script: list[dict[str, Any]]) -> None:
    """Arrivals, priorities, cancellations, refusals, headers and 429s in any order keep every invariant."""

    async def scenario() -> None:
        await Traffic(rate, burst).play(script)

    run(scenario())


@settings(max_examples=25, deadline=None)
@given(
    rate=st.sampled_from([0.0167, 0.5, 5.0, 20.0]),
    burst=st.integers(1, 12),
    latency=st.tuples(st.floats(0, 0.2), st.floats(0, 0.2)),
    pauses=st.lists(st.floats(0, 3.0), min_size=50, max_size=150),
    seed=st.integers(0, 99),
)
def test_traffic_with_any_jitter_is_never_refused(
    rate: float, burst: int, latency: tuple[float, float], pauses: list[float], seed: int
) -> None:
    """With delays of up to 200 ms each way, no request finds the bucket empty."""

    async def scenario() -> int:
        low, high = sorted(latency)
        amazon = SimulatedAmazon(rate, burst, latency=(low, high), seed=seed)
        limiter, op = LocalRateLimiter(), operation(rate, burst)
        flights = []
        for pause in pauses:
            await asyncio.sleep(pause * amazon.random.choice([0.0, 0.0, 1.0]) / rate)
            permit = await limiter.acquire(op, account(), priority=Priority.NORMAL, max_wait=None)
            flights.append(amazon.request(permit))
        for flight in flights:
            await flight
        return len(amazon.refused)

    assert run(scenario()) == 0


SHARED_CALL = choices(pause=PAUSES, seller="abc", priority=list(Priority), give_up_after=GIVE_UP_AFTER)


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from(RATES),
    burst=st.integers(1, 4),
    shared_rate=st.sampled_from([0.2, 1.0, 10.0]),
    shared_burst=st.integers(1, 6),
    script=st.lists(SHARED_CALL, min_size=5, max_size=40),
)
def test_random_traffic_keeps_to_both_buckets(
    rate: float, burst: int, shared_rate: float, shared_burst: int, script: list[dict[str, Any]]
) -> None:
    """Three sellers share an application limit: no bucket is overdrawn, and no call waits while both have tokens."""

    async def scenario() -> None:
        op = operation(rate, burst, application_rate=shared_rate, application_burst=shared_burst)
        limiter, shared = LocalRateLimiter(), ReferenceBucket(shared_rate, shared_burst)
        own = {seller: ReferenceBucket(rate, burst) for seller in "abc"}

        async def call(seller: str, priority: Priority, give_up_after: float | None) -> None:
            try:
                async with asyncio.timeout(give_up_after):
                    permit = await limiter.acquire(op, account(seller), priority=priority, max_wait=None)
            except TimeoutError:
                return
            now = asyncio.get_running_loop().time()
            assert own[seller].take(now)
            assert shared.take(now)
            if permit.waited:
                assert min(own[seller].tokens, shared.tokens) <= 10 * GRACE
            permit.observe(200, None)

        tasks = []
        for each in script:
            await asyncio.sleep(each["pause"])
            tasks.append(asyncio.create_task(call(each["seller"], each["priority"], each["give_up_after"])))
        async with asyncio.timeout(1000):
            await asyncio.gather(*tasks)
        assert all(limit.waiting == 0 for limit in limiter.limits())

    run(scenario())

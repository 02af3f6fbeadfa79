"""Random traffic against a bucket written apart: never more than it allows, nobody forgotten, no token left lying."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import GRACE, ReferenceBucket, SimulatedAmazon, account, operation
from virtual_time import run

from spapi_async._options import Priority
from spapi_async.errors import RateLimitWaitError
from spapi_async.ratelimit import LocalRateLimiter

RATES = [0.1, 0.5, 1.0, 5.0]
PAUSES = st.sampled_from([0.0, 0.0, 0.01, 0.3, 1.0, 2.5, 30.0])

CALL = st.fixed_dictionaries(
    {
        "pause": PAUSES,
        "priority": st.sampled_from(list(Priority)),
        "max_wait": st.sampled_from([None, None, None, 0.0, 3.0]),
        "give_up_after": st.sampled_from([None, None, None, 0.0, 0.2, 1.0, 10.0]),
        "outcome": st.sampled_from([200, 200, 200, 200, 404, 500, "release", "header", 429]),
        "header": st.sampled_from(RATES),
    }
)


class Traffic:
    """Plays a script of calls, each answered in the moment it is sent, and checks every admission."""

    def __init__(self, rate: float, burst: int) -> None:
        self.operation = operation(rate, burst)
        self.limiter = LocalRateLimiter()
        self.reference = ReferenceBucket(rate, burst)
        self.exact = True  # until a 429 or a token that came back makes the client wait longer than the reference asks
        self.finished = 0

    async def play(self, script: list[dict[str, object]]) -> None:
        tasks = []
        for call in script:
            await asyncio.sleep(call["pause"])  # type: ignore[arg-type]
            tasks.append(asyncio.create_task(self._call(**call)))  # type: ignore[arg-type]
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


@settings(max_examples=150, deadline=None)
@given(rate=st.sampled_from(RATES), burst=st.integers(1, 4), script=st.lists(CALL, max_size=40))
def test_random_traffic_keeps_to_the_reference(rate: float, burst: int, script: list[dict[str, object]]) -> None:
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
def test_any_jitter_and_any_traffic_is_never_refused(
    rate: float, burst: int, latency: tuple[float, float], pauses: list[float], seed: int
) -> None:
    """Whatever the network delays within 200 ms each way, no request finds the bucket empty."""

    async def scenario() -> int:
        low, high = sorted(latency)
        amazon = SimulatedAmazon(rate, burst, latency=(low, high), seed=seed)
        limiter, op = LocalRateLimiter(), operation(rate, burst)
        async with asyncio.TaskGroup() as flights:
            for pause in pauses:
                await asyncio.sleep(pause * amazon.random.choice([0.0, 0.0, 1.0]) / rate)
                permit = await limiter.acquire(op, account(), priority=Priority.NORMAL, max_wait=None)
                flights.create_task(amazon.request(permit))
        return len(amazon.refused)

    assert run(scenario()) == 0

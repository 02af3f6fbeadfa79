"""Random traffic over plans, an application's plan and rules at once, checked against independent models of them."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from insides import registry_of
from simulated import GRACE, ReferenceBucket, account, choices
from virtual_time import run

from spapi_async._core.operation import Operation, Parameter, UsagePlan
from spapi_async._core.options import Priority
from spapi_async.errors import RateLimitWaitError
from spapi_async.ratelimit import Bucket, LocalRateLimiter, PlanRule, Window

KINDS = ("plain", "windowed", "bucketed", "both")


class ReferenceWindow:
    """A sliding window, written as literally as possible."""

    def __init__(self, requests: int, seconds: float) -> None:
        self.requests, self.seconds = requests, seconds
        self.moments: list[float] = []

    def take(self, now: float) -> bool:
        """Whether a request at this moment is served."""
        inside = [moment for moment in self.moments if moment + self.seconds > now + GRACE]
        self.moments.append(now)
        return len(inside) < self.requests

    def is_tight(self, now: float) -> bool:
        """Whether this request could not have left any earlier."""
        if len(self.moments) <= self.requests:
            return False
        return abs(self.moments[-1 - self.requests] + self.seconds - now) <= 10 * GRACE


class TightBucket(ReferenceBucket):
    """A bucket that can tell whether the last request could have left earlier."""

    def is_tight(self, now: float) -> bool:
        return now >= 0 and self.tokens <= 10 * GRACE


CALL = choices(
    pause=[0.0, 0.0, 0.0, 0.1, 1.0, 4.0],
    seller="ab",
    kind=KINDS,
    priority=list(Priority),
    give_up_after=[None, None, None, 0.0, 0.3, 2.0],
)
LIMITS = choices(
    rate=[0.5, 1.0, 5.0],
    burst=range(1, 5),
    application_rate=[0.7, 2.0],
    application_burst=range(1, 5),
    window=[*product(range(1, 4), [2.0, 7.0])],
    bucket=[*product([0.3, 3.0], range(1, 4))],
)


class World:
    """An operation whose ``kind`` decides which limits a call pays from, and what Amazon would say to each call."""

    def __init__(self, limits: dict[str, Any]) -> None:
        self.operation: Operation[Any] = Operation(
            name="tests_v0.get",
            id="get",
            method="GET",
            path="/",
            parameters=(Parameter(name="kind", wire_name="kind", location="query", type="str", encoding="plain"),),
            usage_plan=UsagePlan(
                rate=limits["rate"],
                burst=limits["burst"],
                application_rate=limits["application_rate"],
                application_burst=limits["application_burst"],
            ),
        )
        rules = (
            PlanRule(self.operation.name, "kind", ("windowed", "both"), (Window(*limits["window"]),)),
            PlanRule(self.operation.name, "kind", ("bucketed", "both"), (Bucket(*limits["bucket"]),), "application"),
        )
        self.limiter = LocalRateLimiter(rules=rules)
        self.plans = {seller: TightBucket(limits["rate"], limits["burst"]) for seller in "ab"}
        self.whole = TightBucket(limits["application_rate"], limits["application_burst"])
        self.windows = {seller: ReferenceWindow(*limits["window"]) for seller in "ab"}
        self.bucket = TightBucket(*limits["bucket"])
        self.served: list[tuple[str, str, Priority, int]] = []
        self.kept = 0

    def references(self, seller: str, kind: str) -> list[Any]:
        """What such a call pays from."""
        found: list[Any] = [self.plans[seller], self.whole]
        if kind in ("windowed", "both"):
            found.append(self.windows[seller])
        if kind in ("bucketed", "both"):
            found.append(self.bucket)
        return found

    async def call(
        self, number: int, *, pause: float, seller: str, kind: str, priority: Priority, give_up_after: float | None
    ) -> None:
        """Make one call, and check every limit at the moment when it is admitted."""
        del pause
        try:
            async with asyncio.timeout(give_up_after):
                permit = await self.limiter.acquire(
                    self.operation, account(seller), priority=priority, max_wait=None, arguments={"kind": kind}
                )
        except TimeoutError:
            return
        now = asyncio.get_running_loop().time()
        references = self.references(seller, kind)
        passed = [each.take(now) for each in references]
        assert all(passed), "more admitted than a limit allows"
        if permit.waited and not self.kept:
            assert any(each.is_tight(now) for each in references), "room lay everywhere while a call waited"
        self.kept = sum(meter.counter.reserved for meter in registry_of(self.limiter).meters.values())
        self.served.append((seller, kind, priority, number))
        permit.observe(200, None)


@settings(max_examples=60, deadline=None)
@given(limits=LIMITS, script=st.lists(CALL, min_size=5, max_size=40))
@example(
    limits={
        "rate": 1.0, "burst": 1, "application_rate": 2.0, "application_burst": 1,
        "window": (1, 7.0), "bucket": (3.0, 1),
    },
    script=[
        {"pause": 0.0, "seller": seller, "kind": kind, "priority": Priority.NORMAL, "give_up_after": None}
        for seller in "ab"
        for kind in KINDS * 3
    ],
)  # fmt: skip
def test_random_traffic_keeps_to_every_limit(limits: dict[str, Any], script: list[dict[str, Any]]) -> None:
    """No limit is overdrawn, no call waits while all its limits have room, and all are served in order of arrival."""

    async def scenario() -> World:
        world = World(limits)
        tasks = []
        for number, each in enumerate(script):
            await asyncio.sleep(each["pause"])
            tasks.append(asyncio.create_task(world.call(number, **each)))
            await asyncio.sleep(0)
        async with asyncio.timeout(2000):
            await asyncio.gather(*tasks)
        assert all(limit.waiting == 0 for limit in world.limiter.limits())
        return world

    world = run(scenario())
    patient = sum(each["give_up_after"] is None for each in script)
    assert len(world.served) >= patient
    groups: dict[Any, list[int]] = {}
    for seller, kind, priority, number in world.served:
        groups.setdefault((seller, kind, priority), []).append(number)
    assert all(numbers == sorted(numbers) for numbers in groups.values())


def test_refusals_name_the_wait() -> None:
    """With ``max_wait=0``, a call is refused with the seconds until its limit has room."""

    async def scenario() -> float | None:
        limits = {"rate": 5.0, "burst": 4, "application_rate": 2.0, "application_burst": 4}
        world = World({**limits, "window": (1, 7.0), "bucket": (3.0, 3)})
        for max_wait in (None, 0.0):
            try:
                permit = await world.limiter.acquire(
                    world.operation,
                    account("a"),
                    priority=Priority.NORMAL,
                    max_wait=max_wait,
                    arguments={"kind": "windowed"},
                )
                permit.observe(200, None)
            except RateLimitWaitError as refusal:
                return refusal.retry_after
        return None

    assert run(scenario()) == 7.0

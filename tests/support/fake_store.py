"""A store of shared limits under the test's control, and a limiter that shares through it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from redis_worker import make_account, make_operation
from virtual_time import VirtualClock

from spapi_async._core.options import Priority
from spapi_async.ratelimit.shared._limiter import SharedRateLimiter
from spapi_async.ratelimit.shared._store import LimitSpec, LimitState, Outage, Reply, Request

__all__ = ["PLAN", "FakeStore", "limiter", "state_of", "take"]

PLAN = make_operation(10.0, 10)


class FakeStore:
    """Grants every request of waiting calls in full, and with ``lends`` of expected calls, unless it is broken."""

    label = "a store"
    round_trips = 0

    def __init__(self, *, lends: bool = False) -> None:
        self.broken: BaseException | None = None
        self.swallows = False
        self.lends = lends
        self.announced: float | None = None
        self.batches: list[list[Request]] = []
        self.log: list[str] = []
        self.asked: list[str] = []

    def keys(self, charges: Sequence[Any], application: str, region: str, name: str) -> tuple[str, ...]:
        return (name, "memory", *(charge.key[-1] for charge in charges[1:]))

    async def exchange(self, calls: Sequence[tuple[tuple[str, ...], Request]]) -> list[Reply]:
        self.log.append("exchange")
        self.batches.append([request for _, request in calls])
        self.asked += [keys[0] for keys, _ in calls]
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            if not self.swallows:
                raise
        if self.broken is not None:
            raise self.broken
        return [self._answer(request) for _, request in calls]

    def _answer(self, request: Request) -> Reply:
        for feedback in request.feedback:
            self.announced = feedback.rate or self.announced
        states = [state_of(each, level=5.0, announced=self.announced) for each in request.limits]
        granted = [(0.0, False)] * sum(request.waiting) + [(0.0, True)] * (request.prefetch if self.lends else 0)
        return Reply(now=1000.0, delays=granted, lease=4.0, marker="m", limits=states)

    async def probe(self) -> None:
        self.log.append("probe")
        if self.broken is not None:
            raise Outage("still gone")

    async def snapshots(self) -> tuple[()]:
        return ()

    def renewed(self, me: str) -> FakeStore:
        return self

    async def disconnect(self) -> None:
        self.log.append("disconnect")


def state_of(limit: LimitSpec, *, level: float, announced: float | None = None) -> LimitState:
    """What a store says of a bucket that no 429 has slowed down."""
    return LimitState(
        level=level,
        rate=limit.rate,
        announced=announced or limit.rate,
        burst=limit.burst,
        pace=limit.rate,
        capacity=limit.burst,
    )


def limiter(store: FakeStore, **options: Any) -> SharedRateLimiter:
    """A limiter that shares through this store."""
    settings: dict[str, Any] = {
        "on_outage": "local", "processes": 1, "lease_seconds": 1.0, "timeout": 1.0, "jitter": 0.0, "rules": (),
        "clock": VirtualClock(), "observers": (), **options,
    }  # fmt: skip
    return SharedRateLimiter(store, me="me", **settings)


async def take(shared: SharedRateLimiter, seller: str = "one") -> Any:
    """A permit."""
    return await shared.acquire(PLAN, make_account(seller), priority=Priority.NORMAL, max_wait=None)

"""Limiters on a real Redis for tests: one call each for what most of them do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from insides import link_of
from redis_worker import make_account, make_operation

from spapi_async._core.limiter import LimitSnapshot
from spapi_async._core.operation import Operation
from spapi_async._core.options import Priority
from spapi_async.credentials import Account
from spapi_async.errors import RateLimitWaitError
from spapi_async.ratelimit.shared._limiter import SharedPermit
from spapi_async.ratelimit.shared._link import LinkState
from spapi_async.ratelimit.shared.redis._limiter import RedisRateLimiter

__all__ = ["SELLER", "admit_all", "crash", "limiters", "make_account", "make_operation", "only", "permit"]

SELLER = make_account()


@asynccontextmanager
async def limiters(url: str, count: int = 2, **options: Any) -> AsyncIterator[list[RedisRateLimiter]]:
    """``count`` limiters, each as if in a process of its own."""
    patient = {"timeout": 5.0, **options}  # a machine that stalls for a second is not an outage
    made = [RedisRateLimiter(url, **patient) for _ in range(count)]
    try:
        yield made
    finally:
        for limiter in made:
            await limiter.aclose()


async def permit(
    limiter: RedisRateLimiter,
    operation: Operation[Any],
    account: Account = SELLER,
    *,
    priority: Priority = Priority.NORMAL,
    max_wait: float | None = None,
) -> SharedPermit:
    """Acquire."""
    return await limiter.acquire(operation, account, priority=priority, max_wait=max_wait)


async def admit_all(
    limiter: RedisRateLimiter, operation: Operation[Any], account: Account = SELLER, *, max_wait: float = 3
) -> int:
    """Send requests, all answered 200, until the next one would have to wait."""
    admitted = 0
    try:
        while True:
            (await permit(limiter, operation, account, max_wait=max_wait)).observe(200, None)
            admitted += 1
    except RateLimitWaitError:
        return admitted


def only(snapshots: tuple[LimitSnapshot, ...]) -> LimitSnapshot:
    """The one snapshot there is."""
    (snapshot,) = snapshots
    return snapshot


async def crash(limiter: RedisRateLimiter) -> None:
    """Do what a SIGKILL does: the connection is gone, and nothing was said or given back."""
    link_of(limiter).state = LinkState.DOWN
    await limiter.aclose()

"""The rate limiter of one process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from spapi_async._clock import Clock, SystemClock
from spapi_async._events import Observer, Observers, Waited
from spapi_async._operation import Operation
from spapi_async._options import Priority
from spapi_async.credentials import Account
from spapi_async.errors import RateLimitWaitError, SPAPIError
from spapi_async.ratelimit._base import LimitSnapshot
from spapi_async.ratelimit._jitter import Jitter
from spapi_async.ratelimit._lane import Lane, LocalPermit, Pool
from spapi_async.ratelimit._waiting import Waiter

__all__ = ["LocalRateLimiter"]


class LocalRateLimiter:
    """Keeps every usage plan that this process draws on; the default limiter of an application.

    It may be made outside a running loop, and serves one loop at a time. Calls that wait hold no timer of their own:
    there is one per bucket with a line.

    Args:
        clock: where time comes from; ``monotonic()`` must agree with the running loop's.
        observers: told of Waited, Throttled and RateChanged.
    """

    def __init__(self, *, clock: Clock | None = None, observers: Observers | Iterable[Observer] = ()) -> None:
        self._clock = clock or SystemClock()
        self._observers = observers if isinstance(observers, Observers) else Observers(observers)
        self._lanes: dict[tuple[str, Operation[Any]], Lane] = {}
        self._pools: dict[tuple[str, str, Operation[Any]], Pool] = {}
        self._jitters: dict[tuple[str, Operation[Any]], Jitter] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def acquire(
        self, operation: Operation[Any], account: Account, *, priority: Priority, max_wait: float | None
    ) -> LocalPermit:
        """Wait for a token of every bucket that the call draws on.

        Raises:
            RateLimitWaitError: the predicted wait exceeds ``max_wait`` seconds; raised before waiting. Calls of a higher
                priority that come later, or a 429, may still make the wait longer than predicted.
            SPAPIError: the limiter was closed, before or while the call waited.
        """
        try:
            lane = self._lanes[account.key, operation]
        except KeyError:
            lane = self._open_lane(operation, account)
        now = self._clock.monotonic()
        return lane.admit(now) or await self._wait(lane, now, priority, max_wait)

    async def _wait(self, lane: Lane, now: float, priority: Priority, max_wait: float | None) -> LocalPermit:
        if max_wait is not None:
            predicted = lane.predict(now, priority)
            if predicted > max_wait:
                raise RateLimitWaitError(
                    f"quota is {predicted:.1f} s away, and the call may wait {max_wait:g} s",
                    operation=lane.operation.name,
                    retry_after=predicted,
                )
        loop = self._attach()
        waiter = Waiter(loop.create_future(), int(priority))
        lane.enter(waiter, now)
        try:
            permit: LocalPermit = await waiter.future
        except BaseException:
            lane.abandon(waiter, self._clock.monotonic())
            raise
        permit.waited = self._clock.monotonic() - now
        if self._observers:
            self._observers.emit(
                Waited(operation=lane.operation.name, account=lane.account.key, seconds=permit.waited)
            )
        return permit

    def limits(self) -> tuple[LimitSnapshot, ...]:
        """Every live bucket: those of sellers, and those that sellers share (``account == ""``)."""
        now = self._now()
        buckets: list[Lane | Pool] = [*self._lanes.values(), *self._pools.values()]
        return tuple(bucket.snapshot(now) for bucket in buckets)

    async def aclose(self) -> None:
        """Refuse further calls; those that wait get an SPAPIError."""
        self._closed = True
        self._drop_waiters()
        self._lanes.clear()
        self._pools.clear()

    def _open_lane(self, operation: Operation[Any], account: Account) -> Lane:
        if self._closed:
            raise _closed_error(operation)
        now = self._clock.monotonic()
        region = account.region.value
        pool = None
        if operation.usage_plan.application_rate is not None:
            key = (account.application, region, operation)
            pool = self._pools.get(key)
            if pool is None:
                pool = self._pools[key] = Pool(operation, account.application, region, self._clock, now)
        jitter = self._jitters.get((region, operation))
        if jitter is None:
            jitter = self._jitters[region, operation] = Jitter()
        lane = self._lanes[account.key, operation] = Lane(
            operation,
            account,
            pool=pool,
            jitter=jitter,
            clock=self._clock,
            observers=self._observers,
            now=now,
        )
        return lane

    def _attach(self) -> asyncio.AbstractEventLoop:
        """The running loop. What an earlier loop left behind when it was closed (``asyncio.run`` twice) is dropped."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            if self._loop is not None:
                self._drop_waiters()
            self._loop = loop
        return loop

    def _drop_waiters(self) -> None:
        for lane in self._lanes.values():
            lane.disarm()
            for waiter in lane.line.clear():
                if not waiter.future.done() and not waiter.future.get_loop().is_closed():
                    waiter.future.set_exception(_closed_error(lane.operation))
        for pool in self._pools.values():
            pool.disarm()

    def _now(self) -> float:
        return self._clock.monotonic()

    def __repr__(self) -> str:
        waiting = sum(lane.line.total for lane in self._lanes.values())
        return f"<LocalRateLimiter buckets={len(self._lanes) + len(self._pools)} waiting={waiting}>"


def _closed_error(operation: Operation[Any]) -> SPAPIError:
    return SPAPIError("the rate limiter is closed", operation=operation.name)

"""The rate limiter of one process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from spapi_async._core.clock import Clock, SystemClock
from spapi_async._core.events import Observer, Observers, Waited
from spapi_async._core.limiter import LimitSnapshot, closed_error
from spapi_async._core.operation import Operation
from spapi_async._core.options import Priority
from spapi_async.credentials import Account
from spapi_async.ratelimit._jitter import Jitter
from spapi_async.ratelimit._waiting import GRACE, Waiter
from spapi_async.ratelimit.local._lane import Lane, LocalPermit, wait_error
from spapi_async.ratelimit.local._pool import Pool
from spapi_async.ratelimit.local._state import BucketState, pack, unpack

__all__ = ["LocalRateLimiter"]


REMEMBERED_RATES = 100_000
"""Rates learned from headers that are kept for forgotten buckets; a reply would bring each back, this saves the
first."""


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
        self._monotonic = self._clock.monotonic
        self._observers = observers if isinstance(observers, Observers) else Observers(observers)
        self._lanes: dict[tuple[str, Operation[Any]], Lane] = {}
        self._pools: dict[tuple[str, str, Operation[Any]], Pool] = {}
        self._jitters: dict[tuple[str, Operation[Any]], Jitter] = {}
        self._saved: dict[tuple[str, ...], BucketState] = {}
        self._saved_at = 0.0
        self._announced: dict[tuple[str, Operation[Any]], float] = {}
        self._rounds: deque[tuple[str, Operation[Any]]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def acquire(
        self, operation: Operation[Any], account: Account, *, priority: Priority, max_wait: float | None
    ) -> LocalPermit:
        """Wait for a token of every bucket that the call draws on.

        Raises:
            RateLimitWaitError: the predicted wait exceeds ``max_wait`` seconds; raised before waiting, and while
                waiting when the rate falls so far that the prediction fails, or when that time has passed because
                calls of a higher priority came later.
            SPAPIError: the limiter was closed, before or while the call waited.
        """
        try:
            lane = self._lanes[account.key, operation]
        except KeyError:
            lane = self._open_lane(operation, account)
        now = self._monotonic()
        return lane.admit(now) or await self._wait(lane, now, priority, max_wait)

    async def _wait(self, lane: Lane, now: float, priority: Priority, max_wait: float | None) -> LocalPermit:
        loop = self._attach()
        if max_wait is not None:
            predicted = lane.predict(now, priority)
            if predicted > max_wait:
                raise wait_error(lane.operation, predicted)
        deadline = None if max_wait is None else now + max_wait
        waiter = Waiter(loop.create_future(), int(priority), deadline)
        lane.enter(waiter, now)
        timer = None if deadline is None else loop.call_at(deadline + GRACE, lane.refuse, waiter)
        try:
            permit: LocalPermit = await waiter.future
        except BaseException:
            lane.abandon(waiter, self._clock.monotonic())
            raise
        finally:
            if timer is not None:
                timer.cancel()
        permit.waited = self._clock.monotonic() - now
        if self._observers:
            self._observers.emit(Waited(operation=lane.operation.name, account=lane.account.key, seconds=permit.waited))
        return permit

    def forecast(
        self,
        operation: Operation[Any],
        account: Account,
        arguments: Mapping[str, Any] | None = None,  # noqa: ARG002  no limit of this limiter's depends on them
        *,
        count: int = 1,
    ) -> float:
        """Seconds until that many calls which come now could have left, if nobody more urgent comes."""
        lane = self._lanes.get((account.key, operation)) or self._open_lane(operation, account)
        return lane.predict(self._monotonic(), Priority.NORMAL, count)

    def limits(self) -> tuple[LimitSnapshot, ...]:
        """Every live bucket: those of sellers, and those that sellers share (``account == ""``)."""
        now = self._clock.monotonic()
        self._forget_idle(now, len(self._rounds))
        for key, pool in list(self._pools.items()):
            if pool.is_idle(now) and not any(lane.pool is pool for lane in self._lanes.values()):
                del self._pools[key]
        buckets: list[Lane | Pool] = [*self._lanes.values(), *self._pools.values()]
        return tuple(bucket.snapshot(now) for bucket in buckets)

    def dump_state(self) -> bytes:
        """What is known of every bucket, to be saved beside a job's checkpoint; holds no secret.

        Requests still in flight count as served.
        """
        now = self._clock.monotonic()
        states = [lane.state(now) for lane in self._lanes.values()]
        states += [pool.state(now) for pool in self._pools.values()]
        elapsed = self._clock.time() - self._saved_at
        states += [state.later(elapsed) for state in self._saved.values()]
        return pack(states, self._clock.time())

    def load_state(self, saved: bytes) -> None:
        """Begin where an earlier run stopped, with the time that has passed since; before the first call.

        Raises:
            ConfigurationError: these bytes are not a saved state.
        """
        self._saved_at = self._clock.time()
        self._saved = {state.key: state for state in unpack(saved, self._saved_at)}

    async def aclose(self) -> None:
        """Refuse further calls; those that wait get an SPAPIError."""
        self._closed = True
        self._drop_waiters()
        self._lanes.clear()
        self._pools.clear()
        self._rounds.clear()

    def _open_lane(self, operation: Operation[Any], account: Account) -> Lane:
        if self._closed:
            raise closed_error(operation)
        now = self._clock.monotonic()
        self._forget_idle(now, 2)
        region = account.region.value
        jitter = self._jitters.get((region, operation))
        if jitter is None:
            jitter = self._jitters[region, operation] = Jitter()
        lane = Lane(
            operation,
            account,
            pool=self._pool(operation, account, now),
            jitter=jitter,
            clock=self._clock,
            observers=self._observers,
            now=now,
        )
        key = (account.key, operation)
        announced = self._announced.pop(key, None)
        if announced is not None:
            lane.adopt_rate(announced, now)
        self._restore(lane, (operation.name, account.key), now)
        self._lanes[key] = lane
        self._rounds.append(key)
        return lane

    def _pool(self, operation: Operation[Any], account: Account, now: float) -> Pool | None:
        if operation.usage_plan.application_rate is None:
            return None
        region = account.region.value
        key = (account.application, region, operation)
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = Pool(operation, account.application, region, self._clock, now)
            self._restore(pool, (operation.name, account.application, region), now)
        return pool

    def _restore(self, bucket: Lane | Pool, key: tuple[str, ...], now: float) -> None:
        if self._saved:
            state = self._saved.pop(key, None)
            if state is not None:
                bucket.restore(state.later(self._clock.time() - self._saved_at), now)

    def _forget_idle(self, now: float, number: int) -> None:
        """Look at the ``number`` buckets not seen for longest; forget those that a new one would equal."""
        rounds = self._rounds
        for _ in range(min(number, len(rounds))):
            key = rounds.popleft()
            lane = self._lanes[key]
            if not lane.is_idle(now):
                rounds.append(key)
                continue
            del self._lanes[key]
            if lane.adaptation.announced != lane.operation.usage_plan.rate:
                if len(self._announced) >= REMEMBERED_RATES:
                    del self._announced[next(iter(self._announced))]
                self._announced[key] = lane.adaptation.announced

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
                    waiter.future.set_exception(closed_error(lane.operation))
        for pool in self._pools.values():
            pool.disarm()

    def __repr__(self) -> str:
        waiting = sum(lane.line.total for lane in self._lanes.values())
        return f"<LocalRateLimiter buckets={len(self._lanes) + len(self._pools)} waiting={waiting}>"

"""One quota shared by any number of processes, through Redis.

The theory, for those who know the token bucket from this package's docstring. Amazon keeps one bucket for an
operation and a seller; every process that calls it spends from it, so all of them must spend from one picture of
it. That picture lives in Redis and changes only inside one script (``_script.lua``), which runs atomically
and on the server's clock: processes need not agree on the time.

*Sold ahead.* Asking Redis for each token would cost a round trip per call. Instead the script sells tokens that
are about to flow in, each with the moment from which it may be used; the level of the bucket goes below zero by what
was sold. One visit thus fetches several tokens of a fast operation, and one of a slow operation only when it is
nearly due, so that the choice of who gets it is made late.

*Leases.* A process that has been making many calls also takes tokens for calls that it expects. Those are on lease:
Redis keeps a record of them, holds back as much room in the bucket (or a token lent out and a bucket refilled
meanwhile could be spent together), and takes back what was not reported as used when the lease ends, whether the
process said so or crashed. Three quarters of a bucket can be on lease.

*Turns.* Processes that must wait leave word how many calls wait or are expected, by priority, and when they will ask
again. The script gives each new token to the highest priority that waits anywhere, with a share kept for the lower
ones; processes of equal priority take turns, and each is told to come back just before its next turn. Of a fast
operation a turn is a run of tokens, half of what flows in during ``lease_seconds``: so a busy process pays one round
trip for ten calls at twenty a second, however many share the quota, and nobody holds more than one run. A process
that does not come for its turn within a second of the time it named is passed over. Inside a process a token goes to
the first in line at the moment it becomes usable, whoever it was fetched for.

*Urgent calls* are served from what is not sold yet. For a minute after an INTERACTIVE call was seen, one token stays
in the bucket for the next one, which then waits for nothing but the round trip.

*Late arrivals.* While Amazon's bucket is full nothing flows into it, so a request that arrives late costs the refill
it would have started. What may have been lost so is not counted on (in the first second that is much, as nothing is
known of the network), until the processes report that all requests of that time have been answered, and how soon.

*Feedback.* A 429 from Amazon drains the shared bucket, lowers the shared rate once (requests already on their way
say nothing new), and the rate recovers as tokens are spent without another; a rate in Amazon's header changes it
for all. Such news, and tokens that come back, travel with the next request, numbered, so that a request sent again
after a lost reply counts once.

*Outages.* Nothing waits for Redis longer than ``timeout``. When it does not answer, or answers with an error (full,
read-only), each process goes on with its part of the quota (``on_outage="local"``) or refuses calls ("raise"), and
tries again at least once a second. A Redis that comes back with its memory is told what was spent meanwhile; one
that comes back empty is recognised by the marker it lost, and begins with an empty bucket rather than a full one.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from spapi_async._core.clock import Clock, SystemClock
from spapi_async._core.events import Observer, Observers, RateChanged, Throttled, Waited
from spapi_async._core.limiter import LimitSnapshot, closed_error
from spapi_async._core.operation import Operation
from spapi_async._core.options import Priority
from spapi_async.credentials import Account
from spapi_async.errors import ConfigurationError, ConnectionFailedError, SPAPIError
from spapi_async.ratelimit._adaptation import announced_rate
from spapi_async.ratelimit.shared._lane import Lane
from spapi_async.ratelimit.shared._permit import RedisPermit
from spapi_async.ratelimit.shared._slot import Slot
from spapi_async.ratelimit.shared._view import Caller, LaneSettings, SharedView
from spapi_async.ratelimit.shared.redis._link import Outage, RedisLink
from spapi_async.ratelimit.shared.redis._script import bucket_keys
from spapi_async.ratelimit.shared.redis._snapshot import lane_snapshot, read_snapshot, shared_snapshot

__all__ = ["RedisRateLimiter"]

_IDLE = 300.0  # seconds after which a process forgets a bucket that it does not use
_SWEEP_EVERY = 1024
_JITTER = 0.05  # seconds: the least that timers and the event loop add


class RedisRateLimiter:
    """Shares usage plans, learned rates and 429 feedback between processes and hosts.

    Works with Redis 6.2 and newer, Valkey, and (``cluster=True``) Redis Cluster. Belongs to one event loop.

    Args:
        url: ``redis://[user:password@]host:port/db``, ``rediss://…`` or ``unix://…``.
        on_outage: what a call does while Redis is away: ``"local"`` spends this process's part of the quota (an equal
            split among the processes last seen), ``"raise"`` raises ConnectionFailedError.
        processes: how many processes to split the quota among while Redis has never been reached, as when it is away
            from the start. It counts itself as soon as it can be asked.
        prefix: begins every key; programs that share quota must share it.
        lease_seconds: how far ahead tokens are bought at most. An urgent call may have to wait so long behind tokens
            that another process already holds; two thirds of it where several processes wait; and not at all (but for
            a round trip) when an urgent call was seen in the last minute and has not just used the token kept for it.
        timeout: longest wait for Redis in one exchange, in seconds.
        jitter: least number of seconds by which requests that left evenly spaced may be bunched; more is measured.
    """

    def __init__(
        self,
        url: str,
        *,
        on_outage: Literal["local", "raise"] = "local",
        processes: int = 1,
        prefix: str = "spapi",
        lease_seconds: float = 1.0,
        timeout: float = 1.0,
        jitter: float = _JITTER,
        cluster: bool = False,
        clock: Clock | None = None,
        observers: Observers | Iterable[Observer] = (),
    ) -> None:
        if on_outage not in {"local", "raise"}:
            raise ConfigurationError('on_outage must be "local" or "raise"')
        if not 0 < lease_seconds <= 60:
            raise ConfigurationError("lease_seconds must be above 0 and at most 60")
        if processes < 1:
            raise ConfigurationError("processes must be at least 1")
        me = f"{os.getpid():x}-{secrets.token_hex(6)}"
        self._clock = clock or SystemClock()
        self._on_outage = on_outage
        self._processes = processes
        self._prefix = prefix
        self._observers = observers if isinstance(observers, Observers) else Observers(observers)
        self._settings = LaneSettings(
            me=me,
            lease_seconds=lease_seconds,
            jitter=jitter,
            number=itertools.count(1).__next__,
            now=self._clock.monotonic,
        )
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._shared: dict[str, SharedView] = {}
        self._link = RedisLink(
            url,
            cluster=cluster,
            timeout=timeout,
            clock=self._clock,
            probe_key=f"{prefix}:probe:{me}",
            on_down=self._redis_left,
            on_up=self._redis_returned,
        )
        self._closed = False

    def __repr__(self) -> str:
        return f"<RedisRateLimiter {self._link!r} buckets={len(self._lanes)} on_outage={self._on_outage!r}>"

    async def acquire(
        self, operation: Operation[Any], account: Account, *, priority: Priority, max_wait: float | None
    ) -> RedisPermit:
        """Wait for a token of every bucket that the call draws on.

        Raises:
            RateLimitWaitError: the predicted wait exceeds ``max_wait`` seconds; raised after one round trip at most,
                and while waiting when the rate falls so far that the prediction fails, or when that time has passed.
            ConnectionFailedError: Redis is away and ``on_outage`` is "raise".
            SPAPIError: the limiter was closed, before or while the call waited.
        """
        lane = self._lane(operation, account)
        slot = lane.take()
        if slot is not None:
            self._attend(lane)
            return RedisPermit(self, lane, slot, lane.touched_at, 0.0)
        if self._link.down:
            if self._on_outage == "raise":
                raise self._outage_error(operation)
            if max_wait is not None:
                wait = lane.predict(priority, lane.queue.ahead(priority))
                if wait > max_wait:
                    raise lane.promises.refusal(wait, max_wait)
        return await self._wait(lane, priority, max_wait)

    async def _wait(self, lane: Lane, priority: Priority, max_wait: float | None) -> RedisPermit:
        began = self._clock.monotonic()
        future = asyncio.get_running_loop().create_future()
        waiter = Caller(future, priority, max_wait, lane.queue.ahead(priority))
        lane.enqueue(waiter)
        self._attend(lane)
        try:
            slot = await future
        except asyncio.CancelledError:
            lane.abandon(waiter)
            self._attend(lane)
            raise
        finally:
            if max_wait is not None:
                lane.promises.forget(waiter)
        now = self._clock.monotonic()
        waited = now - began
        if self._observers:
            self._observers.emit(Waited(operation=lane.operation.name, account=lane.account.key, seconds=waited))
        return RedisPermit(self, lane, slot, now, waited)

    def forecast(
        self,
        operation: Operation[Any],
        account: Account,
        arguments: Mapping[str, Any] | None = None,  # noqa: ARG002  no limit of this limiter's depends on them
        *,
        count: int = 1,
    ) -> float:
        """Seconds until that many calls which come now could have left, as far as Redis was last heard."""
        lane = self._lane(operation, account)
        return lane.predict(Priority.NORMAL, lane.queue.ahead(Priority.NORMAL) + count - 1)

    def limits(self) -> tuple[LimitSnapshot, ...]:
        """Every bucket that this process uses, as last heard of; ``waiting`` counts this process's calls."""
        now = self._clock.monotonic()
        shared = {lane.keys[1]: lane for lane in self._lanes.values() if lane.operation.usage_plan.application_rate}
        return (
            *(lane_snapshot(lane, now) for lane in self._lanes.values()),
            *(shared_snapshot(lane, now) for lane in shared.values()),
        )

    async def refresh(self) -> tuple[LimitSnapshot, ...]:
        """Ask Redis about every bucket that this process uses, then :meth:`limits`.

        Raises:
            ConnectionFailedError: Redis cannot be reached.
        """
        if self._link.down:
            raise self._outage_error(None)
        heard = []
        for lane in self._lanes.values():
            heard.append(lane.hear())
            if self._link.submit(lane):
                lane.submitted()
        await asyncio.gather(*heard)
        if self._link.down:
            raise self._outage_error(None)
        return self.limits()

    async def snapshot_all(self) -> tuple[LimitSnapshot, ...]:
        """Every bucket in Redis under this prefix, whichever process uses it; for watching a running job.

        Raises:
            ConnectionFailedError: Redis cannot be reached.
        """
        try:
            now, found = await self._link.scan(f"{self._prefix}:{{*")
        except Outage as outage:
            raise self._outage_error(None) from outage
        snapshots = (read_snapshot(key, value, now) for key, value in sorted(found.items()))
        return tuple(snapshot for snapshot in snapshots if snapshot is not None)

    async def aclose(self) -> None:
        """Give back every lease, close the connection; waiters get an SPAPIError."""
        if self._closed:
            return
        self._closed = True
        self._fail_waiters(
            lambda lane: ConnectionFailedError("the rate limiter was closed", operation=lane.operation.name)
        )
        for lane in self._lanes.values():
            if lane.timer is not None:
                lane.timer.cancel()
        await self._link.aclose(lambda: [(lane.keys, lane.farewell()) for lane in self._lanes.values()])

    # Lanes ---------------------------------------------------------------------------------------------------------

    def _lane(self, operation: Operation[Any], account: Account) -> Lane:
        if self._closed:
            raise closed_error(operation)
        key = (operation.name, account.key)
        lane = self._lanes.get(key)
        if lane is None:
            keys = bucket_keys(self._prefix, account.application, account.region.value, operation.name, account.key)
            shared = self._shared.setdefault(keys[1], SharedView())
            lane = self._lanes[key] = Lane(operation, account, keys, shared, self._settings)
            lane.on_reply = self._replied
            if self._link.down and self._on_outage == "local":
                self._make_local(lane)
            if len(self._lanes) % _SWEEP_EVERY == 0:
                self._forget_idle()
        return lane

    def _forget_idle(self) -> None:
        now = self._clock.monotonic()
        for key, lane in list(self._lanes.items()):
            if lane.idle and now - lane.touched_at > _IDLE:
                del self._lanes[key]
        used = {lane.keys[1] for lane in self._lanes.values()}
        for name in [name for name in self._shared if name not in used]:
            del self._shared[name]

    def _attend(self, lane: Lane) -> None:
        """Send what is due, and set the alarm for what is not."""
        if self._closed:
            return
        if lane.wants_exchange() and self._link.submit(lane):
            lane.submitted()
        if lane.timer is not None:
            lane.timer.cancel()
            lane.timer = None
        due = lane.due()
        if due is not None:
            lane.timer = asyncio.get_running_loop().call_at(due, self._alarm, lane)

    def _alarm(self, lane: Lane) -> None:
        lane.timer = None
        lane.dispatch()
        self._attend(lane)

    def _replied(self, lane: Lane) -> None:
        self._note_rate(lane)
        self._attend(lane)

    # Outcomes ------------------------------------------------------------------------------------------------------

    def observed(self, lane: Lane, slot: Slot, status: int | None, rate: float | None, admitted_at: float) -> None:
        """A request was answered; called by its permit."""
        lane.heard(slot, replied=status is not None)
        announced = None if rate is None else announced_rate(rate, lane.operation.usage_plan.rate)
        if announced is not None and announced != lane.announced:
            lane.heard_rate(announced)
        if status == 429:
            lane.heard_throttle(admitted_at)
            if self._observers:
                self._observers.emit(
                    Throttled(
                        operation=lane.operation.name,
                        account=lane.account.key,
                        rate=lane.reply.rate if lane.reply else lane.announced,
                        waiting=lane.queue.total,
                    )
                )
        self._attend(lane)

    def returned(self, lane: Lane, slot: Slot) -> None:
        """A request was not sent; called by its permit."""
        lane.put_back(slot)
        self._attend(lane)

    def _note_rate(self, lane: Lane) -> None:
        """Tell observers when the shared picture of a plan changed, whichever process changed it."""
        reply, old = lane.reply, lane.shown
        if reply is None or (reply.announced == old[0] and old[1] < reply.rate < reply.announced):
            return  # a recovery is told when it is complete
        lane.shown = (reply.announced, reply.rate)
        if self._observers and old != lane.shown:
            reason = "header" if old[0] != lane.shown[0] else "throttled" if lane.shown[1] < old[1] else "recovery"
            self._observers.emit(
                RateChanged(
                    operation=lane.operation.name,
                    account=lane.account.key,
                    old=old[1],
                    new=lane.shown[1],
                    reason=reason,
                )
            )

    # Outages -------------------------------------------------------------------------------------------------------

    def _redis_left(self) -> None:
        for lane in self._lanes.values():
            lane.leave()
        if self._on_outage == "raise":
            self._fail_waiters(lambda lane: self._outage_error(lane.operation))
            return
        for lane in list(self._lanes.values()):
            self._make_local(lane)
            self._attend(lane)

    def _make_local(self, lane: Lane) -> None:
        """Split the quota among the processes last seen: here where this bucket is known, else anywhere."""
        lane.leave()
        seen = (other.reply.processes for other in self._lanes.values() if other.reply)
        lane.go_local(max(seen, default=self._processes))

    def _redis_returned(self) -> None:
        for shared in self._shared.values():
            shared.local = None
        for lane in list(self._lanes.values()):
            lane.come_back()
            # Even those with nothing to say: a Redis that lost its memory must hear that somebody remembers.
            if self._link.submit(lane):
                lane.submitted()
            self._attend(lane)

    def _fail_waiters(self, error: Callable[[Lane], SPAPIError]) -> None:
        for lane in self._lanes.values():
            for waiter in lane.queue.clear():
                if not waiter.future.done():
                    waiter.future.set_exception(error(lane))

    def _outage_error(self, operation: Operation[Any] | None) -> ConnectionFailedError:
        return ConnectionFailedError(
            f"{self._link.label}, which holds the shared rate limits, cannot be used ({self._link.reason})",
            operation=operation.name if operation else None,
        )

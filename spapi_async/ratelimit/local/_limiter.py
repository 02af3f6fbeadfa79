"""The rate limiter of one process: carries out what ``_decision.py`` decides."""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spapi_async._core.clock import Clock, SystemClock
from spapi_async._core.events import Observer, Observers, RateChanged, Throttled
from spapi_async._core.home_loop import HomeLoop
from spapi_async._core.limiter import LimitSnapshot, closed_error, late_error, wait_error
from spapi_async._core.operation import Operation
from spapi_async._core.options import Priority
from spapi_async._core.plan_rules import PlanRule, checked_rules
from spapi_async._core.timer import Timer, timer_at
from spapi_async.credentials import Account
from spapi_async.ratelimit._book import PlanBook
from spapi_async.ratelimit._bucket import Flight
from spapi_async.ratelimit._decision import assign, blame, enqueue, has_room, overdue, predict
from spapi_async.ratelimit._jitter import UNKNOWN_JITTER
from spapi_async.ratelimit._meter import Lane, Meter
from spapi_async.ratelimit._waiting import GRACE, SHORTEST_TIMER, Waiter
from spapi_async.ratelimit.local._registry import Registry

__all__ = ["LocalPermit", "LocalRateLimiter"]

QUOTA_EXCEEDED = 429
NOT_COUNTED = frozenset({QUOTA_EXCEEDED, 401, 403})
"""Statuses that may be answered before the quota is checked: they do not prove that a token was there."""


class LocalPermit(Flight):
    """The right to send one request now, made when it leaves: that charges every limit of its lane.

    It is also the flight to its first limit; most calls have only one.
    """

    __slots__ = ("_limiter", "flights", "lane", "waited")

    def __init__(self, limiter: LocalRateLimiter, lane: Lane, now: float) -> None:
        jitter, first = lane.jitter, lane.first
        self._limiter: LocalRateLimiter | None = limiter
        self.lane = lane
        self.sent_at = lane.used_at = now
        self.lands_by = now + (jitter.bound if lane.replied else UNKNOWN_JITTER)
        self.answered_by = now + jitter.reply_within
        self.landed = False
        self.waited = 0.0
        first.counter.launch(self)
        first.admitted += 1
        self.flights: tuple[Flight, ...] = limiter.launch_others(self) if lane.others else ()

    def observe(self, status: int | None, rate: float | None, refusal: bytes = b"") -> None:
        """The request was sent: report the reply."""
        limiter, self._limiter = self._limiter, None
        if limiter is not None:
            limiter.observed(self, status, rate, refusal)

    def release(self) -> None:
        """The request was never sent: its tokens go to the next waiting call."""
        limiter, self._limiter = self._limiter, None
        if limiter is not None:
            limiter.released(self)

    def __repr__(self) -> str:
        return f"<LocalPermit waited={self.waited:.3f} {'open' if self._limiter else 'closed'}>"


class LocalRateLimiter:
    """Enforces all limits within this process; the default limiter of an application.

    It may be created outside a running loop, and serves one loop at a time. Waiting calls have no timers of their own:
    there is one timer per limit with waiting calls.

    Args:
        rules: limits in addition to the usage plans and to the rules that Amazon has published.
        clock: the source of time; ``monotonic()`` must agree with the running loop's time.
        observers: called with Throttled and RateChanged.
    """

    def __init__(
        self,
        *,
        rules: Iterable[PlanRule] = (),
        clock: Clock | None = None,
        observers: Observers | Iterable[Observer] = (),
    ) -> None:
        self._has_own_clock = clock is not None
        self._clock = clock or SystemClock()
        self._monotonic = self._clock.monotonic
        self._observers = observers if isinstance(observers, Observers) else Observers(observers)
        self._rules = checked_rules(rules)
        self._registry = Registry(PlanBook(self._rules), self._clock)
        self._lanes = self._registry.lanes  # for operations without rules, by payer and operation
        self._timers: dict[Meter, Timer] = {}
        self._arrivals = 0
        self._turns = 0
        self._home = HomeLoop("the rate limiter", drop=self._drop)
        self._closed = False

    def bind(self, *, clock: Clock, observers: Observers, rules: Sequence[PlanRule]) -> None:
        """Connect this limiter with the application that it was given to, before any call.

        Raises:
            ConfigurationError: a rule cannot work.
        """
        if not self._has_own_clock:
            self._clock = self._registry.clock = clock
            self._monotonic = clock.monotonic
        self._observers = self._observers.joined(observers)
        self._rules += checked_rules(rules)
        self._registry.book = PlanBook(self._rules)

    async def acquire(
        self,
        operation: Operation[Any],
        account: Account,
        *,
        priority: Priority,
        max_wait: float | None,
        arguments: Mapping[str, Any] | None = None,
    ) -> LocalPermit:
        """Wait for room in every limit that the call uses.

        Raises:
            RateLimitWaitError: the predicted wait exceeds ``max_wait`` seconds; raised before waiting. Also raised
                while waiting if the rate falls so far that ``max_wait`` cannot be kept any more, or if ``max_wait`` has
                passed because of later calls with a higher priority.
            SPAPIError: the limiter was closed, before or while the call waited.
        """
        if get_running_loop() is not self._home.loop:
            self._home.enter()
        try:
            lane = self._lanes[account.payer, operation]
        except KeyError:
            lane = self._lane(operation, account, arguments)
        now = self._monotonic()
        first = lane.first
        if first.queue.total or not first.counter.has_token(now) or (lane.others and not has_room(lane, now)):
            return await self._wait(lane, now, priority, max_wait)
        return LocalPermit(self, lane, now)

    async def _wait(self, lane: Lane, now: float, priority: Priority, max_wait: float | None) -> LocalPermit:
        if max_wait is not None and (predicted := predict(lane, now, priority)) > max_wait:
            raise wait_error(lane.operation, predicted, max_wait)
        self._arrivals += 1
        loop, timer = get_running_loop(), None
        deadline = None if max_wait is None else now + max_wait
        waiter = Waiter(loop.create_future(), int(priority), deadline, self._arrivals)
        if max_wait is not None:
            timer = loop.call_at(now + max_wait + GRACE, self._at_deadline, lane, waiter, max_wait)
        self._join(lane, waiter, now)
        try:
            permit: LocalPermit = await waiter.future
        except BaseException:
            self._abandon(lane, waiter)
            raise
        finally:
            if timer is not None:
                timer.cancel()
        permit.waited = self._monotonic() - now
        return permit

    def forecast(
        self,
        operation: Operation[Any],
        account: Account,
        arguments: Mapping[str, Any] | None = None,
        *,
        count: int = 1,
        priority: Priority = Priority.NORMAL,
    ) -> float:
        """Seconds until the last of ``count`` calls made now could be sent, if no more urgent call comes."""
        lane = self._lane(operation, account, arguments)
        return predict(lane, self._monotonic(), priority, count)

    def throttled(
        self, operation: Operation[Any], account: Account, arguments: Mapping[str, Any] | None = None
    ) -> None:
        """An item in a batch reply had the status 429; it counts as a 429 of the call's usage plan."""
        lane, now = self._lane(operation, account, arguments), self._monotonic()
        lane.first.suspected(lane)
        self._refused(lane, lane.first, Flight(now, sent_at=now), now)

    def limits(self) -> tuple[LimitSnapshot, ...]:
        """Every limit in use: those of sellers, and those that sellers share (``account == ""``)."""
        return self._registry.snapshots(self._monotonic())

    def dump_state(self) -> bytes:
        """The state of every limit, to be saved with a job's checkpoint; contains no secret.

        Requests in flight count as served.
        """
        return self._registry.dump(self._monotonic())

    def load_state(self, saved: bytes) -> None:
        """Continue from the state of an earlier run, adjusted by the time since; call it before the first request.

        Raises:
            ConfigurationError: these bytes are not a saved state.
        """
        self._registry.load(saved)

    async def aclose(self) -> None:
        """Refuse further calls; waiting calls get an SPAPIError."""
        if self._home.loop is not None:
            self._home.enter()
        self._closed = True
        self._drop_waiters()
        self._registry.clear()
        await self._home.aclose()

    # ---- waiting ----------------------------------------------------------------------------------------------------

    def _lane(self, operation: Operation[Any], account: Account, arguments: Mapping[str, Any] | None) -> Lane:
        if self._closed:
            raise closed_error(operation)
        return self._registry.lane(operation, account, arguments, self._monotonic())

    def _join(self, lane: Lane, waiter: Waiter, now: float) -> None:
        lane.queue.join(waiter)
        if lane.queue.total == 1:
            self._turns += 1
            lane.turn = self._turns
        # If calls already wait, the timers are set; but a more urgent call may improve the lane's place.
        if lane.queue.total == 1 or lane.is_contested:
            self._decide(enqueue(lane, now), now)

    def _abandon(self, lane: Lane, waiter: Waiter) -> None:
        """The caller was cancelled: remove its waiter, or return its token."""
        lane.queue.leave(waiter)
        future = waiter.future
        if future.done() and not future.cancelled() and future.exception() is None:
            future.result().release()
        elif not lane.queue.total or lane.is_contested:
            now = self._monotonic()
            self._decide(enqueue(lane, now), now)

    def _at_deadline(self, lane: Lane, waiter: Waiter, max_wait: float) -> None:
        """A call's ``max_wait`` is over, because more urgent calls came later."""
        if not waiter.future.done():
            lane.queue.leave(waiter)
            wait = predict(lane, self._monotonic(), waiter.priority)
            waiter.future.set_exception(late_error(lane.operation, wait, max_wait))

    def _refuse_waiter(self, lane: Lane, waiter: Waiter, wait: float, now: float) -> None:
        lane.queue.leave(waiter)
        assert waiter.deadline is not None
        waiter.future.set_exception(wait_error(lane.operation, wait, waiter.deadline - now))

    # ---- doing what was decided -------------------------------------------------------------------------------------

    def _decide(self, meters: Iterable[Meter], now: float) -> None:
        """Decide about these limits, release the admitted calls, and set timers for the others."""
        for meter, delay in assign(meters, now, self._admit).items():
            self._set_timer(meter, now, delay)

    def _admit(self, lane: Lane, waiter: Waiter, now: float) -> None:
        waiter.future.set_result(LocalPermit(self, lane, now))

    def launch_others(self, permit: LocalPermit) -> tuple[Flight, ...]:
        """Charge the limits beside the first for a request that leaves now."""
        lane, lands_by, answered_by = permit.lane, permit.lands_by, permit.answered_by
        self._turns += 1
        lane.turn = self._turns
        flights = tuple(Flight(lands_by, sent_at=permit.sent_at, answered_by=answered_by) for _ in lane.others)
        for meter, flight in zip(lane.others, flights, strict=True):
            meter.launch(flight)
        return flights

    def _set_timer(self, meter: Meter, now: float, delay: float | None) -> None:
        timer = self._timers.get(meter)
        if delay is None:
            if timer is not None:
                timer.cancel()
                del self._timers[meter]
            return
        when = now + max(delay, SHORTEST_TIMER)
        if timer is not None:
            if timer.at == when:
                return
            timer.cancel()
        self._timers[meter] = timer_at(get_running_loop(), when, self._check_again, meter)

    def _check_again(self, meter: Meter) -> None:
        self._timers.pop(meter, None)
        self._decide((meter,), self._monotonic())

    # ---- learning ---------------------------------------------------------------------------------------------------

    def observed(self, permit: LocalPermit, status: int | None, rate: float | None, refusal: bytes) -> None:
        """Process the reply to a permit's request."""
        now, lane = self._monotonic(), permit.lane
        first, others = lane.first, lane.others
        if status == QUOTA_EXCEEDED:
            self._blame(permit, refusal, now)
        else:
            first.counter.land(permit, now)
            for meter, flight in zip(others, permit.flights, strict=False) if others else ():
                meter.counter.land(flight, now)
            if not lane.passed:
                lane.passed = status is not None
        if status is not None:
            if lane.replied_at <= permit.sent_at:
                lane.jitter.record(now - permit.sent_at)
            elif not lane.replied:
                lane.replied, lane.replied_at = True, now
            if (others or not first.calm) and status < 500 and status not in NOT_COUNTED:
                self._succeeded(lane, now)
        if rate is not None and rate != first.header:
            self._announced(lane, rate, now)
        if first.queue.total or lane.others:
            self._decide(lane.meters, now)

    def _announced(self, lane: Lane, rate: float, now: float) -> None:
        old = lane.first.counter.rate
        if lane.first.announce(rate, now):
            self._rate_changed(lane, lane.first, old, "header", now)

    def _succeeded(self, lane: Lane, now: float) -> None:
        for meter in lane.meters:
            old = meter.counter.rate
            if meter.succeeded(now):
                self._report(lane, meter, old, "recovery")

    def released(self, permit: LocalPermit) -> None:
        """Process a permit that was not used."""
        now, lane = self._monotonic(), permit.lane
        for meter, flight in zip(lane.meters, (permit, *permit.flights), strict=False):
            meter.admitted -= 1
            meter.recall(flight, now)
        self._decide(lane.meters, now)

    def _blame(self, permit: LocalPermit, refusal: bytes, now: float) -> None:
        lane, flights = permit.lane, (permit, *permit.flights)
        meters = lane.meters[: len(flights)]  # a limit learned meanwhile was not charged
        for meter, flight in zip(meters, flights, strict=True):
            meter.recall(flight, now)
        culprit = blame(lane, flights, refusal)
        if culprit is None:
            others_pass = self._registry.serves_other_values(lane)
            culprit = self._registry.learn_value(lane, now) if others_pass else lane.first
        for meter in dict.fromkeys((*meters, culprit)):
            meter.suspected(lane)
        flight = flights[meters.index(culprit)] if culprit in meters else permit
        self._refused(lane, culprit, flight, now, sent_at=permit.sent_at)

    def _refused(self, lane: Lane, meter: Meter, flight: Flight, now: float, *, sent_at: float | None = None) -> None:
        old = meter.counter.rate
        if meter.refused(flight, now if sent_at is None else sent_at, now):
            self._rate_changed(lane, meter, old, "throttled", now)
        if self._observers:
            self._observers.emit(
                Throttled(
                    operation=lane.operation.name,
                    account=lane.account.name,
                    rate=meter.counter.rate,
                    waiting=meter.waiting,
                )
            )

    def _rate_changed(self, lane: Lane, meter: Meter, old: float, reason: str, now: float) -> None:
        if meter.lanes:
            for late, waiter, wait in overdue((meter,), now):
                self._refuse_waiter(late, waiter, wait, now)
        self._report(lane, meter, old, reason)

    def _report(self, lane: Lane, meter: Meter, old: float, reason: str) -> None:
        new = meter.counter.rate
        if self._observers and old != new:
            account = "" if meter.charge.shared else lane.account.name
            self._observers.emit(
                RateChanged(operation=lane.operation.name, account=account, old=old, new=new, reason=reason)
            )

    # ---- loops ------------------------------------------------------------------------------------------------------

    def _drop(self, forked: bool) -> None:  # noqa: FBT001 - HomeLoop calls it
        """Drop the waiters of another loop. A forked child starts with empty buckets: its parent uses the bursts."""
        if not forked:
            self._drop_waiters()
            return
        self._timers.clear()
        self._registry.inherit()

    def _drop_waiters(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for lane, waiter in self._registry.drop_waiters():
            if not waiter.future.done() and not waiter.future.get_loop().is_closed():
                waiter.future.set_exception(closed_error(lane.operation))

    def __repr__(self) -> str:
        return f"<LocalRateLimiter buckets={len(self._registry.meters)} waiting={self._registry.waiting}>"

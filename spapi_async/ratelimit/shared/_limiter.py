"""The rate limiter of a process that shares its limits through a store: calls, replies, outages."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from spapi_async._core.clock import Clock, SystemClock
from spapi_async._core.events import Observer, Observers, Throttled
from spapi_async._core.home_loop import HomeLoop, Leftover, leave_to_parent
from spapi_async._core.limiter import LimitSnapshot, closed_error
from spapi_async._core.operation import Operation
from spapi_async._core.options import Priority
from spapi_async._core.plan_rules import PlanRule, checked_rules
from spapi_async.credentials import Account
from spapi_async.errors import ConnectionFailedError, SPAPIError
from spapi_async.ratelimit._adaptation import announced_rate
from spapi_async.ratelimit._book import PlanBook, Selection
from spapi_async.ratelimit._rules import named_level
from spapi_async.ratelimit.shared._flights import Flights
from spapi_async.ratelimit.shared._lane import Lane
from spapi_async.ratelimit.shared._leaving import drop_lanes, forget_idle
from spapi_async.ratelimit.shared._link import Exchanger, Link
from spapi_async.ratelimit.shared._promises import WaitingCall
from spapi_async.ratelimit.shared._rates import owing_news, rate_change
from spapi_async.ratelimit.shared._settings import MEANWHILE, LaneSettings, OperationView, check_settings, new_name
from spapi_async.ratelimit.shared._slot import Slot
from spapi_async.ratelimit.shared._snapshot import snapshots
from spapi_async.ratelimit.shared._store import Outage, Store
from spapi_async.ratelimit.shared._terms import terms_of

__all__ = ["SharedPermit", "SharedRateLimiter"]

_SWEEP_EVERY = 1024


class SharedPermit:
    """The right to send one request now."""

    __slots__ = ("_limiter", "admitted_at", "lane", "slot", "waited")

    def __init__(self, limiter: SharedRateLimiter, lane: Lane, slot: Slot, admitted_at: float, waited: float) -> None:
        self._limiter: SharedRateLimiter | None = limiter
        self.lane = lane
        self.slot = slot
        self.admitted_at = admitted_at
        self.waited = waited
        lane.in_flight += 1

    def observe(self, status: int | None, rate: float | None, refusal: bytes = b"") -> None:
        """The request was sent: report the reply."""
        limiter, self._limiter = self._limiter, None
        if limiter is not None:
            self.lane.in_flight -= 1
            limiter.observed(self, status, rate, refusal)

    def release(self) -> None:
        """The request was never sent: the token goes to the next waiter or back to the store."""
        limiter, self._limiter = self._limiter, None
        if limiter is not None:
            self.lane.in_flight -= 1
            limiter.released(self)

    def __repr__(self) -> str:
        return f"<SharedPermit waited={self.waited:.3f} {'open' if self._limiter else 'closed'}>"


class SharedRateLimiter:
    """Shares usage plans, rules, learned rates and 429 feedback between processes and hosts; serves one loop at a time.

    Args:
        store: the store that keeps the limits.
        me: a unique name of this process.
        on_outage, processes, lease_seconds, timeout, jitter, rules, clock, observers: as for RedisRateLimiter.
    """

    def __init__(
        self,
        store: Store,
        *,
        me: str,
        on_outage: Literal["local", "raise"],
        processes: int,
        lease_seconds: float,
        timeout: float,
        jitter: float,
        rules: Iterable[PlanRule],
        clock: Clock | None,
        observers: Observers | Iterable[Observer],
    ) -> None:
        check_settings(on_outage, lease_seconds, processes)
        self._has_own_clock = clock is not None
        self._clock = clock or SystemClock()
        self._on_outage = on_outage
        self._processes = processes
        self._timeout = timeout
        self._rules = checked_rules(rules)
        self._book = PlanBook(self._rules)
        self._observers = observers if isinstance(observers, Observers) else Observers(observers)
        self._settings = LaneSettings(
            me=me,
            lease_seconds=lease_seconds,
            jitter=jitter,
            number=itertools.count(1).__next__,
            now=self._clock.monotonic,
            shares={},
        )
        self._lanes: dict[tuple[str, Operation[Any], Selection], Lane] = {}
        self._views: dict[str, OperationView] = {}
        self._shown: dict[str, tuple[float, float]] = {}  # announced and actual rate as last reported to observers
        self._link = Link(
            store,
            clock=self._clock,
            meanwhile=MEANWHILE[on_outage],
            attend=self._after_exchange,
            on_down=self._store_left,
            on_up=self._store_returned,
        )
        self._home = HomeLoop("the shared rate limiter", drop=self._drop, close=self._leave_loop)
        self._closed = False
        self.store_is_down: Callable[[], bool] = lambda: self._link.down

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._link!r} buckets={len(self._lanes)} on_outage={self._on_outage!r}>"

    def bind(self, *, clock: Clock, observers: Observers, rules: Sequence[PlanRule]) -> None:
        """Connect this limiter with the application that it was given to, before any call.

        Raises:
            ConfigurationError: a rule cannot work.
        """
        if not self._has_own_clock:
            self._clock = self._link.clock = clock
            self._settings.now = clock.monotonic
        self._observers = self._observers.joined(observers)
        self._rules += checked_rules(rules)
        self._book = PlanBook(self._rules)

    async def acquire(
        self,
        operation: Operation[Any],
        account: Account,
        *,
        priority: Priority,
        max_wait: float | None,
        arguments: Mapping[str, Any] | None = None,
    ) -> SharedPermit:
        """Wait for a token of every limit that the call uses.

        Raises:
            RateLimitWaitError: the predicted wait exceeds ``max_wait`` seconds; raised after one round trip at most,
                and while waiting if the rate falls so far that ``max_wait`` cannot be kept, or if it has passed.
            ConnectionFailedError: the store cannot be reached and ``on_outage`` is "raise".
            SPAPIError: the limiter was closed, before or while the call waited.
        """
        if asyncio.get_running_loop() is not self._home.loop:
            self._home.enter()
        lane = self._lane(operation, account, arguments)
        slot = lane.take()
        if slot is not None:
            self._attend(lane)
            return SharedPermit(self, lane, slot, lane.touched_at, 0.0)
        if self._link.down:
            if self._on_outage == "raise":
                raise self._outage_error(operation)
            if max_wait is not None:
                wait = lane.predict(priority, lane.queue.ahead(priority))
                if wait > max_wait:
                    raise lane.promises.refusal(wait, max_wait)
        return await self._wait(lane, priority, max_wait)

    async def _wait(self, lane: Lane, priority: Priority, max_wait: float | None) -> SharedPermit:
        began = self._clock.monotonic()
        future = asyncio.get_running_loop().create_future()
        waiter = WaitingCall(future, priority, max_wait, lane.queue.ahead(priority))
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
        return SharedPermit(self, lane, slot, now, now - began)

    def forecast(
        self,
        operation: Operation[Any],
        account: Account,
        arguments: Mapping[str, Any] | None = None,
        *,
        count: int = 1,
        priority: Priority = Priority.NORMAL,
    ) -> float:
        """Seconds until the last of ``count`` calls made now could be sent, by the last state from the store."""
        lane = self._lane(operation, account, arguments)
        return lane.predict(priority, lane.queue.ahead(priority) + count - 1)

    def throttled(
        self, operation: Operation[Any], account: Account, arguments: Mapping[str, Any] | None = None
    ) -> None:
        """An item in a batch reply had the status 429; it counts as a 429 of the call's usage plan."""
        lane = self._lane(operation, account, arguments)
        self._refused(lane, self._clock.monotonic(), 1)
        self._attend(lane)

    def limits(self) -> tuple[LimitSnapshot, ...]:
        """Every limit that this process uses, in its last known state; ``waiting`` counts this process's calls."""
        return snapshots(self._lanes.values(), self._clock.monotonic())

    async def refresh(self) -> tuple[LimitSnapshot, ...]:
        """Query the store about every limit that this process uses, then return :meth:`limits`.

        Raises:
            ConnectionFailedError: the store cannot be reached.
        """
        self._home.enter()
        if self._link.down:
            raise self._outage_error(None)
        ended = [lane.exchange.next_over() for lane in self._lanes.values()]
        for lane in self._lanes.values():
            self._submit(lane)
        await asyncio.gather(*ended)
        if self._link.down:
            raise self._outage_error(None)
        return self.limits()

    async def snapshot_all(self) -> tuple[LimitSnapshot, ...]:
        """Every limit in the store, whichever process uses it; for monitoring a running job.

        Raises:
            ConnectionFailedError: the store cannot be reached.
        """
        self._home.enter()
        try:
            return await self._link.store.snapshots()
        except Outage as outage:
            raise self._outage_error(None, str(outage)) from outage

    async def aclose(self) -> None:
        """Return all leased tokens and close the connection; waiting calls get an SPAPIError."""
        if self._closed:
            return
        if self._home.loop is not None:
            self._home.enter()  # else this loop would wait for the remains of an earlier loop
        self._closed = True
        self._fail_waiters(lambda lane: closed_error(lane.operation))
        for lane in self._lanes.values():
            if lane.timer is not None:
                lane.timer.cancel()
        lanes = self._lanes.values()
        await self._link.aclose(lambda: [(lane.keys, lane.final_request()) for lane in lanes], self._timeout)
        await self._home.aclose()

    # ---- loops and processes ----------------------------------------------------------------------------------------

    async def _leave_loop(self) -> None:
        """The loop ends and the limiter was not closed: leases expire by themselves."""
        await self._drop(False)()  # closing comes last: it may be cut off, and the next loop needs an open link

    def _drop(self, forked: bool) -> Leftover:  # noqa: FBT001 - HomeLoop calls it
        """Start again in another loop, or in a forked child as another process; learned rates are kept."""
        drop_lanes(self._lanes.values(), forked=forked)
        self._lanes.clear()
        self._settings.shares.clear()
        self._settings.silences.clear()
        for view in self._views.values():
            view.flights = Flights()
        former = self._link
        if forked:
            leave_to_parent(former)
            self._settings.me = new_name()
        self._link = former.renewed(self._settings.me)
        return lambda: former.aclose(list, self._timeout)

    # ---- lanes ------------------------------------------------------------------------------------------------------

    def _lane(self, operation: Operation[Any], account: Account, arguments: Mapping[str, Any] | None) -> Lane:
        if self._closed:
            raise closed_error(operation)
        selection = self._book.select(operation, arguments)
        key = (account.payer, operation, selection)
        return self._lanes.get(key) or self._open(key, account)

    def _open(self, key: tuple[str, Operation[Any], Selection], account: Account) -> Lane:
        _, operation, selection = key
        terms = terms_of(operation, account, selection, book=self._book, store=self._link.store)
        view = self._views.setdefault(terms.keys[1], OperationView())
        lane = Lane(operation, account, terms=terms, view=view, settings=self._settings)
        self._lanes[key] = lane
        if lane.keys[0] in self._shown:
            lane.announced = self._shown[lane.keys[0]][0]
        if self._link.down and self._on_outage == "local":
            self._make_local(lane)
        if len(self._lanes) % _SWEEP_EVERY == 0:
            held = self._views, self._shown, self._settings.shares, self._settings.silences
            forget_idle(self._lanes, self._clock.monotonic(), held)
        return lane

    def _attend(self, lane: Lane) -> None:
        """Do the exchange that is due, or set a timer for the next one."""
        if self._closed:
            return
        if lane.wants_exchange():
            self._submit(lane)
        if lane.timer is not None:
            lane.timer.cancel()
            lane.timer = None
        if (due := lane.due()) is not None:
            lane.timer = asyncio.get_running_loop().call_at(due, self._alarm, lane)

    def _submit(self, lane: Lane) -> None:
        if self._link.submit(lane):
            lane.exchange.submitted()

    def _alarm(self, lane: Lane) -> None:
        lane.timer = None
        lane.dispatch()
        self._attend(lane)

    def _after_exchange(self, lane: Exchanger) -> None:
        assert isinstance(lane, Lane)
        for other in owing_news(lane, self._lanes.values()):
            self._submit(other)
        change = rate_change(self._shown, lane)
        if change is not None:
            self._observers.emit(change)
        self._attend(lane)

    # ---- outcomes ---------------------------------------------------------------------------------------------------

    def observed(self, permit: SharedPermit, status: int | None, rate: float | None, refusal: bytes) -> None:
        """A request was answered; called by its permit."""
        lane = permit.lane
        lane.answered(permit.slot, status)
        announced = None if rate is None else announced_rate(rate, lane.operation.usage_plan.rate)
        if announced is not None and announced != lane.announced:
            lane.rate_announced(announced)
        if status == 429:
            self._refused(lane, permit.admitted_at, lane.places.get(named_level(refusal), 0))
        self._attend(lane)

    def _refused(self, lane: Lane, admitted_at: float, limit: int) -> None:
        lane.throttled_by_amazon(admitted_at, limit, self._lanes.values())
        if self._observers:
            rate = lane.reply.limits[0].rate if lane.reply else lane.announced
            self._observers.emit(
                Throttled(operation=lane.operation.name, account=lane.account.name, rate=rate, waiting=lane.queue.total)
            )

    def released(self, permit: SharedPermit) -> None:
        """A request was not sent; called by its permit."""
        permit.lane.put_back(permit.slot)
        self._attend(permit.lane)

    # ---- outages ----------------------------------------------------------------------------------------------------

    def _store_left(self) -> None:
        for lane in self._lanes.values():
            lane.leave()
        if self._on_outage == "raise":
            self._fail_waiters(lambda lane: self._outage_error(lane.operation))
            return
        for lane in list(self._lanes.values()):
            self._make_local(lane)
            self._attend(lane)

    def _make_local(self, lane: Lane) -> None:
        """Split the quota among the processes last seen: those of this bucket if known, else those of any bucket."""
        lane.leave()
        seen = (other.reply.processes for other in self._lanes.values() if other.reply)
        lane.go_local(max(seen, default=self._processes))

    def _store_returned(self) -> None:
        self._settings.shares.clear()
        for lane in list(self._lanes.values()):
            lane.come_back()
            # Also lanes without news: a store that lost its data must be told that a process remembers it.
            self._submit(lane)
            self._attend(lane)

    def _fail_waiters(self, error: Callable[[Lane], SPAPIError]) -> None:
        for lane in self._lanes.values():
            for waiter in lane.queue.clear():
                if not waiter.future.done():
                    waiter.future.set_exception(error(lane))

    def _outage_error(self, operation: Operation[Any] | None, reason: str = "") -> ConnectionFailedError:
        what = f"{self._link.store.label}, which holds the shared rate limits, cannot be used"
        return ConnectionFailedError(
            f"{what} ({reason or self._link.reason})",
            operation=operation.name if operation else None,
        )

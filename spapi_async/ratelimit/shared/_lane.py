"""One bucket as one process sees it: who waits, what was granted, what Redis has yet to be told. No I/O, no waiting."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

from spapi_async._core.operation import Operation
from spapi_async._core.options import Priority
from spapi_async.credentials import Account
from spapi_async.ratelimit._jitter import UNKNOWN
from spapi_async.ratelimit._timer import SHORTEST_TIMER
from spapi_async.ratelimit._waiting import Line
from spapi_async.ratelimit.shared._demand import Demand
from spapi_async.ratelimit.shared._forecast import wait_for
from spapi_async.ratelimit.shared._local_share import LocalShare
from spapi_async.ratelimit.shared._outbox import Outbox
from spapi_async.ratelimit.shared._promises import Promises
from spapi_async.ratelimit.shared._slot import Slot
from spapi_async.ratelimit.shared._stock import Stock
from spapi_async.ratelimit.shared._view import Caller, LaneSettings, SharedView
from spapi_async.ratelimit.shared.redis._script import Reply, Request, plan_fields

__all__ = ["Lane"]

_SOON = 0.05  # seconds: an urgent call waits for a token that this process has by then, rather than ask for another


class Lane:
    """The bucket of one account and operation, seen from one process.

    Tokens arrive from Redis as :class:`Slot` objects in ``stock`` and go to the queue when their time has come; which
    waiter gets one is decided at that moment, so that an urgent call may still overtake.
    """

    def __init__(
        self,
        operation: Operation[Any],
        account: Account,
        keys: tuple[str, str],
        shared: SharedView,
        settings: LaneSettings,
    ) -> None:
        self.operation = operation
        self.account = account
        self.keys = keys
        self.shared = shared
        self._settings = settings
        self.queue = Line()
        self.stock = Stock()
        self.local: LocalShare | None = None
        self.in_flight = 0  # permits whose outcome is not known yet
        self.throttled = 0
        self.touched_at = settings.now()
        self.timer: asyncio.TimerHandle | None = None
        self.on_reply: Callable[[Lane], None] = lambda _: None
        self.reply: Reply | None = None
        self.reply_at = 0.0
        self.announced = operation.usage_plan.rate
        self.shown = (self.announced, self.announced)  # announced and actual rate as observers know them
        self.promises = Promises(operation.name, self.queue, self.predict)
        self._plan = plan_fields(operation.usage_plan)
        self._outbox = Outbox(settings.number)
        self._demand = Demand(self.touched_at)
        self._listeners: list[asyncio.Future[None]] = []
        self._away = False
        self._news = False  # something happened since the request under way was sent
        self._hurry = False  # an urgent call came for which no token in stock is soon enough
        self._unproven = False  # tokens were given to us on a guess of how late their requests may arrive
        self._exchanging = False
        self._asked_at = 0.0
        self._asked_ahead = 0
        self._poll_at = -math.inf
        self._prefetch_at = -math.inf
        self._used_at = self.touched_at

    def __repr__(self) -> str:
        return f"<Lane {self.operation.name} {self.account.key} waiting={self.queue.total} stock={len(self.stock)}>"

    # Taking tokens -------------------------------------------------------------------------------------------------

    def take(self) -> Slot | None:
        """A token that is at hand now and that nobody waits for."""
        now = self._settings.now()
        self.touched_at = now
        self._demand.arrived(now)
        return None if self.queue.total else self._next_slot(now)

    def enqueue(self, waiter: Caller) -> None:
        """Wait for a token."""
        first = self.queue.counts[waiter.klass] == 0
        self.queue.join(waiter)
        if waiter.max_wait is not None:
            self.promises.enter(waiter)
            if self.local is not None:
                self.promises.judge_now()
        now = self._settings.now()
        if waiter.klass == Priority.INTERACTIVE:
            self._hurry = self._hurry or self.queue.counts[waiter.klass] > self.stock.usable_by(now + _SOON)
        # Where others wait too, Redis has said when our turn may come.
        told = self.reply is not None and self.reply.crowded and self._poll_at > now
        if self._hurry or waiter.max_wait is not None or (first and not self.stock and not told):
            self._poll_at = -math.inf
            self._news = True

    def abandon(self, waiter: Caller) -> None:
        """The caller gave up: its place goes, and so does the token it may just have been given."""
        if waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
            self.put_back(waiter.future.result())
        else:
            waiter.future.cancel()
            self.queue.leave(waiter)

    def put_back(self, slot: Slot) -> None:
        """A token that was taken and not spent: for the next waiter, or back to where it came from."""
        self._return(slot, self._settings.now())
        self.dispatch()

    def _return(self, slot: Slot, now: float) -> None:
        self.shared.flights.recall(slot)
        if self.local is None:
            self.stock.put_first(Slot(now, booked=slot.booked))
            return
        self.local.put_back()
        if self.shared.local is not None:
            self.shared.local.put_back()

    def dispatch(self) -> None:
        """Give tokens whose time has come to those who wait; give up those that nobody wants."""
        now = self._settings.now()
        self._expire(now)
        while self.queue.total and (slot := self._next_slot(now)) is not None:
            waiter = self.queue.pop()
            if waiter is None:  # the last one was cancelled a moment ago
                self._return(slot, now)
                break
            waiter.future.set_result(slot)
        if not self.queue.total:
            unwanted = self.stock.drop_granted()
            if unwanted:
                self._outbox.feedback().credit += unwanted

    def _next_slot(self, now: float) -> Slot | None:
        self._expire(now)
        slot = self.stock.take(now)
        if slot is not None:
            if slot.leased:
                self._outbox.feedback().used += 1
                slot.booked = self._server_time(now)
        elif self.local is not None and self._take_local(self.local, now):
            slot = Slot(now)
        else:
            return None
        self._used_at = now
        self.shared.flights.depart(slot, now)
        return slot

    def _take_local(self, local: LocalShare, now: float) -> bool:
        shared = self.shared.local
        if local.delay(now) > 0 or (shared is not None and shared.delay(now) > 0):
            return False
        local.take(now)
        if shared is not None:
            shared.take(now)
        return True

    def _expire(self, now: float) -> None:
        """Give up what was on lease for too long, or for calls that do not come."""
        back = self.stock.expire(now, self._used_at + self._settings.lease_seconds)
        if back:
            self._outbox.feedback().back += back

    # When something is to be done ----------------------------------------------------------------------------------

    def wants_exchange(self) -> bool:
        """Redis should be asked or told something now."""
        if self._exchanging or self._away:
            return False
        now = self._settings.now()
        unsent = self._outbox.unsent
        if self._hurry or (unsent is not None and (unsent.urgent or now >= self._report_at())):
            return True
        if self._unproven and self.shared.replied and not self.shared.flights:
            return True
        if any(self._uncovered()):
            return now >= self._ask_at()
        return self._prefetch(now) > 0

    def due(self) -> float | None:
        """When to look again (loop time), or None if only an event can change anything."""
        now = self._settings.now()
        times: list[float] = []
        if self.queue.total:
            times.append(self.stock.first_at())
            if self.local is not None:
                shared = self.shared.local.delay(now) if self.shared.local else 0.0
                times.append(now + max(self.local.delay(now), shared))
            elif not self._exchanging and not self._away and any(self._uncovered()):
                times.append(self._ask_at())
        if self.stock:
            times.append(self.stock.first_end(self._used_at + self._settings.lease_seconds))
        if self._outbox.unsent is not None and not self._away and not self._exchanging:
            times.append(self._report_at())
        soonest = min(times, default=math.inf)
        return max(soonest, now + SHORTEST_TIMER) if soonest < math.inf else None

    def _ask_at(self) -> float:
        """When to ask for tokens: as the server said, or when those in stock are nearly used up."""
        if self._poll_at > -math.inf or self.promises.undecided or not self.stock:
            return self._poll_at
        return self.stock.last_at() - self._settings.lease_seconds / 2

    def _report_at(self) -> float:
        """Use of leased tokens must be told before Redis takes the lease for lost."""
        return self.reply_at + (self.reply.lease if self.reply else 0.0)

    def _uncovered(self) -> tuple[int, int, int]:
        """Waiting calls, by priority, that no granted token is meant for yet."""
        return self.stock.uncovered(self.queue.counts)

    def _prefetch(self, now: float) -> int:
        """How many tokens to take on lease for calls that are expected, without a visit for each."""
        if now < self._prefetch_at or (self.reply is not None and self.reply.crowded):
            return 0
        wish, have = self._wish(now), len(self.stock)
        return wish - have if have <= wish // 4 else 0

    def _wish(self, now: float) -> int:
        pace = self.reply.pace if self.reply else self.operation.usage_plan.rate
        return self._demand.wish(now, pace, self._settings.lease_seconds)

    @property
    def idle(self) -> bool:
        """Nothing would be lost by forgetting this object."""
        return not (self.queue.total or self.stock or self.in_flight or self._outbox or self._exchanging)

    # Exchanges -----------------------------------------------------------------------------------------------------

    def submitted(self) -> None:
        """An exchange will happen soon."""
        self._exchanging = True

    def hear(self) -> asyncio.Future[None]:
        """Done when the next exchange is over, whatever came of it."""
        future = asyncio.get_running_loop().create_future()
        self._listeners.append(future)
        return future

    def request(self) -> Request:
        """What to send now; freezes the feedback it carries."""
        now = self._settings.now()
        waiting = self._uncovered()
        if self._hurry:
            waiting = (max(waiting[0], 1), waiting[1], waiting[2])
        self._news = self._hurry = False
        expected = max(0, self._wish(now) - len(self.stock) - sum(waiting))
        return self._request(waiting, expected, leaving=False)

    def farewell(self) -> Request:
        """The last request: everything unused goes back."""
        self._give_all_back()
        return self._request((0, 0, 0), 0, leaving=True)

    def _give_all_back(self) -> None:
        back, credit = self.stock.drop_leased(), self.stock.drop_granted()
        if back or credit:
            feedback = self._outbox.feedback()
            feedback.back += back
            feedback.credit += credit

    def _request(self, waiting: tuple[int, int, int], prefetch: int, *, leaving: bool) -> Request:
        feedback = self._outbox.seal()
        settings, shared = self._settings, self.shared
        now = settings.now()
        self._exchanging = True
        self._asked_at = now
        self._asked_ahead = prefetch
        self._unproven = not shared.replied
        return Request(
            me=settings.me,
            n=self._outbox.number,
            lost=self._outbox.lost,
            known=shared.known,
            fresh=f"{settings.me}-{self._outbox.number}",
            jitter=max(shared.jitter.bound, settings.jitter) if shared.replied else UNKNOWN,
            clear=self._clear(now),
            slowest=shared.flights.slowest(now),
            horizon=settings.lease_seconds,
            **self._plan,
            known_rate=self.reply.rate if self.reply else self.announced,
            known_announced=self.announced,
            waiting=waiting,
            prefetch=prefetch,
            expected=int(8 * self._demand.rate(now) * settings.lease_seconds),
            predict=int(self.promises.ask()),
            bye=int(leaving),
            feedback=feedback,
        )

    def _clear(self, now: float) -> float:
        """The server's time before which every request of ours has been answered; 0 if we cannot tell."""
        if self.reply is None:
            return 0.0
        return min(self._server_time(now), self.stock.booked_first(), self.shared.flights.booked_first())

    def absorb(self, reply: Reply) -> None:
        """Book what Redis granted and said."""
        if reply.stale:
            self.lost()
            self.on_reply(self)
            return
        self._over()
        now = self._settings.now()
        self._outbox.confirmed()
        self._unproven = self._unproven and bool(reply.delays)
        if self._asked_ahead and not any(leased for _, leased in reply.delays):
            self._prefetch_at = now + self._settings.lease_seconds / 4  # none to spare: do not ask at every call
        expires = self._asked_at + reply.lease
        for delay, leased in reply.delays:
            until = expires if leased else math.inf
            at = now + delay
            idle_at = at + self._settings.lease_seconds
            self.stock.put(Slot(at, until, leased=leased, booked=reply.now + delay, idle_at=idle_at))
        before, self.reply, self.reply_at = self.reply, reply, now
        self.announced = reply.announced
        self.shared.known, self.shared.processes = reply.marker, reply.shared_processes
        self.shared.reply, self.shared.reply_at = reply, now
        self._poll_at = now + reply.poll if reply.poll >= 0 and not self._news else -math.inf
        self.promises.judge()
        if before is not None and (reply.pace < before.pace or reply.throttled > before.throttled):
            self.promises.judge_again()
        self.dispatch()
        self.on_reply(self)

    def lost(self) -> None:
        """No reply came: ask for it to be undone, if it was carried out, in the next request."""
        self._over()
        self._outbox.doubtful()
        self.promises.unanswered()

    def _over(self) -> None:
        self._exchanging = False
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            if not listener.done():
                listener.set_result(None)

    # What Amazon answered ------------------------------------------------------------------------------------------

    def heard(self, slot: Slot, *, replied: bool) -> None:
        """The outcome of a request is known: Amazon answered, or it is given up."""
        round_trip = self.shared.flights.land(slot, self._settings.now())
        if replied:
            self.shared.replied = True
            self.shared.jitter.record(round_trip)

    def heard_rate(self, rate: float) -> None:
        """Amazon's header announced another rate."""
        self.announced = rate
        self._outbox.feedback().rate = rate
        if self.local is not None:
            self.local.announce(rate)

    def heard_throttle(self, admitted_at: float) -> None:
        """Amazon answered 429 to a request admitted then (loop time): what is in stock is worth nothing any more."""
        self.throttled += 1
        self._give_all_back()
        feedback = self._outbox.feedback()
        feedback.hits += 1
        feedback.hit_at = max(feedback.hit_at, self._server_time(admitted_at))
        if self.local is not None:
            self.local.throttled(self._settings.now(), admitted_at)

    def _server_time(self, at: float) -> float:
        return self.reply.now + (at - self.reply_at) if self.reply else 0.0

    # Outages -------------------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """Redis is away."""
        self._away = True
        self._over()

    def go_local(self, processes: int) -> None:
        """Hand out this process's share of the quota, beginning with what is surely there."""
        now, reply, shared = self._settings.now(), self.reply, self.shared
        self.local = (
            LocalShare(self.announced, self.operation.usage_plan.burst, processes, 1.0, now)
            if reply is None
            else LocalShare.after(reply, now - self.reply_at, now)
        )
        app_rate = self.operation.usage_plan.application_rate
        if app_rate and shared.local is None:
            shared.local = LocalShare(app_rate, app_rate, max(processes, shared.processes), 0.0, now)
        self.promises.judge_now()
        self.promises.judge_again()
        self.dispatch()

    def come_back(self) -> None:
        """Redis is back: tell it what was spent meanwhile, and ask it again."""
        self._away = False
        local, self.local = self.local, None
        if local is not None and local.spent:
            self._outbox.feedback().spent += local.spent
        self._poll_at = -math.inf

    # Looking ahead -------------------------------------------------------------------------------------------------

    def predict(self, klass: int, ahead: int) -> float:
        """Seconds until a call with ``ahead`` calls of its own process before it would be admitted."""
        now = self._settings.now()
        if self.local is not None:
            return self.local.delay(now, ahead)
        in_stock = len(self.stock)
        if ahead < in_stock:
            return max(0.0, self.stock.at(ahead) - now)
        if self.reply is None:
            return 0.0
        return wait_for(self.reply, now - self.reply_at, ahead + 1 - in_stock, klass)

"""One bucket as one process sees it: who waits, what was granted, what Redis has yet to be told. No I/O, no waiting."""

from __future__ import annotations

import asyncio
import bisect
import math
from collections import deque
from collections.abc import Callable
from typing import Any

from spapi_async._operation import Operation
from spapi_async._options import Priority
from spapi_async.credentials import Account
from spapi_async.errors import RateLimitWaitError
from spapi_async.ratelimit._jitter import UNKNOWN
from spapi_async.ratelimit._redis_local import LocalShare
from spapi_async.ratelimit._redis_script import Feedback, Reply, Request
from spapi_async.ratelimit._redis_view import Caller, LaneSettings, SharedView, Slot
from spapi_async.ratelimit._waiting import Line

__all__ = ["Lane"]

_FROZEN = 8  # feedbacks whose delivery is in doubt; older ones are dropped, which can only cost us tokens
_PREFETCH_RATE = 4.0  # tokens a second from which a round trip per call is worth avoiding


class Lane:
    """The bucket of one account and operation, seen from one process.

    Tokens arrive from Redis as :class:`Slot` objects in ``stock`` and go to the queue when their time has come; which
    waiter gets one is decided at that moment, so that an urgent call may still overtake. What happened to tokens
    gathers in ``_open`` and travels with the next request; a feedback sent once is frozen until Redis confirmed it.
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
        self.stock: list[Slot] = []
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
        self._undecided: list[Caller] = []
        self._asking: list[Caller] = []  # those of the undecided that the request under way will decide
        self._listeners: list[asyncio.Future[None]] = []
        self._away = False
        self._news = False
        self._exchanging = False
        self._asked_at = 0.0
        self._asked_ahead = 0
        self._poll_at = -math.inf
        self._prefetch_at = -math.inf
        self._lost = 0
        self._last_number = 0
        self._frozen: deque[Feedback] = deque(maxlen=_FROZEN)
        self._open: Feedback | None = None
        self._use = 0.0  # admissions of about the last second
        self._used_at = self.touched_at

    def __repr__(self) -> str:
        return f"<Lane {self.operation.name} {self.account.key} waiting={self.queue.total} stock={len(self.stock)}>"

    # Taking tokens -------------------------------------------------------------------------------------------------

    def take(self) -> Slot | None:
        """A token that is at hand now and that nobody waits for."""
        now = self._settings.now()
        self.touched_at = now
        return None if self.queue.total else self._next_slot(now)

    def enqueue(self, waiter: Caller) -> None:
        """Wait for a token."""
        first = self.queue.counts[waiter.klass] == 0
        self.queue.join(waiter)
        if waiter.max_wait is not None:
            self._undecided.append(waiter)
        if (first and not self.stock) or waiter.max_wait is not None:
            self._poll_at = -math.inf
            self._news = True

    def abandon(self, waiter: Caller) -> None:
        """The caller gave up: its place goes, and so does the token it may just have been given."""
        if waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
            self.put_back()
        else:
            waiter.future.cancel()
            self.queue.leave(waiter)

    def put_back(self) -> None:
        """A token that was taken and not spent: for the next waiter, or back to where it came from."""
        self._return(self._settings.now())
        self.dispatch()

    def _return(self, now: float) -> None:
        if self.local is None:
            self.stock.insert(0, Slot(now))
            return
        self.local.put_back()
        if self.shared.local is not None:
            self.shared.local.put_back()

    def dispatch(self) -> None:
        """Give tokens whose time has come to those who wait; give up those that nobody wants."""
        now = self._settings.now()
        while self.queue.total and (slot := self._next_slot(now)) is not None:
            waiter = self.queue.pop()
            if waiter is None:  # the last one was cancelled a moment ago
                self._return(now)
                break
            waiter.future.set_result(slot)
        if not self.queue.total:
            wanted = [slot for slot in self.stock if slot.leased]
            if len(wanted) < len(self.stock):
                self._feedback().credit += len(self.stock) - len(wanted)
                self.stock = wanted

    def _next_slot(self, now: float) -> Slot | None:
        self._expire(now)
        if self.stock and self.stock[0].at <= now:
            slot = self.stock.pop(0)
            if slot.leased:
                self._feedback().used += 1
        elif self.local is not None and self._take_local(self.local, now):
            slot = Slot(now)
        else:
            return None
        self._use = self._use * math.exp(self._used_at - now) + 1
        self._used_at = now
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
        kept = [slot for slot in self.stock if slot.expires > now]
        if len(kept) < len(self.stock):
            self._feedback().back += len(self.stock) - len(kept)
            self.stock = kept

    # When something is to be done ----------------------------------------------------------------------------------

    def wants_exchange(self) -> bool:
        """Redis should be asked or told something now."""
        if self._exchanging or self._away:
            return False
        now = self._settings.now()
        if self._open is not None and self._open.urgent:
            return True
        if any(self._uncovered()):
            return now >= self._ask_at()
        return self._prefetch(now) > 0 or (self._open is not None and now >= self._report_at())

    def due(self) -> float | None:
        """When to look again (loop time), or None if only an event can change anything."""
        now = self._settings.now()
        times: list[float] = []
        if self.queue.total:
            times += [slot.at for slot in self.stock[:1]]
            if self.local is not None:
                shared = self.shared.local.delay(now) if self.shared.local else 0.0
                times.append(now + max(self.local.delay(now), shared))
            elif not self._exchanging and not self._away and any(self._uncovered()):
                times.append(self._ask_at())
        if self.stock:
            times.append(min(slot.expires for slot in self.stock))
        if self._open is not None and not self._away and not self._exchanging:
            times.append(self._report_at())
        soonest = min(times, default=math.inf)
        return max(soonest, now) if soonest < math.inf else None

    def _ask_at(self) -> float:
        """When to ask for tokens: as the server said, or when those in stock are nearly used up."""
        if self._poll_at > -math.inf or self._undecided or not self.stock:
            return self._poll_at
        return self.stock[-1].at - self._settings.lease_seconds / 2

    def _report_at(self) -> float:
        """Use of leased tokens must be told before Redis takes the lease for lost."""
        return self.reply_at + (self.reply.lease if self.reply else 0.0)

    def _uncovered(self) -> tuple[int, int, int]:
        """Waiting calls, by priority, that no granted token is meant for yet."""
        covered = len(self.stock)
        left = []
        for priority in Priority:
            count = self.queue.counts[priority]
            left.append(max(0, count - covered))
            covered = max(0, covered - count)
        return left[0], left[1], left[2]

    def _prefetch(self, now: float) -> int:
        """How many tokens to take on lease for calls that are expected, judged by those of the last second."""
        rate = self.reply.pace if self.reply else self.operation.usage_plan.rate
        if rate < _PREFETCH_RATE or now < self._prefetch_at:
            return 0
        use = self._use * math.exp(self._used_at - now)
        wanted = int(min(use, rate) * self._settings.lease_seconds)
        have = len(self.stock)
        return wanted - have if have <= wanted // 4 else 0

    @property
    def idle(self) -> bool:
        """Nothing would be lost by forgetting this object."""
        return not (self.queue.total or self.stock or self.in_flight or self._open or self._frozen or self._exchanging)

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
        self._news = False
        self._asking += self._undecided
        self._undecided = []
        return self._request(self._uncovered(), self._prefetch(self._settings.now()), leaving=False)

    def farewell(self) -> Request:
        """The last request: everything unused goes back."""
        back = sum(slot.leased for slot in self.stock)
        if self.stock:
            feedback = self._feedback()
            feedback.back += back
            feedback.credit += len(self.stock) - back
            self.stock = []
        return self._request((0, 0, 0), 0, leaving=True)

    def _request(self, waiting: tuple[int, int, int], prefetch: int, *, leaving: bool) -> Request:
        if self._open is not None:
            self._frozen.append(self._open)
            self._open = None
        plan, settings = self.operation.usage_plan, self._settings
        self._exchanging = True
        self._asked_at = settings.now()
        self._asked_ahead = prefetch
        self._last_number = settings.number()
        app_rate = plan.application_rate or 0.0
        return Request(
            me=settings.me,
            n=self._last_number,
            lost=self._lost,
            known=self.shared.known,
            fresh=f"{settings.me}-{self._last_number}",
            jitter=max(self.shared.jitter.bound, settings.jitter) if self.shared.replied else UNKNOWN,
            horizon=settings.lease_seconds,
            rate=plan.rate,
            burst=plan.burst,
            app_rate=app_rate,
            app_burst=float(plan.application_burst or max(1.0, app_rate)),
            known_rate=self.reply.rate if self.reply else self.announced,
            known_announced=self.announced,
            waiting=waiting,
            prefetch=prefetch,
            predict=int(bool(self._asking)),
            bye=int(leaving),
            feedback=list(self._frozen),
        )

    def absorb(self, reply: Reply) -> None:
        """Book what Redis granted and said."""
        if reply.stale:
            self.lost()
            self.on_reply(self)
            return
        self._over()
        now = self._settings.now()
        self._frozen.clear()
        self._lost = 0
        if self._asked_ahead and not any(leased for _, leased in reply.delays):
            self._prefetch_at = now + self._settings.lease_seconds / 4  # none to spare: do not ask at every call
        expires = self._asked_at + reply.lease
        for delay, leased in reply.delays:
            bisect.insort(self.stock, Slot(now + delay, expires if leased else math.inf, leased=leased), key=_at)
        self.reply, self.reply_at = reply, now
        self.announced = reply.announced
        self.shared.known, self.shared.processes = reply.marker, reply.shared_processes
        self.shared.reply, self.shared.reply_at = reply, now
        self._poll_at = now + reply.poll if reply.poll >= 0 and not self._news else -math.inf
        self._refuse_overlong(reply)
        self.dispatch()
        self.on_reply(self)

    def lost(self) -> None:
        """No reply came: ask for it to be undone, if it was carried out, in the next request."""
        self._over()
        self._lost = self._lost or self._last_number
        self._undecided = self._asking + self._undecided
        self._asking = []

    def _over(self) -> None:
        self._exchanging = False
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            if not listener.done():
                listener.set_result(None)

    def _feedback(self) -> Feedback:
        if self._open is None:
            self._open = Feedback(seq=self._settings.number())
        return self._open

    # What Amazon answered ------------------------------------------------------------------------------------------

    def heard(self, round_trip: float) -> None:
        """Amazon answered, after so many seconds."""
        self.shared.replied = True
        self.shared.jitter.record(round_trip)

    def heard_rate(self, rate: float) -> None:
        """Amazon's header announced another rate."""
        self.announced = rate
        self._feedback().rate = rate
        if self.local is not None:
            self.local.announce(rate)

    def heard_throttle(self, admitted_at: float) -> None:
        """Amazon answered 429 to a request admitted then (loop time): what is in stock is worth nothing any more."""
        self.throttled += 1
        feedback = self._feedback()
        leased = sum(slot.leased for slot in self.stock)
        feedback.back += leased
        feedback.credit += len(self.stock) - leased
        self.stock = []
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
        if reply is None:
            self.local = LocalShare(self.announced, self.operation.usage_plan.burst, processes, 1.0, now)
        else:
            level = min(0.0, reply.level + reply.pace * (now - self.reply_at))
            self.local = LocalShare(reply.pace, reply.capacity, reply.processes, level, now)
        app_rate = self.operation.usage_plan.application_rate
        if app_rate and shared.local is None:
            shared.local = LocalShare(app_rate, app_rate, max(processes, shared.processes), 0.0, now)
        self._decide_locally(self.local)
        self.dispatch()

    def _decide_locally(self, local: LocalShare) -> None:
        undecided, self._undecided = self._undecided, []
        for waiter in undecided:
            wait = local.delay(self._settings.now(), waiter.ahead)
            if not waiter.future.done() and waiter.max_wait is not None and wait > waiter.max_wait:
                self.queue.leave(waiter)
                waiter.future.set_exception(self.refusal(wait, waiter.max_wait))

    def come_back(self) -> None:
        """Redis is back: tell it what was spent meanwhile, and ask it again."""
        self._away = False
        local, self.local = self.local, None
        if local is not None and local.spent:
            self._feedback().spent += local.spent
        self._poll_at = -math.inf

    # Looking ahead -------------------------------------------------------------------------------------------------

    def _refuse_overlong(self, reply: Reply) -> None:
        asking, self._asking = self._asking, []
        for waiter in asking:
            if waiter.future.done():
                continue
            wait = self.predict(waiter.klass, waiter.ahead, reply.others)
            if waiter.max_wait is not None and wait > waiter.max_wait:
                self.queue.leave(waiter)
                waiter.future.set_exception(self.refusal(wait, waiter.max_wait))

    def refusal(self, wait: float, max_wait: float) -> RateLimitWaitError:
        """The error of a wait that is too long."""
        return RateLimitWaitError(
            f"the wait for quota would be {wait:.3g} s, longer than max_wait={max_wait:g}",
            operation=self.operation.name,
            retry_after=wait,
        )

    def predict(self, klass: int, ahead: int, others: list[tuple[int, int, int]] | None = None) -> float:
        """Seconds until a call with ``ahead`` calls of its own process before it would be admitted."""
        now = self._settings.now()
        if self.local is not None:
            return self.local.delay(now, ahead)
        in_stock = len(self.stock)
        if ahead < in_stock:
            return max(0.0, self.stock[ahead].at - now)
        reply = self.reply
        if reply is None:
            return 0.0
        # The others take turns with us: each is served at most as often as we are before it is our turn.
        turns = ahead + 1 - in_stock
        rivals = sum(min(turns, sum(other[: klass + 1])) for other in others or ())
        level = min(reply.level + reply.pace * (now - self.reply_at), reply.capacity)
        wait = (turns + rivals - level) / reply.pace
        if reply.app_pace > 0:
            app_level = min(reply.app_level + reply.app_pace * (now - self.reply_at), reply.app_capacity)
            wait = max(wait, (turns + rivals - app_level) / reply.app_pace)
        return max(0.0, wait)


def _at(slot: Slot) -> float:
    return slot.at

"""One kind of a seller's calls within one process: waiting calls, granted tokens, what to request. No I/O."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import Any

from spapi_async._core.operation import Operation
from spapi_async._core.options import Priority
from spapi_async.credentials import Account
from spapi_async.ratelimit._waiting import SHORTEST_TIMER, CallQueue
from spapi_async.ratelimit.shared._demand import Demand
from spapi_async.ratelimit.shared._exchange import Exchange, Need, Phase
from spapi_async.ratelimit.shared._flights import Silence
from spapi_async.ratelimit.shared._forecast import wait_for
from spapi_async.ratelimit.shared._local_share import LocalShare
from spapi_async.ratelimit.shared._promises import Promises, WaitingCall
from spapi_async.ratelimit.shared._settings import LaneSettings, OperationView
from spapi_async.ratelimit.shared._slot import Slot
from spapi_async.ratelimit.shared._stock import Stock
from spapi_async.ratelimit.shared._store import Reply, Request
from spapi_async.ratelimit.shared._terms import Terms

__all__ = ["Lane"]

_SOON_ENOUGH = 0.05  # seconds; if a token in stock is usable by then, an urgent call does not request another


class Lane:
    """Calls of one seller and operation that use the same limits.

    Tokens arrive from the store as :class:`Slot` objects in ``stock`` and go to the queue when they become usable; only
    then is it decided which waiter gets a token, so that an urgent call may still overtake.
    """

    def __init__(
        self,
        operation: Operation[Any],
        account: Account,
        *,
        terms: Terms,
        view: OperationView,
        settings: LaneSettings,
    ) -> None:
        self.operation = operation
        self.account = account
        self.keys = (*terms.keys, *terms.former)  # the keys of an exchange
        self.limit_keys = (terms.keys[0], *terms.keys[2:])
        self.specs = terms.specs
        self.places = terms.places
        self.view = view
        self.exchange = Exchange(settings)
        self.queue = CallQueue()
        self.stock = Stock()
        self.shares: list[LocalShare] = []  # used while the store is away and calls continue
        self.spent_alone = 0  # tokens that this lane's calls took from the shares
        self.in_flight = 0  # permits whose outcome is not known yet
        self.throttled = 0
        self.touched_at = settings.now()
        self.timer: asyncio.TimerHandle | None = None
        self.announced = terms.specs[0].rate
        self.promises = Promises(operation, self.queue, self.predict)
        self._settings = settings
        self._me = f"{settings.me}/{terms.kind}" if terms.kind else settings.me
        self._kind, self._value, self._former = terms.kind, terms.value, len(terms.former)
        self._demand = Demand(self.touched_at, can_be_lent=not any(spec.seconds for spec in terms.specs))
        self._used_at = self.touched_at
        self._silence = settings.silences.setdefault(self.keys[0], Silence(terms.specs[0].burst))
        self._has_passed = False  # whether a call was answered with something other than a 429

    def __repr__(self) -> str:
        return f"<Lane {self.operation.name} {self.account.name} waiting={self.queue.total} stock={len(self.stock)}>"

    @property
    def reply(self) -> Reply | None:
        """The store's last reply."""
        return self.exchange.reply

    # ---- taking tokens ----------------------------------------------------------------------------------------------

    def take(self) -> Slot | None:
        """A token that is usable now and that no call waits for."""
        now = self._settings.now()
        self.touched_at = now
        self._demand.arrived(now)
        return None if self.queue.total else self._next_slot(now)

    def enqueue(self, waiter: WaitingCall) -> None:
        """Add a waiter for a token."""
        first = self.queue.counts[waiter.priority] == 0
        self.queue.join(waiter)
        if waiter.max_wait is not None:
            self.promises.enter(waiter)
            if self.shares:
                self.promises.judge_now()
        now = self._settings.now()
        exchange = self.exchange
        usable = self.stock.usable_by(now + _SOON_ENOUGH)
        hurry = waiter.priority == Priority.INTERACTIVE and self.queue.counts[waiter.priority] > usable
        # If other processes wait, too, the store has said when this one's turn may come.
        is_answered = exchange.reply is not None and exchange.reply.crowded and exchange.poll_at > now
        if hurry:
            exchange.ask_again(Need.HURRY | Need.NEWS)
        elif waiter.max_wait is not None or (first and not self.stock and not is_answered):
            exchange.ask_again(Need.NEWS)

    def abandon(self, waiter: WaitingCall) -> None:
        """The caller was cancelled: remove its waiter, and take back the token that it may just have been given."""
        if waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
            self.put_back(waiter.future.result())
        else:
            waiter.future.cancel()
            self.queue.leave(waiter)

    def put_back(self, slot: Slot) -> None:
        """Return a token that was taken but not spent: to the next waiter, or to its origin."""
        self._return(slot, self._settings.now())
        self.dispatch()

    def _return(self, slot: Slot, now: float) -> None:
        self.view.flights.recall(slot)
        if self.shares:
            self.spent_alone -= 1
            for share in self.shares:
                share.put_back()
        else:
            self.stock.put_first(Slot(now, booked=slot.booked))

    def dispatch(self) -> None:
        """Give usable tokens to waiting calls; give up tokens that no call needs."""
        now = self._settings.now()
        self._expire(now)
        while self.queue.total and (slot := self._next_slot(now)) is not None:
            waiter = self.queue.pop()
            if waiter is None:  # the last waiter was just cancelled
                self._return(slot, now)
                break
            waiter.future.set_result(slot)
        if not self.queue.total:
            self._give_back_granted()

    def _next_slot(self, now: float) -> Slot | None:
        self._expire(now)
        if self._silence.lasts(now) > 0:
            return None
        slot = self.stock.take(now)
        if slot is not None:
            if slot.leased:
                self.exchange.outbox.feedback().used += 1
                slot.booked = self.exchange.store_time(now)
        elif self.shares and all(share.delay(now) <= 0 for share in self.shares):
            self.spent_alone += 1
            for share in self.shares:
                share.take(now)
            slot = Slot(now)
        else:
            return None
        self._used_at = now
        self.view.flights.depart(slot, now, self._silence)
        return slot

    def _expire(self, now: float) -> None:
        """Give up tokens that were leased for too long, or for calls that did not come."""
        back = self.stock.expire(now, self._used_at + self._settings.lease_seconds)
        if back:
            self.exchange.outbox.feedback().back += back

    def _give_back_granted(self) -> None:
        since = self.stock.booked_first()
        unwanted = self.stock.drop_granted()
        if unwanted:
            feedback = self.exchange.outbox.feedback()
            feedback.credit += unwanted
            feedback.credit_at = min(feedback.credit_at, since)

    def _give_all_back(self) -> None:
        back = self.stock.drop_leased()
        if back:
            self.exchange.outbox.feedback().back += back
        self._give_back_granted()

    # ---- when something is to be done -------------------------------------------------------------------------------

    def wants_exchange(self) -> bool:
        """Whether an exchange with the store is needed now."""
        exchange = self.exchange
        if exchange.phase is not Phase.QUIET:
            return False
        now = self._settings.now()
        if Need.HURRY in exchange.needs or exchange.is_news_due(now):
            return True
        if exchange.unproven and self.view.flights.replied and not self.view.flights:
            return True
        if any(self.stock.uncovered(self.queue.counts)):
            return now >= self._ask_at()
        return self._prefetch(now) > 0

    def due(self) -> float | None:
        """When to check again (loop time), or None if only an event can change anything."""
        now, exchange = self._settings.now(), self.exchange
        quiet = exchange.phase is Phase.QUIET
        times: list[float] = []
        if self.queue.total:
            silence = self._silence.lasts(now)
            times.append(max(self.stock.first_at(), now + silence))
            if self.shares:
                times.append(now + max(silence, *(share.delay(now) for share in self.shares)))
            elif quiet and any(self.stock.uncovered(self.queue.counts)):
                times.append(self._ask_at())
        if self.stock:
            times.append(self.stock.first_end(self._used_at + self._settings.lease_seconds))
        if exchange.outbox.unsent is not None and quiet:
            times.append(exchange.report_at)
        soonest = min(times, default=math.inf)
        return max(soonest, now + SHORTEST_TIMER) if soonest < math.inf else None

    def _ask_at(self) -> float:
        """When to request tokens: at the time the store named, or when those in stock are nearly used up."""
        if self.exchange.poll_at > -math.inf or self.promises.undecided or not self.stock:
            return self.exchange.poll_at
        return self.stock.last_at() - self._settings.lease_seconds / 2

    def _prefetch(self, now: float) -> int:
        """How many tokens to lease for expected calls, to avoid an exchange for each."""
        if now < self.exchange.prefetch_at or (self.reply is not None and self.reply.crowded):
            return 0
        wish, have = self._wish(now), len(self.stock)
        return wish - have if have <= wish // 4 else 0

    def _wish(self, now: float) -> int:
        pace = self.reply.pace if self.reply else self.operation.usage_plan.rate
        return self._demand.wish(now, pace, self._settings.lease_seconds)

    @property
    def idle(self) -> bool:
        """Whether nothing would be lost by dropping this object."""
        exchange = self.exchange
        return not (
            self.queue.total or self.stock or self.in_flight or exchange.outbox or exchange.phase is Phase.ASKED
        )

    # ---- exchanges --------------------------------------------------------------------------------------------------

    def request(self) -> Request:
        """The request to send now; freezes the feedback in it."""
        now = self._settings.now()
        waiting = self.stock.uncovered(self.queue.counts)
        if Need.HURRY in self.exchange.needs:
            waiting = (max(waiting[0], 1), waiting[1], waiting[2])
        expected = max(0, self._wish(now) - len(self.stock) - sum(waiting))
        return self._request(waiting, expected, leaving=False)

    def final_request(self) -> Request:
        """The last request: returns all unused tokens."""
        self._give_all_back()
        return self._request((0, 0, 0), 0, leaving=True)

    def _request(self, waiting: tuple[int, int, int], prefetch: int, *, leaving: bool) -> Request:
        settings, view, exchange = self._settings, self.view, self.exchange
        feedback = exchange.outbox.seal()
        now = settings.now()
        exchange.composed(now, prefetch, unproven=not view.flights.replied)
        return Request(
            me=self._me,
            kind=self._kind,
            former=self._former,
            n=exchange.outbox.number,
            lost=exchange.outbox.lost,
            known=self.reply.marker if self.reply else view.known,
            fresh=f"{settings.me}-{exchange.outbox.number}",
            jitter=view.flights.lateness(settings.jitter),
            clear=self._clear(now),
            slowest=view.flights.slowest(now),
            landed=exchange.store_time_at_most(view.flights.landed_at) if view.flights.landed_at else 0.0,
            horizon=settings.lease_seconds,
            limits=self.specs,
            known_rate=self.reply.plan.rate if self.reply else self.announced,
            known_announced=self.announced,
            waiting=waiting,
            prefetch=prefetch,
            expected=int(8 * self._demand.rate(now) * settings.lease_seconds),
            predict=int(self.promises.ask()),
            bye=int(leaving),
            feedback=feedback,
        )

    def _clear(self, now: float) -> float:
        """The store's time before which every request of this process has been answered; 0 if unknown."""
        if self.reply is None:
            return 0.0
        return min(self.exchange.store_time(now), self.stock.booked_first(), self.view.flights.booked_first())

    def absorb(self, reply: Reply) -> None:
        """Process the store's reply."""
        if reply.stale:
            self.lost()
            return
        before = self.reply
        for slot in self.exchange.received(reply, self._settings.now(), self._settings):
            self.stock.put(slot)
        self.announced = reply.plan.announced
        self.view.received(reply.marker, reply.shared_processes)
        self._silence.most = reply.plan.burst / reply.processes
        self.promises.judge()
        if before is not None and (reply.pace < before.pace or reply.throttled > before.throttled):
            self.promises.judge_again()
        self.dispatch()

    def lost(self) -> None:
        """No reply came."""
        self.exchange.lost()
        self.promises.unanswered()

    # ---- what Amazon answered ---------------------------------------------------------------------------------------

    def answered(self, slot: Slot, status: int | None) -> None:
        """The outcome of a request is known: Amazon answered with this status, or the request is given up."""
        self.view.flights.land(slot, self._settings.now(), replied=status is not None)
        self._has_passed = self._has_passed or status not in (None, 429)

    def rate_announced(self, rate: float) -> None:
        """Amazon's header announced another rate."""
        self.announced = rate
        self.exchange.outbox.feedback().rate = rate
        if self.shares:
            self.shares[0].announce(rate, self._settings.now())

    def throttled_by_amazon(self, admitted_at: float, limit: int, lanes: Iterable[Lane]) -> None:
        """Amazon answered 429 to a request admitted at that time (loop time): tokens in stock are worthless now.

        ``limit`` is the position, from 1, of the limit that the message names; 0: none. If calls with another value of
        the argument passed in one of the ``lanes`` of this process, the 429 may be about this value only.
        """
        self.throttled += 1
        self._give_all_back()
        feedback = self.exchange.outbox.feedback()
        feedback.hits += 1
        feedback.hit_at = max(feedback.hit_at, self.exchange.store_time(admitted_at))
        feedback.hit_limit = limit
        kin = (lane for lane in lanes if lane.keys[0] == self.keys[0] and lane._value != self._value)  # noqa: SLF001
        feedback.others_pass = int(any(lane._has_passed for lane in kin))  # noqa: SLF001
        if self.shares:
            self.shares[0].throttled(self._settings.now(), admitted_at)

    # ---- outages ----------------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """The store is away."""
        self.exchange.leave()

    def go_local(self, processes: int) -> None:
        """Use this process's part of every limit, beginning with the tokens that are certainly there."""
        now, reply = self._settings.now(), self.reply
        age = now - self.exchange.reply_at
        self.shares = []
        for place, (key, spec) in enumerate(zip(self.limit_keys, self.specs, strict=True)):
            state = reply.limits[place] if reply else None
            if spec.optional and (state is None or state.absent):
                continue
            share = self._settings.shares.get(key)
            if share is None:
                count = reply.processes if reply else processes
                if spec.shared:
                    count = max(count, self.view.processes)
                rate = spec.rate if place else self.announced
                share = LocalShare.of(spec, state, rate=rate, processes=count, age=age, now=now)
                self._settings.shares[key] = share
            self.shares.append(share)
        self.promises.judge_now()
        self.promises.judge_again()
        self.dispatch()

    def come_back(self) -> None:
        """The store is back: tell it what was spent meanwhile, and ask it again."""
        self.exchange.come_back()
        if self.spent_alone > 0:
            self.exchange.outbox.feedback().spent += self.spent_alone
        self.shares = []
        self.spent_alone = 0

    # ---- looking ahead ----------------------------------------------------------------------------------------------

    def predict(self, priority: int, ahead: int) -> float:
        """Seconds until a call is admitted that has ``ahead`` calls of its own process before it."""
        now = self._settings.now()
        if self.shares:
            return max(share.delay(now, ahead) for share in self.shares)
        in_stock = len(self.stock)
        if ahead < in_stock:
            return max(0.0, self.stock.at(ahead) - now)
        if self.reply is None:
            return 0.0
        return wait_for(self.reply, self.specs, now - self.exchange.reply_at, ahead + 1 - in_stock, priority)

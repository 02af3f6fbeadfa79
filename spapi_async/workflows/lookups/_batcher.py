"""Gathers calls for single keys into requests for many, sends them, and gives each caller its answer."""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from spapi_async._core.caller import Caller
from spapi_async._core.limiter import wait_error
from spapi_async._core.operation import Operation
from spapi_async._core.options import CallOptions, context_of
from spapi_async._core.timer import Timer, timer_at
from spapi_async.errors import (
    ApiError,
    BadRequestError,
    ClosedError,
    NotFoundError,
    QuotaExceededError,
    RateLimitWaitError,
    RequestTimeoutError,
    ServerError,
    SPAPIError,
)
from spapi_async.workflows.lookups._departure import (
    WORTH_A_SINGLE,
    Departure,
    Flight,
    Lane,
    absence,
    current,
    nothing,
    shared_options,
)
from spapi_async.workflows.lookups._fetch import Fetched, fetch_batch, fetch_single
from spapi_async.workflows.lookups._queue import Ask, Part, Queue
from spapi_async.workflows.lookups._rule import Rule, absent, as_missing, not_found
from spapi_async.workflows.lookups._window import WINDOW, Habit, departs_at

__all__ = ["Batcher"]

G = TypeVar("G")
K = TypeVar("K")

MOST_ATTEMPTS = 5
"""Requests for a key as long as its entry in the reply has status 429 or 5xx; all but the first are for it alone."""


class Batcher(Generic[G, K]):
    """The look-ups of one kind, with one set of options, by one seller or by several that stand in for each other.

    Args:
        rule: the facts about the batch operation.
        group: the arguments that all keys have in common.
        callers: the sellers whose quota may be used.
        timeout: seconds for one HTTP exchange, as in :class:`CallOptions`.
        raw: return Amazon's JSON as bytes instead of structs.
    """

    __slots__ = (
        "_callers", "_closed", "_due", "_failure", "_flights", "_group", "_habit", "_loop", "_queue", "_raw", "_rule",
        "_seen", "_soon", "_timeout", "_timer", "forgotten",
    )  # fmt: skip

    def __init__(
        self,
        rule: Rule[Any, Any],
        group: G,
        callers: Sequence[Caller],
        *,
        timeout: float | None = None,
        raw: bool = False,
    ) -> None:
        self._rule = rule
        self._group = group
        self._callers = list(callers)
        self._timeout = timeout
        self._raw = raw
        self._loop = asyncio.get_running_loop()
        self._queue: Queue[K] = Queue(rule.maximum, rule.fits)
        self._habit = Habit()
        self._flights: set[Flight] = set()
        self._failure: SPAPIError | None = None
        self._closed = False
        self.forgotten = False  # handles must then get the batcher that has replaced this one
        self._due = math.inf  # when the next batch leaves at the latest, even if the limiter's forecast grows
        self._seen = 0  # how many asks waited when the last turn looked
        self._soon = False
        self._timer: Timer | None = None

    def __repr__(self) -> str:
        return f"<Batcher {self._rule.name} waiting={len(self._queue)} under way={len(self._flights)}>"

    @property
    def idle(self) -> bool:
        """Whether no caller waits."""
        return not self._queue and not self._flights

    def ask(self, key: K, options: CallOptions) -> Awaitable[Any]:
        """The answer for one key.

        Raises:
            NotFoundError: there is no such item.
            RateLimitWaitError: its request would be sent later than ``max_wait`` allows.
            SPAPIError: what the call itself raises; each caller gets an error of its own.
        """
        if self._closed:
            raise ClosedError("the application is closed", operation=self._rule.batch.name)
        if options.deadline is None:
            return self._wait(key, options.priority, options.max_wait)
        return self._wait_in_time(key, options, options.deadline)

    async def _wait_in_time(self, key: K, options: CallOptions, deadline: float) -> Any:
        longest = deadline if options.max_wait is None else min(deadline, options.max_wait)
        try:
            async with asyncio.timeout(deadline):
                return await self._wait(key, options.priority, longest)
        except TimeoutError:
            message = f"the deadline of {deadline:g} s passed before the answer came"
            raise RequestTimeoutError(message, operation=self._rule.batch.name) from None

    async def _wait(self, key: K, priority: int, max_wait: float | None) -> Any:
        now = self._loop.time()
        if max_wait is not None:
            self._refuse_overlong(priority, max_wait)
        ask = self._queue.join(key, priority, now)
        future = self._loop.create_future()
        ask.waiters.append(future)
        self._habit.asked(now)
        timer = None
        if max_wait is not None:
            ask.latest = {**(ask.latest or {}), future: now + max_wait}
            timer = self._loop.call_at(now + max_wait, self._give_up, ask, future)
        if not self._soon and (not self._looks_again_soon(now) or self._is_complete()):
            self._turn_soon()
        try:
            return await future
        except BaseException:
            self._leave(ask, future)
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def _looks_again_soon(self, now: float) -> bool:
        return self._timer is not None and self._timer.at <= now + WINDOW

    def _is_complete(self) -> bool:
        waiting, expected = self._queue.waiting, self._habit.expected
        return waiting >= self._rule.maximum or (expected is not None and waiting >= expected)

    def _refuse_overlong(self, priority: int, max_wait: float) -> None:
        ahead = self._queue.ahead(priority)
        wait = self._soonest(self._rule.batch, count=ahead // self._rule.maximum + 1).seconds
        if wait > max_wait:
            raise wait_error(self._rule.batch, wait, max_wait)

    def _give_up(self, ask: Ask[K], future: asyncio.Future[Any]) -> None:
        """A caller's ``max_wait`` has passed: it gets an error, unless its request is under way."""
        if future.done() or current(ask).flight is not None:
            return
        try:
            wait = self._soonest(self._rule.batch).seconds
        except SPAPIError as error:
            future.set_exception(error)
            return
        message = f"max_wait has passed while more urgent calls came first; would wait {wait:.1f} s more for quota"
        future.set_exception(RateLimitWaitError(message, operation=self._rule.batch.name, retry_after=wait))

    def _leave(self, ask: Ask[K], future: asyncio.Future[Any]) -> None:
        """A caller has left: drop its ask, or cancel its request, if no other caller waits for it."""
        ask = current(ask)
        if future not in ask.waiters:
            return
        ask.waiters.remove(future)
        if ask.waiters:
            return
        flight: Flight | None = ask.flight
        if flight is None:
            self._queue.drop(ask)
        else:
            flight.wanted -= 1
            if not flight.wanted and flight.task is not None:
                flight.task.cancel()
                if not flight.begun:  # a task that is cancelled before its first step runs no handler
                    self._given_up(flight)

    # Deciding what leaves and when --------------------------------------------------------------------------------

    def _turn_soon(self) -> None:
        if not self._soon:
            self._soon = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Send one request if one is due, and schedule the next turn."""
        self._soon = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._queue:
            self._seen, self._due = 0, math.inf
            return
        try:
            now = self._loop.time()
            waiting = self._queue.waiting
            quiet, self._seen = waiting == self._seen, waiting
            departure = self._next_departure(now, quiet=quiet)
            if departure.at <= now:
                self._send(departure)
                self._turn_soon()
            elif not quiet and waiting:
                self._turn_soon()  # other tasks that are ready may add asks first
            else:
                self._timer = timer_at(self._loop, departure.at, self._turn)
        except Exception as error:  # noqa: BLE001 - a callback has no caller, and these callers would wait for ever
            self._fail(self._queue.everything(), error)

    def _next_departure(self, now: float, *, quiet: bool) -> Departure:
        rule, queue = self._rule, self._queue
        batch = self._soonest(rule.batch)
        choices = []
        if queue.unfit:
            lane = self._soonest_single(next(iter(queue.unfit)))
            assert lane is not None, "a rule with keys that do not fit into a batch has a single operation"
            choices.append(Departure(now + lane.seconds, lane.caller, True, lambda: Part(queue.take_unfit(), [])))
        if queue.parts and (part := queue.next_part()) is not None:
            choices.append(self._part_departure(part, now, batch))
        if waiting := queue.waiting:
            at = departs_at(
                now,
                opened_at=queue.opened_at,
                waiting=waiting,
                maximum=rule.maximum,
                expected=self._habit.expected,
                quiet=quiet,
                token_in=batch.seconds,
            )
            if batch.seconds > 0:
                self._due = min(self._due, at)
            choices.append(Departure(min(at, self._due), batch.caller, False, lambda: self._take(now)))
            if batch.seconds > WORTH_A_SINGLE and rule.spare and (spare := self._spare_lane()) is not None:
                choices.append(Departure(now, spare.caller, True, lambda: Part(queue.take(1), [])))
        if len(choices) == 1:
            return choices[0]
        # There is no choice if next_part has dropped all parts because no caller wants them.
        return min(choices, key=lambda each: each.at) if choices else Departure(math.inf, batch.caller, False, nothing)

    def _part_departure(self, part: Part, now: float, batch: Lane) -> Departure:
        lane, single = batch, False
        if len(part.asks) == 1:
            key = part.asks[0].key
            other = self._soonest_single(key)
            if other is not None and (not self._rule.fits(key) or other.seconds < batch.seconds):
                lane, single = other, True
        return Departure(now + lane.seconds, lane.caller, single, self._queue.take_part)

    def _take(self, now: float) -> Part:
        self._habit.closed(now, self._queue.waiting)
        self._due = math.inf
        return Part(self._queue.take(self._rule.maximum), [])

    def _spare_lane(self) -> Lane | None:
        """A seller that can send the single request for the first waiting key now."""
        lane = self._soonest_single(self._queue.first().key)
        return lane if lane is not None and lane.seconds <= 0 else None

    def _soonest_single(self, key: K) -> Lane | None:
        return None if self._rule.single is None else self._soonest(self._rule.single(key))

    def _soonest(self, operation: Operation[Any], *, count: int = 1) -> Lane:
        if not self._callers:
            assert self._failure is not None
            raise copy.copy(self._failure)
        if len(self._callers) == 1:
            (caller,) = self._callers
            return Lane(caller, caller.forecast(operation, count=count))
        share = -(-count // len(self._callers))  # each caller sends an equal share
        lanes = [Lane(caller, caller.forecast(operation, count=share)) for caller in self._callers]
        return min(lanes, key=lambda lane: lane.seconds)

    # Sending and handing out --------------------------------------------------------------------------------------

    def _send(self, departure: Departure) -> None:
        part = departure.take()
        flight = Flight(departure.caller, part, single=departure.single)
        for ask in part.asks:
            ask.flight = flight
            ask.attempts += 1
        self._seen = self._queue.waiting
        self._flights.add(flight)
        # A separate context: the options and traces of one caller do not apply to the others.
        options = shared_options(part.asks, self._loop.time(), self._timeout)
        flight.task = self._loop.create_task(self._fly(flight), context=context_of(options))

    async def _fly(self, flight: Flight) -> None:
        flight.begun, asks = True, flight.part.asks
        keys = [ask.key for ask in asks]
        try:
            if flight.single:
                fetched = await fetch_single(self._rule, self._group, keys[0], flight.caller, raw=self._raw)
            else:
                fetched = await fetch_batch(self._rule, self._group, keys, flight.caller, raw=self._raw)
        except asyncio.CancelledError:
            for ask in asks:
                for waiter in ask.waiters:
                    waiter.cancel()
            self._given_up(flight)
            raise
        except Exception as error:  # noqa: BLE001 - the waiting callers get it
            self._failed(flight, error)
        else:
            self._arrived(flight, fetched)
        finally:
            self._ended(flight)

    def _given_up(self, flight: Flight) -> None:
        self._queue.put_back(flight.part.rest, parted=True)
        self._ended(flight)

    def _ended(self, flight: Flight) -> None:
        self._flights.discard(flight)
        if self._queue and (self._queue.parts or not self._looks_again_soon(self._loop.time())):
            self._turn_soon()  # also when closed: asks that were put back must fail

    def _arrived(self, flight: Flight, fetched: Fetched) -> None:
        found = fetched.found
        for ask in flight.part.asks:
            answer = found.get(ask.key)
            if answer is None:
                self._unmentioned(ask, flight, fetched)
            elif isinstance(answer, SPAPIError):
                self._refused(ask, answer)
            else:
                ask.answer(answer)
        if flight.part.rest:
            self._queue.halve(flight.part.rest, parted=True)

    def _unmentioned(self, ask: Ask[K], flight: Flight, fetched: Fetched) -> None:
        rule = self._rule
        if fetched.is_clear and not rule.answers_all:
            ask.fail(not_found(rule, ask.key, fetched.request_id))
        elif len(flight.part.asks) > 1:
            self._queue.alone(ask)
        else:
            ask.fail(absent(rule, ask.key, fetched.request_id))

    def _refused(self, ask: Ask[K], error: SPAPIError) -> None:
        """Fail with the error of this item; after 429 and 5xx request it again, alone."""
        if isinstance(error, QuotaExceededError | ServerError) and ask.attempts < MOST_ATTEMPTS:
            self._queue.alone(ask)
            return
        if isinstance(error, ApiError) and not isinstance(error, NotFoundError) and self._rule.is_missing(error):
            error = as_missing(error)
        ask.fail(error)

    def _failed(self, flight: Flight, error: Exception) -> None:
        part = flight.part
        if isinstance(error, BadRequestError) and len(part.asks) > 1:
            self._queue.halve(part.asks)
        elif isinstance(error, RateLimitWaitError):
            self._too_slow(part, error)
        elif isinstance(error, SPAPIError) and (seconds := absence(error)) and [flight.caller] != self._callers:
            # This seller gets no token, or may not make the call; continue with the other sellers.
            if flight.caller in self._callers:
                self._callers.remove(flight.caller)
                if seconds < math.inf:
                    self._loop.call_later(seconds, self._callers.append, flight.caller)
            self._failure = error
            self._queue.put_back(part.asks)
        elif len(part.asks) == 1 and isinstance(error, SPAPIError):
            ask = part.asks[0]
            ask.attempts = MOST_ATTEMPTS  # the call itself was retried already
            self._refused(ask, error)
        else:
            self._fail(part.asks, error)
        self._queue.put_back(part.rest, parted=True)

    def _too_slow(self, part: Part, error: RateLimitWaitError) -> None:
        """The limiter's queue is longer than forecast: callers that cannot wait get the error, the others wait on."""
        moment = self._loop.time() + (error.retry_after or 0.0)
        for ask in part.asks:
            ask.dismiss_impatient(moment, error)
        self._queue.put_back(part.asks)

    def _fail(self, asks: Iterable[Ask[K]], error: Exception) -> None:
        for ask in asks:
            ask.fail(error)

    def close(self) -> None:
        """The application is closed: waiting callers get a ClosedError, requests under way end by themselves."""
        self._closed = True
        if self._loop.is_closed():
            return
        if self._timer is not None:
            self._timer.cancel()
        error = ClosedError("the application is closed", operation=self._rule.batch.name)
        self._fail(self._queue.everything(), error)

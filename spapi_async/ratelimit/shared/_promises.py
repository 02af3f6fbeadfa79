"""The waiting calls of one lane that have a ``max_wait``: which are accepted, and whether it can still be kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from spapi_async._core.limiter import late_error, wait_error
from spapi_async._core.operation import Operation
from spapi_async._core.options import Priority
from spapi_async._core.timer import Timer, timer_at
from spapi_async.errors import RateLimitWaitError
from spapi_async.ratelimit._waiting import GRACE, CallQueue, Waiter

__all__ = ["Promises", "WaitingCall"]


class WaitingCall(Waiter):
    """A waiting call; ``ahead`` is the number of calls of this process that waited before it when it was queued."""

    __slots__ = ("ahead", "max_wait")

    def __init__(self, future: asyncio.Future[Any], priority: Priority, max_wait: float | None, ahead: int) -> None:
        super().__init__(future, int(priority), None)
        self.max_wait = max_wait
        self.ahead = ahead


class Promises:
    """Predicts the wait of each such call when it is queued and when the rate falls; ends the wait after ``max_wait``.

    Args:
        operation: the operation of the calls.
        predict: the wait in seconds of a call with a given priority and number of calls of its own process before it.
    """

    __slots__ = ("_asked", "_kept", "_operation", "_predict", "_queue", "_undecided")

    def __init__(self, operation: Operation[Any], queue: CallQueue, predict: Callable[[int, int], float]) -> None:
        self._operation = operation
        self._queue = queue
        self._predict = predict
        self._undecided: list[WaitingCall] = []  # in order of arrival
        self._asked = 0  # how many of them the request under way will decide: the first
        self._kept: dict[WaitingCall, Timer] = {}

    @property
    def undecided(self) -> bool:
        """Whether there is a call that no request under way will decide."""
        return len(self._undecided) > self._asked

    def enter(self, caller: WaitingCall) -> None:
        """Add a call that waits for at most ``max_wait`` seconds."""
        self._undecided.append(caller)

    def ask(self) -> bool:
        """A request is sent; returns whether it should ask which other calls wait."""
        self._asked = len(self._undecided)
        return bool(self._undecided or self._kept)

    def unanswered(self) -> None:
        """The request had no reply."""
        self._asked = 0

    def judge(self) -> None:
        """The reply came: refuse calls whose wait would be too long, accept the others."""
        asked, self._undecided = self._undecided[: self._asked], self._undecided[self._asked :]
        self._asked = 0
        for caller in asked:
            self._judge(caller)

    def judge_now(self) -> None:
        """There will be no reply: decide without it."""
        self.ask()
        self.judge()

    def judge_again(self) -> None:
        """The rate fell: refuse calls that can no longer be admitted in time, now and not at their deadline."""
        if not self._kept:
            return
        place = 0
        for caller in list(self._queue.in_order()):
            assert isinstance(caller, WaitingCall)
            timer = self._kept.get(caller)
            if timer is not None:
                wait = self._predict(caller.priority, place)
                if wait > timer.at - caller.future.get_loop().time():
                    self._refuse(caller, wait)
                    continue
            place += 1

    def forget(self, caller: WaitingCall) -> None:
        """Remove a call that no longer waits, for whatever reason."""
        timer = self._kept.pop(caller, None)
        if timer is not None:
            timer.cancel()

    def refusal(self, wait: float, max_wait: float) -> RateLimitWaitError:
        """The error for a wait that is too long."""
        return wait_error(self._operation, wait, max_wait)

    def _judge(self, caller: WaitingCall) -> None:
        if caller.future.done() or caller.max_wait is None:
            return
        wait = self._predict(caller.priority, caller.ahead)
        if wait > caller.max_wait:
            self._refuse(caller, wait)
            return
        loop = caller.future.get_loop()
        self._kept[caller] = timer_at(loop, loop.time() + caller.max_wait + GRACE, self._break, caller)

    def _break(self, caller: WaitingCall) -> None:
        """A call's ``max_wait`` is over, because later calls were more urgent, or Redis was slow."""
        if caller.future.done():
            return
        assert caller.max_wait is not None
        self._queue.leave(caller)
        wait = self._predict(caller.priority, self._queue.ahead(caller.priority))
        caller.future.set_exception(late_error(self._operation, wait, caller.max_wait))

    def _refuse(self, caller: WaitingCall, wait: float) -> None:
        assert caller.max_wait is not None
        self._queue.leave(caller)
        caller.future.set_exception(self.refusal(wait, caller.max_wait))

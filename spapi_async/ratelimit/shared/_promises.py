"""The calls of one bucket that may wait only so long: what they were promised, and whether it can still be kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from spapi_async._core.limiter import wait_error
from spapi_async._core.operation import Operation
from spapi_async._core.options import Priority
from spapi_async.errors import RateLimitWaitError
from spapi_async.ratelimit._waiting import GRACE, Line, Waiter

__all__ = ["Caller", "Promises"]


class Caller(Waiter):
    """A call in the line. ``ahead`` is how many of its own process come before it, as it looked when it came."""

    __slots__ = ("ahead", "max_wait")

    def __init__(self, future: asyncio.Future[Any], priority: Priority, max_wait: float | None, ahead: int) -> None:
        super().__init__(future, int(priority), None)
        self.max_wait = max_wait
        self.ahead = ahead


class Promises:
    """Judges each such call by a prediction when it comes, and again when the rate falls; lets go when time is up.

    Args:
        operation: whose calls these are.
        predict: seconds that a call of a priority waits that has so many of its own process ahead.
    """

    __slots__ = ("_asking", "_kept", "_operation", "_predict", "_queue", "_undecided")

    def __init__(self, operation: Operation[Any], queue: Line, predict: Callable[[int, int], float]) -> None:
        self._operation = operation
        self._queue = queue
        self._predict = predict
        self._undecided: list[Caller] = []
        self._asking: list[Caller] = []  # those of the undecided that the request under way will decide
        self._kept: dict[Caller, asyncio.TimerHandle] = {}

    @property
    def undecided(self) -> bool:
        """Somebody waits to be judged."""
        return bool(self._undecided)

    def enter(self, caller: Caller) -> None:
        """A call came that waits for at most ``max_wait`` seconds."""
        self._undecided.append(caller)

    def ask(self) -> bool:
        """A request leaves; whether it should ask who else waits."""
        self._asking += self._undecided
        self._undecided = []
        return bool(self._asking or self._kept)

    def unanswered(self) -> None:
        """No reply came to it."""
        self._undecided = self._asking + self._undecided
        self._asking = []

    def judge(self) -> None:
        """The reply came: refuse those whose wait would be too long, promise the others."""
        asking, self._asking = self._asking, []
        for caller in asking:
            self._judge(caller)

    def judge_now(self) -> None:
        """No reply will come: decide without it."""
        self.unanswered()
        self.ask()
        self.judge()

    def judge_again(self) -> None:
        """The rate fell: refuse those who cannot be served in time any more, now rather than then."""
        if not self._kept:
            return
        place = 0
        for caller in list(self._queue.in_order()):
            assert isinstance(caller, Caller)
            timer = self._kept.get(caller)
            if timer is not None and not caller.future.done():
                wait = self._predict(caller.priority, place)
                if wait > timer.when() - caller.future.get_loop().time():
                    self._refuse(caller, wait)
                    continue
            place += 1

    def forget(self, caller: Caller) -> None:
        """The call waits no longer, for whatever reason."""
        timer = self._kept.pop(caller, None)
        if timer is not None:
            timer.cancel()

    def refusal(self, wait: float, max_wait: float) -> RateLimitWaitError:
        """The error of a wait that is too long."""
        return wait_error(self._operation, wait, max_wait)

    def _judge(self, caller: Caller) -> None:
        if caller.future.done() or caller.max_wait is None:
            return
        wait = self._predict(caller.priority, caller.ahead)
        if wait > caller.max_wait:
            self._refuse(caller, wait)
            return
        loop = caller.future.get_loop()
        self._kept[caller] = loop.call_at(loop.time() + caller.max_wait + GRACE, self._break, caller)

    def _break(self, caller: Caller) -> None:
        """Calls that came later were more urgent, or Redis was slow: the time is up all the same."""
        if caller.future.done():
            return
        wait = self._predict(caller.priority, 0)
        self._dismiss(
            caller,
            RateLimitWaitError(
                f"no quota within max_wait={caller.max_wait:g} s, and none for another {wait:.3g} s",
                operation=self._operation.name,
                retry_after=wait,
            ),
        )

    def _refuse(self, caller: Caller, wait: float) -> None:
        assert caller.max_wait is not None
        self._dismiss(caller, self.refusal(wait, caller.max_wait))

    def _dismiss(self, caller: Caller, error: RateLimitWaitError) -> None:
        self._queue.leave(caller)
        caller.future.set_exception(error)

"""Time limits for many short tasks at the cost of one timer.

``asyncio.timeout`` sets a timer for each block and cancels it again; in a process with a thousand requests in flight
the event loop's heap of such timers costs more than the limiter. Limits of equal length end in the order in which they
began, so a queue and one timer for its head are enough.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType

__all__ = ["Watch"]


class Watch:
    """Applies time limits to blocks of code; each length of limit has its own queue, and there are few lengths."""

    __slots__ = ("max_lengths", "queues")

    def __init__(self) -> None:
        self.queues: dict[float, _Queue] = {}
        self.max_lengths = MOST_LENGTHS

    def bounded(self, seconds: float) -> _Limit:
        """A context manager that raises TimeoutError when its block takes longer.

        Like ``asyncio.timeout``: the task is cancelled, and at the end of the block the cancellation becomes a
        TimeoutError, unless the task was also cancelled from elsewhere.
        """
        queue = self.queues.get(seconds)
        if queue is None:
            if len(self.queues) >= self.max_lengths:
                self.queues = {length: kept for length, kept in self.queues.items() if kept.open}
                # Twice the number in use, so that queues are seldom searched for empty ones.
                self.max_lengths = max(MOST_LENGTHS, 2 * len(self.queues))
            queue = self.queues[seconds] = _Queue(seconds)
        return _Limit(queue)

    def expire_all(self) -> None:
        """Make every block that is under watch end as if its time were up."""
        for queue in self.queues.values():
            for limit in queue.limits:
                limit.expire()


MOST_LENGTHS = 64
"""Deadlines produce new lengths; empty queues are dropped when there are more lengths than this, and more than twice
the number in use."""


SLACK = 256
"""The number of closed limits behind an open one at which they are removed."""


class _Queue:
    """The limits of one length, oldest first, and the timer for the first that is still open."""

    __slots__ = ("limits", "open", "seconds", "timer")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.limits: deque[_Limit] = deque()
        self.open = 0
        self.timer: asyncio.TimerHandle | None = None

    def add(self, limit: _Limit, loop: asyncio.AbstractEventLoop) -> None:
        """Add a limit to the queue."""
        limits = self.limits
        if len(limits) > 2 * self.open + SLACK:
            limits = self.limits = deque([kept for kept in limits if kept.task is not None])
        self.open += 1
        limits.append(limit)
        if self.timer is None:
            self.timer = loop.call_at(limit.ends_at, self._fire, loop)

    def _drop_closed(self) -> None:
        limits = self.limits
        while limits and limits[0].task is None:
            limits.popleft()

    def _fire(self, loop: asyncio.AbstractEventLoop) -> None:
        self.timer = None
        now = loop.time()
        self._drop_closed()
        while self.limits and self.limits[0].ends_at <= now:
            self.limits.popleft().expire()
            self._drop_closed()
        if self.limits:
            self.timer = loop.call_at(self.limits[0].ends_at, self._fire, loop)


class _Limit:
    """One block under watch; ``task`` is None before the block begins and after it has ended."""

    __slots__ = ("_cancelling", "_expired", "_queue", "ends_at", "task")

    def __init__(self, queue: _Queue) -> None:
        self._queue = queue
        self._expired = False
        self._cancelling = 0
        self.ends_at = 0.0
        self.task: asyncio.Task[object] | None = None

    def expire(self) -> None:
        """The time is up; only the first call counts, because ``__exit__`` takes back one cancellation."""
        if self.task is not None and not self._expired:
            self._expired = True
            self.task.cancel()

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None, "requests are sent from tasks"
        self.task = task
        self._cancelling = task.cancelling()
        self.ends_at = loop.time() + self._queue.seconds
        self._queue.add(self, loop)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        task, self.task = self.task, None
        self._queue.open -= 1
        if (
            self._expired
            and task is not None
            and task.uncancel() <= self._cancelling
            and exc_type is asyncio.CancelledError
        ):
            raise TimeoutError from exc

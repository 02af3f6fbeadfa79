"""The calls that wait for one bucket: a queue for each priority, first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Any

from spapi_async.ratelimit._shares import PRIORITIES, choose, position, serve

__all__ = ["GRACE", "SHORTEST_TIMER", "CallQueue", "Waiter"]

GRACE = 0.01
"""Seconds past its deadline for which a call is kept, so that a token promised for that moment still reaches it."""

SHORTEST_TIMER = 1e-6
"""Seconds; a timer set for less could fire for ever without the clock advancing."""


_MOST_DEAD_ENTRIES = 16
"""Entries of waiters that have left, beyond the number of those present, at which a queue is cleaned up."""


class Waiter:
    """One call in the queue; its future returns the permit."""

    __slots__ = ("deadline", "future", "number", "priority", "queued")

    def __init__(self, future: asyncio.Future[Any], priority: int, deadline: float | None, number: int = 0) -> None:
        self.future = future
        self.priority = priority
        self.number = number  # the order of arrival among all calls of a limiter
        self.deadline = deadline  # the time until which it may wait
        self.queued = True


class CallQueue:
    """Waiters by priority. Every operation takes constant time (leaving: amortised constant time)."""

    __slots__ = ("_passed", "counts", "impatient", "total", "waiters")

    def __init__(self) -> None:
        self.waiters: list[deque[Waiter] | None] = [None] * PRIORITIES
        self._passed = [0] * PRIORITIES
        self.counts = [0] * PRIORITIES
        self.total = 0
        self.impatient = 0  # how many waiters have a deadline

    def join(self, waiter: Waiter) -> None:
        """Add a waiter at the end of its priority's queue."""
        waiters = self.waiters[waiter.priority]
        if waiters is None:
            waiters = self.waiters[waiter.priority] = deque()
        waiters.append(waiter)
        self.counts[waiter.priority] += 1
        self.total += 1
        if waiter.deadline is not None:
            self.impatient += 1

    def leave(self, waiter: Waiter) -> None:
        """Remove a waiter. Its entry stays until it is reached, or until most entries are removed waiters."""
        if not waiter.queued:
            return
        self._strike(waiter)
        priority = waiter.priority
        waiters = self.waiters[priority]
        assert waiters is not None
        if len(waiters) > 2 * self.counts[priority] + _MOST_DEAD_ENTRIES:
            self.waiters[priority] = deque(each for each in waiters if each.queued)

    def pop(self) -> Waiter | None:
        """Remove and return the waiter that is served next; None if there is none."""
        while self.total:
            waiters = self.waiters[serve(self.counts, self._passed)]
            while waiters:
                waiter = waiters.popleft()
                if not waiter.queued:
                    continue
                self._strike(waiter)
                if not waiter.future.done():
                    return waiter
                # Just cancelled; its task has not run yet to remove the waiter.
                break
        return None

    def next_priority(self) -> int:
        """The priority of the waiter that is served next; -1 if there is none."""
        return choose(self.counts, self._passed)

    def oldest(self, priority: int) -> int:
        """The number of the call that has waited longest with this priority; there must be one."""
        waiters = self.waiters[priority]
        assert waiters
        while not waiters[0].queued:
            waiters.popleft()
        return waiters[0].number

    def up_to(self, priority: int) -> int:
        """How many wait with this priority or a higher one."""
        return sum(self.counts[: priority + 1])

    def ahead(self, priority: int) -> int:
        """How many tokens go to other calls before one that joins now."""
        return position(self.counts, self._passed, priority)

    def in_order(self) -> Iterator[Waiter]:
        """The waiters, roughly in the order of service (without the shares of lower priorities).

        One that was just cancelled is left out: its task has not run yet to remove it.
        """
        return (each for each in self._entries() if not each.future.done())

    def clear(self) -> list[Waiter]:
        """Remove and return all waiters."""
        there = list(self._entries())
        for waiter in there:
            waiter.queued = False
        self.__init__()  # type: ignore[misc]  # as new
        return there

    def _entries(self) -> Iterator[Waiter]:
        return (each for waiters in self.waiters for each in waiters or () if each.queued)

    def _strike(self, waiter: Waiter) -> None:
        waiter.queued = False
        self.counts[waiter.priority] -= 1
        self.total -= 1
        if waiter.deadline is not None:
            self.impatient -= 1

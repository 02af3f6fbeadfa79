"""The calls that wait for one bucket: a line for each priority, first come first served within it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Any

from spapi_async.ratelimit._shares import PRIORITIES, choose, position, serve

__all__ = ["GRACE", "SHORTEST_TIMER", "Line", "Waiter"]

GRACE = 0.01
"""Seconds past its deadline for which a call is kept: a token that was promised for that moment comes first."""

SHORTEST_TIMER = 1e-6
"""Seconds; a timer set for less could fire at the same reading of the clock for ever."""


class Waiter:
    """One call in the line; its future brings the permit."""

    __slots__ = ("deadline", "future", "number", "priority", "queued")

    def __init__(self, future: asyncio.Future[Any], priority: int, deadline: float | None, number: int = 0) -> None:
        self.future = future
        self.priority = priority
        self.number = number  # of its arrival, among all that one limiter has seen
        self.deadline = deadline  # the moment until which it may be kept waiting
        self.queued = True


class Line:
    """Waiters by priority. Every operation takes constant time, leaving a line too (amortised)."""

    __slots__ = ("_gone", "_passed", "counts", "impatient", "total", "waiters")

    def __init__(self) -> None:
        self.waiters: list[deque[Waiter] | None] = [None] * PRIORITIES
        self._passed = [0] * PRIORITIES
        self._gone = 0
        self.counts = [0] * PRIORITIES
        self.total = 0
        self.impatient = 0  # how many of them have a deadline

    def join(self, waiter: Waiter) -> None:
        """Stand at the end of the line of its priority."""
        waiters = self.waiters[waiter.priority]
        if waiters is None:
            waiters = self.waiters[waiter.priority] = deque()
        waiters.append(waiter)
        self.counts[waiter.priority] += 1
        self.total += 1
        if waiter.deadline is not None:
            self.impatient += 1

    def leave(self, waiter: Waiter) -> None:
        """Give up the place. The entry stays until it is reached, or until most entries are such."""
        if not waiter.queued:
            return
        self._strike(waiter)
        self._gone += 1
        if self._gone > self.total + 16:
            for priority, waiters in enumerate(self.waiters):
                if waiters is not None:
                    self.waiters[priority] = deque(each for each in waiters if each.queued)
            self._gone = 0

    def pop(self) -> Waiter | None:
        """Who is served next; None when nobody waits."""
        while self.total:
            waiters = self.waiters[serve(self.counts, self._passed)]
            while waiters:
                waiter = waiters.popleft()
                if not waiter.queued:
                    self._gone -= 1
                    continue
                self._strike(waiter)
                if not waiter.future.done():
                    return waiter
                # Cancelled a moment ago; its task has not yet run to say so.
                break
        return None

    def next_priority(self) -> int:
        """The priority of who is served next; -1 when nobody waits."""
        return choose(self.counts, self._passed)

    def oldest(self, priority: int) -> int:
        """The number of the call that has waited longest with this priority; somebody does."""
        waiters = self.waiters[priority]
        assert waiters
        while not waiters[0].queued:
            waiters.popleft()
            self._gone -= 1
        return waiters[0].number

    def up_to(self, priority: int) -> int:
        """How many wait with this priority or a higher one."""
        return sum(self.counts[: priority + 1])

    def ahead(self, priority: int) -> int:
        """How many tokens others get before a call that joins now."""
        return position(self.counts, self._passed, priority)

    def in_order(self) -> Iterator[Waiter]:
        """Everybody, in about the order of service (the shares of lower priorities left aside)."""
        return (each for waiters in self.waiters for each in waiters or () if each.queued)

    def clear(self) -> list[Waiter]:
        """Send everybody away; who was there."""
        there = list(self.in_order())
        for waiter in there:
            waiter.queued = False
        self.__init__()  # type: ignore[misc]  # as new
        return there

    def _strike(self, waiter: Waiter) -> None:
        waiter.queued = False
        self.counts[waiter.priority] -= 1
        self.total -= 1
        if waiter.deadline is not None:
            self.impatient -= 1

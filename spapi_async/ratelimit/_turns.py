"""The queue of lanes at one bucket: which of the waiting lanes goes next. Pure.

Within a priority the lane with the lowest ticket number goes first. At a seller's own bucket the ticket is the arrival
number of the call that has waited longest, so that calls are served in order whatever their arguments. At a bucket that
many sellers share it grows with the time at which the seller was last served, so that sellers take turns.
"""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

from spapi_async.ratelimit._shares import PRIORITIES, choose, serve

__all__ = ["LaneQueue"]

L = TypeVar("L")

_MOST_DEAD_ENTRIES = 16
"""Entries of lanes that have left, beyond twice the number of those present, at which a heap is cleaned up."""


class _Entry(Generic[L]):
    """A lane's place in the queue; when the lane leaves, the entry stays in the heap until it is reached."""

    __slots__ = ("lane", "number", "priority", "ticket")

    def __init__(self, lane: L, priority: int, ticket: int, number: int) -> None:
        self.lane: L | None = lane
        self.priority = priority
        self.ticket = ticket
        self.number = number

    def __lt__(self, other: _Entry[L]) -> bool:
        return (self.ticket, self.number) < (other.ticket, other.number)


class LaneQueue(Generic[L]):
    """Lanes by priority and ticket; joining and leaving cost O(log n)."""

    __slots__ = ("_counts", "_entries", "_number", "_passed", "heaps", "total")

    def __init__(self) -> None:
        self._entries: dict[L, _Entry[L]] = {}
        self.heaps: list[list[_Entry[L]]] = [[] for _ in range(PRIORITIES)]
        self._counts = [0] * PRIORITIES
        self._passed = [0] * PRIORITIES
        self._number = 0
        self.total = 0

    def join(self, lane: L, priority: int, ticket: int) -> None:
        """Add a lane to the queue, or change its place."""
        self.leave(lane)
        self._number += 1
        entry = self._entries[lane] = _Entry(lane, priority, ticket, self._number)
        heapq.heappush(self.heaps[priority], entry)
        self._counts[priority] += 1
        self.total += 1

    def leave(self, lane: L) -> None:
        """Remove a lane from the queue."""
        entry = self._entries.pop(lane, None)
        if entry is None:
            return
        entry.lane = None
        self._counts[entry.priority] -= 1
        self.total -= 1
        heap = self.heaps[entry.priority]
        if len(heap) > 2 * self._counts[entry.priority] + _MOST_DEAD_ENTRIES:
            heap[:] = [each for each in heap if each.lane is not None]
            heapq.heapify(heap)

    def first(self) -> L:
        """The lane whose turn it is; the queue must not be empty."""
        heap = self.heaps[choose(self._counts, self._passed)]
        while heap[0].lane is None:
            heapq.heappop(heap)
        return heap[0].lane

    def serve(self, lane: L) -> None:
        """The lane whose turn it was is served: it leaves, and the priorities that were passed over are counted."""
        serve(self._counts, self._passed)
        self.leave(lane)

    def up_to(self, priority: int) -> int:
        """How many lanes wait with this priority or a higher one."""
        return sum(self._counts[: priority + 1])

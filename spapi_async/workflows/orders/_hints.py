"""Hints about changed orders that are not fetched yet: combined by order, repeated while Amazon lags behind. Pure.

A notification is only a hint: it may come twice, late, or not at all, and the order that it names may not be available
yet, or only in an older version. So the order is fetched by its id. If Amazon does not show the change yet, the order
is requested again after 5, 30 and 120 seconds, and then left to the searches, which find everything.
"""

from __future__ import annotations

import heapq
import itertools
from datetime import datetime

import msgspec

__all__ = ["RETRIES", "Hint", "Hints"]

RETRIES = (5.0, 30.0, 120.0)
"""Seconds after which an order that is missing or older than its hint is requested again."""


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """An order that may have changed.

    Attributes:
        event_time: when it changed; None if unknown.
        source: where the hint comes from, ``notification`` or ``orders_v0``.
        attempts: how often the order was fetched without the change.
    """

    order_id: str
    event_time: datetime | None
    source: str
    attempts: int = 0

    def is_met_by(self, updated: datetime | None) -> bool:
        """Whether an order with this last update shows the change; Amazon's updates have whole seconds."""
        if updated is None:
            return False
        return self.event_time is None or updated >= self.event_time.replace(microsecond=0)


class Hints:
    """One seller's hints, the one due first at the front."""

    def __init__(self) -> None:
        self._pending: dict[str, tuple[float, Hint]] = {}
        self._queue: list[tuple[float, int, str]] = []
        self._number = itertools.count()

    def __len__(self) -> int:
        return len(self._pending)

    def hear(self, hint: Hint, now: float) -> bool:
        """Add a hint; False if the order will be fetched anyway and the hint adds nothing."""
        known = self._pending.get(hint.order_id)
        if known is not None and not _is_later(hint, known[1]):
            return False
        due = now if known is None else min(known[0], now)
        self._put(hint, due)
        return True

    def again(self, hint: Hint, now: float) -> bool:
        """Amazon does not show the change yet: try again later; False after the last attempt, then searches find it."""
        if hint.attempts >= len(RETRIES):
            return False
        if hint.order_id not in self._pending:  # else a newer hint has come, and is fetched at once
            later = msgspec.structs.replace(hint, attempts=hint.attempts + 1)
            self._put(later, now + RETRIES[hint.attempts])
        return True

    def next_due(self) -> float | None:
        """When the first order is to be fetched; None if there are no hints."""
        while self._queue:
            due, _, order_id = self._queue[0]
            pending = self._pending.get(order_id)
            if pending is not None and pending[0] == due:
                return due
            heapq.heappop(self._queue)  # it was taken, or moved
        return None

    def take(self, now: float) -> Hint | None:
        """Remove and return the hint that is due first; None if none is due."""
        due = self.next_due()
        if due is None or due > now:
            return None
        _, _, order_id = heapq.heappop(self._queue)
        return self._pending.pop(order_id)[1]

    def _put(self, hint: Hint, due: float) -> None:
        self._pending[hint.order_id] = (due, hint)
        heapq.heappush(self._queue, (due, next(self._number), hint.order_id))


def _is_later(hint: Hint, known: Hint) -> bool:
    if hint.event_time is None or known.event_time is None:
        return hint.event_time is not None
    return hint.event_time > known.event_time

"""What was heard of orders and is not fetched yet: coalesced by order, tried again when Amazon lags behind. Pure.

A notification is a hint, never a fact: it may come twice, late, or not at all, and the order that it names may not be
there yet or still be an older one. So the order is fetched by its id; where Amazon does not have the change yet it is
asked again after 5, 30 and 120 seconds, and then left to the searches, which find everything.
"""

from __future__ import annotations

import heapq
import itertools
from datetime import datetime

import msgspec

__all__ = ["RETRIES", "Hint", "Hints"]

RETRIES = (5.0, 30.0, 120.0)
"""Seconds after which an order is asked for again that is missing or older than the hint."""


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """An order that may have changed.

    Attributes:
        event_time: when; None where nothing says so.
        source: who said it, ``notification`` or ``orders_v0``.
        attempts: how often it has been fetched in vain.
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
    """One seller's hints, the one that is due first at the front."""

    def __init__(self) -> None:
        self._pending: dict[str, tuple[float, Hint]] = {}
        self._queue: list[tuple[float, int, str]] = []
        self._number = itertools.count()

    def __len__(self) -> int:
        return len(self._pending)

    def hear(self, hint: Hint, now: float) -> bool:
        """Take a hint in; False if it says nothing new of an order that is to be fetched anyway."""
        known = self._pending.get(hint.order_id)
        if known is not None and not _is_later(hint, known[1]):
            return False
        due = now if known is None else min(known[0], now)
        self._put(hint, due)
        return True

    def again(self, hint: Hint, now: float) -> bool:
        """Amazon does not show the change yet; False: it has been asked often enough, searches will find it."""
        if hint.attempts >= len(RETRIES):
            return False
        if hint.order_id not in self._pending:  # or something newer was heard meanwhile, and is fetched at once
            later = msgspec.structs.replace(hint, attempts=hint.attempts + 1)
            self._put(later, now + RETRIES[hint.attempts])
        return True

    def next_due(self) -> float | None:
        """When the first is to be fetched; None: there is none."""
        while self._queue:
            due, _, order_id = self._queue[0]
            pending = self._pending.get(order_id)
            if pending is not None and pending[0] == due:
                return due
            heapq.heappop(self._queue)  # it was taken, or moved
        return None

    def take(self, now: float) -> Hint | None:
        """The hint that is due first, which is then nobody else's; None: none is due."""
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

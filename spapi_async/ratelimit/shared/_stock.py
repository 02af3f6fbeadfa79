"""The unused tokens of one bucket that a process has, in the order in which they become usable. Pure."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

from spapi_async.ratelimit.shared._slot import Slot

__all__ = ["Stock"]


class Stock:
    """Tokens granted to waiting calls, and tokens leased for expected calls."""

    __slots__ = ("_slots",)

    def __init__(self) -> None:
        self._slots: list[Slot] = []

    def __len__(self) -> int:
        return len(self._slots)

    def put(self, slot: Slot) -> None:
        """Add a token, after those that become usable at the same time."""
        bisect.insort_right(self._slots, slot, key=_at)

    def put_first(self, slot: Slot) -> None:
        """Add a token before all others."""
        self._slots.insert(0, slot)

    def take(self, now: float) -> Slot | None:
        """Remove and return the first token, if it is usable."""
        return self._slots.pop(0) if self._slots and self._slots[0].at <= now else None

    def at(self, place: int) -> float:
        """When the token at a position becomes usable."""
        return self._slots[place].at

    def first_at(self) -> float:
        """When the next token becomes usable; infinity if there is none."""
        return self._slots[0].at if self._slots else math.inf

    def last_at(self) -> float:
        """When the last token becomes usable."""
        return self._slots[-1].at

    def usable_by(self, moment: float) -> int:
        """How many tokens are usable by then."""
        return bisect.bisect_right(self._slots, moment, key=_at)

    def booked_first(self) -> float:
        """The earliest time, by the store's clock, at which the store assumes that a granted token was used."""
        return min((slot.booked for slot in self._slots if not slot.leased), default=math.inf)

    def uncovered(self, counts: Sequence[int]) -> tuple[int, int, int]:
        """Of the waiting calls, by priority, the number for which there is no token here."""
        covered = len(self._slots)
        left = []
        for count in counts:
            left.append(max(0, count - covered))
            covered = max(0, covered - count)
        return left[0], left[1], left[2]

    def first_end(self, idle_until: float) -> float:
        """When the next token must be returned; a leased one is, after a time without calls."""
        return min((_ends(slot, idle_until) for slot in self._slots), default=math.inf)

    def expire(self, now: float, idle_until: float) -> int:
        """Remove the leased tokens that must be returned now; returns their number."""
        return self._keep([slot for slot in self._slots if _ends(slot, idle_until) > now])

    def drop_granted(self) -> int:
        """Remove the tokens that are not leased; returns their number."""
        return self._keep([slot for slot in self._slots if slot.leased])

    def drop_leased(self) -> int:
        """Remove the leased tokens; returns their number."""
        return self._keep([slot for slot in self._slots if not slot.leased])

    def _keep(self, slots: list[Slot]) -> int:
        gone = len(self._slots) - len(slots)
        self._slots = slots
        return gone


def _ends(slot: Slot, idle_until: float) -> float:
    if not slot.leased:
        return math.inf
    return min(slot.expires, max(slot.idle_at, idle_until))


def _at(slot: Slot) -> float:
    return slot.at

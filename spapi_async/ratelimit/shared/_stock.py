"""The tokens of one bucket that a process holds and has not used yet, in the order of their moments. Pure."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

from spapi_async.ratelimit.shared._slot import Slot

__all__ = ["Stock"]


class Stock:
    """Tokens granted to calls that wait, and tokens on lease for calls that are expected."""

    __slots__ = ("_slots",)

    def __init__(self) -> None:
        self._slots: list[Slot] = []

    def __len__(self) -> int:
        return len(self._slots)

    def put(self, slot: Slot) -> None:
        """One more; of those for the same moment it comes last."""
        bisect.insort_right(self._slots, slot, key=_at)

    def put_first(self, slot: Slot) -> None:
        """One that comes before all others."""
        self._slots.insert(0, slot)

    def take(self, now: float) -> Slot | None:
        """The first one, if its moment has come."""
        return self._slots.pop(0) if self._slots and self._slots[0].at <= now else None

    def at(self, place: int) -> float:
        """From when the one at a place can be used."""
        return self._slots[place].at

    def first_at(self) -> float:
        """When the next one can be used; never, if there is none."""
        return self._slots[0].at if self._slots else math.inf

    def last_at(self) -> float:
        """When the last one can be used."""
        return self._slots[-1].at

    def usable_by(self, moment: float) -> int:
        """How many can be used by then."""
        return bisect.bisect_right(self._slots, moment, key=_at)

    def booked_first(self) -> float:
        """The first moment, by the store's clock, at which it takes one of those granted to have been used."""
        return min((slot.booked for slot in self._slots if not slot.leased), default=math.inf)

    def uncovered(self, counts: Sequence[int]) -> tuple[int, int, int]:
        """Of so many waiting calls, by priority, those that no token here is meant for."""
        covered = len(self._slots)
        left = []
        for count in counts:
            left.append(max(0, count - covered))
            covered = max(0, covered - count)
        return left[0], left[1], left[2]

    def first_end(self, idle_until: float) -> float:
        """When the next one must go back: one on lease does once no call has come for long."""
        return min((_ends(slot, idle_until) for slot in self._slots), default=math.inf)

    def expire(self, now: float, idle_until: float) -> int:
        """Let go of those on lease that must go back now; how many."""
        return self._keep([slot for slot in self._slots if _ends(slot, idle_until) > now])

    def drop_granted(self) -> int:
        """Let go of those that are not on lease; how many."""
        return self._keep([slot for slot in self._slots if slot.leased])

    def drop_leased(self) -> int:
        """Let go of those on lease; how many."""
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

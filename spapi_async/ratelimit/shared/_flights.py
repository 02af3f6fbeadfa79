"""The requests of one operation that left this process, until they are answered. Pure."""

from __future__ import annotations

import math

from spapi_async.ratelimit.shared._slot import Slot

__all__ = ["Flights"]

_SPAN = 5.0  # seconds; the longest round trip is remembered for one to two of these


class Flights:
    """Tells Redis until when all is known to have arrived at Amazon, and how late that may have been."""

    __slots__ = ("_departed", "_earlier", "_lately", "_turned_at")

    def __init__(self) -> None:
        self._departed: dict[Slot, float] = {}  # in order of departure
        self._lately = self._earlier = 0.0
        self._turned_at = 0.0

    def __len__(self) -> int:
        return len(self._departed)

    def depart(self, slot: Slot, now: float) -> None:
        """A token was given to a call: its request leaves now."""
        self._departed[slot] = now

    def recall(self, slot: Slot) -> None:
        """It did not leave after all."""
        self._departed.pop(slot, None)

    def land(self, slot: Slot, now: float) -> float:
        """Its outcome is known; the seconds that took."""
        round_trip = now - self._departed.pop(slot, now)
        self._turn(now)
        self._lately = max(self._lately, round_trip)
        return round_trip

    def booked_first(self) -> float:
        """The first moment, by the server's clock, at which Redis takes one of those under way to have left."""
        return min((slot.booked for slot in self._departed), default=math.inf)

    def slowest(self, now: float) -> float:
        """The longest round trip of late, in seconds."""
        self._turn(now)
        return max(self._lately, self._earlier)

    def _turn(self, now: float) -> None:
        if now - self._turned_at > _SPAN:
            self._earlier, self._lately = self._lately, 0.0
            self._turned_at = now

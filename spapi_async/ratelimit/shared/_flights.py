"""The requests of one operation that left this process, until they are answered. Pure."""

from __future__ import annotations

import math

from spapi_async.ratelimit._jitter import UNKNOWN, Jitter
from spapi_async.ratelimit.shared._slot import Slot

__all__ = ["Flights"]

_SPAN = 5.0  # seconds; the longest round trip is remembered for one to two of these


class Flights:
    """Tells the store until when all is known to have arrived at Amazon, and how late it may arrive.

    Attributes:
        landed_at: when the last outcome was heard.
        replied: whether any request was answered: until then nothing is known of the network.
    """

    __slots__ = ("_departed", "_earlier", "_jitter", "_lately", "_turned_at", "landed_at", "replied")

    def __init__(self) -> None:
        self._departed: dict[Slot, float] = {}  # in order of departure
        self._jitter = Jitter()
        self._lately = self._earlier = 0.0
        self._turned_at = 0.0
        self.replied = False
        self.landed_at = 0.0

    def __len__(self) -> int:
        return len(self._departed)

    def depart(self, slot: Slot, now: float) -> None:
        """A token was given to a call: its request leaves now. If that is late, it counts as the network's doing."""
        self._departed[slot] = now if slot.leased else slot.at
        slot.proven = self.replied

    def recall(self, slot: Slot) -> None:
        """It did not leave after all."""
        self._departed.pop(slot, None)

    def land(self, slot: Slot, now: float, *, replied: bool) -> None:
        """Its outcome is known: a reply came, or it is given up."""
        round_trip = now - self._departed.pop(slot, now)
        self.landed_at = now
        self._turn(now)
        self._lately = max(self._lately, round_trip)
        if replied:
            self.replied = True
            if slot.proven:
                self._jitter.record(round_trip)

    def lateness(self, least: float) -> float:
        """Seconds by which a request may arrive later than the quickest."""
        return max(self._jitter.bound, least) if self.replied else UNKNOWN

    def booked_first(self) -> float:
        """The first moment, by the store's clock, at which it takes one of those under way to have left."""
        return min((slot.booked for slot in self._departed), default=math.inf)

    def slowest(self, now: float) -> float:
        """The longest round trip of late, in seconds."""
        self._turn(now)
        return max(self._lately, self._earlier)

    def _turn(self, now: float) -> None:
        if now - self._turned_at > _SPAN:
            self._earlier, self._lately = self._lately, 0.0
            self._turned_at = now

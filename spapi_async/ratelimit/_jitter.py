"""How long after its departure a request may reach Amazon's bucket, as far as round trips tell. Pure."""

from __future__ import annotations

__all__ = ["Jitter"]

LONGEST = 0.21
"""Seconds. What varies by more is Amazon's own work on the request, which comes after its bucket was asked."""

UNKNOWN = 1.0
"""Seconds allowed before the first reply of a bucket: a connection may have to be opened and a token fetched on the
way."""

MARGIN = 1.25
FEW = 16
DRIFT = 1 / 1024


class Jitter:
    """The spread of the round trips of one operation in one region.

    A reply's round trip, less the shortest one seen, bounds how much later than the quickest request this one can have
    arrived. Both ends drift towards each other, so that a route that changed is learned within some hundred calls.
    """

    __slots__ = ("_excess", "_replies", "_shortest", "bound")

    def __init__(self) -> None:
        self._replies = 0
        self._shortest = 0.0
        self._excess = 0.0
        self.bound = LONGEST  # seconds between departure and the latest arrival that has to be reckoned with

    def record(self, round_trip: float) -> None:
        """Learn from one reply."""
        self._replies += 1
        if self._replies == 1:
            self._shortest = round_trip
            return
        excess = round_trip - self._shortest
        if excess < 0.0:
            self._shortest = round_trip
            self._excess -= excess
            excess = 0.0
        else:
            self._shortest += excess * DRIFT
        faded = self._excess * (1.0 - DRIFT)
        self._excess = excess if excess > faded else faded  # noqa: FURB136  # every reply comes by here, max() is slow
        if self._replies >= FEW:
            bound = self._excess * MARGIN
            self.bound = bound if bound < LONGEST else LONGEST  # noqa: FURB136

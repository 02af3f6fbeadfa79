"""How long after its departure a request may reach Amazon's bucket, as far as round trips tell. Pure."""

from __future__ import annotations

__all__ = ["UNKNOWN", "Jitter"]

LONGEST = 0.21
"""Seconds. What varies by more is Amazon's own work on the request, which comes after its bucket was asked."""

UNKNOWN = 1.0
"""Seconds allowed before the first reply of a bucket: a connection may have to be opened and a token fetched on the
way. Such round trips say nothing about later ones and are not recorded."""

MARGIN = 1.25
SPAN = 64
"""Replies after which what was seen is remembered for as many more, then forgotten: a route may change."""

FEW = 16
"""Replies before which too little is known."""


class Jitter:
    """The spread of the round trips of one operation in one region.

    A reply's round trip, less the shortest one seen, bounds how much later than the quickest request this one can have
    arrived. The longest and the shortest of the last 64 to 128 replies count.

    Attributes:
        bound: seconds between departure and the latest arrival that has to be reckoned with.
        patience: seconds between departure and the latest reply that has to be reckoned with.
    """

    __slots__ = (
        "_longest", "_longest_before", "_replies", "_shortest", "_shortest_before", "_turn", "bound", "patience",
    )  # fmt: skip

    def __init__(self) -> None:
        self._replies = self._turn = 0
        self._shortest = self._shortest_before = float("inf")
        self._longest = self._longest_before = 0.0
        self.bound = LONGEST
        self.patience = float("inf")

    def record(self, round_trip: float) -> None:
        """Learn from one reply."""
        self._turn += 1
        if self._turn > SPAN:
            self._turn = 1
            self._shortest_before, self._longest_before = self._shortest, self._longest
            self._shortest = self._longest = round_trip
        elif round_trip < self._shortest:
            self._shortest = round_trip
        if round_trip > self._longest:
            self._longest = round_trip
        elif self._turn > 1 and self._replies > FEW:
            return  # neither end moved
        self._replies += 1
        if self._replies >= FEW:
            shortest = min(self._shortest, self._shortest_before)
            longest = max(self._longest, self._longest_before)
            self.bound = min(MARGIN * (longest - shortest), LONGEST)
            self.patience = MARGIN * longest

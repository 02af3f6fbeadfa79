"""How long after it was sent a request may reach Amazon's bucket, estimated from round trips. Pure."""

from __future__ import annotations

__all__ = ["UNKNOWN", "Jitter"]

LONGEST = 0.21
"""Seconds. A larger variation is due to Amazon's processing, which happens after the token was taken."""

UNKNOWN = 1.0
"""Seconds allowed before the first reply of a bucket: a connection may have to be opened and a token to be fetched.
Such round trips say nothing about later ones and are not recorded."""

MARGIN = 1.25
SPAN = 64
"""Observations are kept for this many replies and for as many more, then forgotten: a route may change."""

FEW = 16
"""Replies before which the estimate is not used."""


class Jitter:
    """The spread of the round trips of one operation in one region.

    A reply's round trip, less the shortest one seen, bounds how much later than the quickest request this one can have
    arrived. The longest and the shortest of the last 64 to 128 replies are used.

    Attributes:
        bound: seconds between sending and the latest arrival to be expected.
        patience: seconds between sending and the latest reply to be expected.
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
            return  # neither extreme changed
        self._replies += 1
        if self._replies >= FEW:
            shortest = min(self._shortest, self._shortest_before)
            longest = max(self._longest, self._longest_before)
            self.bound = min(MARGIN * (longest - shortest), LONGEST)
            self.patience = MARGIN * longest

"""How long after it was sent a request may reach Amazon's bucket, estimated from round trips. Pure."""

from __future__ import annotations

__all__ = ["UNKNOWN_JITTER", "Jitter"]

LARGEST_JITTER = 0.21
"""Seconds. A larger variation is due to Amazon's processing, which happens after the token was taken."""

UNKNOWN_JITTER = 1.0
"""Seconds allowed before the first reply of a bucket: a connection may have to be opened and a token to be fetched.
Such round trips say nothing about later ones and are not recorded."""

SAFETY_MARGIN = 1.25
"""The factor by which the estimates exceed what was observed."""

REPLIES_KEPT = 64
"""Replies in each of the two runs from which extremes are taken; older ones are forgotten, since a route may change."""

LEAST_REPLIES = 16
"""Replies needed before an estimate is used."""


class Jitter:
    """The spread of the round trips of one operation in one region.

    A reply's round trip, less the shortest one seen, bounds how much later than the quickest request this one can have
    arrived. The longest and the shortest of the last 64 to 128 replies are used.

    Attributes:
        bound: seconds between sending and the latest arrival to be expected.
        reply_within: seconds between sending and the latest reply to be expected.
    """

    __slots__ = (
        "_longest", "_longest_before", "_replies", "_shortest", "_shortest_before", "_turn", "bound", "reply_within",
    )  # fmt: skip

    def __init__(self) -> None:
        self._replies = self._turn = 0
        self._shortest = self._shortest_before = float("inf")
        self._longest = self._longest_before = 0.0
        self.bound = LARGEST_JITTER
        self.reply_within = float("inf")

    def record(self, round_trip: float) -> None:
        """Learn from one reply."""
        self._turn += 1
        if self._turn > REPLIES_KEPT:
            self._turn = 1
            self._shortest_before, self._longest_before = self._shortest, self._longest
            self._shortest = self._longest = round_trip
        elif self._shortest <= round_trip <= self._longest and self._replies > LEAST_REPLIES:
            return  # neither extreme changed
        else:
            self._shortest = min(self._shortest, round_trip)
            self._longest = max(self._longest, round_trip)
        self._replies += 1
        if self._replies >= LEAST_REPLIES:
            shortest = min(self._shortest, self._shortest_before)
            longest = max(self._longest, self._longest_before)
            self.bound = min(SAFETY_MARGIN * (longest - shortest), LARGEST_JITTER)
            self.reply_within = SAFETY_MARGIN * longest

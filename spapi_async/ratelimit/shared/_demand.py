"""Estimates how many calls a process will make soon from its recent calls. Pure."""

from __future__ import annotations

import math

__all__ = ["Demand"]

_AVERAGED_OVER = 4.0  # seconds over which calls are averaged: longer than a process waits for its turn among eight
_PREFETCH_RATE = 4.0  # tokens a second from which a round trip per call is worth avoiding
_WORTHWHILE = 10  # the least number of tokens to lease, if the calls of the next four leases will use them


class Demand:
    """Counts calls as they arrive, with exponential decay; with ``can_be_lent`` False, no token is ever leased."""

    __slots__ = ("_at", "_began", "_can_be_lent", "_count")

    def __init__(self, now: float, *, can_be_lent: bool) -> None:
        self._can_be_lent = can_be_lent
        self._began = self._at = now
        self._count = 0.0

    def arrived(self, now: float) -> None:
        """Count a new call."""
        self._count = self._count * math.exp((self._at - now) / _AVERAGED_OVER) + 1
        self._at = now

    def rate(self, now: float) -> float:
        """Recent calls per second."""
        age = max(now - self._began, 1.0)
        return (
            self._count
            * math.exp((self._at - now) / _AVERAGED_OVER)
            / (_AVERAGED_OVER * (1 - math.exp(-age / _AVERAGED_OVER)))
        )

    def wish(self, now: float, pace: float, lease_seconds: float) -> int:
        """Tokens likely to be used within a lease at this pace; 0 if one exchange per call is enough."""
        if pace < _PREFETCH_RATE or not self._can_be_lent:
            return 0
        expected = min(self.rate(now), pace) * lease_seconds
        return max(int(expected), min(_WORTHWHILE, int(4 * expected)))

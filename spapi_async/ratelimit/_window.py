"""A sliding log: at most n requests in any period of a given length. Pure arithmetic on times that the caller passes.

Amazon counts a request when it arrives, some unknown time after it was sent. It is entered here at the latest time at
which it can have arrived, so that a request sent when that entry has expired arrives a whole window later, whatever the
network does.
"""

from __future__ import annotations

import bisect
from collections import deque

from spapi_async.ratelimit._bucket import Flight

__all__ = ["SlidingLog", "opening"]


def opening(moments: list[float], requests: int, seconds: float, earliest: float, number: int) -> float:
    """When the ``number``-th further request can be sent; ``moments`` are the arrivals in the window (ascending)."""
    moments = list(moments)
    # An entry made then expires a window later at the earliest: the pattern repeats every ``requests``.
    cycles, rest = divmod(number - 1, requests)
    for _ in range(rest + 1):
        place = len(moments) - requests
        moments.append(earliest if place < 0 else max(earliest, moments[place] + seconds))
    return moments[-1] + cycles * seconds


class SlidingLog:
    """The requests of the last ``seconds``; never more than ``requests``.

    Has the methods of :class:`TokenBucket`, so that one decision serves both. Nothing here waits.
    """

    __slots__ = ("_blocked_until", "_flights", "_starts", "drawn", "gone", "requests", "reserved", "seconds")

    def __init__(self, requests: int, seconds: float) -> None:
        self.requests = requests
        self.seconds = seconds
        self._starts: list[float] = []  # the latest arrival times of requests that have arrived; ascending
        self._flights: deque[Flight] = deque()
        self._blocked_until = float("-inf")
        self.gone = float("-inf")  # the latest entry that count() pushed out
        self.reserved = 0  # places promised to calls that wait for another bucket
        self.drawn = 0

    @property
    def rate(self) -> float:
        """Requests a second in the long run."""
        return self.requests / self.seconds

    @property
    def burst(self) -> float:
        """Requests that may be sent together."""
        return float(self.requests)

    # ---- taking -----------------------------------------------------------------------------------------------------

    def has_token(self, now: float) -> bool:
        """Whether a request sent now is certain to fit."""
        return now >= self._blocked_until and self.tokens(now) >= 1

    def launch(self, flight: Flight) -> None:
        """Enter a request that is sent now; ``has_token`` must have just returned True."""
        flight.spare = self._left()
        self.drawn = flight.number = self.requests - int(flight.spare) + 1
        self._flights.append(flight)

    def land(self, flight: Flight, now: float) -> None:
        """The request has arrived by now."""
        self.settle(now)
        if not flight.landed:
            flight.landed = True
            self._flights.remove(flight)
            bisect.insort(self._starts, now)

    def recall(self, flight: Flight, now: float) -> None:
        """The request was not counted: it was not sent, or was refused."""
        self.settle(now)
        if not flight.landed:
            flight.landed = True
            self._flights.remove(flight)
        else:
            self.uncount(flight.lands_by)

    def count(self, moment: float) -> None:
        """Enter a request that another version of the rule admitted; only the last ``requests`` entries stay."""
        bisect.insort(self._starts, moment)
        if len(self._starts) > self.requests:
            self.gone = self._starts.pop(0)

    def uncount(self, moment: float) -> None:
        """A request entered at that moment was not counted."""
        place = bisect.bisect_left(self._starts, moment)
        if self._starts[place : place + 1] == [moment]:
            del self._starts[place]

    def block(self, until: float) -> None:
        """Another client uses the same limit: admit no request before then."""
        self._blocked_until = max(self._blocked_until, until)

    def blocked(self, now: float) -> float:
        """Seconds for which no request is admitted, whatever the entries."""
        return max(self._blocked_until - now, 0.0)

    def settle(self, now: float) -> None:
        """Enter requests that must have arrived by now, and drop entries that are a window old."""
        flights = self._flights
        while flights and flights[0].lands_by <= now:
            flight = flights.popleft()
            flight.landed = True
            bisect.insort(self._starts, flight.lands_by)
        gone = bisect.bisect_right(self._starts, now - self.seconds)
        # A timer set for the moment at which an entry expires must find it expired, whatever the rounding.
        while gone < len(self._starts) and self._starts[gone] + self.seconds <= now:
            gone += 1
        del self._starts[:gone]

    # ---- looking ----------------------------------------------------------------------------------------------------

    def tokens(self, now: float) -> float:
        """Requests that could be sent together now."""
        self.settle(now)
        return self._left()

    def _left(self) -> float:
        return float(self.requests - len(self._starts) - len(self._flights) - self.reserved)

    def is_full(self, now: float) -> bool:
        """Whether the log has no entries."""
        self.settle(now)
        return not self._starts and not self._flights and now >= self._blocked_until

    def delay(self, now: float, number: int = 1) -> float:
        """Seconds from now until the ``number``-th further request can be sent, if there is no reply before."""
        self.settle(now)
        earliest = max(now, self._blocked_until)
        moments = sorted([*self._starts, *(flight.lands_by for flight in self._flights)])
        return opening(moments, self.requests, self.seconds, earliest, number + self.reserved) - now

    def state(self, now: float) -> list[float]:
        """The ages of the requests in the window, for a later run."""
        self.settle(now)
        return [now - start for start in self._starts] + [0.0] * len(self._flights)

    def restore(self, ages: list[float], now: float) -> None:
        """Restore the entries of an earlier run."""
        self._starts = sorted(now - max(age, 0.0) for age in ages)
        self.settle(now)

"""One token bucket as Amazon keeps it, seen from here: pure arithmetic on moments that the caller names.

``aiolimiter.AsyncLimiter`` is the leaking level (it counts *used* capacity, so tokens are ``max_rate - level``). What
it lacks is added here: an explicit clock, requests in flight, rates and bursts that change, tokens that come back,
debt.

*In flight.* The bucket that counts stands at Amazon's gate, and a request reaches it some unknown time after it left.
While that bucket is full, nothing flows into it: a request that arrives late costs the refill it would have started.
So a request is charged at the latest moment at which it can have arrived (its reply came, or the network's measured
jitter has passed: ``lands_by``), and until then one token is kept for it. The level here is therefore never above
Amazon's, whatever the network does, and costs no throughput as long as the burst covers what is in flight.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from aiolimiter import AsyncLimiter

__all__ = ["Flight", "TokenBucket"]

EPSILON = 1e-9
"""A token that lacks less than this is whole: the rounding of a few thousand additions."""


class Flight(Protocol):
    """A request that holds a token until it has certainly arrived."""

    landed: bool
    lands_by: float
    spare: float
    """Tokens that were counted on when it left, its own included."""
    number: int
    """How many had left since the bucket was full, this one included."""


class TokenBucket(AsyncLimiter):
    """A bucket of ``burst`` tokens into which ``rate`` flow each second; full at first.

    Every method takes ``now`` in seconds of one monotonic clock. Nothing here waits.
    """

    __slots__ = ("_flights", "drawn", "flying")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        super().__init__(burst, burst / rate)
        self._last_check = now
        self._flights: deque[Flight] | None = None
        self.drawn = 0  # requests since it was full
        self.flying = 0  # requests sent that may not have arrived yet; each keeps one token

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self._rate_per_sec

    @property
    def burst(self) -> float:
        """Capacity in tokens."""
        return self.max_rate

    # ---- taking -----------------------------------------------------------------------------------------------------

    def has_token(self, now: float) -> bool:
        """Whether a request that leaves now is certain to find a token."""
        flights = self._flights
        if flights and flights[0].lands_by <= now:
            self._land_overdue(now)
        self._leak_until(now)
        return self._level + self.flying + 1 - EPSILON <= self.max_rate

    def spend(self) -> None:
        """Take a token at once; ``has_token`` was true in the same breath."""
        self._level += 1

    def launch(self, flight: Flight) -> None:
        """Keep a token for a request that leaves now; ``has_token`` was true in the same breath."""
        if not self._level and not self.flying:
            self.drawn = 0
        self.drawn = flight.number = self.drawn + 1
        flight.spare = self.max_rate - self._level - self.flying
        flights = self._flights
        if flights is None:
            flights = self._flights = deque()
        flights.append(flight)
        self.flying += 1

    def land(self, flight: Flight, now: float) -> None:
        """The request has arrived by now: its token is spent."""
        self.settle(now)
        if not flight.landed:
            flight.landed = True
            self.flying -= 1
            self._level += 1

    def recall(self, flight: Flight, now: float) -> None:
        """The request took no token: it never left, or was refused."""
        self.settle(now)
        if flight.landed:
            self.refund()
        else:
            flight.landed = True
            self.flying -= 1

    def refund(self) -> None:
        """Put one token back."""
        self._level = max(self._level - 1, 0.0)

    def settle(self, now: float) -> None:
        """Let in what has flowed until now, at the rate that held until now."""
        if self._flights:
            self._land_overdue(now)
        self._leak_until(now)

    def _land_overdue(self, now: float) -> None:
        flights = self._flights
        assert flights is not None
        while flights:
            first = flights[0]
            if not first.landed:
                if first.lands_by > now:
                    return
                self._leak_until(first.lands_by)
                self._level += 1
                self.flying -= 1
                first.landed = True
            flights.popleft()

    def _leak_until(self, moment: float) -> None:
        """AsyncLimiter's leak at a named moment, never backwards; its own asks the event loop what time it is."""
        last = self._last_check
        if moment <= last:
            return
        if self._level:
            level = self._level - (moment - last) * self._rate_per_sec
            self._level = level if level > 0.0 else 0.0  # noqa: FURB136  # every call comes by here, and max() is slow
        self._last_check = moment

    # ---- changing ---------------------------------------------------------------------------------------------------

    def set_rate(self, rate: float, now: float) -> None:
        """Another rate from now on; what accrued so far accrued at the old one."""
        self.settle(now)
        self.time_period = self.max_rate / rate
        self._rate_per_sec = rate

    def set_burst(self, burst: float, now: float) -> None:
        """Another capacity from now on; tokens at hand stay, as far as they fit."""
        self.settle(now)
        tokens = min(self.max_rate - self._level, burst)
        self._level = burst - tokens
        self.max_rate = burst
        self.time_period = burst / self._rate_per_sec

    def set_tokens(self, tokens: float, now: float) -> None:
        """Correct the level from outside evidence: a 429 (none are left), a saved state."""
        self.settle(now)
        self._level = max(self.max_rate - tokens, 0.0)

    # ---- looking ----------------------------------------------------------------------------------------------------

    def tokens(self, now: float) -> float:
        """Tokens that a request leaving now can count on, as a fraction; below zero when in debt."""
        self.settle(now)
        return self.max_rate - self._level - self.flying

    def is_full(self, now: float) -> bool:
        """Whether it holds all it can and nothing is in flight."""
        self.settle(now)
        return not self._level and not self.flying

    def delay(self, now: float, number: int = 1) -> float:
        """Seconds from now until the ``number``-th further request can leave, if no reply comes before.

        For ``number`` 1 it is a moment at which to look again: exact, unless a reply makes it earlier.
        """
        missing = number - self.tokens(now)
        if missing <= EPSILON:
            return 0.0
        refill = missing / self._rate_per_sec
        if 1 + self.flying <= self.max_rate + EPSILON and self._level:
            return refill
        # Full apart from what is in flight: nothing flows in until the first of those is known to have arrived.
        landing = max(self._next_landing(now) - now, 0.0)
        return landing if number == 1 and 1 + self.flying > self.max_rate + EPSILON else landing + refill

    def _next_landing(self, now: float) -> float:
        for flight in self._flights or ():
            if not flight.landed:
                return flight.lands_by
        return now

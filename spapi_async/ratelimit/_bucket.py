"""One token bucket as Amazon keeps it, seen from here: pure arithmetic on moments that the caller names.

The rule is that of ``aiolimiter.AsyncLimiter`` (``max_rate`` is the burst, ``time_period`` is ``burst / rate``; a test
holds the two against each other), which counts the *used* capacity, so that a full bucket is the number 0. What that
class has no place for is the reason for this one: a clock that the caller names, requests in flight, rates and bursts
that change, tokens that come back, debt.

*In flight.* The bucket that counts stands at Amazon's gate, and a request reaches it some unknown time after it left.
While that bucket is full, nothing flows into it: a request that arrives late costs the refill it would have started.
So a request is charged at the latest moment at which it can have arrived (its reply came, or the network's measured
jitter has passed: ``lands_by``), and until then one token is kept for it. The level here is therefore never above
Amazon's, whatever the network does, and costs no throughput as long as the burst covers what is in flight.

*Silence.* A program or a network that stands still for a moment delays requests by more than any jitter seen before,
and lets them arrive together. What shows it in time is that no reply comes: a request that should have been answered
by now (``answered_by``), while none that left later was, may still be on its way. A token is then kept for it again,
until it or a later one is answered. One slow reply among quick ones is Amazon's work and changes nothing.
"""

from __future__ import annotations

from collections import deque

__all__ = ["EPSILON", "NEVER", "Flight", "TokenBucket"]

NEVER = float("inf")

LONGEST_SILENCE = 1.0
"""Seconds after its departure from which a request without a reply is taken to have arrived, in any silence."""

EPSILON = 1e-9
"""A token that lacks less than this is whole: the rounding of a few thousand additions."""


class Flight:
    """A request on its way to one limit; it holds a token until it has certainly arrived.

    Attributes:
        lands_by: the latest moment at which it can arrive.
        landed: whether it has.
        spare: tokens that were counted on when it left, its own included; the limit fills it in.
        number: how many had left since the limit was untouched, this one included; likewise.
        sent_at: when it left.
        answered_by: when its reply should have come, as far as is known.
        answered: whether it has, or the request is given up.
    """

    __slots__ = ("answered", "answered_by", "landed", "lands_by", "number", "sent_at", "spare")

    def __init__(self, lands_by: float, *, sent_at: float = 0.0, answered_by: float = NEVER) -> None:
        self.sent_at = sent_at
        self.lands_by = lands_by
        self.answered_by = answered_by
        self.answered = False
        self.landed = False
        self.spare = 0.0
        self.number = 0


class TokenBucket:
    """A bucket of ``burst`` tokens into which ``rate`` flow each second; full at first.

    Every method takes ``now`` in seconds of one monotonic clock. Nothing here waits.
    """

    __slots__ = ("_at", "_flights", "_flying", "_late", "_presumed", "_used", "burst", "drawn", "kept", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self.kept = 0  # tokens promised to calls that wait for another bucket
        self.drawn = 0  # requests since it was full
        self._used = 0.0  # capacity in use: burst less tokens
        self._at = now  # the moment of that
        self._flights: deque[Flight] | None = None
        self._flying = 0  # requests sent that may not have arrived yet; each keeps one token
        self._presumed: deque[Flight] | None = None  # charged, but not answered yet
        self._late: deque[Flight] = _NONE  # those in flight again because their replies are overdue

    # ---- taking -----------------------------------------------------------------------------------------------------

    def has_token(self, now: float) -> bool:
        """Whether a request that leaves now is certain to find a token that is promised to nobody."""
        flights = self._flights
        if flights and flights[0].lands_by <= now:
            self._land_overdue(now)
        if self._late:
            self._land_late(now - LONGEST_SILENCE, now)
        self._leak_until(now)
        if self._used + self._flying + self.kept + 1 - EPSILON > self.burst:
            return False
        presumed = self._presumed
        if presumed and (self._late or presumed[0].answered_by <= now):
            self._doubt(now)
            return self._used + self._flying + self.kept + 1 - EPSILON <= self.burst
        return True

    def launch(self, flight: Flight) -> None:
        """Keep a token for a request that leaves now; ``has_token`` was true in the same breath."""
        flying = self._flying
        if not self._used and not flying:
            self.drawn = 0
        self.drawn = flight.number = self.drawn + 1
        flight.spare = self.burst - self._used - flying
        flights = self._flights
        if flights is None:
            flights = self._flights = deque()
            self._presumed = deque()
        flights.append(flight)
        self._flying = flying + 1

    def land(self, flight: Flight, now: float) -> None:
        """The request was answered, or is given up, so it has arrived by now: its token is spent."""
        self.settle(now)
        presumed = self._presumed
        if presumed and (self._late or presumed[0].answered_by <= now):
            self._doubt(now)
        flight.answered = True
        if not flight.landed:
            flight.landed = True
            self._flying -= 1
            self._used += 1
        while presumed and presumed[0].sent_at <= flight.sent_at:
            presumed.popleft()
        if self._late:
            self._land_late(flight.sent_at, now)

    def recall(self, flight: Flight, now: float) -> None:
        """The request took no token: it never left, or was refused."""
        self.settle(now)
        flight.answered = True
        if flight.landed:
            self._used = max(self._used - 1, 0.0)
        else:
            flight.landed = True
            self._flying -= 1

    def settle(self, now: float) -> None:
        """Let in what has flowed until now, at the rate that held until now."""
        if self._flights:
            self._land_overdue(now)
        if self._late:
            self._land_late(now - LONGEST_SILENCE, now)
        self._leak_until(now)

    def _doubt(self, now: float) -> None:
        """Nothing has been heard since a request left that should have been answered: none since may have arrived."""
        presumed = self._presumed
        assert presumed is not None
        if self._late is _NONE:
            self._late = deque()
        for flight in presumed:
            if not flight.answered and flight.sent_at + LONGEST_SILENCE > now:
                self._late.append(flight)
                flight.landed = False
                self._used = max(self._used - 1, 0.0)
                self._flying += 1
        presumed.clear()

    def _land_late(self, sent_by: float, now: float) -> None:
        """What left by then has arrived: a later request was answered, or no silence lasts so long."""
        late = self._late
        while late and (late[0].landed or late[0].sent_at <= sent_by):
            flight = late.popleft()
            if not flight.landed:
                self._leak_until(min(flight.sent_at + LONGEST_SILENCE, now))
                flight.landed = True
                self._flying -= 1
                self._used += 1

    def _land_overdue(self, now: float) -> None:
        flights, presumed = self._flights, self._presumed
        assert flights is not None
        assert presumed is not None
        while flights:
            first = flights[0]
            if not first.landed:
                if first.lands_by > now:
                    return
                self._leak_until(first.lands_by)
                self._used += 1
                self._flying -= 1
                first.landed = True
                presumed.append(first)
            flights.popleft()

    def _leak_until(self, moment: float) -> None:
        """Let capacity in use leak until a named moment; never backwards."""
        last = self._at
        if moment <= last:
            return
        if self._used:
            used = self._used - (moment - last) * self.rate
            self._used = used if used > 0.0 else 0.0  # noqa: FURB136  # every call comes by here, and max() is slow
        self._at = moment

    # ---- changing ---------------------------------------------------------------------------------------------------

    def set_rate(self, rate: float, now: float) -> None:
        """Another rate from now on; what accrued so far accrued at the old one."""
        self.settle(now)
        self.rate = rate

    def set_burst(self, burst: float, now: float) -> None:
        """Another capacity from now on; tokens at hand stay, as far as they fit."""
        self.settle(now)
        tokens = min(self.burst - self._used, burst)
        self._used = burst - tokens
        self.burst = burst

    def set_tokens(self, tokens: float, now: float) -> None:
        """Correct the level from outside evidence: a 429 (none are left), a saved state."""
        self.settle(now)
        self._used = max(self.burst - tokens, 0.0)

    # ---- looking ----------------------------------------------------------------------------------------------------

    def tokens(self, now: float) -> float:
        """Tokens that a request leaving now can count on, as a fraction; below zero when in debt."""
        self.settle(now)
        presumed = self._presumed
        if presumed and (self._late or presumed[0].answered_by <= now):
            self.has_token(now)  # which doubts them where it matters
        return self.burst - self._used - self._flying - self.kept

    def is_full(self, now: float) -> bool:
        """Whether it holds all it can and nothing is in flight."""
        self.settle(now)
        return not self._used and not self._flying

    def delay(self, now: float, number: int = 1) -> float:
        """Seconds from now until the ``number``-th further request can leave, if no reply comes before.

        For ``number`` 1 it is a moment at which to look again: exact, unless a reply makes it earlier.
        """
        missing = number - self.tokens(now)
        if missing <= EPSILON:
            return 0.0
        refill = missing / self.rate
        if 1 + self._flying <= self.burst + EPSILON and self._used:
            return refill
        # Full apart from what is in flight: nothing flows in until the first of those is known to have arrived.
        landing = max(self._next_landing(now) - now, 0.0)
        return landing if number == 1 and 1 + self._flying > self.burst + EPSILON else landing + refill

    def _next_landing(self, now: float) -> float:
        late = min((each.sent_at + LONGEST_SILENCE for each in self._late if not each.landed), default=NEVER)
        for flight in self._flights or ():
            if not flight.landed:
                return min(flight.lands_by, late)
        return late if late < NEVER else now


_NONE: deque[Flight] = deque()

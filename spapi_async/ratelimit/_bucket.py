"""The client's copy of one of Amazon's token buckets: pure arithmetic on times that the caller passes.

The algorithm is that of ``aiolimiter.AsyncLimiter`` (``max_rate`` is the burst, ``time_period`` is ``burst / rate``; a
test compares the two), which counts the *used* capacity, so that a full bucket is the number 0. That class lacks what
this one adds: a clock that the caller chooses, requests in flight, changing rates and bursts, returned tokens, debt.

*In flight.* The bucket that decides is Amazon's, and a request reaches it some unknown time after it was sent. While
that bucket is full, nothing flows into it: a request that arrives late costs the refill that it would have started. So
a request is charged at the latest moment at which it can have arrived (its reply came, or the network's measured jitter
has passed: ``lands_by``), and until then one token is reserved for it. The level here is therefore never above
Amazon's, whatever the network does. This costs no throughput as long as the burst covers the requests in flight.

*Silence.* A program or network that stalls for a moment delays requests by more than any jitter seen before, and lets
them arrive together. The missing replies reveal this in time: if a request should have been answered by now
(``answered_by``), and no later request has been, it may still be on its way. A token is then reserved for it again,
until it or a later one is answered. A single slow reply among quick ones is due to Amazon and changes nothing.
"""

from __future__ import annotations

from collections import deque
from typing import Any

__all__ = ["EPSILON", "LONGEST_SILENCE", "NEVER", "Flight", "TokenBucket"]

NEVER = float("inf")

_NONE: deque[Any] = deque()  # shared by all buckets from which nothing was sent yet, to save memory

LONGEST_SILENCE = 1.0
"""Seconds after which a request without a reply is assumed to have arrived, even in a silence."""

EPSILON = 1e-9
"""A token that lacks less than this counts as whole: the rounding error of a few thousand additions."""


class Flight:
    """A request on its way to one limit; a token is reserved for it until it has certainly arrived.

    Attributes:
        lands_by: the latest time at which it can arrive.
        landed: whether it has arrived.
        spare: the tokens available when it was sent, including its own; set by the limit.
        number: the requests sent since the limit was unused, including this one; set by the limit.
        sent_at: when it was sent.
        answered_by: when its reply should arrive, as far as is known.
    """

    __slots__ = ("answered_by", "landed", "lands_by", "number", "sent_at", "spare")

    def __init__(self, lands_by: float, *, sent_at: float = 0.0, answered_by: float = NEVER) -> None:
        self.sent_at = sent_at
        self.lands_by = lands_by
        self.answered_by = answered_by
        self.landed = False
        self.spare = 0.0
        self.number = 0


class TokenBucket:
    """A bucket of ``burst`` tokens into which ``rate`` tokens flow each second; full at first.

    Every method takes ``now`` in seconds of one monotonic clock. Nothing here waits.

    Two things happen as time passes: used capacity leaks, continuously, and requests are assumed to have arrived, or to
    be late, at times known in advance. ``_next`` is the first of these times: before it, a call costs only one
    comparison more than the arithmetic of a bucket.
    """

    __slots__ = (
        "_at",
        "_flights",
        "_flying",
        "_late",
        "_next",
        "_presumed",
        "_used",
        "burst",
        "drawn",
        "rate",
        "reserved",
    )

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self.reserved = 0  # tokens promised to calls that wait for another bucket
        self.drawn = 0  # requests since it was full
        self._used = 0.0  # capacity in use: burst less tokens
        self._at = now  # when _used was computed
        self._next = NEVER  # before then, capacity only leaks
        self._flying = 0  # requests sent that may not have arrived yet; each keeps one token
        self._flights: deque[Flight] = _NONE  # these requests, in the order sent; some have landed
        self._presumed: deque[Flight] = _NONE  # charged, but not answered yet
        self._late: deque[Flight] = _NONE  # those in flight again because their replies are overdue

    # ---- taking -----------------------------------------------------------------------------------------------------

    def has_token(self, now: float) -> bool:
        """Whether a request sent now is certain to find a token that is not promised to another call."""
        if now >= self._next:
            self._catch_up(now)
        self._leak(now)
        return self._used + self._flying + self.reserved + 1 - EPSILON <= self.burst

    def launch(self, flight: Flight) -> None:
        """Reserve a token for a request that is sent now; ``has_token`` must have just returned True."""
        flying = self._flying
        if not self._used and not flying:
            self.drawn = 0
        self.drawn = flight.number = self.drawn + 1
        flight.spare = self.burst - self._used - flying
        self._flying = flying + 1
        if self._flights is _NONE:
            self._flights, self._presumed = deque(), deque()
        self._flights.append(flight)
        if flight.lands_by < self._next:  # noqa: PLR1730  # on the path of every call, and min() is slow
            self._next = flight.lands_by

    def land(self, flight: Flight, now: float) -> None:
        """The request was answered or is given up, so it has arrived by now: its token is spent."""
        presumed, late = self._presumed, self._late
        if self._flying == 1 and not (flight.landed or presumed or late):
            # The only request in flight, as in a program that makes one call after another.
            self._charge(flight, flight.lands_by if flight.lands_by < now else now)  # noqa: FURB136
            self._flights.clear()
            self._next = NEVER
            return
        if now >= self._next:
            self._catch_up(now)
        if not flight.landed:
            self._charge(flight, now)
        while presumed and presumed[0].sent_at <= flight.sent_at:
            presumed.popleft()
        if self._late:
            self._land_late(flight.sent_at, now)

    def recall(self, flight: Flight, now: float) -> None:
        """The request took no token: it was not sent, or was refused."""
        self.settle(now)
        if flight.landed:
            self._used = max(self._used - 1, 0.0)
            if flight in self._presumed:
                self._presumed.remove(flight)
        else:
            flight.landed = True
            self._flying -= 1

    def settle(self, now: float) -> None:
        """Add the tokens that have flowed in until now, at the rate that applied until now."""
        if now >= self._next:
            self._catch_up(now)
        self._leak(now)

    def _leak(self, now: float) -> None:
        """Used capacity leaks until now."""
        if now > self._at:  # never backwards
            if self._used:
                used = self._used - (now - self._at) * self.rate
                self._used = used if used > 0.0 else 0.0  # noqa: FURB136  # on the path of every call, and max() is slow
            self._at = now

    # ---- what happens as time passes --------------------------------------------------------------------------------

    def _catch_up(self, now: float) -> None:
        """Mark requests as arrived, or as late, if their time has come."""
        flights, presumed = self._flights, self._presumed
        soonest = NEVER
        while flights:
            first = flights[0]
            if not first.landed:
                if first.lands_by > now:
                    soonest = first.lands_by
                    break
                self._charge(first, first.lands_by)
                presumed.append(first)
            flights.popleft()
        if presumed and (self._late or presumed[0].answered_by <= now):
            self._doubt(min(presumed[0].answered_by, now))
        if self._late:
            self._land_late(now - LONGEST_SILENCE, now)
        if presumed and presumed[0].answered_by < soonest:
            soonest = presumed[0].answered_by
        if self._late:
            soonest = min(soonest, self._late[0].sent_at + LONGEST_SILENCE)
        self._next = soonest

    def _doubt(self, moment: float) -> None:
        """A reply is overdue at that moment: the request and all later ones may not have arrived."""
        if self._late is _NONE:
            self._late = deque()
        for flight in self._presumed:
            if flight.sent_at + LONGEST_SILENCE > moment:
                self._late.append(flight)
                flight.landed = False
                self._used = max(self._used - 1, 0.0)
                self._flying += 1
        self._presumed.clear()

    def _land_late(self, sent_by: float, now: float) -> None:
        """Requests sent by then have arrived: a later one was answered, or the silence has lasted too long."""
        late = self._late
        while late and (late[0].landed or late[0].sent_at <= sent_by):
            flight = late.popleft()
            if not flight.landed:
                self._charge(flight, min(flight.sent_at + LONGEST_SILENCE, now))

    def _charge(self, flight: Flight, moment: float) -> None:
        """A request arrives at the given moment: its reserved token is now spent."""
        self._leak(moment)
        self._used += 1
        self._flying -= 1
        flight.landed = True

    # ---- changing ---------------------------------------------------------------------------------------------------

    def set_rate(self, rate: float, now: float) -> None:
        """Use another rate from now on; tokens so far accrued at the old rate."""
        self.settle(now)
        self.rate = rate

    def set_burst(self, burst: float, now: float) -> None:
        """Use another capacity from now on; available tokens stay as far as they fit."""
        self.settle(now)
        tokens = min(self.burst - self._used, burst)
        self._used = burst - tokens
        self.burst = burst

    def set_tokens(self, tokens: float, now: float) -> None:
        """Set the level from other evidence: a 429 (no tokens are left) or a saved state."""
        self.settle(now)
        self._used = max(self.burst - tokens, 0.0)

    def count(self, moment: float) -> None:
        """Charge a request that another version of the rule admitted; one for which there was no token is no debt."""
        tokens = self.tokens(moment)
        self.set_tokens(max(min(tokens, 0.0), tokens - 1), moment)

    # ---- looking ----------------------------------------------------------------------------------------------------

    def tokens(self, now: float) -> float:
        """Tokens available to a request sent now, as a fraction; below zero when in debt."""
        self.settle(now)
        return self.burst - self._used - self._flying - self.reserved

    def is_full(self, now: float) -> bool:
        """Whether it contains all its tokens and no request is in flight."""
        self.settle(now)
        return not self._used and not self._flying

    def delay(self, now: float, number: int = 1) -> float:
        """Seconds from now until the ``number``-th further request can be sent, if there is no reply before.

        For ``number`` 1 it is the time at which to check again: exact, unless a reply makes it earlier.
        """
        missing = number - self.tokens(now)
        if missing <= EPSILON:
            return 0.0
        refill = missing / self.rate
        if 1 + self._flying <= self.burst + EPSILON and self._used:
            return refill
        # Full except for requests in flight: nothing flows in until the first of them is known to have arrived.
        idle = self._next_landing(now) - now - self._used / self.rate
        return max(idle, 0.0) + refill

    def _next_landing(self, now: float) -> float:
        late = min((each.sent_at + LONGEST_SILENCE for each in self._late if not each.landed), default=NEVER)
        for flight in self._flights:
            if not flight.landed:
                return min(flight.lands_by, late)
        return late if late < NEVER else now

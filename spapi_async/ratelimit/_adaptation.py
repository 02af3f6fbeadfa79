"""What a bucket's rate and burst are believed to be, and how replies change the belief. Pure.

*Rate.* The plan says one figure, the ``x-amzn-RateLimit-Limit`` header another one, and a 429 that neither can be had: somebody
else spends from the same bucket. Then the rate falls by a seventh, and grows back along a cubic curve as calls succeed:
quickly at first, hardly at all near the rate at which the 429 came, then ever faster until the announced rate is reached
or the next 429 comes. (TCP CUBIC's idea: most of the time is spent just below what is really there, and one refusal pays
for a hundred calls or more.)

*One event.* Several requests in flight that meet one empty bucket are one piece of news. A 429 counts only if its request
left after the last one that counted.

*Burst.* A 429 on a request that left while this side still counted on tokens may mean that the bucket is smaller than
published: the believed burst shrinks by what was left over. It grows back by one token at a time after many calls
without such a 429, after twice as many if growing back was what brought it.
"""

from __future__ import annotations

import math

__all__ = ["Adaptation", "announced_rate"]

DECREASE = 0.85
"""Factor on the rate for one 429 event."""

DECREASE_AGAIN = 0.7
"""The same when no call succeeded since the last event: far off, so take larger steps."""

LOWEST = 1 / 20
"""The rate never falls below this part of the announced one: somebody who takes all cannot stop us from asking."""

RECOVERY = 100
"""Successes from a decrease back to the rate before it."""

LONGEST_RECOVERY = 400
"""The same, when 429s came at about the same rate several times: a steady neighbour need not be asked so often."""

BURST_PATIENCE = 100
"""Successes before a learned burst is tried one token larger."""

LONGEST_BURST_PATIENCE = 3200

SLOWEST, FASTEST = 1e-6, 1e5
"""Requests a second; a header outside is garbage."""

ROUNDING = 0.05


def announced_rate(header: float, plan: float) -> float | None:
    """The rate that a header announces, or None if it is no rate.

    Amazon prints a rate cut or rounded to a few digits (``0.0167`` and ``0.016`` are both seen for one request a minute):
    a header that is only a coarser print of the published rate leaves the published one.
    """
    if not (math.isfinite(header) and SLOWEST <= header <= FASTEST):
        return None
    if header != plan and abs(header - plan) <= ROUNDING * plan:
        _, _, decimals = f"{header:.10f}".rstrip("0").partition(".")
        scale = 10 ** len(decimals)
        if header in (math.floor(plan * scale) / scale, round(plan, len(decimals))):
            return plan
    return header


class Adaptation:
    """The belief about one bucket. ``rate`` and ``burst`` are what to run at; every other attribute is how it got there."""

    __slots__ = (
        "_announced_burst",
        "_burst_patience",
        "_burst_successes",
        "_event_at",
        "_knee",
        "_recovery",
        "_start",
        "_successes",
        "announced",
        "burst",
        "calm",
        "rate",
    )

    def __init__(self, rate: float, burst: float) -> None:
        self.announced = rate
        self.rate = rate
        self.burst = burst
        self._announced_burst = burst
        self.calm = True  # nothing is learned but what is announced: successes need not be counted
        self._event_at = -math.inf
        self._knee = rate
        self._start = rate
        self._recovery: float = RECOVERY
        self._successes = 0
        self._burst_patience = BURST_PATIENCE
        self._burst_successes = 0

    def announce(self, rate: float) -> None:
        """The header's rate: up or down; a rate that 429s had lowered keeps its proportion to it."""
        factor = rate / self.announced
        self.announced = rate
        self.rate = rate if self.rate * factor > rate else self.rate * factor
        self._knee *= factor
        self._start *= factor

    def throttled(self, *, sent_at: float, now: float, spare: float) -> bool:
        """Learn from a 429; whether it is news.

        Args:
            sent_at: when the refused request left.
            now: when the refusal came.
            spare: tokens that this side counted on when it left, its own included.
        """
        if sent_at <= self._event_at:
            return False
        self._learn_burst(spare)
        old = self.rate
        # Refused at about the same rate as the last time: the neighbour is steady, ask again later.
        steady = not self.calm and abs(old - self._knee) < 0.2 * self._knee
        self._recovery = min(self._recovery * 1.5, LONGEST_RECOVERY) if steady else RECOVERY
        again = not self.calm and self._successes == 0
        # Refused before the old knee was reached: what is left shrinks, so aim below.
        self._knee = old * (1 + DECREASE) / 2 if not self.calm and old < self._knee else old
        self.rate = self._start = max(old * (DECREASE_AGAIN if again else DECREASE), self.announced * LOWEST)
        self._event_at = now
        self._successes = 0
        self._burst_successes = 0
        self.calm = False
        return True

    def succeeded(self) -> bool:
        """Learn from a reply that was not a 429; whether rate or burst changed."""
        if self.calm:
            return False
        self._successes += 1
        return self._recover_rate() | self._recover_burst()

    def _recover_rate(self) -> bool:
        if self.rate >= self.announced:
            return self._settle_down()
        # Cubic through (0, start) and (recovery, knee), flat at the knee.
        progress = self._successes / self._recovery - 1
        grown = self._knee + max(self._knee - self._start, 0.02 * self.announced) * progress**3
        rate = min(max(self.rate, grown), self.announced)
        changed = rate != self.rate
        self.rate = rate
        return changed

    def _learn_burst(self, spare: float) -> None:
        smaller = max(1.0, math.floor(self.burst - spare + 1e-6))
        # One token more or less is rounding; two were certain.
        if spare < 2.0 or smaller >= self.burst:
            return
        if self.burst < self._announced_burst:
            self._burst_patience = min(2 * self._burst_patience, LONGEST_BURST_PATIENCE)
        self.burst = smaller

    def _recover_burst(self) -> bool:
        if self.burst >= self._announced_burst:
            return False
        self._burst_successes += 1
        if self._burst_successes < self._burst_patience:
            return False
        self._burst_successes = 0
        self.burst = min(self.burst + 1, self._announced_burst)
        return True

    def _settle_down(self) -> bool:
        if self.burst >= self._announced_burst:
            self.calm = True
            self._recovery = RECOVERY
            self._burst_patience = BURST_PATIENCE
        return False

"""What a bucket's rate and burst are believed to be, and how replies change the belief. Pure.

*Rate.* The plan says one figure, the ``x-amzn-RateLimit-Limit`` header another one, and a 429 that neither can be
had: somebody else spends from the same bucket. Then the rate falls by a seventh, and grows back along a cubic curve
as calls succeed: quickly at first, hardly at all near the rate at which the 429 came, then ever faster until the
announced rate is reached or the next 429 comes. (TCP CUBIC's idea: most of the time is spent just below what is
really there, and one refusal pays for a hundred calls or more.)

*One event.* Several requests in flight that meet one empty bucket are one piece of news. A 429 counts only if its
request left after the last one that counted.

*Burst.* When one of the first requests after a pause is refused, which met a bucket that should have been full, the
bucket is smaller than published: it is then believed to hold as many as were served. The belief grows back by one
token at a time after many calls without a 429, after twice as many if growing back was what brought it.
"""

from __future__ import annotations

import math

__all__ = ["Adaptation", "announced_rate"]

DECREASE = 0.85
"""Factor on the rate for one 429 event."""

DECREASE_AGAIN = 0.7
"""The same when no call succeeded since the last event: far off, so take larger steps."""

LOWEST = 1 / 10
"""The rate never falls below this part of the announced one: somebody who takes all cannot stop us from asking."""

RECOVERY = 50
"""Successes from a decrease back to the rate before it."""

LONGEST_RECOVERY = 120
"""The same, when 429s came at about the same rate several times: a steady neighbour need not be asked so often."""

BURST_PATIENCE = 100
"""Successes before a learned burst is tried one token larger."""

LONGEST_BURST_PATIENCE = 3200

SLOWEST, FASTEST = 1e-6, 1e5
"""Requests a second; a header outside is garbage."""

ROUNDING = 0.05
"""A header further than this from the published rate is another rate, not another print of it."""

MEMORY = 3600.0
"""Seconds after the last 429 for which an idle bucket's lowered rate and burst are worth keeping."""


def announced_rate(header: float, plan: float) -> float | None:
    """The rate that a header announces, or None if it is no rate.

    Amazon prints a rate cut or rounded to a few digits (``0.0167`` and ``0.016`` are both seen for one request a
    minute): a header that is only a coarser print of the published rate leaves the published one.
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
    """The belief about one bucket: ``rate`` and ``burst`` are what to run at, the rest is how it got there."""

    __slots__ = (
        "_announced_burst",
        "_burst_patience",
        "_burst_successes",
        "_event_at",
        "_event_burst",
        "_event_size",
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
        self._event_burst = burst
        self._event_size = burst
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
        self.rate = min(self.rate * factor, rate)
        self._knee *= factor
        self._start *= factor

    @property
    def event_at(self) -> float:
        """When the last 429 that was news came; minus infinity when none did."""
        return self._event_at

    def is_worth_keeping(self, now: float) -> bool:
        """Whether a bucket that is full and idle still knows something that a new one would have to learn from 429s."""
        return not self.calm and now - self._event_at < MEMORY

    def restore(self, *, announced: float, rate: float, burst: float, event_at: float) -> None:
        """Take up what an earlier run believed; ``event_at`` is on this run's clock."""
        self.announced = announced
        self.rate = self._start = min(rate, announced)
        self.burst = min(burst, self._announced_burst)
        self._knee = min(self.rate / DECREASE, announced)
        self._event_at = event_at
        self.calm = self.rate >= announced and self.burst >= self._announced_burst

    def throttled(self, *, sent_at: float, now: float, number: int = 0, drawn: int = 0) -> bool:
        """Learn from a 429; whether it is news. Rate and burst may change.

        Args:
            sent_at: when the refused request left.
            now: when the refusal came.
            number: how many requests had left since the bucket was full, the refused one included; 0: no clue.
            drawn: how many have left by now.
        """
        news = sent_at > self._event_at
        self._learn_burst(number, drawn, news=news)
        if not news:
            return False
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

    def _learn_burst(self, number: int, drawn: int, *, news: bool) -> None:
        if news:
            self._event_burst = self.burst
            self._event_size = min(drawn, self.burst)
        if not 0 < number <= self._event_burst:
            return
        # One of the first requests since the bucket was certainly full. They may arrive in any order, so what counts
        # is how many of them were served: all but those refused.
        self._event_size = max(self._event_size - 1, 1.0)
        if self._event_size < self.burst:
            if news and self.burst < self._announced_burst:
                self._burst_patience = min(2 * self._burst_patience, LONGEST_BURST_PATIENCE)
            self.burst = self._event_size

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

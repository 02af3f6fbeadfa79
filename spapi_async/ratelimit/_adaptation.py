"""What a bucket's rate and burst are believed to be, and how replies change the belief. Pure.

*Rate.* The plan says one figure, the ``x-amzn-RateLimit-Limit`` header another one, and a 429 that neither can be
had: somebody else spends from the same bucket, and nobody says how much. All that is ever heard of this neighbour is
which of our requests are refused. Of R tokens a second he leaves us R - N. If we send slower than that, the bucket
runs over and quota is lost; if faster, it runs dry and what is too much is refused. At exactly that rate its level
wanders up and down with the neighbour's arrivals, the further the less evenly they come, and touches the ground now
and then: a refusal that no rate avoids.

So the rate is steered by how often we are refused, whatever the neighbour's habits are. Each 429 lowers it by one
*step* (a part of itself), and each success raises it by ``step / PATIENCE``: it comes to rest where one request in
``PATIENCE`` + 1 is refused, 1.5 %. Why that many: the fewer refusals, the more quota runs over. With a burst of 10 and
a neighbour who spends half of the quota at random, 1 % of refusals cost 5 % of what is left, 1.5 % cost 4 % and 2 %
cost 2 %; with a burst of 20, always less than 1 %.

*Steps* are as large as our ignorance. A 429 soon after the last one says that we are far off: the step grows. One that
comes about when it must be expected says that we are near: it shrinks, so that the rate ends up within some percent of
what is left. When no 429 comes for so long that the neighbour can hardly be there still, the rate grows faster and
faster: from half of the announced rate all of it is back after at most 600 successes, from a tenth after 800.

*Futility.* Slowing down helps if the bucket evens out what the neighbour does. It does not with a burst of two and
random arrivals, nor if he empties the whole bucket at once: whoever comes next is refused, however rarely he comes.
Then less and less would be sent with as many refusals. So when refusals keep coming in spite of lower rates, the
announced rate is tried again with half the patience. With a burst of one nothing is gained by waiting longer: right
after our own request is the only time at which we know when the next token is there, and a longer pause only gives the
neighbour more time to take it. So there the rate is not lowered for a neighbour; only when for long no two requests in
a row were served, as none would be if the bucket really fills more slowly.

*One event.* Several requests in flight that meet one empty bucket are one piece of news. A 429 counts only if its
request left after the last one that counted.

*Burst.* When one of the first requests after a pause is refused, which met a bucket that should have been full, the
bucket is smaller than published: it is then believed to hold as many as were served (if none was, a neighbour had
emptied it). The belief grows back by one token at a time after many calls without a 429, after twice as many if growing
back was what brought it.
"""

from __future__ import annotations

import math

__all__ = ["Adaptation", "announced_rate"]

PATIENCE = 64
"""Successes for which one 429 is a fair price."""

LEAST_PATIENCE = 4
"""The same where refusals are unavoidable. If at every rate more than one in five is refused, it stays the lowest."""

LARGEST_STEP, SMALLEST_STEP = 0.15, 0.03
"""Part of the rate that one 429 takes: the first one, and one of many at about the same rate. Smaller ones would follow
a neighbour who changes too slowly, larger ones waste what lies between the rate and what is left."""

GROW_STEP, SHRINK_STEP = 1.3, 0.8
"""What one 429 makes of the step. With one in eight too soon by chance, it shrinks to the smallest in the long run."""

SOON = 1 / 8
"""A streak of successes shorter than this part of the patience ends by chance in one case of eight."""

BOLD = 4
"""A streak longer than this many patiences: by chance it is one in fifty."""

ALONE = 8
"""A streak longer than this many patiences is none of the neighbour we knew: one in three thousand."""

LOWEST = 1 / 10
"""The rate never falls below this part of the announced one: somebody who takes all cannot stop us from asking."""

RESERVE = 2.0
"""Tokens for which a 429 makes us wait, so that the next request does not meet the same empty bucket."""

BLAME, FUTILE = 0.7, 8.0
"""How long refusals have to come too often until the rate is no longer held responsible. Each counts 0.7 (the logarithm
of two: how much likelier it is if they come twice as often as they should), less the part of the patience that the
streak before it lasted; the sum reaches 8 by chance once in three thousand refusals."""

TOO_FAST = 20
"""429s in a row with at most one success between them, from which even a burst of one believes that its rate is too
high. Beside a neighbour who has half of its requests refused that comes by chance once in five hundred."""

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
        "_alternations",
        "_announced_burst",
        "_blame",
        "_burst_patience",
        "_burst_successes",
        "_event_at",
        "_event_burst",
        "_event_size",
        "_patience",
        "_step",
        "_streak",
        "announced",
        "burst",
        "calm",
        "published",
        "rate",
    )

    def __init__(self, rate: float, burst: float) -> None:
        self.published = rate
        self.announced = rate
        self.rate = rate
        self.burst = burst
        self._announced_burst = burst
        self.calm = True  # nothing is learned but what is announced: successes need not be counted
        self._event_at = -math.inf
        self._event_burst = burst
        self._event_size = burst
        self._streak = 0  # successes since the last 429 that counted
        self._step = LARGEST_STEP
        self._patience = PATIENCE
        self._blame = 0.0
        self._alternations = 0  # 429s in a row with at most one success before each
        self._burst_patience = BURST_PATIENCE
        self._burst_successes = 0

    def announce(self, rate: float) -> None:
        """The header's rate: up or down; a rate that 429s had lowered keeps its proportion to it."""
        self.rate = min(self.rate * (rate / self.announced), rate)
        self.announced = rate

    @property
    def event_at(self) -> float:
        """When the last 429 that was news came; minus infinity when none did."""
        return self._event_at

    @property
    def emptied(self) -> float:
        """The tokens to go on with after a 429: below zero, by what is to flow in before the next request leaves."""
        return 1.0 - min(RESERVE, self.burst)

    def is_worth_keeping(self, now: float) -> bool:
        """Whether a bucket that is full and idle still knows something that a new one would have to learn from 429s."""
        return not self.calm and now - self._event_at < MEMORY

    def restore(self, *, announced: float, rate: float, burst: float, event_at: float) -> None:
        """Take up what an earlier run believed; ``event_at`` is on this run's clock."""
        self.announced = announced
        self.rate = min(rate, announced)
        self.burst = min(burst, self._announced_burst)
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
        self._lower_rate()
        self._event_at = now
        self._streak = 0
        self._burst_successes = 0
        self.calm = False
        return True

    def succeeded(self) -> bool:
        """Learn from a reply that was not a 429; whether rate or burst may have changed."""
        if self.calm:
            return False
        self._streak += 1
        return self._recover_rate() | self._recover_burst()

    def _lower_rate(self) -> None:
        self._alternations = self._alternations + 1 if self._streak <= 1 else 0
        if self._announced_burst < 2 and self.rate >= self.announced and self._alternations < TOO_FAST:
            return
        lowest = LOWEST * self.announced
        far_off = self._streak < SOON * self._patience
        if not self.calm:
            self._step = (
                min(GROW_STEP * self._step, LARGEST_STEP) if far_off else max(SHRINK_STEP * self._step, SMALLEST_STEP)
            )
            # A rate that is far too high is on its way down: its refusals say nothing about the lower ones. Nor do
            # those of the lowest one say that a higher would do as well, where hardly anything is served.
            if not far_off or (self.rate <= lowest and self._alternations < TOO_FAST):
                self._blame = max(self._blame + BLAME - self._streak / self._patience, 0.0)
        if self._blame < FUTILE:
            self.rate = max(self.rate * (1.0 - self._step), lowest)
        else:
            self._blame = 0.0
            self._patience = max(self._patience // 2, LEAST_PATIENCE)
            self._alternations = 0
            self._step = LARGEST_STEP
            self.rate = self.announced

    def _recover_rate(self) -> bool:
        if self._streak >= ALONE * self._patience:
            self._patience = min(2 * self._patience, PATIENCE)
        if self.rate >= self.announced:
            self._settle_down()
            return False
        growth = self._step / self._patience
        boldness = self._streak / (BOLD * self._patience)
        if boldness > 1.0:
            growth *= boldness**3
        self.rate = min(self.rate * (1.0 + growth), self.announced)
        return True

    def _settle_down(self) -> None:
        if self.burst >= self._announced_burst and self._patience == PATIENCE and self._streak > 1:
            self.calm = True
            self._alternations = 0
            self._step = LARGEST_STEP
            self._blame = 0.0
            self._burst_patience = BURST_PATIENCE

    def _learn_burst(self, number: int, drawn: int, *, news: bool) -> None:
        if news:
            self._event_burst = self.burst
            self._event_size = min(drawn, self.burst)
        if not 0 < number <= self._event_burst:
            return
        # One of the first requests since the bucket was certainly full. They may arrive in any order, so what counts
        # is how many of them were served: all but those refused.
        self._event_size -= 1
        if self._event_size < 1:
            # None was: no bucket is as small as that, so a neighbour had emptied it.
            self.burst = self._event_burst
        elif self._event_size < self.burst:
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

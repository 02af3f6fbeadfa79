"""Estimates a bucket's rate and burst from replies. Pure.

*Rate.* The plan states one figure, the ``x-amzn-RateLimit-Limit`` header perhaps another one, and a 429 shows that the
rate in use is not available: another client uses the same quota, and its rate N is unknown. All that can be observed
of this neighbour is which of our requests are refused. Of R tokens a second it leaves R - N. If we send more slowly,
the bucket overflows and quota is lost; if faster, it runs empty and the excess requests are refused. At exactly that
rate the level goes up and down with the neighbour's arrivals, the more the less regular they are, and reaches zero now
and then: refusals that no rate avoids.

So the rate is controlled by how often requests are refused, whatever the neighbour's pattern. A *streak* is a run of
successes between two 429s that count. Each 429 lowers the rate by one *step* (a fraction of the rate), and each success
raises it by ``step / INTENDED_STREAK``: it settles where one request in ``INTENDED_STREAK`` + 1 is refused, 1.5 %. Why
this value: the fewer refusals, the more quota overflows. With a burst of 10 and a neighbour that uses half of the quota
at random, 1 % of refusals cost 5 % of the remaining quota, 1.5 % cost 4 % and 2 % cost 2 %; with a burst of 20, always
less than 1 %.

*Steps* reflect the uncertainty. A 429 soon after the last one shows that the rate is far off: the step grows. A 429 at
about the expected distance shows that the rate is nearly right: the step shrinks, so that the rate ends up within some
percent of the remaining quota. When there is no 429 for so long that the neighbour has probably stopped, the rate grows
faster and faster: from half of the announced rate it is back after at most 600 successes, from a tenth after 800.

*Futility.* Slowing down helps if the bucket evens out the neighbour's pattern. It does not help with a burst of two and
random arrivals, or if the neighbour empties the whole bucket at once: the next request is refused, however rare
requests are. Then the rate would fall further and further with just as many refusals. So when refusals continue in
spite of lower rates, the announced rate is tried again with half the intended streak. A refusal after a short streak
does not count towards this: it is to be expected while a rate that is far too high is falling, and at the lowest rate
if the bucket fills even more slowly; more requests would then only be refused. But two refusals in a row at the lowest
rate count: between them we wait for so long that only a neighbour can have taken what has flowed in.

With a burst of one a longer wait gains nothing: only right after our own request is it known when the next token will
be there, and a longer pause gives the neighbour more time to take it. So with a burst of one the rate is not lowered
because of a neighbour but only if no two requests in a row have been served for a long time, which is what happens if
the bucket really fills more slowly.

*One event.* Several requests in flight that meet the same empty bucket are a single event. A 429 counts only if its
request was sent after the last 429 that counted.

*Burst.* When one of the first requests after a pause is refused, although the bucket should have been full, the bucket
is smaller than published: the estimate becomes the number of requests that were served (if none was, a neighbour had
emptied the bucket). The estimate grows back by one token at a time after many calls without a 429, and after twice as
many if the last growth led to a 429.
"""

from __future__ import annotations

import math

__all__ = ["LEARNED_FOR", "Adaptation", "announced_rate"]

INTENDED_STREAK = 64
"""The number of successes between two 429s at which the rate settles."""

LEAST_INTENDED_STREAK = 4
"""The least that it falls to if refusals continue at every rate. A rate at which more than one request in five is
refused falls even then."""

LARGEST_STEP, SMALLEST_STEP = 0.15, 0.03
"""Fraction of the rate by which one 429 lowers it: for the first 429, and for one of many at about the same rate.
Smaller fractions would follow a changing neighbour too slowly, larger ones would waste remaining quota."""

GROW_STEP, SHRINK_STEP = 1.3, 0.8
"""The factor by which one 429 changes the step. Even if one in eight is too soon by chance, the step shrinks."""

SHORT_STREAK = 1 / 8
"""Fraction of the intended streak below which a streak is short; one in eight streaks is so short by chance."""

BOLD_AFTER = 4
"""Intended streaks after which the rate grows faster and faster; one streak in fifty is so long by chance."""

ALONE_AFTER = 8
"""Intended streaks after which the neighbour has probably stopped; one streak in 3,000 is so long by chance."""

LOWEST_FRACTION = 1 / 10
"""The fraction of the announced rate below which the rate never falls, even if a neighbour takes everything."""

TOKENS_AFTER_429 = 2.0
"""Tokens to wait for after a 429, so that the next request does not meet the same empty bucket."""

REFUSAL_EVIDENCE, FUTILE_AT = 0.7, 8.0
"""The evidence that each refusal adds, and the sum at which lowering the rate is considered futile. A refusal adds 0.7
(the logarithm of two: how much likelier it is if refusals are twice as frequent as intended), less the length of the
streak before it as a fraction of the intended one. The sum reaches 8 by chance once in three thousand refusals."""

TOO_FAST_AFTER = 20
"""429s in a row with at most one success between them, after which the rate is considered too high even with a burst of
one. If a neighbour causes half of the requests to be refused, this happens by chance once in 500."""

BURST_STREAK = 100
"""Successes before a learned burst is increased by one token."""

LONGEST_BURST_STREAK = 3200
"""The largest value that this number grows to when an increased burst leads to a 429."""

SLOWEST, FASTEST = 1e-6, 1e5
"""Requests per second; a header outside this range is invalid."""

ROUNDING_TOLERANCE = 0.05
"""A header further than this from the published rate is another rate, not a rounded form of it."""

LEARNED_FOR = 3600.0
"""Seconds after the last 429 for which the lowered rate and burst of an idle bucket are kept."""


def announced_rate(header: float, plan: float) -> float | None:
    """The rate that a header announces, or None if it is no rate.

    Amazon writes rates cut or rounded to a few digits (``0.0167`` and ``0.016`` both occur for one request a minute).
    If the header is a rounded form of the published rate, the published rate is returned.
    """
    if not (math.isfinite(header) and SLOWEST <= header <= FASTEST):
        return None
    if header != plan and abs(header - plan) <= ROUNDING_TOLERANCE * plan:
        _, _, decimals = f"{header:.10f}".rstrip("0").partition(".")
        scale = 10 ** len(decimals)
        if header in (math.floor(plan * scale) / scale, round(plan, len(decimals))):
            return plan
    return header


class Adaptation:
    """The estimates for one bucket: ``rate`` and ``burst`` are in use, the other attributes lead to them."""

    __slots__ = (
        "_alternations",
        "_announced_burst",
        "_burst_streak",
        "_burst_successes",
        "_event_at",
        "_event_burst",
        "_event_size",
        "_evidence",
        "_intended_streak",
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
        self.calm = True  # rate and burst are as announced, so successes need not be counted
        self._event_at = -math.inf
        self._event_burst = burst
        self._event_size = burst
        self._streak = 0  # successes since the last 429 that counted
        self._step = LARGEST_STEP
        self._intended_streak = INTENDED_STREAK
        self._evidence = 0.0
        self._alternations = 0  # 429s in a row with at most one success before each
        self._burst_streak = BURST_STREAK
        self._burst_successes = 0

    def announce(self, rate: float) -> None:
        """Adopt the header's rate; a rate that was lowered by 429s keeps its proportion to the announced one."""
        self.rate = min(self.rate * (rate / self.announced), rate)
        self.announced = rate

    @property
    def event_at(self) -> float:
        """When the last 429 that counted was received; minus infinity if there was none."""
        return self._event_at

    @property
    def emptied(self) -> float:
        """The level after a 429: negative, by the tokens that must flow in before the next request is sent."""
        return 1.0 - min(TOKENS_AFTER_429, self.burst)

    def is_worth_keeping(self, now: float) -> bool:
        """Whether a full and idle bucket has learned something that a new one would have to learn from 429s again."""
        return not self.calm and now - self._event_at < LEARNED_FOR

    def restore(self, *, announced: float, rate: float, burst: float, event_at: float) -> None:
        """Restore the estimates of an earlier run; ``event_at`` is on this run's clock."""
        self.announced = announced
        self.rate = min(rate, announced)
        self.burst = min(burst, self._announced_burst)
        self._event_at = event_at
        self.calm = self.rate >= announced and self.burst >= self._announced_burst

    def throttled(self, *, sent_at: float, now: float, number: int = 0, drawn: int = 0) -> bool:
        """Learn from a 429; returns whether it counts. Rate and burst may change.

        Args:
            sent_at: when the refused request was sent.
            now: when the refusal was received.
            number: how many requests had been sent since the bucket was full, including the refused one; 0: unknown.
            drawn: how many have been sent by now.
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
        """Learn from a reply that was not a 429; returns whether rate or burst may have changed."""
        if self.calm:
            return False
        self._streak += 1
        return self._recover_rate() | self._recover_burst()

    def _lower_rate(self) -> None:
        self._alternations = self._alternations + 1 if self._streak <= 1 else 0
        if self._announced_burst < 2 and self.rate >= self.announced and self._alternations < TOO_FAST_AFTER:
            return
        lowest = LOWEST_FRACTION * self.announced
        far_off = self._streak < SHORT_STREAK * self._intended_streak
        if not self.calm:
            self._step = (
                min(GROW_STEP * self._step, LARGEST_STEP) if far_off else max(SHRINK_STEP * self._step, SMALLEST_STEP)
            )
            # While a rate that is far too high is falling, its refusals say nothing about lower rates. At the
            # lowest one, which a success exceeds, the second of two in a row counts, unless hardly anything is served:
            # such a bucket fills too slowly to have a token even after so long a wait.
            if not far_off or (self.rate <= lowest and self._alternations < TOO_FAST_AFTER):
                self._evidence = max(self._evidence + REFUSAL_EVIDENCE - self._streak / self._intended_streak, 0.0)
        if self._evidence < FUTILE_AT:
            self.rate = max(self.rate * (1.0 - self._step), lowest)
        else:
            self._evidence = 0.0
            self._intended_streak = max(self._intended_streak // 2, LEAST_INTENDED_STREAK)
            self._alternations = 0
            self._step = LARGEST_STEP
            self.rate = self.announced

    def _recover_rate(self) -> bool:
        if self._streak >= ALONE_AFTER * self._intended_streak:
            self._intended_streak = min(2 * self._intended_streak, INTENDED_STREAK)
        if self.rate >= self.announced:
            self._settle_down()
            return False
        growth = self._step / self._intended_streak
        boldness = self._streak / (BOLD_AFTER * self._intended_streak)
        if boldness > 1.0:
            growth *= boldness**3
        self.rate = min(self.rate * (1.0 + growth), self.announced)
        return True

    def _settle_down(self) -> None:
        if self.burst >= self._announced_burst and self._intended_streak == INTENDED_STREAK and self._streak > 1:
            self.calm = True
            self._alternations = 0
            self._step = LARGEST_STEP
            self._evidence = 0.0
            self._burst_streak = BURST_STREAK

    def _learn_burst(self, number: int, drawn: int, *, news: bool) -> None:
        if news:
            self._event_burst = self.burst
            self._event_size = min(drawn, self.burst)
        if not 0 < number <= self._event_burst:
            return
        # One of the first requests since the bucket was certainly full. They may arrive in any order, so the number of
        # served requests counts: all except the refused ones.
        self._event_size -= 1
        if self._event_size < 1:
            # None was served: no bucket is that small, so a neighbour had emptied it.
            self.burst = self._event_burst
        elif self._event_size < self.burst:
            if news and self.burst < self._announced_burst:
                self._burst_streak = min(2 * self._burst_streak, LONGEST_BURST_STREAK)
            self.burst = self._event_size

    def _recover_burst(self) -> bool:
        if self.burst >= self._announced_burst:
            return False
        self._burst_successes += 1
        if self._burst_successes < self._burst_streak:
            return False
        self._burst_successes = 0
        self.burst = min(self.burst + 1, self._announced_burst)
        return True

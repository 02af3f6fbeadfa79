"""The scheduler around every call: it decides when a request may leave.

**The token bucket.** Amazon gives every operation a bucket for each seller that uses it through your application.
Tokens drip into it at a fixed *rate* (``getOrder``: one in two seconds) until it holds its *burst* (30); then they
run over and are lost. A request takes one token. If there is none, Amazon answers 429 and the request was in vain. So
a client may send its first thirty requests at once, after that one every two seconds, and after a minute of silence
thirty again. Nobody can do better, and whoever sleeps after each call, or forgets the burst, does worse.

**A copy that is never too high.** Amazon does not say how many tokens are left, so the client keeps a copy of the
bucket. The copy must never show more than the original. What makes it wrong is the network: while the original is
full nothing flows in, so a request that arrives late starts the refill late. Therefore a request is booked when it
must have arrived (its reply came, or the longest delay that round trips suggest has passed), and until then one token
is held for it. As long as the burst covers what is on its way, this costs nothing: a saturated operation runs at its
full rate without a 429. With a burst of one it costs that delay once per request. When a program or the network stands
still, requests arrive later than any round trip suggested, and together; so while replies are overdue and nothing else
is answered, tokens are held for all that may not have arrived.

**Waiting.** When the copy is empty, calls wait in line: INTERACTIVE before NORMAL before BULK, in order of arrival
within each, and a class that was passed over often enough goes next, so each keeps at least one token in ten. One
timer per bucket fires when the next token is due. A caller who is cancelled leaves the line, or hands its token on. A
caller with ``max_wait`` is told at once, from its place in line, when that cannot be met.

**Every limit that applies.** Some operations also have one bucket for all sellers of the application, and some
arguments (a report type, a feed type, what a listings update changes) have limits of their own: rules, a few of which
Amazon has published and users may add. A rule's limit is a bucket or a *window*: at most so many in any so many
seconds, which no bucket can express. A call pays from every limit that applies to it, or waits and pays from none; what
one kind of calls cannot use yet, others do; sellers take turns at what they share. One synchronous decision says who
may leave (``_decision.py``), and the same arithmetic says when (:meth:`RateLimiter.forecast`).

**Learning.** The ``x-amzn-RateLimit-Limit`` header tells the rate (never the burst): what accrued so far is settled
at the old rate, then the new one holds, and the line is rescheduled. A 429 means that the original is emptier than
the copy: somebody else spends from it. The copy is emptied and the rate falls, by a seventh at first, once however
many requests meet the same empty bucket, and grows with every success. The balance is steered so that one request in
sixty or so is refused: then a neighbour's share is left to it and the rest is used, whatever its habits.
When the very first requests after a pause are refused, the burst is smaller than published; that is remembered, and
doubted again after a while. Which of a call's limits a 429 is about, Amazon's message may say; else the one that was
nearest to empty is suspected, or what two refused calls have in common, or the value of an argument that alone is
refused while others pass.

**Forgetting and remembering.** A bucket that is full, unused and not slowed down by 429s in the last hour equals a
new one and is dropped. ``dump_state`` and ``load_state`` carry the copies over a restart.

Within one process all this is ``LocalRateLimiter``; ``RedisRateLimiter`` shares it between processes and hosts.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spapi_async._core.limiter import LimitSnapshot, Permit, RateLimiter
from spapi_async._core.plan_rules import Bucket, PlanRule, Window

if TYPE_CHECKING:
    from spapi_async.ratelimit.local._limiter import LocalRateLimiter
    from spapi_async.ratelimit.shared.redis._limiter import RedisRateLimiter

__all__ = [
    "Bucket",
    "LimitSnapshot",
    "LocalRateLimiter",
    "Permit",
    "PlanRule",
    "RateLimiter",
    "RedisRateLimiter",
    "Window",
]


# On first use: redis is an extra.
_LAZY = {"LocalRateLimiter": "local._limiter", "RedisRateLimiter": "shared.redis._limiter"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    return value

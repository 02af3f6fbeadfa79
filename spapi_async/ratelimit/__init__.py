"""The rate limiter: it decides when each request may be sent.

**The token bucket.** Amazon keeps a bucket for each operation and each seller that uses it through your application.
Tokens flow into it at a fixed *rate* (``getOrder``: one in two seconds) until it contains its *burst* (30); further
tokens are lost. A request takes one token. If there is none, Amazon answers 429 and the request is wasted. So a client
may send its first thirty requests at once, then one every two seconds, and thirty at once again after a minute without
requests. A client cannot do better; one that sleeps after each call, or ignores the burst, does worse.

**A copy that is never too high.** Amazon does not say how many tokens are left, so the client keeps a copy of the
bucket. The copy must never show more tokens than the original. The network is what makes it wrong: nothing flows into
a full bucket, so a request that arrives late starts the refill late. Therefore a request is booked at the latest moment
at which it can have arrived (its reply came, or the longest delay that round trips suggest has passed), and until then
one token is reserved for it. As long as the burst covers the requests under way, this costs nothing: a saturated
operation runs at its full rate without a 429. With a burst of one it costs that delay once per request. When a program
or the network stalls, requests arrive later than any round trip suggested, and together; so while replies are overdue
and no later request is answered, tokens are reserved for all requests that may not have arrived.

**Waiting.** When the copy is empty, calls wait in a queue: INTERACTIVE before NORMAL before BULK, and in order of
arrival within a priority. A priority that was passed over often enough goes next, so each gets at least one token in
ten. One timer per bucket fires when the next token is due. A cancelled call leaves the queue, or passes its token on. A
call with ``max_wait`` is refused at once if its position in the queue shows that it would wait longer.

**Every limit that applies.** Some operations also have one bucket for all sellers of the application, and some
arguments (a report type, a feed type, the attributes that a listings update changes) have limits of their own. These
are rules; Amazon has published a few, and users may add others. A rule's limit is a bucket or a *window*: at most n
requests in any period of a given length, which a bucket cannot express. A call takes a token from every limit that
applies to it, or waits and takes none. Tokens that one kind of calls cannot use yet are used by others; sellers take
turns at limits that they share. One synchronous decision admits calls (``_decision.py``), and the same arithmetic
predicts when (:meth:`RateLimiter.forecast`).

**Learning.** The ``x-amzn-RateLimit-Limit`` header states the rate (never the burst): tokens accrued so far are
settled at the old rate, then the new rate applies, and the queue is rescheduled. A 429 means that the original bucket
has fewer tokens than the copy: another client uses the same quota. The copy is emptied and the rate is lowered, by a
seventh at first, only once for all requests that meet the same empty bucket; every success raises it again. The rate
settles where about one request in sixty is refused: this leaves the other client its share and uses the rest,
whatever the other client's pattern. When the very first requests after a pause are refused, the burst is smaller than
published; that is remembered, and tested again after a while. Amazon's message may name the limit that a 429 is about.
If it does not, the limit with the fewest tokens is suspected, or the limit that two refused calls have in common, or
the value of an argument if only calls with that value are refused.

**Forgetting and remembering.** A bucket that is full, unused and not slowed down by a 429 in the last hour equals a
new one and is dropped. ``dump_state`` and ``load_state`` carry the copies over a restart. If a rule has changed, or
differs between processes, every call counts for each of its versions (``_conversion.py``).

``LocalRateLimiter`` does this within one process; ``RedisRateLimiter`` shares it between processes and hosts.
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


# Imported on first use: redis is an extra.
_LAZY = {"LocalRateLimiter": "local._limiter", "RedisRateLimiter": "shared.redis._limiter"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    return value

"""The usage plans as Amazon would enforce them, independent of the client's limiter.

A bucket holds at most *burst* tokens and gains *rate* tokens a second, continuously; a request takes one or gets 429.
There is one bucket per (application, selling partner, operation) and, where Amazon publishes an application limit,
one more per (application, operation); further limits apply to some arguments (``keyed_limits``). A throttled request
takes no token from any of them. Every other request with a valid access token takes one from each, even if it is then
answered 400 or 404: Amazon does not document this case, and the emulator takes the stricter reading.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from spapi_async._core.operation import Operation, UsagePlan
from spapi_async.emulator.gateway.keyed_limits import KeyedLimit, WindowLog, keyed_limits

__all__ = ["Bucket", "Empty", "Plans"]

# Comparing sums of floats: a token that is due must not be missed by a rounding error. 0.1 us at 10 requests/s.
_EPSILON = 1e-6


class Bucket:
    """``tokens`` are those at the time ``at``; ``settle`` adds what has accrued since."""

    __slots__ = ("admitted", "at", "burst", "rate", "throttled", "tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self.tokens = burst
        self.at = now
        self.admitted = 0
        self.throttled = 0

    def settle(self, now: float) -> float:
        """Add the tokens that have accrued, and return how many there are."""
        if now > self.at:
            self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
            self.at = now
        return self.tokens

    def holds_one(self, now: float) -> bool:
        """Whether a request may pass now; one that may not is counted as throttled."""
        passes = self.settle(now) >= 1.0 - _EPSILON
        self.throttled += not passes
        return passes

    def take(self, now: float) -> None:  # noqa: ARG002  # as a window's
        """Let one request pass."""
        self.tokens -= 1.0
        self.admitted += 1

    def report(self, now: float) -> dict[str, float]:
        """Figures by the names that the client's limiters use; ``waiting`` is 0, since the emulator queues nothing."""
        tokens = self.settle(now)
        return {
            "rate": self.rate,
            "announced_rate": self.rate,
            "burst": self.burst,
            "tokens": tokens,
            "waiting": 0,
            "next_available": max(0.0, 1.0 - tokens) / self.rate,
            "admitted": self.admitted,
            "throttled": self.throttled,
        }


class Empty(NamedTuple):
    """Why a request is throttled; ``level`` is the limit that Amazon's message names, or empty."""

    why: str
    level: str = ""


class Plans:
    """All buckets of an emulator.

    ``rate_scale`` multiplies every rate (bursts are unchanged); ``figures`` is the source whose figures are enforced
    where Amazon's sources disagree: ``model`` (the one that clients use), ``sdk`` or ``docs``.
    """

    def __init__(self, monotonic: Callable[[], float], *, rate_scale: float = 1.0, figures: str = "model") -> None:
        self._monotonic = monotonic
        self._rate_scale = rate_scale
        self._figures = figures
        self._buckets: dict[tuple[str, str | None, str, str], Bucket | WindowLog] = {}
        self._announced: dict[str, tuple[float, str, int]] = {}

    def announced(self, operation: Operation[Any]) -> str:
        """The rate as written in the header."""
        return self._plan(operation)[1]

    def admit(
        self, operation: Operation[Any], application: str, seller: str | None, query: str = "", body: bytes = b""
    ) -> Empty | None:
        """Take a token from every bucket that applies; if one is empty, take none and return which."""
        now = self._monotonic()
        own = self._bucket(operation, application, seller or "", now)
        if not own.holds_one(now):
            return Empty(f"{operation.name}: no token left at {own.rate:g}/s, burst {own.burst:g}")
        taken: list[Bucket | WindowLog] = [own]
        shared = self._application_bucket(operation, application, now)
        if shared is not None:
            if not shared.holds_one(now):
                listed = operation.name.partition(".")[2] in ("put_listings_item", "patch_listings_item")
                why = f"{operation.name}: no token left for the application at {shared.rate:g}/s"
                return Empty(why, "the application" if listed else "")
            taken.append(shared)
        for limit in keyed_limits(operation.name, query, body):
            keyed = self._keyed(limit, operation, application, seller, now)
            if not keyed.holds_one(now):
                figures = f"{limit.amount} in {limit.seconds:g} s" if limit.seconds else f"{limit.amount}/s"
                return Empty(f"{operation.name}: {limit.label} has no token left at {figures}", limit.level)
            taken.append(keyed)
        for bucket in taken:
            bucket.take(now)
        return None

    def tokens(self, operation: Operation[Any], application: str, seller: str | None) -> float:
        """How many tokens a bucket holds now."""
        now = self._monotonic()
        return self._bucket(operation, application, seller or "", now).settle(now)

    def report(self) -> list[dict[str, Any]]:
        """Every bucket that has been used; ``account`` is empty if all sellers share it."""
        now = self._monotonic()
        return [
            {
                "operation": name,
                "application": application,
                "account": seller or "",
                "region": "",
                "rule": label,
                **bucket.report(now),
            }
            for (application, seller, name, label), bucket in self._buckets.items()
        ]

    def spend(self, operation: str, tokens: float) -> None:
        """Take tokens from every bucket of an operation, as another client of the same quota would."""
        now = self._monotonic()
        for (_, _, name, _), bucket in self._buckets.items():
            if name == operation and isinstance(bucket, Bucket):
                bucket.tokens = max(0.0, bucket.settle(now) - tokens)

    def refill(self) -> None:
        """Make every bucket full again."""
        self._buckets.clear()

    def _bucket(self, operation: Operation[Any], application: str, seller: str, now: float) -> Bucket:
        key = (application, seller, operation.name, "")
        bucket = self._buckets.get(key)
        if bucket is None:
            rate, _, burst = self._plan(operation)
            bucket = self._buckets[key] = Bucket(rate, burst, now)
        assert isinstance(bucket, Bucket)
        return bucket

    def _application_bucket(self, operation: Operation[Any], application: str, now: float) -> Bucket | None:
        plan = operation.usage_plan
        if plan.application_rate is None:
            return None
        key = (application, None, operation.name, "")
        bucket = self._buckets.get(key)
        if bucket is None:
            rate = plan.application_rate * self._rate_scale
            bucket = self._buckets[key] = Bucket(rate, plan.burst_of_application, now)
        assert isinstance(bucket, Bucket)
        return bucket

    def _keyed(
        self, limit: KeyedLimit, operation: Operation[Any], application: str, seller: str | None, now: float
    ) -> Bucket | WindowLog:
        key = (application, None if limit.whole_application else seller or "", operation.name, limit.label)
        bucket = self._buckets.get(key)
        if bucket is None:
            if limit.seconds:
                bucket = WindowLog(limit.amount, limit.seconds / self._rate_scale)
            else:
                bucket = Bucket(limit.amount * self._rate_scale, limit.amount, now)
            self._buckets[key] = bucket
        return bucket

    def _plan(self, operation: Operation[Any]) -> tuple[float, str, int]:
        """(rate, rate as text, burst); the enforced rate is the announced one, with the same digits."""
        known = self._announced.get(operation.name)
        if known is None:
            rate, burst = _figures(operation.usage_plan, self._figures)
            text = rate_text(rate * self._rate_scale)
            known = self._announced[operation.name] = (float(text), text, burst)
        return known


def rate_text(rate: float) -> str:
    """A rate as Amazon writes it: ``5.0``, ``0.5``, ``0.0167``."""
    return str(float(f"{rate:.4f}")) if rate >= 0.001 else f"{rate:.8f}"


def _figures(plan: UsagePlan, source: str) -> tuple[float, int]:
    for other in plan.others:
        if other.source == source:
            return other.rate, other.burst or plan.burst
    return plan.rate, plan.burst

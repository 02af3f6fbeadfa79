"""The usage plans as Amazon would enforce them, in code of the emulator's own.

A bucket holds at most *burst* tokens and gains *rate* tokens a second, continuously; a request takes one or gets 429.
There is one bucket per (application, selling partner, operation) and, where Amazon publishes an application limit,
one more per (application, operation). A throttled request takes nothing from either. Every other request with a good
token takes one, also when it is then answered 400 or 404: Amazon does not say, and charging is the stricter reading.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from spapi_async._core.operation import Operation, UsagePlan

__all__ = ["Bucket", "Plans"]

# Comparing sums of floats: a token that is due must not be missed by a rounding error. 0.1 us at 10 requests/s.
_EPSILON = 1e-6


class Bucket:
    """``tokens`` as of ``at``; what has flowed in since is added when somebody looks."""

    __slots__ = ("admitted", "at", "burst", "rate", "throttled", "tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self.tokens = burst
        self.at = now
        self.admitted = 0
        self.throttled = 0

    def settle(self, now: float) -> float:
        """Add what has flowed in, and say how many tokens there are."""
        if now > self.at:
            self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
            self.at = now
        return self.tokens

    def holds_one(self, now: float) -> bool:
        """Whether a request may pass now; one that may not is counted as throttled."""
        passes = self.settle(now) >= 1.0 - _EPSILON
        self.throttled += not passes
        return passes

    def take(self) -> None:
        """Let one request pass."""
        self.tokens -= 1.0
        self.admitted += 1

    def report(self, now: float) -> dict[str, float]:
        """Figures under the names that the client's limiters give them; nobody waits here, a request passes or not."""
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


class Plans:
    """All buckets of an emulator.

    ``rate_scale`` makes every plan that many times faster (the burst stays); ``figures`` chooses the source whose
    figure is enforced where Amazon's sources disagree: ``model`` (the one that clients know), ``sdk`` or ``docs``.
    """

    def __init__(self, monotonic: Callable[[], float], *, rate_scale: float = 1.0, figures: str = "model") -> None:
        self._monotonic = monotonic
        self._rate_scale = rate_scale
        self._figures = figures
        self._buckets: dict[tuple[str, str | None, str], Bucket] = {}
        self._announced: dict[str, tuple[float, str, int]] = {}

    def announced(self, operation: Operation[Any]) -> str:
        """The rate as the header gives it."""
        return self._plan(operation)[1]

    def admit(self, operation: Operation[Any], application: str, seller: str | None) -> str | None:
        """Take a token from every bucket that applies, or from none: then say which one was empty."""
        now = self._monotonic()
        own = self._bucket(operation, application, seller or "", now)
        if not own.holds_one(now):
            return f"{operation.name}: no token left at {own.rate:g}/s, burst {own.burst:g}"
        shared = self._application_bucket(operation, application, now)
        if shared is not None:
            if not shared.holds_one(now):
                return f"{operation.name}: no token left for the application at {shared.rate:g}/s"
            shared.take()
        own.take()
        return None

    def tokens(self, operation: Operation[Any], application: str, seller: str | None) -> float:
        """How many tokens a bucket holds now."""
        now = self._monotonic()
        return self._bucket(operation, application, seller or "", now).settle(now)

    def report(self) -> list[dict[str, Any]]:
        """Every bucket that has been asked for a token; ``account`` is empty where all sellers share it."""
        now = self._monotonic()
        return [
            {"operation": name, "application": application, "account": seller or "", "region": "", **bucket.report(now)}
            for (application, seller, name), bucket in self._buckets.items()
        ]

    def spend(self, operation: str, tokens: float) -> None:
        """Somebody else uses the same quota: take tokens from every bucket of an operation that is in use."""
        now = self._monotonic()
        for (_, _, name), bucket in self._buckets.items():
            if name == operation:
                bucket.tokens = max(0.0, bucket.settle(now) - tokens)

    def refill(self) -> None:
        """Start every bucket anew, full."""
        self._buckets.clear()

    def _bucket(self, operation: Operation[Any], application: str, seller: str, now: float) -> Bucket:
        key = (application, seller, operation.name)
        bucket = self._buckets.get(key)
        if bucket is None:
            rate, _, burst = self._plan(operation)
            bucket = self._buckets[key] = Bucket(rate, burst, now)
        return bucket

    def _application_bucket(self, operation: Operation[Any], application: str, now: float) -> Bucket | None:
        plan = operation.usage_plan
        if plan.application_rate is None:
            return None
        key = (application, None, operation.name)
        bucket = self._buckets.get(key)
        if bucket is None:
            burst = plan.application_burst or max(1, math.ceil(plan.application_rate))
            bucket = self._buckets[key] = Bucket(plan.application_rate * self._rate_scale, burst, now)
        return bucket

    def _plan(self, operation: Operation[Any]) -> tuple[float, str, int]:
        """(rate, the same as text, burst). What is announced is what is enforced, to the last digit."""
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

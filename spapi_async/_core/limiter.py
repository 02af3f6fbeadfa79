"""The protocol of rate limiters, as the rest of the library uses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from spapi_async._core.clock import Clock
from spapi_async._core.events import Observers
from spapi_async._core.operation import Operation
from spapi_async._core.options import Priority
from spapi_async._core.plan_rules import PlanRule
from spapi_async.credentials import Account
from spapi_async.errors import ClosedError, RateLimitWaitError

__all__ = ["LimitSnapshot", "Permit", "RateLimiter", "closed_error", "late_error", "wait_error"]


class LimitSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One bucket at one moment.

    Attributes:
        operation: ``"orders_v0.get_order"``.
        application: the application's client id.
        account: name of the seller, or ``""`` for the bucket that all sellers of the application share.
        region: ``"na"``, ``"eu"`` or ``"fe"``.
        rate: the rate in use, in tokens per second.
        announced_rate: the plan's rate, or the last one in ``x-amzn-RateLimit-Limit``.
        burst: the capacity in use.
        tokens: tokens available; a fraction, negative while a debt is paid off.
        waiting: calls in the queue.
        next_available: seconds until a call that arrives now, with NORMAL priority, would be admitted.
        admitted: calls let through so far.
        throttled: 429s so far.
        rule: the argument to which this limit applies, such as ``reportType=GET_SALES_AND_TRAFFIC_REPORT``;
            ``""`` for a usage plan.
        window: seconds of a sliding window that holds ``burst`` requests; 0 for a token bucket.
    """

    operation: str
    application: str
    account: str
    region: str
    rate: float
    announced_rate: float
    burst: float
    tokens: float
    waiting: int
    next_available: float
    admitted: int
    throttled: int
    rule: str = ""
    window: float = 0.0


class Permit(Protocol):
    """The right to send one request now. Exactly one of the two methods is called, once."""

    @property
    def waited(self) -> float:
        """Seconds spent waiting for it."""

    def observe(self, status: int | None, rate: float | None, refusal: bytes = b"") -> None:
        """The request was sent: report the reply.

        Args:
            status: the reply's status; None if there was no reply.
            rate: the rate header, if it was a number.
            refusal: the body of a 429, whose message may name the limit that was hit.
        """

    def release(self) -> None:
        """The request was never sent: the tokens go back and the next waiter is woken."""


class RateLimiter(Protocol):
    """Admits calls at the pace of Amazon's usage plans."""

    def bind(self, *, clock: Clock, observers: Observers, rules: Sequence[PlanRule]) -> None:
        """Connect this limiter with the application that it was given to, before any call.

        The application's observers are called, too; its rules are added to the limiter's own; its clock is used if the
        limiter has none.

        Raises:
            ConfigurationError: a rule cannot work.
        """

    async def acquire(
        self,
        operation: Operation[Any],
        account: Account,
        *,
        priority: Priority,
        max_wait: float | None,
        arguments: Mapping[str, Any] | None = None,
    ) -> Permit:
        """Wait for a token in every bucket that the call uses; ``arguments`` are the method's arguments.

        Raises:
            RateLimitWaitError: the predicted wait exceeds ``max_wait`` seconds; raised before waiting.
        """

    def forecast(
        self,
        operation: Operation[Any],
        account: Account,
        arguments: Mapping[str, Any] | None = None,
        *,
        count: int = 1,
        priority: Priority = Priority.NORMAL,
    ) -> float:
        """Seconds until the last of ``count`` calls made now could be sent."""

    def throttled(
        self, operation: Operation[Any], account: Account, arguments: Mapping[str, Any] | None = None
    ) -> None:
        """An item in a batch reply had the status 429; it counts as a 429 of the call's usage plan."""

    def limits(self) -> tuple[LimitSnapshot, ...]:
        """Every limit in use."""

    async def aclose(self) -> None:
        """Stop background work and close connections; waiters get an error."""


def closed_error(operation: Operation[Any]) -> ClosedError:
    """The error of a call after the application was closed."""
    return ClosedError("the application is closed", operation=operation.name)


def wait_error(operation: Operation[Any], wait: float, max_wait: float) -> RateLimitWaitError:
    """The error of a call that would have to wait longer than ``max_wait``."""
    return RateLimitWaitError(
        f"would wait {wait:.3g} s for quota, longer than max_wait={max_wait:g} s",
        operation=operation.name,
        retry_after=wait,
    )


def late_error(operation: Operation[Any], wait: float, max_wait: float) -> RateLimitWaitError:
    """The error of a call that has waited for ``max_wait``; another one now would wait for ``wait``."""
    return RateLimitWaitError(
        f"no quota within max_wait={max_wait:g} s, and none for another {wait:.3g} s",
        operation=operation.name,
        retry_after=wait,
    )

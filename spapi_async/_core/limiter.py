"""What a rate limiter is to the rest of the library, whichever one it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from spapi_async._core.operation import Operation
from spapi_async._core.options import Priority
from spapi_async.credentials import Account
from spapi_async.errors import ClosedError

__all__ = ["LimitSnapshot", "Permit", "RateLimiter", "closed_error"]


class LimitSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One bucket at one moment.

    Attributes:
        operation: ``"orders_v0.get_order"``.
        application: the application's client id.
        account: key of the account, or ``""`` for the bucket that all sellers of the application share.
        region: ``"na"``, ``"eu"`` or ``"fe"``.
        rate: tokens a second now believed in.
        announced_rate: the plan's rate or the last one in ``x-amzn-RateLimit-Limit``.
        burst: capacity now believed in.
        tokens: tokens at hand; a fraction, negative while a debt is paid off.
        waiting: calls in the queue.
        next_available: seconds until a call that arrives now, with NORMAL priority, would be admitted.
        admitted: calls let through so far.
        throttled: 429s so far.
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


class Permit(Protocol):
    """The right to send one request now. Exactly one of the two methods is called, once."""

    @property
    def waited(self) -> float:
        """Seconds spent waiting for it."""

    def observe(self, status: int | None, rate: float | None) -> None:
        """The request was sent: report the reply's status (None: no reply) and the rate header, if it was a number."""

    def release(self) -> None:
        """The request was never sent: the tokens go back and the next waiter is woken."""


class RateLimiter(Protocol):
    """Admits calls at the pace of Amazon's usage plans."""

    async def acquire(
        self, operation: Operation[Any], account: Account, *, priority: Priority, max_wait: float | None
    ) -> Permit:
        """Wait for a token of every bucket that the call draws on.

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
    ) -> float:
        """Seconds until that many calls which come now could have left."""

    def limits(self) -> tuple[LimitSnapshot, ...]:
        """Every live bucket."""

    async def aclose(self) -> None:
        """Stop background work and close connections; waiters get an error."""


def closed_error(operation: Operation[Any]) -> ClosedError:
    """What a call gets whose limiter was closed."""
    return ClosedError("the application is closed", operation=operation.name)

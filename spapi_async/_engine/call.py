"""The state of one call under way: its request, the attempts so far, and the time that is left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, Generic, TypeVar

from spapi_async._codec.request import prepare
from spapi_async._core.clock import Clock
from spapi_async._core.operation import Operation
from spapi_async._core.options import CallOptions
from spapi_async._engine.retry import Outcome
from spapi_async.credentials import Account
from spapi_async.errors import (
    RequestTimeoutError,
    SPAPIError,
)

__all__ = ["Call"]

S = TypeVar("S")
T = TypeVar("T")


class Call(Generic[T]):
    """The state of one call while it is under way; it belongs to one task and ends with it."""

    __slots__ = (
        "_clock",
        "_deadline",
        "account",
        "arguments",
        "attempts",
        "failure",
        "failures",
        "headers",
        "operation",
        "options",
        "rate_limit",
        "request",
        "token_renewed",
    )

    def __init__(
        self,
        operation: Operation[T],
        account: Account,
        arguments: Mapping[str, Any],
        *,
        options: CallOptions,
        clock: Clock,
    ) -> None:
        self.operation = operation
        self.account = account
        self.request = prepare(operation, arguments, account.region)
        self.arguments = arguments
        self.options = options
        self.attempts = 0
        self.headers: Mapping[str, str] | None = None  # the last reply's
        self.rate_limit: float | None = None
        self.failures: dict[Outcome, int] = {}
        self.failure: SPAPIError | None = None
        self.token_renewed = False
        self._clock = clock
        self._deadline = None if options.deadline is None else clock.monotonic() + options.deadline

    def count(self, outcome: Outcome) -> int:
        """Count one more failure of this kind and return how many there have been."""
        failures = self.failures[outcome] = self.failures.get(outcome, 0) + 1
        return failures

    def described(self) -> str:
        """Method, path template and names of the query's parameters; values may be personal data and are left out."""
        query = self.request.target.partition("?")[2]
        names = dict.fromkeys(pair.partition("=")[0] for pair in query.split("&") if pair)
        shown = "&".join(f"{name}=…" for name in names)
        return f"{self.operation.method} {self.operation.path}{'?' if shown else ''}{shown}"

    def remaining(self) -> float | None:
        """Seconds until the call's deadline, or None."""
        return None if self._deadline is None else self._deadline - self._clock.monotonic()

    def max_wait(self) -> float | None:
        """The longest acceptable wait for quota: the caller's bound, or what the deadline leaves of it."""
        longest = self.options.max_wait
        if self._deadline is None:
            return longest
        remaining = max(self._deadline - self._clock.monotonic(), 0.0)
        return remaining if longest is None else min(remaining, longest)

    def in_time(self, step: Awaitable[S]) -> Awaitable[S]:
        """The same step, cancelled at the call's deadline if there is one."""
        return step if self._deadline is None else self._with_deadline(step)

    async def _with_deadline(self, step: Awaitable[S]) -> S:
        assert self._deadline is not None
        try:
            async with asyncio.timeout(max(self._deadline - self._clock.monotonic(), 0.0)):
                return await step
        except TimeoutError:
            raise self._too_late() from None

    def exchange_timeout(self, usual: float) -> float | None:
        """The bound of one HTTP exchange; None means the application's. A deadline can only shorten it.

        Raises:
            SPAPIError: the deadline has passed.
        """
        timeout = self.options.timeout
        if self._deadline is None:
            return timeout
        remaining = self._deadline - self._clock.monotonic()
        if remaining <= 0:
            raise self._too_late()
        return timeout if remaining >= (usual if timeout is None else timeout) else remaining

    def _too_late(self) -> SPAPIError:
        """The error of a call whose deadline passed before its request was sent: its last failure, if it had one."""
        return self.failure or RequestTimeoutError(
            f"the deadline of {self.options.deadline:g} s passed before the request was sent"
        )

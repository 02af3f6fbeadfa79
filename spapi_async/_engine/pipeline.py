"""The path of a request, straight down: send, repeat as the retry policy says, send once.

One attempt waits for quota *before* it fetches a token, so that a long queue cannot make the token stale, and reports
the reply to the limiter before anybody decodes it.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Mapping
from typing import Any, Generic, TypeVar

from spapi_async._codec.request import prepare
from spapi_async._codec.response import REQUEST_ID, Response, decode, error_from_reply, parse_rate_limit
from spapi_async._core.clock import Clock
from spapi_async._core.endpoints import Endpoints
from spapi_async._core.events import CallFinished, Observers, RequestFinished, ViolationsFound
from spapi_async._core.limiter import Permit, RateLimiter
from spapi_async._core.operation import Operation
from spapi_async._core.options import CallOptions, current_options
from spapi_async._core.request import Request
from spapi_async._core.tokens import Tokens
from spapi_async._engine.retry import Outcome, RetryPolicy
from spapi_async._engine.transport import RawReply, SessionPool
from spapi_async.credentials import Account, Grant
from spapi_async.errors import (
    ClosedError,
    ConfigurationError,
    ConnectionFailedError,
    OutcomeUnknownError,
    RequestTimeoutError,
    SPAPIError,
    TransportError,
)

__all__ = ["Pipeline"]

S = TypeVar("S")
T = TypeVar("T")


class Pipeline:
    """Everything an application's calls share on their way to Amazon."""

    __slots__ = ("_clock", "_endpoints", "_limiter", "_observed", "_observers", "_pool", "_retry", "_strict", "_tokens",
                 "closed")  # fmt: skip

    def __init__(
        self,
        *,
        limiter: RateLimiter,
        tokens: Tokens,
        pool: SessionPool,
        endpoints: Endpoints,
        retry: RetryPolicy,
        clock: Clock,
        observers: Observers,
        strict: bool,
    ) -> None:
        self._limiter = limiter
        self._tokens = tokens
        self._pool = pool
        self._endpoints = endpoints
        self._retry = retry
        self._clock = clock
        self._observers = observers
        self._observed = bool(observers)
        self._strict = strict
        self.closed = False

    async def send(self, account: Account, operation: Operation[T], arguments: Mapping[str, Any]) -> Response[T]:
        """Perform one call: quota, token, transport, retries, decoding."""
        if self.closed:
            raise ClosedError("the application is closed", operation=operation.name)
        call = _Call(
            operation, _payer(operation, account), prepare(operation, arguments), current_options(), self._clock
        )
        started = self._clock.monotonic() if self._observed else 0.0
        try:
            response = await self._send_with_retries(call)
        except BaseException as error:
            if isinstance(error, SPAPIError):
                error.operation = error.operation or operation.name
                error.attempts = call.attempts
            if self._observed:
                self._report_call(call, started, error)
            raise
        if self._observed:
            self._report_call(call, started, None)
            if response.violations:
                self._report_violations(call, response)
        return response

    async def fetch(self, account: Account, operation: Operation[T], arguments: Mapping[str, Any]) -> T:
        """Perform one call for its decoded body alone."""
        return (await self.send(account, operation, arguments)).body

    def forecast(
        self, account: Account, operation: Operation[Any], arguments: Mapping[str, Any] | None = None, *, count: int = 1
    ) -> float:
        """Seconds until that many calls which come now could have left."""
        if self.closed:
            raise ClosedError("the application is closed", operation=operation.name)
        return self._limiter.forecast(operation, _payer(operation, account), arguments, count=count)

    def close(self) -> None:
        """Refuse calls from now on; those under way go on."""
        self.closed = True

    async def _send_with_retries(self, call: _Call[T]) -> Response[T]:
        operation, account, request, priority = call.operation, call.account, call.request, call.options.priority
        while True:
            # The limiter predicts the wait; calls more urgent than this one can prolong it.
            permit = await call.in_time(
                self._limiter.acquire(operation, account, priority=priority, max_wait=call.max_wait())
            )
            try:
                # Its own failures have been retried already.
                token = await call.in_time(
                    self._tokens.token(operation, account, request, data_elements=request.data_elements)
                )
                timeout = call.exchange_timeout(self._pool.total)
            except BaseException:
                permit.release()
                raise
            try:
                reply = await self._send_once(call, permit, token, timeout)
            except TransportError as error:
                outcome = Outcome.NOT_SENT if isinstance(error, ConnectionFailedError) else Outcome.NO_REPLY
                delay = self._delay(call, outcome)
                if delay is None:
                    raise _as_known(error, call) from error.__cause__
                call.failure = error
            else:
                if 200 <= reply.status < 300:
                    return self._accept(call, reply)
                delay = self._delay_after(call, reply, token)
            if delay:
                await self._clock.sleep(delay)

    async def _send_once(self, call: _Call[T], permit: Permit, token: str, timeout: float | None) -> RawReply:
        request, region = call.request, call.account.region
        call.attempts += 1
        started = self._clock.monotonic() if self._observed else 0.0
        reply: RawReply | None = None
        try:
            reply = await self._pool.exchange(
                request.method,
                self._endpoints.api(region) + request.target,
                headers={**request.headers, "x-amz-access-token": token, "x-amz-date": _amz_date(self._clock.time())},
                body=request.body,
                timeout=timeout,
                session_key=region.endpoint,  # whatever host stands in for it
            )
        except ConnectionFailedError:
            permit.release()
            raise
        except BaseException:
            permit.observe(None, None)  # it may have left, so it may have cost a token
            raise
        else:
            call.rate_limit = parse_rate_limit(reply.headers)
            permit.observe(reply.status, call.rate_limit)
            return reply
        finally:
            if self._observed:
                self._report_request(call, reply, started)

    def _accept(self, call: _Call[T], reply: RawReply) -> Response[T]:
        response = decode(
            call.operation,
            reply.status,
            reply.headers,
            reply.body,
            strict=self._strict,
            attempts=call.attempts,
            rate_limit=call.rate_limit,
        )
        if response.errors and response.body is None:
            # An envelope that holds errors and no payload is no success, whatever its status.
            raise error_from_reply(call.operation, reply.status, reply.headers, reply.body, attempts=call.attempts)
        self._tokens.learn(call.operation, response.body)
        return response

    def _delay_after(self, call: _Call[Any], reply: RawReply, token: str) -> float:
        """Seconds until a refused call is tried again; raises the error it becomes when it is not."""
        if reply.status in (401, 403) and not call.token_renewed:
            call.token_renewed = True  # once for a call, never a loop
            if self._tokens.rejected(token, call.operation, call.account, reply.body, request=call.request):
                return 0.0
        outcome = Outcome.of_status(reply.status)
        delay = self._delay(call, outcome)
        error = _refusal(call, reply, outcome)
        if delay is None:
            raise error
        call.failure = error
        return delay

    def _report_request(self, call: _Call[T], reply: RawReply | None, started: float) -> None:
        self._observers.emit(
            RequestFinished(
                operation=call.operation.name,
                account=call.account.key,
                status=reply.status if reply else None,
                seconds=self._clock.monotonic() - started,
                attempt=call.attempts,
                request_id=reply.headers.get(REQUEST_ID) if reply else None,
            )
        )

    def _report_call(self, call: _Call[T], started: float, error: BaseException | None) -> None:
        self._observers.emit(
            CallFinished(
                operation=call.operation.name,
                account=call.account.key,
                seconds=self._clock.monotonic() - started,
                attempts=call.attempts,
                error=type(error).__name__ if error else None,
            )
        )

    def _report_violations(self, call: _Call[T], response: Response[T]) -> None:
        self._observers.emit(
            ViolationsFound(
                operation=call.operation.name,
                account=call.account.key,
                paths=tuple(violation.path for violation in response.violations),
                request_id=response.request_id,
            )
        )

    def _delay(self, call: _Call[T], outcome: Outcome) -> float | None:
        failures = call.count(outcome)
        delay = self._retry.delay(call.operation, outcome, failures)
        remaining = call.remaining()
        return None if delay is not None and remaining is not None and delay >= remaining else delay


class _Call(Generic[T]):
    """The state of one call while it is under way; it belongs to one task and ends with it."""

    __slots__ = (
        "_clock",
        "_deadline",
        "account",
        "attempts",
        "failure",
        "failures",
        "operation",
        "options",
        "rate_limit",
        "request",
        "token_renewed",
    )

    def __init__(
        self, operation: Operation[T], account: Account, request: Request, options: CallOptions, clock: Clock
    ) -> None:
        self.operation = operation
        self.account = account
        self.request = request
        self.options = options
        self.attempts = 0
        self.rate_limit: float | None = None
        self.failures: dict[Outcome, int] = {}
        self.failure: SPAPIError | None = None
        self.token_renewed = False
        self._clock = clock
        self._deadline = None if options.deadline is None else clock.monotonic() + options.deadline

    def count(self, outcome: Outcome) -> int:
        """Record one more failure of this kind and say how many there have been."""
        failures = self.failures[outcome] = self.failures.get(outcome, 0) + 1
        return failures

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
        """The same step, bound to end before the deadline where there is one."""
        return step if self._deadline is None else self._hurried(step)

    async def _hurried(self, step: Awaitable[S]) -> S:
        assert self._deadline is not None
        try:
            async with asyncio.timeout(max(self._deadline - self._clock.monotonic(), 0.0)):
                return await step
        except TimeoutError:
            raise self._too_late() from None

    def exchange_timeout(self, usual: float) -> float | None:
        """The bound of one HTTP exchange; None means the application's. A deadline shortens it, never lengthens it.

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
        """The error of a call whose deadline passed before its request was sent: what made the last attempt fail."""
        return self.failure or RequestTimeoutError(
            f"the deadline of {self.options.deadline:g} s passed before the request was sent"
        )


def _payer(operation: Operation[Any], account: Account) -> Account:
    """Whose quota and token a call uses: the application's own for a grantless operation, the seller's otherwise."""
    scope = operation.grantless_scope
    if scope is not None:
        return Account(Grant.scope(account.application, scope), account.region)
    if account.grant.grant_type == "client_credentials":
        raise ConfigurationError(
            "this operation acts for a selling partner; use app.selling_partner(...)", operation=operation.name
        )
    return account


def _refusal(call: _Call[Any], reply: RawReply, outcome: Outcome) -> SPAPIError:
    """The error that a reply which is not 2xx becomes once nothing more can be tried."""
    error = error_from_reply(call.operation, reply.status, reply.headers, reply.body, attempts=call.attempts)
    if outcome is Outcome.SERVER_ERROR and not call.operation.idempotent:
        unknown = OutcomeUnknownError(
            f"Amazon answered {reply.status}; the operation may have taken effect: check before repeating it",
            operation=error.operation,
            request_id=error.request_id,
            status=reply.status,
            attempts=call.attempts,
        )
        unknown.__cause__ = error
        return unknown
    return error


def _as_known(error: TransportError, call: _Call[Any]) -> TransportError:
    """A lost reply to a request that must not be repeated blindly says so by its class."""
    if isinstance(error, ConnectionFailedError) or call.operation.idempotent:
        return error
    return OutcomeUnknownError(f"{error.message}; the operation may have taken effect: check before repeating it")


@functools.lru_cache(maxsize=2)
def _amz_date_of(second: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))


def _amz_date(now: float) -> str:
    """``x-amz-date``; formatted once a second however many calls there are."""
    return _amz_date_of(int(now))

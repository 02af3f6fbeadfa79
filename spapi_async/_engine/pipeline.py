"""The path of a request from top to bottom: send, repeat as the retry policy says, send once.

An attempt waits for quota *before* it fetches a token, so that the token does not expire in a long queue, and reports
the reply to the limiter before the reply is decoded.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Awaitable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from spapi_async._codec.first_reader import FIRST_READER, decode_first
from spapi_async._codec.headers import request_id_of
from spapi_async._codec.known_limits import BATCHES, Batch
from spapi_async._codec.pages import items_of
from spapi_async._codec.request import check_names
from spapi_async._codec.response import Response, confirms, decode, error_from_reply, parse_rate_limit, shown_headers
from spapi_async._core.clock import Clock
from spapi_async._core.endpoints import Endpoints
from spapi_async._core.events import CallFinished, Observers, RequestFinished, ViolationsFound, Waited
from spapi_async._core.frames import forget_locals
from spapi_async._core.home_loop import HomeLoop
from spapi_async._core.limiter import Permit, RateLimiter, closed_error
from spapi_async._core.operation import Operation
from spapi_async._core.options import current_options
from spapi_async._core.tokens import Tokens
from spapi_async._engine.batches import send_whole, throttled
from spapi_async._engine.call import Call
from spapi_async._engine.refusals import error_of_lost_reply, outcome_unknown, refusal
from spapi_async._engine.retry import Outcome, RetryPolicy
from spapi_async._engine.transport import RawReply, SessionPool
from spapi_async.credentials import Account, Grant, Secret
from spapi_async.errors import (
    ConfigurationError,
    ConnectionFailedError,
    DecodeError,
    SPAPIError,
    TransportError,
)

__all__ = ["Pipeline"]

S = TypeVar("S")
T = TypeVar("T")


class Pipeline:
    """Everything an application's calls share on their way to Amazon."""

    __slots__ = (
        "__weakref__",
        "_calls",
        "_clock",
        "_drained",
        "_endpoints",
        "_home",
        "_limiter",
        "_observed",
        "_observers",
        "_pool",
        "_retry",
        "_strict",
        "_tokens",
        "closed",
    )  # fmt: skip

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
        what: str = "the pipeline",
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
        self._home = HomeLoop(what, drop=self._forget_calls)
        self._calls: set[Call[Any]] = set()
        self._drained: asyncio.Event | None = None

    def send(
        self, account: Account, operation: Operation[T], arguments: Mapping[str, Any]
    ) -> Coroutine[Any, Any, Response[T]]:
        """Perform one call: quota, token, transport, retries, decoding."""
        if self.closed:
            return self._refuse(operation)
        if (batch := BATCHES.get(operation.name)) is not None:
            return self._send_batch(batch, account, operation, arguments)
        return self.send_for_another(account, operation, arguments)

    async def _refuse(self, operation: Operation[T]) -> Response[T]:
        raise closed_error(operation)

    async def send_for_another(
        self, account: Account, operation: Operation[T], arguments: Mapping[str, Any]
    ) -> Response[T]:
        """Like :meth:`send`, for a call that a call under way needs: it is allowed while the application drains."""
        if asyncio.get_running_loop() is not self._home.loop:
            self._home.enter()
        call = Call(
            operation,
            payer_of(operation, account),
            arguments,
            options=current_options(),
            clock=self._clock,
        )
        del arguments  # an exception shows the local variables of this frame, and these hold the request's body
        self._calls.add(call)
        started = self._clock.monotonic() if self._observed else 0.0
        try:
            response = await self._send_with_retries(call)
        except BaseException as error:
            if isinstance(error, SPAPIError):
                self._complete(error, call)
            if self._observed:
                self._report_call(call, started, error)
            forget_locals(error)
            raise
        finally:
            self._ended(call)
        if self._observed:
            self._report_call(call, started, None)
            if response.violations:
                self._report_violations(call, response)
        return response

    async def fetch(self, account: Account, operation: Operation[T], arguments: Mapping[str, Any]) -> T:
        """Perform one call for its decoded body alone."""
        call = self.send(account, operation, arguments)
        del arguments  # as in send_for_another
        return (await call).body

    def forecast(
        self, account: Account, operation: Operation[Any], arguments: Mapping[str, Any] | None, count: int
    ) -> float:
        """Seconds until the last of ``count`` calls could be sent, with the priority in force here."""
        if self.closed:
            raise closed_error(operation)
        if type(count) is not int or count < 1:
            raise ConfigurationError(f"count must be 1 or more, not {count!r}", operation=operation.name)
        if arguments:
            check_names(operation, arguments)
        priority = current_options().priority
        return self._limiter.forecast(
            operation, payer_of(operation, account), arguments, count=count, priority=priority
        )

    def throttled(self, account: Account, operation: Operation[Any], arguments: Mapping[str, Any] | None) -> None:
        """Tell the limiter that an item in a batch reply had the status 429."""
        self._limiter.throttled(operation, payer_of(operation, account), arguments)

    @property
    def busy(self) -> bool:
        """Whether calls are under way."""
        return bool(self._calls)

    async def _send_batch(
        self, batch: Batch, account: Account, operation: Operation[T], arguments: Mapping[str, Any]
    ) -> Response[T]:
        def send(again: Mapping[str, Any]) -> Awaitable[Response[T]]:
            return self.send_for_another(account, operation, again)

        attempts = self._retry.throttled_attempts
        whole = send_whole(send, batch, operation, arguments, attempts=attempts, clock=self._clock, strict=self._strict)
        del arguments
        try:
            return await whole
        except BaseException as error:
            forget_locals(error)
            raise

    async def drain(self, grace: float) -> None:
        """Refuse calls from now on; wait for those under way, but for no longer than ``grace`` seconds."""
        self.closed = True
        if grace > 0 and self._calls and self._home.loop is asyncio.get_running_loop():
            self._drained = self._drained or asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    while self._calls:  # a batch is several calls, one after another
                        self._drained.clear()
                        await self._drained.wait()

    def _ended(self, call: Call[Any]) -> None:
        self._calls.discard(call)
        if self._drained is not None and not self._calls:
            self._drained.set()

    def _forget_calls(self, forked: bool) -> None:  # noqa: ARG002, FBT001 - a former loop's never end in either case
        self._calls.clear()

    def _complete(self, error: SPAPIError, call: Call[Any]) -> None:
        """Add to the error the facts that Amazon's support asks for."""
        error.operation = error.operation or call.operation.name
        error.attempts = call.attempts
        error.request = error.request or call.described()
        error.occurred_at = error.occurred_at or self._clock.time()
        if error.status is not None and not error.headers and call.headers is not None:
            error.headers = shown_headers(call.headers)
            error.rate_limit = call.rate_limit

    async def _send_with_retries(self, call: Call[T]) -> Response[T]:
        operation, account, request, priority = call.operation, call.account, call.request, call.options.priority
        arguments = call.arguments
        while True:
            call.headers = None  # an earlier reply's: the error of this attempt must not show them
            # The limiter predicts the wait, but more urgent calls can prolong it.
            permit = await call.in_time(
                self._limiter.acquire(
                    operation, account, priority=priority, max_wait=call.max_wait(), arguments=arguments
                )
            )
            if self._observed and permit.waited:
                self._observers.emit(Waited(operation=operation.name, account=account.name, seconds=permit.waited))
            try:
                # The token request's own failures have been retried already.
                token = await call.in_time(
                    self._tokens.token(operation, account, request, data_elements=request.data_elements)
                )
                timeout = call.exchange_timeout(self._pool.total)
            except BaseException:
                permit.release()
                raise
            try:
                reply = await self._send_once(call, permit, token, timeout)
            except DecodeError as error:
                lost = error_of_lost_reply(error, call)
                raise lost from lost.__cause__
            except TransportError as error:
                outcome = Outcome.NOT_SENT if isinstance(error, ConnectionFailedError) else Outcome.NO_REPLY
                delay = self._delay(call, outcome)
                if delay is None:
                    lost = error_of_lost_reply(error, call)
                    raise lost from lost.__cause__
                call.failure = error
            else:
                if 200 <= reply.status < 300:
                    return self._accept(call, reply)
                delay = self._delay_after(call, reply, token)
            if delay:
                await self._clock.sleep(delay)

    async def _send_once(self, call: Call[T], permit: Permit, token: Secret, timeout: float | None) -> RawReply:
        request, region = call.request, call.account.region
        call.attempts += 1
        started = self._clock.monotonic() if self._observed else 0.0
        reply: RawReply | None = None
        try:
            reply = await self._pool.exchange(
                request.method,
                self._endpoints.api(region) + request.target,
                headers={**request.headers, "x-amz-date": amz_date(self._clock.time())},
                token=token,
                body=request.body,
                timeout=timeout,
                session_key=region.endpoint,  # also if another host replaces it
            )
        except ConnectionFailedError:
            permit.release()
            raise
        except BaseException:
            permit.observe(None, None)  # the request may have been sent, so it may have cost a token
            raise
        else:
            call.headers = reply.headers
            call.rate_limit = parse_rate_limit(reply.headers)
            if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
                permit.observe(reply.status, call.rate_limit, reply.body)  # the message of a 429 may name the limit
            else:
                permit.observe(self._status_for_limiter(call, reply), call.rate_limit)
            return reply
        finally:
            if self._observed:
                self._report_request(call, reply, started)

    def _status_for_limiter(self, call: Call[T], reply: RawReply) -> int:
        """The reply's status, or 429 if an item in a batch was throttled, since it used the same bucket."""
        batch = BATCHES.get(call.operation.name)
        return 429 if batch is not None and reply.status < 300 and throttled(batch, reply.body) else reply.status

    def _accept(self, call: Call[T], reply: RawReply) -> Response[T]:
        facts = (call.operation, reply.status, reply.headers, reply.body)
        tried, rate = call.attempts, call.rate_limit
        response = None
        if FIRST_READER.get() is not None and not (self._strict or self._observed):
            response = decode_first(*facts, attempts=tried, rate_limit=rate)
        try:
            response = response or decode(*facts, strict=self._strict, attempts=tried, rate_limit=rate)
        except DecodeError as error:
            lost = error_of_lost_reply(error, call)
            raise lost from lost.__cause__
        if response.errors and _holds_nothing(call.operation, response.body):
            # An envelope with errors and without payload is a failure, whatever the status.
            raise error_from_reply(call.operation, reply.status, reply.headers, reply.body, attempts=call.attempts)
        if not call.operation.idempotent and not confirms(call.operation, response):
            raise outcome_unknown(f"Amazon answered {reply.status} without the result", call, reply)
        self._tokens.learn(call.operation, response.body)
        return response

    def _delay_after(self, call: Call[Any], reply: RawReply, token: Secret) -> float:
        """Seconds until a refused call is tried again; raises the call's error if it is not tried again."""
        if reply.status in (401, 403) and not call.token_renewed:
            call.token_renewed = True  # once per call, so there is no loop
            if self._tokens.rejected(token, call.operation, call.account, reply.body, request=call.request):
                return 0.0
        outcome = Outcome.of_status(reply.status)
        delay = self._delay(call, outcome)
        error = refusal(call, reply, outcome)
        if delay is None:
            raise error
        self._complete(error, call)
        call.failure = error
        return delay

    def _report_request(self, call: Call[T], reply: RawReply | None, started: float) -> None:
        self._observers.emit(
            RequestFinished(
                operation=call.operation.name,
                account=call.account.name,
                status=reply.status if reply else None,
                seconds=self._clock.monotonic() - started,
                attempt=call.attempts,
                request_id=request_id_of(reply.headers) if reply else None,
            )
        )

    def _report_call(self, call: Call[T], started: float, error: BaseException | None) -> None:
        self._observers.emit(
            CallFinished(
                operation=call.operation.name,
                account=call.account.name,
                seconds=self._clock.monotonic() - started,
                attempts=call.attempts,
                error=type(error).__name__ if error else None,
            )
        )

    def _report_violations(self, call: Call[T], response: Response[T]) -> None:
        self._observers.emit(
            ViolationsFound(
                operation=call.operation.name,
                account=call.account.name,
                paths=tuple(violation.path for violation in response.violations),
                request_id=response.request_id,
            )
        )

    def _delay(self, call: Call[T], outcome: Outcome) -> float | None:
        failures = call.count(outcome)
        delay = self._retry.delay(call.operation, outcome, failures)
        remaining = call.remaining()
        return None if delay is not None and remaining is not None and delay >= remaining else delay


def payer_of(operation: Operation[Any], account: Account) -> Account:
    """The account whose quota and token a call uses: the application's for a grantless operation, else the seller's."""
    scope = operation.grantless_scope
    if scope is not None:
        return Account(Grant.scope(account.application, scope), account.region)
    if account.grant.grant_type == "client_credentials":
        raise ConfigurationError(
            "this operation acts for a selling partner; use app.selling_partner(...)", operation=operation.name
        )
    return account


def _holds_nothing(operation: Operation[Any], body: Any) -> bool:
    return body is None or (operation.paging is not None and items_of(body, operation.paging) is None)


@functools.lru_cache(maxsize=2)
def _amz_date_of(second: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))


def amz_date(now: float) -> str:
    """``x-amz-date``; formatted at most once per second."""
    return _amz_date_of(int(now))

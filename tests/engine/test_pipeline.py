"""The path of a request: the order of its steps, when quota is given back, and what is repeated."""

import asyncio
import pickle
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from insides import collect_silently
from raw_server import Answer, RawServer, answering, hang_up, raw_server, reply, stay_silent

from spapi_async import (
    ApiError,
    CallFinished,
    ConfigurationError,
    ConnectionFailedError,
    DecodeError,
    Event,
    ForbiddenError,
    LWAError,
    NotFoundError,
    Operation,
    OutcomeUnknownError,
    Priority,
    QuotaExceededError,
    RateLimitWaitError,
    Region,
    RequestFinished,
    RequestTimeoutError,
    RetryPolicy,
    ServerError,
    SPAPIError,
    Timeout,
    ViolationsFound,
    call_options,
)
from spapi_async._core.endpoints import Endpoints
from spapi_async._core.events import Observers
from spapi_async._core.limiter import LimitSnapshot
from spapi_async._core.operation import Parameter, UsagePlan
from spapi_async._core.options import CallOptions
from spapi_async._core.request import Request
from spapi_async._core.wire import Model
from spapi_async._engine.call import Call
from spapi_async._engine.pipeline import Pipeline
from spapi_async._engine.transport import SessionPool
from spapi_async.credentials import Account, Grant, Secret

SELLER = Account(Grant.refresh_token("app", "Atzr|x"), Region.NA)
OK = answering(reply(b'{"size":3}'))


class Thing(Model):
    size: int


class Envelope(Model):
    payload: Thing | None = None
    errors: list[dict[str, str]] | None = None


def an_operation(method: Any = "GET", **facts: Any) -> Operation[Any]:
    arguments: dict[str, Any] = {
        "name": "things_v1.do_thing",
        "id": "doThing",
        "method": method,
        "path": "/things/{id}",
        "parameters": (
            Parameter(name="id", wire_name="id", location="path", type="str", encoding="segment", required=True),
        ),
        "usage_plan": UsagePlan(rate=1, burst=1),
        "response_type": Thing,
        "idempotent": method == "GET",
    }
    return Operation(**{**arguments, **facts})


GET, POST = an_operation(), an_operation("POST")


class Clock:
    """Real monotonic time and ``ahead`` seconds; sleeps are recorded instead of slept."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.ahead = 0.0

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead

    def time(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Standing(Clock):
    """A clock that only a test moves."""

    def monotonic(self) -> float:
        return self.ahead


class Limiter:
    """Admits every call at once, and records its calls."""

    def __init__(self, log: list[Any]) -> None:
        self.log = log
        self.waited = 0.0

    def bind(self, **_: Any) -> None: ...

    async def acquire(
        self,
        operation: Operation[Any],
        account: Account,
        *,
        priority: Priority,
        max_wait: float | None,
        arguments: Mapping[str, Any] | None = None,
    ) -> "Limiter":
        self.log.append(("acquire", account.grant.grant_type, priority.name))
        return self

    def observe(self, status: int | None, rate: float | None, refusal: bytes = b"") -> None:
        self.log.append(("observe", status, rate))

    def release(self) -> None:
        self.log.append(("release",))

    def forecast(self, *_: Any, **__: Any) -> float:
        return 0.0

    def throttled(self, *_: Any) -> None: ...

    def limits(self) -> tuple[LimitSnapshot, ...]:
        return ()

    async def aclose(self) -> None: ...


class QuotaInASecond(Limiter):
    """Has quota in a second; refuses a call that may not wait that long."""

    async def acquire(
        self,
        operation: Operation[Any],
        account: Account,
        *,
        priority: Priority,
        max_wait: float | None,
        arguments: Mapping[str, Any] | None = None,
    ) -> Limiter:
        if max_wait is not None and max_wait < 1.0:
            raise RateLimitWaitError("quota is short", retry_after=1.0)
        return await super().acquire(operation, account, priority=priority, max_wait=max_wait)


class Tokens:
    """Returns numbered tokens; ``renewable`` says whether a rejected one is to be replaced."""

    def __init__(self, log: list[Any]) -> None:
        self.log = log
        self.error: BaseException | None = None
        self.renewable = True
        self.on_rejected: Callable[[], None] = lambda: None
        self.count = 0
        self.delay = 0.0

    async def token(
        self, operation: Operation[Any], account: Account, request: Request, *, data_elements: tuple[str, ...]
    ) -> Secret:
        self.log.append(("token",))
        await asyncio.sleep(self.delay)
        if self.error:
            raise self.error
        self.count += 1
        return Secret(f"Atza|{self.count}")

    def rejected(
        self, token: Secret, operation: Operation[Any], account: Account, reply_body: bytes, *, request: Request
    ) -> bool:
        self.log.append(("rejected", token.reveal()))
        self.on_rejected()
        return self.renewable

    def learn(self, operation: Operation[Any], body: Any) -> None: ...


class World:
    """A pipeline in front of a server with scripted answers."""

    def __init__(self, server: RawServer) -> None:
        self.server = server
        self.log: list[Any] = []
        self.events: list[Event] = []
        self.clock = Clock()
        self.tokens = Tokens(self.log)
        self.pool = SessionPool(user_agent="t")
        self.pipeline = self.make(server.url)

    def make(self, url: str, **changes: Any) -> Pipeline:
        arguments: dict[str, Any] = {
            "limiter": Limiter(self.log),
            "tokens": self.tokens,
            "pool": self.pool,
            "endpoints": Endpoints(url),
            "retry": RetryPolicy(attempts=3, throttled_attempts=4),
            "clock": self.clock,
            "observers": Observers(),
            "strict": False,
        }
        return Pipeline(**{**arguments, **changes})

    async def send(self, operation: Operation[Any] = GET, pipeline: Pipeline | None = None) -> Any:
        return await (pipeline or self.pipeline).send(SELLER, operation, {"id": "1"})


@asynccontextmanager
async def world(*answers: Answer) -> AsyncIterator[World]:
    """A server that gives these answers in turn, the last one again and again."""
    script = list(answers)

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        await (script.pop(0) if len(script) > 1 else script[0])(request, writer)

    async with raw_server(answer) as server:
        here = World(server)
        yield here
        await here.pool.aclose()


def status(line: str, body: bytes = b"") -> Answer:
    return answering(reply(body, line))


async def test_quota_is_acquired_before_the_token() -> None:
    """A long wait for quota cannot make a token stale; the limiter observes the reply's rate."""
    async with world(answering(reply(b'{"size":3}', "200 OK", "x-amzn-RateLimit-Limit: 2.5"))) as here:
        response = await here.send()
    assert (response.body.size, response.rate_limit, response.attempts) == (3, 2.5, 1)
    assert here.log == [("acquire", "refresh_token", "NORMAL"), ("token",), ("observe", 200, 2.5)]


async def test_a_request_that_fails_before_it_is_sent_gives_its_quota_back() -> None:
    """A refused grant costs no token of the usage plan."""
    async with world(OK) as here:
        here.tokens.error = LWAError("revoked", code="invalid_grant")
        with pytest.raises(LWAError, match=r"things_v1\.do_thing: revoked"):
            await here.send()
    assert here.log[-1] == ("release",)
    assert here.server.requests == []


async def test_a_throttled_call_is_repeated_even_if_it_writes() -> None:
    """A 429 means that nothing happened: even a POST is sent again, through the limiter."""
    async with world(status("429 Too Many Requests"), status("429 Too Many Requests"), OK) as here:
        response = await here.send(POST)
    assert response.attempts == 3
    assert [entry for entry in here.log if entry[0] == "observe"] == [
        ("observe", 429, None),
        ("observe", 429, None),
        ("observe", 200, None),
    ]


async def test_endless_throttling_is_an_error() -> None:
    """The number of attempts is bounded, and the error states it."""
    async with world(status("429 Too Many Requests")) as here:
        with pytest.raises(QuotaExceededError) as caught:
            await here.send()
    assert (caught.value.attempts, caught.value.status) == (4, 429)


async def test_a_server_error_is_repeated_for_a_read() -> None:
    """There is a delay between the attempts."""
    async with world(status("503 Service Unavailable", b"<html>busy</html>"), OK) as here:
        assert (await here.send()).body.size == 3
    assert len(here.clock.slept) == 1


async def test_a_server_error_on_a_write_leaves_the_outcome_unknown() -> None:
    """`purchaseShipment` answered 500 is sent once, and the error says to check before repeating."""
    async with world(status("500 Internal Server Error")) as here:
        with pytest.raises(OutcomeUnknownError, match="check before repeating") as caught:
            await here.send(POST)
    assert (caught.value.status, len(here.server.requests)) == (500, 1)
    assert isinstance(caught.value.__cause__, ServerError)


async def test_a_redirect_of_a_write_leaves_the_outcome_unknown() -> None:
    """It comes from an intermediary, which may have passed the request on to Amazon."""
    async with world(status("302 Found")) as here:
        with pytest.raises(OutcomeUnknownError, match="Amazon answered 302"):
            await here.send(POST)
        assert len(here.server.requests) == 1


async def test_a_lost_reply_is_repeated_for_a_read_and_never_for_a_write() -> None:
    """A dropped connection does not show whether Amazon acted."""
    async with world(hang_up, OK) as here:
        assert (await here.send()).attempts == 2
    async with world(hang_up, OK) as here:
        with pytest.raises(OutcomeUnknownError):
            await here.send(POST)
        assert len(here.server.requests) == 1


async def test_a_delay_beyond_the_deadline_is_not_slept() -> None:
    """The failure itself is raised at once, with attempts left."""

    class TwoSeconds(RetryPolicy, frozen=True):
        def delay(self, *_: Any, **__: Any) -> float:
            return 2.0

    async with world(answering(reply(b"{}", "500 Internal Server Error"))) as here:
        pipeline = here.make(here.server.url, retry=TwoSeconds())
        with call_options(deadline=2.0), pytest.raises(ServerError) as caught:
            await here.send(pipeline=pipeline)
    assert caught.value.attempts == 1
    assert here.clock.slept == []


async def test_a_reply_that_is_too_large_leaves_the_outcome_of_a_write_unknown() -> None:
    """Amazon has carried it out, and the error has the id of the request."""
    async with world(answering(reply(b" " * 200, "200 OK", "x-amzn-RequestId: r-1"))) as here:
        here.pool = SessionPool(user_agent="t", max_reply_size=100)
        with pytest.raises(OutcomeUnknownError, match="is larger than 100 bytes") as caught:
            await here.send(POST, here.make(here.server.url, pool=here.pool))
    assert (caught.value.request_id, caught.value.status, len(here.server.requests)) == ("r-1", 200, 1)


async def test_a_failed_connection_is_retried_even_for_a_write() -> None:
    """Quota is given back each time, and the error is a ConnectionFailedError."""
    async with world(OK) as here:
        with pytest.raises(ConnectionFailedError, match=r"^things_v1\.do_thing: cannot connect") as caught:
            await here.send(POST, here.make("http://127.0.0.1:1"))
    assert caught.value.attempts == 3
    assert [entry[0] for entry in here.log] == ["acquire", "token", "release"] * 3


@pytest.mark.parametrize("line", ["401 Unauthorized", "403 Forbidden"])
async def test_a_refused_token_is_renewed_once(line: str) -> None:
    """A second refusal is raised."""
    async with world(status(line), OK) as here:
        assert (await here.send()).attempts == 2
        assert b"Atza|2" in here.server.requests[1]
    async with world(status(line)) as here:
        with pytest.raises(ForbiddenError):
            await here.send()
        assert len(here.server.requests) == 2


async def test_a_refusal_that_a_new_token_cannot_cure_is_final() -> None:
    """A missing role is not retried."""
    async with world(status("403 Forbidden", b'{"errors":[{"code":"Unauthorized","message":"no"}]}')) as here:
        here.tokens.renewable = False
        with pytest.raises(ForbiddenError, match="no") as caught:
            await here.send()
    assert (caught.value.code, len(here.server.requests)) == ("Unauthorized", 1)


async def test_an_error_shows_no_header_of_an_earlier_reply() -> None:
    """Neither does the error of a token that was to replace a refused one, nor that of a reply that is too large."""
    refused = answering(reply(b"{}", "401 Unauthorized", "x-amzn-RateLimit-Limit: 5", "x-amzn-RequestId: first"))
    async with world(refused, answering(reply(b" " * 200))) as here:
        here.pool = SessionPool(user_agent="t", max_reply_size=100)
        with pytest.raises(DecodeError, match="is larger than 100 bytes") as large:
            await here.send(pipeline=here.make(here.server.url, pool=here.pool))
    async with world(refused) as here:
        no_grant = LWAError("no", code="invalid_grant", status=400)
        here.tokens.on_rejected = lambda: setattr(here.tokens, "error", no_grant)
        with pytest.raises(LWAError) as no_token:
            await here.send()
    for error in (large.value, no_token.value):
        assert (dict(error.headers), error.rate_limit) == ({}, None)


async def test_a_failure_that_a_deadline_makes_final_shows_its_own_headers() -> None:
    """The reply after it, a refused token, is another's."""
    failed = status("503 Service Unavailable", b"{}")
    refused = answering(reply(b"{}", "401 Unauthorized", "x-amzn-RateLimit-Limit: 5"))
    async with world(failed, refused) as here:
        here.tokens.on_rejected = lambda: setattr(here.clock, "ahead", 60.0)
        with call_options(deadline=60), pytest.raises(ServerError) as caught:
            await here.send()
    assert (caught.value.headers["Content-Length"], caught.value.rate_limit) == ("2", None)


def test_calls_are_under_way_until_they_end_or_their_loop_does() -> None:
    """Closing an application waits for them, and would wait for ever for one of a loop that has ended."""
    server, limiter, loop = RawServer(), Limiter([]), asyncio.new_event_loop()
    server.url = "http://127.0.0.1:1"
    pipeline = World(server).make(server.url, limiter=limiter, retry=RetryPolicy(attempts=1))

    async def hang(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    async def begin() -> asyncio.Task[Any]:
        task = asyncio.create_task(pipeline.send(SELLER, GET, {"id": "1"}))
        await asyncio.sleep(0)
        return task

    async def fail() -> None:
        with pytest.raises(ConnectionFailedError):
            await pipeline.send(SELLER, GET, {"id": "1"})

    limiter.acquire = hang  # type: ignore[method-assign]
    left = loop.run_until_complete(begin())
    busy = [pipeline.busy]
    del limiter.acquire
    asyncio.run(fail())
    assert [*busy, pipeline.busy] == [True, False]
    collect_silently(left)
    loop.close()


async def test_a_404_is_an_error_at_once() -> None:
    """A refused request is not repeated."""
    async with world(status("404 Not Found", b'{"errors":[{"code":"NotFound","message":"gone"}]}')) as here:
        with pytest.raises(NotFoundError, match="gone"):
            await here.send()
    assert len(here.server.requests) == 1


async def test_a_failed_token_request_is_not_retried_by_the_pipeline() -> None:
    """The token layer has its own retries; doubling them would keep a caller waiting for nothing."""
    async with world(OK) as here:
        here.tokens.error = ConnectionFailedError("cannot connect to api.amazon.com")
        with pytest.raises(ConnectionFailedError):
            await here.send(POST)
    assert here.log == [("acquire", "refresh_token", "NORMAL"), ("token",), ("release",)]


async def test_the_deadline_bounds_the_wait_for_a_token() -> None:
    """The call does not wait longer for a slow token endpoint."""
    async with world(OK) as here:
        here.tokens.delay = 30.0
        with call_options(deadline=0.05), pytest.raises(RequestTimeoutError, match=r"deadline of 0\.05 s"):
            await here.pipeline.send(SELLER, GET, {"id": "1"})
    assert here.log[-1] == ("release",)


async def test_a_deadline_that_passed_before_sending_is_a_timeout() -> None:
    """A write that was never sent is not reported as one with an unknown outcome."""

    class HeldUp(Clock):
        late = 0.0

        def monotonic(self) -> float:
            return super().monotonic() + self.late

    clock = HeldUp()

    class Blocking(Tokens):
        async def token(self, *_: Any, **__: Any) -> Secret:
            clock.late = 3600.0  # the loop was blocked, so that the deadline's timer did not fire
            return Secret("Atza|1")

    async with world(OK) as here:
        held_up = here.make(here.server.url, tokens=Blocking(here.log), clock=clock)
        with call_options(deadline=600.0), pytest.raises(RequestTimeoutError, match="before the request was sent"):
            await here.send(POST, held_up)
    assert here.log == [("acquire", "refresh_token", "NORMAL"), ("release",)]
    assert here.server.requests == []


async def test_an_envelope_of_errors_is_an_error() -> None:
    """A 200 without its payload raises what its errors say, instead of returning nothing."""
    enveloped = an_operation(response_type=Envelope, unwrap="payload")
    async with world(answering(reply(b'{"errors":[{"code":"InvalidInput","message":"no such thing"}]}'))) as here:
        with pytest.raises(ApiError, match="no such thing") as caught:
            await here.send(enveloped)
    assert (caught.value.status, caught.value.code) == (200, "InvalidInput")


async def test_cancelling_while_the_reply_is_awaited_counts_the_request() -> None:
    """It may have been sent, so its quota is spent."""
    async with world(stay_silent) as here:
        task = asyncio.create_task(here.send())
        while not here.server.requests:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert here.log[-1] == ("observe", None, None)


async def test_cancelling_while_the_token_is_awaited_gives_quota_back() -> None:
    """Nothing was sent."""
    async with world(OK) as here:
        here.tokens.error = asyncio.CancelledError()
        with pytest.raises(asyncio.CancelledError):
            await here.send()
    assert here.log[-1] == ("release",)


async def test_call_options_reach_the_limiter() -> None:
    """Priority and the longest acceptable wait come from the context."""
    async with world(OK) as here:
        empty = here.make(here.server.url, limiter=QuotaInASecond(here.log))
        with call_options(priority=Priority.BULK):
            await here.send(pipeline=empty)
        with call_options(max_wait=0.01), pytest.raises(RateLimitWaitError) as caught:
            await here.send(pipeline=empty)
        with call_options(deadline=0.01), pytest.raises(RateLimitWaitError):
            await here.send(pipeline=empty)
    assert here.log[0] == ("acquire", "refresh_token", "BULK")
    assert (caught.value.operation, caught.value.retry_after) == ("things_v1.do_thing", 1.0)


async def test_a_calls_own_timeout_bounds_the_exchange() -> None:
    """A read that times out is repeated within its attempts."""
    async with world(stay_silent) as here:
        with call_options(timeout=0.02), pytest.raises(RequestTimeoutError) as caught:
            await here.send()
    assert caught.value.attempts == 3


async def test_a_deadline_never_lengthens_the_exchange() -> None:
    """With an hour left, a silent server still gets the application's timeout, and the call is repeated."""
    async with world(stay_silent, OK) as here:
        pool = SessionPool(user_agent="t", timeout=Timeout(total=0.05))
        # On a busy machine, the answered exchange may also time out and be repeated.
        patient = here.make(here.server.url, pool=pool, retry=RetryPolicy(attempts=1000))
        with call_options(deadline=3600.0):
            response = await asyncio.wait_for(here.send(pipeline=patient), 60)
        await pool.aclose()
    assert response.attempts >= 2


@pytest.mark.parametrize(
    ("timeout", "deadline", "bound"),
    [(None, None, None), (30, None, 30), (30, 1, 1), (1, 30, 1), (None, 30, 30), (None, 90, None), (90, 70, 70)],
)
def test_an_exchange_is_bounded_by_the_calls_timeout_and_deadline(
    timeout: float | None, deadline: float | None, bound: float | None
) -> None:
    """Whichever is shorter; None means the application's timeout, here 60 seconds."""
    call = Call(GET, SELLER, {"id": "1"}, options=CallOptions(timeout=timeout, deadline=deadline), clock=Standing())
    assert call.exchange_timeout(60.0) == bound


@pytest.mark.parametrize(
    ("max_wait", "deadline", "late", "wait"),
    [(None, None, 0, None), (5, None, 0, 5), (5, 3, 0, 3), (3, 5, 0, 3), (3, 5, 4, 1), (None, 5, 6, 0)],
)
def test_a_wait_for_quota_is_bounded_by_max_wait_and_deadline(
    max_wait: float | None, deadline: float | None, late: float, wait: float | None
) -> None:
    """By the shorter of the two, and never by less than nothing."""
    clock = Standing()
    call = Call(GET, SELLER, {"id": "1"}, options=CallOptions(max_wait=max_wait, deadline=deadline), clock=clock)
    clock.ahead = late
    assert call.max_wait() == wait


async def test_the_deadline_bounds_the_wait_for_quota() -> None:
    """More urgent calls may make the wait longer than the limiter predicted."""

    class Overtaken(Limiter):
        async def acquire(self, *_: Any, **__: Any) -> Limiter:
            await asyncio.sleep(30)
            return self

    async with world(OK) as here:
        limited = here.make(here.server.url, limiter=Overtaken(here.log))
        with call_options(deadline=0.05), pytest.raises(RequestTimeoutError, match=r"deadline of 0\.05 s"):
            await here.send(pipeline=limited)
    assert (here.log, here.server.requests) == ([], [])


async def test_the_longest_possible_delay_does_not_outlast_the_deadline() -> None:
    """The error is raised at once instead."""
    async with world(status("500 Internal Server Error")) as here:
        slow = here.make(here.server.url, retry=RetryPolicy(attempts=9, base=1e15, cap=1e15))
        with call_options(deadline=60.0), pytest.raises(ServerError) as caught:
            await here.send(pipeline=slow)
    assert caught.value.attempts == 1


async def test_a_grantless_operation_spends_the_applications_own_quota() -> None:
    """The seller whose handle makes the call does not matter."""
    async with world(OK) as here:
        await here.send(an_operation(grantless_scope="sellingpartnerapi::notifications"))
    assert here.log[0] == ("acquire", "client_credentials", "NORMAL")


async def test_a_handle_without_a_seller_refuses_sellers_operations() -> None:
    """The error names the operation, and nothing is sent."""
    nobody = Account(Grant.scope("app", "sellingpartnerapi::notifications"), Region.NA)
    async with world(OK) as here:
        with pytest.raises(ConfigurationError, match=r"things_v1\.do_thing: .*selling_partner"):
            await here.pipeline.send(nobody, GET, {"id": "1"})
    assert here.log == []


async def test_observers_are_called_with_each_exchange_and_the_call() -> None:
    """Events hold statuses, attempts and the paths of violations, but no values."""
    async with world(status("500 Internal Server Error"), answering(reply(b'{"size":"3"}'))) as here:
        watched = here.make(here.server.url, observers=Observers([here.events.append]))
        await here.send(pipeline=watched)
    kinds = [type(event) for event in here.events]
    assert kinds == [RequestFinished, RequestFinished, CallFinished, ViolationsFound]
    first, _, finished, violations = here.events
    assert isinstance(first, RequestFinished)
    assert (first.status, first.attempt) == (500, 1)
    assert isinstance(finished, CallFinished)
    assert (finished.attempts, finished.error) == (2, None)
    assert isinstance(violations, ViolationsFound)
    assert violations.paths == ("$.size",)


async def test_observers_are_called_with_a_failed_call() -> None:
    """The event names the error's class."""
    async with world(status("404 Not Found")) as here:
        watched = here.make(here.server.url, observers=Observers([here.events.append]))
        with pytest.raises(NotFoundError):
            await here.send(pipeline=watched)
    finished = here.events[-1]
    assert isinstance(finished, CallFinished)
    assert finished.error == "NotFoundError"


@pytest.mark.parametrize("code", ["200 OK", "400 Bad Request", "500 Internal Server Error"])
@pytest.mark.parametrize("body", [b'{"size":3}', b"<html>"], ids=["json", "html"])
async def test_a_request_id_that_quotes_the_token_is_not_shown(code: str, body: bytes) -> None:
    """A proxy may write anything into that header; errors, events and replies do not repeat a token."""
    raw = reply(body, code, "x-amzn-RequestId: Atza|very-secret")
    async with world(answering(raw)) as here:
        watched = here.make(here.server.url, observers=Observers([here.events.append]))
        try:
            response = await here.send(an_operation("POST"), pipeline=watched)
        except SPAPIError as error:
            shown = f"{error} {error.__cause__} {error.support_case()} {pickle.dumps(error)!r}"
        else:
            shown = repr(response)
    assert "Atza|…" in shown
    assert "very-secret" not in f"{shown} {here.events}"


@pytest.mark.parametrize("make_error", [ValueError, RuntimeError])
async def test_an_unexpected_exception_passes_through_unchanged(make_error: Callable[[], Exception]) -> None:
    """Quota is given back."""
    async with world(OK) as here:
        here.tokens.error = make_error()
        with pytest.raises(make_error):  # type: ignore[call-overload]  # a class, seen as a callable here
            await here.send()
    assert here.log[-1] == ("release",)


@pytest.mark.parametrize(("line", "success"), [("299 Odd", True), ("300 Multiple Choices", False)])
async def test_a_status_from_300_on_is_not_a_success(line: str, success: bool) -> None:
    """A redirect of any kind gives no result."""
    async with world(answering(reply(b'{"size":3}', line))) as here:
        if success:
            assert (await here.send()).body == Thing(size=3)
        else:
            with pytest.raises(ApiError, match="HTTP 300"):
                await here.send()

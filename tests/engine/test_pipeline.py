"""The path of a request: order of steps, what is given back, what is repeated and what is not."""

import asyncio
import pickle
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from raw_server import Answer, RawServer, answering, hang_up, raw_server, reply, stay_silent

from spapi_async import (
    ApiError,
    CallFinished,
    ConfigurationError,
    ConnectionFailedError,
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
from spapi_async._core.request import Request
from spapi_async._core.wire import Model
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
    """Real monotonic time, sleeps that only note how long they would have been."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def time(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Limiter:
    """Admits at once and writes down what it is told."""

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


class Empty(Limiter):
    """Has no quota for another second; who cannot wait so long is told so."""

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
    """Hands out numbered tokens; a rejected one may be worth another try."""

    def __init__(self, log: list[Any]) -> None:
        self.log = log
        self.error: BaseException | None = None
        self.renewable = True
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
        return self.renewable

    def learn(self, operation: Operation[Any], body: Any) -> None: ...


class World:
    """A pipeline in front of a server that misbehaves as told."""

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
    """A server that gives these answers in turn, the last one for ever."""
    script = list(answers)

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        await (script.pop(0) if len(script) > 1 else script[0])(request, writer)

    async with raw_server(answer) as server:
        here = World(server)
        yield here
        await here.pool.aclose()


def status(line: str, body: bytes = b"") -> Answer:
    return answering(reply(body, line))


async def test_quota_comes_before_the_token_and_the_reply_reaches_the_limiter() -> None:
    """A long queue cannot make a token stale; the rate header is passed on as a number."""
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


async def test_a_throttled_call_is_repeated_whatever_it_does() -> None:
    """429 means that nothing happened: even a POST is sent again, through the limiter."""
    async with world(status("429 Too Many Requests"), status("429 Too Many Requests"), OK) as here:
        response = await here.send(POST)
    assert response.attempts == 3
    assert [entry for entry in here.log if entry[0] == "observe"] == [
        ("observe", 429, None),
        ("observe", 429, None),
        ("observe", 200, None),
    ]


async def test_throttling_without_end_is_an_error() -> None:
    """The number of attempts is bounded and told."""
    async with world(status("429 Too Many Requests")) as here:
        with pytest.raises(QuotaExceededError) as caught:
            await here.send()
    assert (caught.value.attempts, caught.value.status) == (4, 429)


async def test_a_server_error_is_repeated_for_a_read() -> None:
    """With growing, jittered delays."""
    async with world(status("503 Service Unavailable", b"<html>busy</html>"), OK) as here:
        assert (await here.send()).body.size == 3
    assert len(here.clock.slept) == 1


async def test_a_server_error_on_a_write_leaves_the_outcome_unknown() -> None:
    """`purchaseShipment` answered 500 is sent once, and the caller is told to look."""
    async with world(status("500 Internal Server Error")) as here:
        with pytest.raises(OutcomeUnknownError, match="check before repeating") as caught:
            await here.send(POST)
    assert (caught.value.status, len(here.server.requests)) == (500, 1)
    assert isinstance(caught.value.__cause__, ServerError)


async def test_a_lost_reply_is_repeated_for_a_read_and_never_for_a_write() -> None:
    """A dropped connection tells nothing about what Amazon did."""
    async with world(hang_up, OK) as here:
        assert (await here.send()).attempts == 2
    async with world(hang_up, OK) as here:
        with pytest.raises(OutcomeUnknownError):
            await here.send(POST)
        assert len(here.server.requests) == 1


async def test_a_delay_that_the_deadline_does_not_leave_is_not_begun() -> None:
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


async def test_a_connection_never_made_is_repeated_even_for_a_write() -> None:
    """It gives its quota back each time, and ends as what it is."""
    async with world(OK) as here:
        with pytest.raises(ConnectionFailedError, match=r"^things_v1\.do_thing: cannot connect") as caught:
            await here.send(POST, here.make("http://127.0.0.1:1"))
    assert caught.value.attempts == 3
    assert [entry[0] for entry in here.log] == ["acquire", "token", "release"] * 3


@pytest.mark.parametrize("line", ["401 Unauthorized", "403 Forbidden"])
async def test_a_refused_token_is_renewed_once(line: str) -> None:
    """Never a loop: the second refusal is the answer."""
    async with world(status(line), OK) as here:
        assert (await here.send()).attempts == 2
        assert b"Atza|2" in here.server.requests[1]
    async with world(status(line)) as here:
        with pytest.raises(ForbiddenError):
            await here.send()
        assert len(here.server.requests) == 2


async def test_a_refusal_that_no_token_mends_is_final() -> None:
    """A missing role is not retried."""
    async with world(status("403 Forbidden", b'{"errors":[{"code":"Unauthorized","message":"no"}]}')) as here:
        here.tokens.renewable = False
        with pytest.raises(ForbiddenError, match="no") as caught:
            await here.send()
    assert (caught.value.code, len(here.server.requests)) == ("Unauthorized", 1)


async def test_a_404_is_an_error_at_once() -> None:
    """Refusals are not repeated."""
    async with world(status("404 Not Found", b'{"errors":[{"code":"NotFound","message":"gone"}]}')) as here:
        with pytest.raises(NotFoundError, match="gone"):
            await here.send()
    assert len(here.server.requests) == 1


async def test_a_token_that_cannot_be_had_is_not_tried_again_here() -> None:
    """The token layer has its own retries; doubling them would keep a caller waiting for nothing."""
    async with world(OK) as here:
        here.tokens.error = ConnectionFailedError("cannot connect to api.amazon.com")
        with pytest.raises(ConnectionFailedError):
            await here.send(POST)
    assert here.log == [("acquire", "refresh_token", "NORMAL"), ("token",), ("release",)]


async def test_the_deadline_bounds_the_wait_for_a_token() -> None:
    """A slow token endpoint cannot outlast the call."""
    async with world(OK) as here:
        here.tokens.delay = 30.0
        with call_options(deadline=0.05), pytest.raises(RequestTimeoutError, match=r"deadline of 0\.05 s"):
            await here.pipeline.send(SELLER, GET, {"id": "1"})
    assert here.log[-1] == ("release",)


async def test_a_deadline_that_passed_before_sending_leaves_no_doubt() -> None:
    """A write that never left is not reported as one whose outcome is unknown."""

    class HeldUp(Clock):
        late = 0.0

        def monotonic(self) -> float:
            return super().monotonic() + self.late

    clock = HeldUp()

    class Blocking(Tokens):
        async def token(self, *_: Any, **__: Any) -> Secret:
            clock.late = 3600.0  # the loop was held up, so that the timer of the deadline could not fire
            return Secret("Atza|1")

    async with world(OK) as here:
        held_up = here.make(here.server.url, tokens=Blocking(here.log), clock=clock)
        with call_options(deadline=600.0), pytest.raises(RequestTimeoutError, match="before the request was sent"):
            await here.send(POST, held_up)
    assert here.log == [("acquire", "refresh_token", "NORMAL"), ("release",)]
    assert here.server.requests == []


async def test_an_envelope_of_errors_is_no_success() -> None:
    """A 200 without its payload raises what its errors say, instead of returning nothing."""
    enveloped = an_operation(response_type=Envelope, unwrap="payload")
    async with world(answering(reply(b'{"errors":[{"code":"InvalidInput","message":"no such thing"}]}'))) as here:
        with pytest.raises(ApiError, match="no such thing") as caught:
            await here.send(enveloped)
    assert (caught.value.status, caught.value.code) == (200, "InvalidInput")


async def test_cancelling_while_the_reply_is_awaited_counts_the_request() -> None:
    """It may have left, so its token is spent."""
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
        empty = here.make(here.server.url, limiter=Empty(here.log))
        with call_options(priority=Priority.BULK):
            await here.send(pipeline=empty)
        with call_options(max_wait=0.01), pytest.raises(RateLimitWaitError) as caught:
            await here.send(pipeline=empty)
        with call_options(deadline=0.01), pytest.raises(RateLimitWaitError):
            await here.send(pipeline=empty)
    assert here.log[0] == ("acquire", "refresh_token", "BULK")
    assert (caught.value.operation, caught.value.retry_after) == ("things_v1.do_thing", 1.0)


async def test_a_calls_own_timeout_bounds_the_exchange() -> None:
    """`timeout=` is honoured, and a read that timed out is repeated within its attempts."""
    async with world(stay_silent) as here:
        with call_options(timeout=0.02), pytest.raises(RequestTimeoutError) as caught:
            await here.send()
    assert caught.value.attempts == 3


async def test_a_deadline_never_lengthens_the_exchange() -> None:
    """A call that has an hour still gives a silent server the application's timeout, and then tries again."""
    async with world(stay_silent, OK) as here:
        pool = SessionPool(user_agent="t", timeout=Timeout(total=0.05))
        # On a busy machine an exchange that is answered may take longer than that, too, and is tried once more.
        patient = here.make(here.server.url, pool=pool, retry=RetryPolicy(attempts=1000))
        with call_options(deadline=3600.0):
            response = await asyncio.wait_for(here.send(pipeline=patient), 60)
        await pool.aclose()
    assert response.attempts >= 2


async def test_the_deadline_bounds_the_wait_for_quota() -> None:
    """The limiter's prediction can fail: calls that are more urgent overtake this one."""

    class Overtaken(Limiter):
        async def acquire(self, *_: Any, **__: Any) -> Limiter:
            await asyncio.sleep(30)
            return self

    async with world(OK) as here:
        limited = here.make(here.server.url, limiter=Overtaken(here.log))
        with call_options(deadline=0.05), pytest.raises(RequestTimeoutError, match=r"deadline of 0\.05 s"):
            await here.send(pipeline=limited)
    assert (here.log, here.server.requests) == ([], [])


async def test_no_retry_outlasts_the_deadline() -> None:
    """A delay that would pass the deadline is not slept: the error comes at once."""
    async with world(status("500 Internal Server Error")) as here:
        slow = here.make(here.server.url, retry=RetryPolicy(attempts=9, base=1e15, cap=1e15))
        with call_options(deadline=60.0), pytest.raises(ServerError) as caught:
            await here.send(pipeline=slow)
    assert caught.value.attempts == 1


async def test_a_grantless_operation_spends_the_applications_own_quota() -> None:
    """Whoever's handle it is called through."""
    async with world(OK) as here:
        await here.send(an_operation(grantless_scope="sellingpartnerapi::notifications"))
    assert here.log[0] == ("acquire", "client_credentials", "NORMAL")


async def test_a_handle_without_a_seller_refuses_sellers_operations() -> None:
    """Before anything is sent, and by name."""
    nobody = Account(Grant.scope("app", "sellingpartnerapi::notifications"), Region.NA)
    async with world(OK) as here:
        with pytest.raises(ConfigurationError, match=r"things_v1\.do_thing: .*selling_partner"):
            await here.pipeline.send(nobody, GET, {"id": "1"})
    assert here.log == []


async def test_observers_are_told_of_every_exchange_and_of_the_call() -> None:
    """With statuses, attempts and violations, without values."""
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


async def test_observers_are_told_of_a_failed_call() -> None:
    """By the error's name."""
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
    """A proxy may write into that header what it likes: neither errors nor events nor replies repeat a token."""
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
async def test_a_bug_is_not_dressed_up(make_error: Callable[[], Exception]) -> None:
    """An unexpected exception passes through as itself, and quota goes back."""
    async with world(OK) as here:
        here.tokens.error = make_error()
        with pytest.raises(make_error):  # type: ignore[call-overload]  # a class, seen as a callable here
            await here.send()
    assert here.log[-1] == ("release",)


@pytest.mark.parametrize(("line", "success"), [("299 Odd", True), ("300 Multiple Choices", False)])
async def test_a_status_below_300_is_a_success_and_300_is_none(line: str, success: bool) -> None:
    """A redirect of any kind leads to no result."""
    async with world(answering(reply(b'{"size":3}', line))) as here:
        if success:
            assert (await here.send()).body == Thing(size=3)
        else:
            with pytest.raises(ApiError, match="HTTP 300"):
                await here.send()

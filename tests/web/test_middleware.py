"""The middleware: around FastAPI and inside it, called directly and behind a real server."""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest
from fastapi import BackgroundTasks, FastAPI, Request
from fastapi.responses import StreamingResponse
from web_server import served

from spapi_async import Application, Priority, SellingPartner
from spapi_async._core.options import current_options
from spapi_async.api.sellers_v1 import GET_MARKETPLACE_PARTICIPATIONS
from spapi_async.emulator import Emulator
from spapi_async.errors import ConfigurationError, RateLimitWaitError
from spapi_async.web import SPAPIMiddleware

Messages = list[MutableMapping[str, Any]]


@asynccontextmanager
async def selling() -> AsyncIterator[tuple[Emulator, SellingPartner]]:
    """A seller whose getMarketplaceParticipations allows one request a minute after the first fifteen."""
    async with Emulator() as emulator, Application("app", "secret", endpoint=emulator.url) as app:
        yield emulator, app.selling_partner("Atzr|web", region="NA")


def backend(seller: SellingPartner) -> FastAPI:
    """Routes for participations, the options that apply, a stream that breaks, and a 500 of its own."""
    app = FastAPI()

    @app.get("/participations")
    async def participations() -> int:
        return len(await seller.sellers_v1.get_marketplace_participations())

    @app.post("/options")
    async def options(request: Request) -> dict[str, Any]:
        body = await request.body()
        now = current_options()
        return {"priority": now.priority.name, "max_wait": now.max_wait, "size": len(body)}

    @app.get("/broken")
    async def broken() -> None:
        raise LookupError

    @app.get("/grouped")
    async def grouped() -> None:
        raise ExceptionGroup("tasks", [ValueError(), RateLimitWaitError("later", retry_after=7.0)])

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"begun"
            raise RateLimitWaitError("later", retry_after=7.0)

        return StreamingResponse(pieces())

    return app


@pytest.mark.parametrize("way", ["around", "inside"])
async def test_over_quota_is_503_with_the_seconds(way: str) -> None:
    """Fifteen are answered; the sixteenth gets Retry-After, and nothing was sent for it."""
    async with selling() as (emulator, seller):
        app: Any = backend(seller)
        if way == "around":
            app = SPAPIMiddleware(app, application=seller.application, max_wait=0.2)
        else:
            app.add_middleware(SPAPIMiddleware, application=seller.application, max_wait=0.2)
        async with served(app) as url, aiohttp.ClientSession() as client:
            for _ in range(15):
                async with client.get(f"{url}/participations") as reply:
                    assert reply.status == 200
            before = seller.forecast(GET_MARKETPLACE_PARTICIPATIONS)
            async with client.get(f"{url}/participations") as reply:
                after = seller.forecast(GET_MARKETPLACE_PARTICIPATIONS)
                assert reply.status == 503
                assert reply.content_type == "application/problem+json"
                retry_after = int(reply.headers["retry-after"])
                assert (await reply.json())["operation"] == "sellers_v1.get_marketplace_participations"
            assert after <= retry_after < before + 1  # whole seconds, rounded up
            async with client.get(f"{url}/grouped") as reply:
                assert (reply.status, reply.headers["retry-after"]) == (503, "7")
        counts = emulator.stats()["operations"]["sellers_v1.get_marketplace_participations"]
        assert (counts["requests"], counts["throttled"]) == (15, 0)


@pytest.mark.parametrize("way", ["around", "inside"])
async def test_other_responses_are_not_changed(way: str) -> None:
    """The framework's own 500, its 404 and a stream that had begun stay; options apply inside a request."""
    async with selling() as (_, seller):
        app: Any = backend(seller)
        if way == "around":
            app = SPAPIMiddleware(app, application=seller.application, max_wait=0.2)
        else:
            app.add_middleware(SPAPIMiddleware, application=seller.application, max_wait=0.2)
        async with served(app) as url, aiohttp.ClientSession() as client:
            async with client.get(f"{url}/broken") as reply:
                assert (reply.status, await reply.text()) == (500, "Internal Server Error")
            async with client.get(f"{url}/none") as reply:
                assert reply.status == 404
            async with client.post(f"{url}/options", data=b"x" * 300_000) as reply:
                assert await reply.json() == {"priority": "INTERACTIVE", "max_wait": 0.2, "size": 300_000}
            async with client.get(f"{url}/stream") as reply:
                assert reply.status == 200
                with pytest.raises(aiohttp.ClientError):
                    await reply.read()
        assert current_options().priority is Priority.NORMAL


async def test_a_call_ends_when_its_client_disconnects() -> None:
    """It waits for quota; then nothing waits any more, and no token is spent."""
    async with selling() as (emulator, seller):
        for _ in range(15):
            await seller.sellers_v1.get_marketplace_participations()
        app = SPAPIMiddleware(backend(seller), application=seller.application, max_wait=600)

        def waiting() -> int:
            return sum(limit.waiting for limit in seller.application.limits())

        async with served(app) as url, aiohttp.ClientSession() as client:
            asking = asyncio.create_task(client.get(f"{url}/participations"))
            while not waiting():
                await asyncio.sleep(0.005)
            asking.cancel()
            await asyncio.wait([asking])
            async with asyncio.timeout(40):  # its token is a minute away
                while waiting():
                    await asyncio.sleep(0.005)
        assert emulator.stats()["operations"]["sellers_v1.get_marketplace_participations"]["requests"] == 15


async def handled(app: Any, *incoming: MutableMapping[str, Any]) -> Messages:
    """What an application sends for these messages, after which the client stays connected."""
    sent: Messages = []
    left = list(incoming)

    async def receive() -> MutableMapping[str, Any]:
        if left:
            return left.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app({"type": "http"}, receive, send)
    return sent


BODY = {"type": "http.request", "body": b"", "more_body": False}
GONE = {"type": "http.disconnect"}


async def test_a_disconnection_cancels_and_is_passed_on() -> None:
    """The application is cancelled, and sees the disconnection while it cleans up. Nothing more is sent."""
    heard: list[str] = []

    async def working(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True):
                heard.extend([(await receive())["type"], (await receive())["type"], (await receive())["type"]])
            raise

    async with Application("app", "secret") as application:
        assert await handled(SPAPIMiddleware(working, application=application), BODY, GONE) == []
    assert heard == ["http.request", "http.disconnect", "http.disconnect"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("way", ["around", "inside"])
async def test_a_background_task_outlives_the_response(way: str) -> None:
    """Servers report a disconnection as soon as the response is complete; the task goes on."""
    framework = FastAPI()
    answered, ended = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def work() -> None:
        try:
            await answered.wait()
            for _ in range(10):  # until the server has sent all its messages
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            ended.set_result("cancelled")
            raise
        ended.set_result("done")

    @framework.get("/")
    async def begin(tasks: BackgroundTasks) -> None:
        tasks.add_task(work)

    app: Any = framework
    async with Application("app", "secret") as application:
        if way == "around":
            app = SPAPIMiddleware(app, application=application)
        else:
            app.add_middleware(SPAPIMiddleware, application=application)
        async with served(app) as url, aiohttp.ClientSession() as client:
            async with client.get(url) as reply:
                assert reply.status == 200
            answered.set()
            assert await ended == "done"


async def test_an_upload_is_fetched_as_it_is_read() -> None:
    """At most one message is fetched ahead: a slow reader delays the client, and takes no memory."""
    fetched = 0

    async def receive() -> MutableMapping[str, Any]:
        nonlocal fetched
        fetched += 1
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def reading(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.01)
        assert fetched == 1
        for number in range(1, 4):
            await receive()
            assert fetched == number

    async def send(message: MutableMapping[str, Any]) -> None:
        raise AssertionError

    async with Application("app", "secret") as application:
        await SPAPIMiddleware(reading, application=application)({"type": "http"}, receive, send)
    assert fetched == 3


async def test_a_cancellation_from_outside_stops_the_application() -> None:
    """A server that shuts down cancels the request, and no task stays behind."""

    async def working(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.Event().wait()

    async with Application("app", "secret") as application:
        task = asyncio.create_task(handled(SPAPIMiddleware(working, application=application), BODY))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_other_connections_pass_and_a_closed_application_is_503() -> None:
    """Lifespans and WebSockets are passed on unchanged."""
    passed: list[Any] = []

    async def anything(*connection: Any) -> None:
        passed.append(connection)

    async def unused(*_: Any) -> Any: ...

    connections = [({"type": kind, "path": "/health"}, unused, unused) for kind in ("lifespan", "websocket")]
    async with Application("app", "secret") as application:
        middleware = SPAPIMiddleware(anything, application=application)
        for connection in connections:
            await middleware(*connection)
    assert passed == connections
    start, _ = await handled(middleware)
    assert start["status"] == 503
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_long_response_of_500_is_passed_on() -> None:
    """It is not a framework's error page, and holding it back would take memory."""

    async def long(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": []})
        for _ in range(3):
            await send({"type": "http.response.body", "body": b"x" * 40_000, "more_body": True})
        raise RateLimitWaitError("later", retry_after=1.0)

    sent: Messages = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return BODY

    async with Application("app", "secret") as application:
        with pytest.raises(RateLimitWaitError):
            await SPAPIMiddleware(long, application=application)({"type": "http"}, receive, send)
    assert [message.get("status") for message in sent] == [500, None, None, None]


@pytest.mark.parametrize("seconds", [-1, float("nan")])
async def test_an_invalid_wait_is_refused_at_once(seconds: float) -> None:
    """The error does not come in the first request."""
    async with Application("app", "secret") as application:
        with pytest.raises(ConfigurationError, match="max_wait"):
            SPAPIMiddleware(lambda *_: None, application=application, max_wait=seconds)  # type: ignore[arg-type]


def test_the_backend_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Fifteen are answered, two get Retry-After."""
    runpy.run_path(str(Path(__file__).parents[2] / "examples/web/web_backend.py"), run_name="__main__")
    assert "15 answered with 200, 2 with 503" in capsys.readouterr().out

"""Health and metrics, aiohttp.web, Litestar, a lifespan, structs as JSON: each behind a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from fastapi import FastAPI
from litestar import Litestar, get
from litestar.middleware import DefineMiddleware
from prometheus_client import CollectorRegistry
from web_server import served

from spapi_async import Application, LWAError, NotFoundError, SellingPartner
from spapi_async._engine.retry import RetryPolicy
from spapi_async.emulator import Emulator
from spapi_async.observe.prometheus import Metrics
from spapi_async.web import SPAPIMiddleware, aiohttp_middleware, json_response, lifespan, litestar_handlers

UNKNOWN = "902-0000000-0000000"


@asynccontextmanager
async def selling(metrics: Metrics | None = None) -> AsyncIterator[tuple[Emulator, SellingPartner]]:
    """A seller of the emulator's."""
    observers = [] if metrics is None else [metrics]
    retry = RetryPolicy(attempts=2, base=0.001)
    async with (
        Emulator(orders=5) as emulator,
        Application("app", "secret", endpoint=emulator.url, observers=observers, retry=retry) as app,
    ):
        yield emulator, app.selling_partner("Atzr|web", region="NA")


async def fetch(url: str) -> tuple[int, str, bytes]:
    """Status, content type and body."""
    async with aiohttp.ClientSession() as client, client.get(url) as reply:
        return reply.status, reply.content_type, await reply.read()


@pytest.mark.parametrize("way", ["around", "inside"])
async def test_health_and_metrics_are_served_beside_the_application(way: str) -> None:
    """Health is 200 until Amazon fails, then 503; metrics are as Prometheus reads them; other paths are passed on."""
    metrics = Metrics(CollectorRegistry())
    async with selling(metrics) as (emulator, seller):
        framework = FastAPI()

        @framework.get("/participations")
        async def participations() -> int:
            return len(await seller.sellers_v1.get_marketplace_participations())

        api: Any = framework
        options: dict[str, Any] = {"application": seller.application, "exposition": metrics.exposition}
        if way == "around":
            api = SPAPIMiddleware(api, **options)
        else:
            api.add_middleware(SPAPIMiddleware, **options)
        async with served(api) as url:
            status, kind, body = await fetch(f"{url}/health")
            assert (status, kind) == (200, "application/json")
            assert msgspec.json.decode(body)["amazon"] == {}
            assert (await fetch(f"{url}/participations"))[0] == 200
            found = msgspec.json.decode((await fetch(f"{url}/health"))[2])
            assert found["ok"]
            assert found["amazon"]["na"]["detail"] == "answered 200"
            emulator.faults({"operation": "sellers_v1.get_marketplace_participations", "status": 500, "times": None})
            assert (await fetch(f"{url}/participations"))[0] == 502
            status, _, body = await fetch(f"{url}/health")
            assert (status, msgspec.json.decode(body)["amazon"]["na"]["ok"]) == (503, False)
            status, kind, body = await fetch(f"{url}/metrics")
            assert (status, kind) == (200, "text/plain")
            assert b"spapi_call_duration_seconds_count" in body


async def test_health_and_metrics_paths_are_optional() -> None:
    """They may have other names; without an exposition there are no metrics."""
    async with selling() as (_, seller):
        api = FastAPI()

        @api.get("/health")
        async def health() -> str:
            return "mine"

        around = SPAPIMiddleware(api, application=seller.application, health=None)
        async with served(around) as url:
            assert (await fetch(f"{url}/health"))[2] == b'"mine"'
            assert (await fetch(f"{url}/metrics"))[0] == 404
        async with served(SPAPIMiddleware(api, application=seller.application, health="/healthz")) as url:
            assert (await fetch(f"{url}/healthz"))[0] == 200


async def test_aiohttp_web_has_a_middleware_of_its_own() -> None:
    """It has urgent calls with a bounded wait, problem+json, health and metrics."""
    metrics = Metrics(CollectorRegistry())
    async with selling(metrics) as (_, seller):

        async def order(request: web.Request) -> web.Response:
            found = await seller.orders.get(request.match_info["id"])
            return web.json_response({"status": found.status})

        async def participations(_: web.Request) -> web.Response:
            return web.json_response(len(await seller.sellers_v1.get_marketplace_participations()))

        middleware = aiohttp_middleware(seller.application, max_wait=0.1, exposition=metrics.exposition)
        app = web.Application(middlewares=[middleware])
        app.add_routes([web.get("/orders/{id}", order), web.get("/participations", participations)])
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            status, kind, _ = await fetch(f"{url}/orders/{UNKNOWN}")
            assert (status, kind) == (404, "application/problem+json")
            assert [(await fetch(f"{url}/participations"))[0] for _ in range(16)] == [200] * 15 + [503]
            assert (await fetch(f"{url}/health"))[0] == 200
            assert (await fetch(f"{url}/metrics"))[0] == 200
            assert (await fetch(f"{url}/nowhere"))[0] == 404
        finally:
            await runner.cleanup()


async def test_aiohttp_web_replaces_no_response_that_has_begun() -> None:
    """No response appears in another's body; errors of a task group are answered like others."""
    async with Application("app", "secret") as application:

        async def stream(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"begun")
            raise NotFoundError("no")

        async def grouped(_: web.Request) -> web.Response:
            raise ExceptionGroup("tasks", [NotFoundError("no")])

        app = web.Application(middlewares=[aiohttp_middleware(application)])
        app.add_routes([web.get("/stream", stream), web.get("/grouped", grouped)])
        async with TestServer(app) as server:
            assert (await fetch(str(server.make_url("/grouped"))))[0] == 404
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(b"GET /stream HTTP/1.1\r\nHost: here\r\n\r\n")
            reply = await reader.read()
            writer.close()
        assert reply.endswith(b"begun\r\n")


@pytest.mark.parametrize("way", ["around", "inside"])
async def test_litestar_answers_the_librarys_errors(way: str) -> None:
    """Its own handlers do so, since they see errors before a middleware; the middleware does the rest."""
    async with selling() as (_, seller):

        @get("/participations")
        async def participations() -> int:
            return len(await seller.sellers_v1.get_marketplace_participations())

        @get("/unknown")
        async def unknown() -> str:
            raise NotFoundError("no")

        options: dict[str, Any] = {"application": seller.application, "max_wait": 0.1}
        middleware: Any = SPAPIMiddleware
        inside = [DefineMiddleware(middleware, **options)] if way == "inside" else []
        app: Any = Litestar(
            [participations, unknown],
            exception_handlers=litestar_handlers(),
            middleware=inside,
            openapi_config=None,
            logging_config=None,  # otherwise it sets up logging for the whole process
        )
        if way == "around":
            app = SPAPIMiddleware(app, **options)
        async with served(app) as url, aiohttp.ClientSession() as client:
            for _ in range(15):
                assert (await fetch(f"{url}/participations"))[0] == 200
            async with client.get(f"{url}/participations") as reply:
                assert (reply.status, reply.content_type) == (503, "application/problem+json")
                assert int(reply.headers["retry-after"]) > 1
            assert (await fetch(f"{url}/unknown"))[0] == 404


async def test_a_backend_starts_although_a_seller_is_revoked(caplog: pytest.LogCaptureFixture) -> None:
    """That is logged, and the other seller is served; calls for the revoked one fail."""
    async with Emulator() as emulator:
        application = Application("app", "secret", endpoint=emulator.url)
        revoked, good = (application.selling_partner(f"Atzr|{name}", region="NA") for name in ("revoked", "good"))
        emulator.faults({"revoke_refresh_token": "Atzr|revoked"})
        async with lifespan(application, sellers=[revoked, good])(None):
            assert len(await good.sellers_v1.get_marketplace_participations()) > 0
            with pytest.raises(LWAError):
                await revoked.sellers_v1.get_marketplace_participations()
        assert application.closed
    assert "could not be fetched in advance" in caplog.text


async def test_a_lifespan_warms_up_and_closes() -> None:
    """Tokens are fetched before the first request, and the application is closed with the server."""
    async with Emulator(orders=3) as emulator:
        application = Application("app", "secret", endpoint=emulator.url)
        seller = application.selling_partner("Atzr|web", region="NA")
        api = FastAPI(lifespan=lifespan(application, sellers=[seller]))

        @api.get("/order")
        async def order() -> Any:
            page = await seller.orders_2026_01_01.search_orders(created_after="2020-01-01")
            return json_response(page.orders[:1])

        async with served(api, lifespan="on") as url:
            assert emulator.stats()["tokens"]["lwa"] == 1
            status, kind, body = await fetch(f"{url}/order")
            assert (status, kind) == (200, "application/json")
            assert msgspec.json.decode(body)[0]["orderId"]
            assert not application.closed
        assert application.closed

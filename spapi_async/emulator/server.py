"""The emulator: a real HTTP server, assembled from its parts."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from spapi_async._core.clock import Clock, SystemClock
from spapi_async._core.endpoints import LWA_PATH
from spapi_async._core.operation import Operation
from spapi_async.emulator.apis import handler_of
from spapi_async.emulator.control import CONTROL_PATH, Control
from spapi_async.emulator.data.documents import DOCUMENTS_PATH
from spapi_async.emulator.data.world import Call, Settings, World
from spapi_async.emulator.delivery import deliver
from spapi_async.emulator.gateway.buckets import Plans
from spapi_async.emulator.gateway.faults import Faults
from spapi_async.emulator.gateway.gateway import Admitted, Endpoint, Gateway, RoutedRequest
from spapi_async.emulator.gateway.replies import Reply
from spapi_async.emulator.gateway.routes import Routes
from spapi_async.emulator.gateway.statistics import Received, Statistics
from spapi_async.emulator.identity.lwa import CONSENT_PATH, LoginWithAmazon
from spapi_async.emulator.identity.tokens import AccessToken, TokenRegistry
from spapi_async.marketplaces import Marketplace

__all__ = ["Emulator", "run", "serve"]


class Emulator:
    """A Selling Partner API on this machine; ``async with Emulator() as emulator: emulator.url``.

    Args:
        host, port: where it listens; port 0 takes any free port.
        seed: equal seeds give equal data, tokens and faults.
        orders: the orders of each seller. Every refresh token that begins with ``Atzr|`` is a separate seller.
        rate_scale: the factor by which all rates are multiplied, also in ``x-amzn-RateLimit-Limit``; bursts are
            unchanged.
        latency: seconds that a request takes each way; a pair is a range for random values.
        applications: client ids and their secrets; None accepts any that are not empty.
        token_lifetime: seconds that an access token lives.
        plans: the source whose figures are enforced if Amazon's sources disagree: ``model``, ``sdk`` or ``docs``.
        throttle: False disables usage plans.
        clock: the source of time.
        operations: the operations that are served; None: all in ``spapi_async.api``.
        data: the remaining settings of the data set: see :class:`~spapi_async.emulator.data.world.Settings`.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        seed: int = 0,
        orders: int = 200,
        rate_scale: float = 1.0,
        latency: float | tuple[float, float] = 0.0,
        applications: Mapping[str, str] | None = None,
        token_lifetime: float = 3600.0,
        plans: str = "model",
        throttle: bool = True,
        marketplaces: Sequence[Marketplace | str] | None = None,
        clock: Clock | None = None,
        operations: Mapping[str, Operation[Any]] | None = None,
        **data: Any,
    ) -> None:
        if marketplaces is not None:
            data["marketplaces"] = tuple(Marketplace.parse(marketplace) for marketplace in marketplaces)
        if isinstance(anchor := data.get("anchor"), datetime):
            data["anchor"] = anchor.timestamp()
        self.settings = Settings(seed=seed, orders=orders, **data)
        self._host = host
        self._port = port
        self._latency = latency if isinstance(latency, tuple) else (latency, latency)
        self._token_lifetime = token_lifetime
        self._rate_scale = rate_scale
        self._figures = plans
        self._throttle = throttle
        self._clock: Clock = clock or SystemClock()
        self._routes, self._restricted = _every_route() if operations is None else _routes_of(operations)
        self._tokens = TokenRegistry(seed)
        self._lwa = LoginWithAmazon(
            self._tokens, self._clock.time, seed=seed, applications=applications, token_lifetime=token_lifetime
        )
        self._runner: web.ServerRunner | None = None
        self._delivery: asyncio.Task[None] | None = None
        self._url = ""
        self.reset()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<Emulator {self._url or 'not started'} seed={self.settings.seed} orders={self.settings.orders}>"

    @property
    def url(self) -> str:
        """Scheme, host and port; give it to the client as ``endpoint``."""
        if not self._url:
            raise RuntimeError("the emulator is not running: use 'async with' or start() it")
        return self._url

    @property
    def received(self) -> Sequence[Received]:
        """The last thousand requests to operations, oldest first."""
        return tuple(self._statistics.received)

    @property
    def notifications(self) -> Sequence[Mapping[str, Any]]:
        """The notifications sent so far, about client secrets and subscribed types, in order.

        Notifications sent to the queues of an ``sqs_endpoint`` are not included.
        """
        return tuple(self._control.notifications())

    @property
    def world(self) -> World:
        """The state behind the operations: sellers, orders, jobs, documents, notifications; replaced by a reset."""
        return self._world

    @property
    def tokens(self) -> Sequence[str]:
        """Every issued token, including restricted data tokens, oldest first."""
        return self._tokens.issued

    async def start(self) -> None:
        """Listen."""
        server = web.Server(self._serve, request_factory=_any_size, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        if endpoint := self.settings.sqs_endpoint:
            self._delivery = asyncio.create_task(deliver(endpoint, lambda: self._world, self._clock))
        host, port = self._runner.addresses[0][:2]
        self._url = f"http://{f'[{host}]' if ':' in str(host) else host}:{port}"

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        runner, self._runner, self._url = self._runner, None, ""
        if self._delivery is not None:
            self._delivery.cancel()
            await asyncio.wait([self._delivery])
            self._delivery = None
        if runner is not None:
            await runner.cleanup()

    def reset(self) -> None:
        """Return data, buckets, faults and statistics to the initial state; issued tokens stay valid."""
        seed = self.settings.seed
        self._lwa.issued = self._lwa.requests = 0
        self._lwa.notifications.clear()
        self._lwa.token_lifetime = self._token_lifetime
        self._tokens.restore_authorizations()
        world = self._world = World(self.settings, self._clock.time, self._tokens, self._lwa, self._restricted)
        self._plans = Plans(self._clock.monotonic, rate_scale=self._rate_scale, figures=self._figures)
        self._faults = Faults(seed)
        self._statistics = Statistics()
        self._control = Control(world, self._faults, self._plans)
        self._gateway = self._new_gateway(world)

    def stats(self) -> dict[str, Any]:
        """The same as ``GET /_emulator/stats``."""
        tokens = {"lwa": self._lwa.issued, "rdt": self._statistics.tokens_rdt, "lwa_requests": self._lwa.requests}
        server = self._runner.server if self._runner is not None else None
        connections = len(server.connections) if server is not None else 0
        return self._statistics.report(tokens=tokens, faults=self._faults.injected, open_connections=connections)

    def faults(self, *rules: Mapping[str, Any]) -> None:
        """The same as ``POST /_emulator/faults``."""
        self._control.faults(list(rules))

    def change_orders(
        self, *, add: int = 0, update: int = 0, seller: str | None = None, at: float | datetime | None = None
    ) -> dict[str, list[str]]:
        """The same as ``POST /_emulator/orders``: add and change orders, updated now or ``at``; returns their ids."""
        moment = at.astimezone(UTC).timestamp() if isinstance(at, datetime) else at
        return self._control.change_orders(add, update, seller, moment)

    def add_report(self, report_type: str, **facts: Any) -> list[str]:
        """The same as ``POST /_emulator/reports``: add a report requested by somebody else; an id for each seller.

        ``facts`` are createReport's by wire name, and ``seller``, ``age`` in seconds, ``outcome`` and ``processing``.
        """
        return self._control.add_report({"reportType": report_type, **facts})

    def change_offers(self, count: int = 1, *, seller: str | None = None) -> list[str]:
        """The same as ``POST /_emulator/offers``: competitors change offers of ``count`` products; their ASINs."""
        return self._control.change_offers(count, seller)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        if path.startswith(CONTROL_PATH):
            return await self._serve_control(request, path)
        return await self._gateway.serve(request)

    def _new_gateway(self, world: World) -> Gateway[AccessToken]:
        """The gateway that serves every request until the next reset."""
        lwa, documents, now = self._lwa, world.documents, self._clock.time

        def document(routed: RoutedRequest) -> Reply:
            identifier = routed.path[len(DOCUMENTS_PATH) :]
            return documents.serve(routed.method, identifier, routed.query, routed.headers, routed.body, now=now())

        def answer(admitted: Admitted[AccessToken]) -> Reply:
            handler = handler_of(admitted.operation, synthetic=self.settings.synthetic)
            return handler(Call(world=world, base_url=self.url, **admitted._asdict()))

        return Gateway(
            routes=self._routes,
            endpoints={
                LWA_PATH: Endpoint("lwa", _granted_by(lwa), lwa.fault),
                CONSENT_PATH: Endpoint("consent", lambda routed: lwa.consent(routed.query)),
                DOCUMENTS_PATH: Endpoint("document", document),
            },
            tokens=self._tokens,
            answer=answer,
            faults=self._faults,
            plans=self._plans,
            statistics=self._statistics,
            latency=self._latency,
            clock=self._clock,
            rng=random.Random(f"latency {self.settings.seed}"),  # noqa: S311  jitter
            throttle=self._throttle,
        )

    async def _serve_control(self, request: web.BaseRequest, path: str) -> web.Response:
        what = path[len(CONTROL_PATH) :].strip("/")
        if request.method == "GET" and what == "stats":
            return web.json_response(self.stats())
        if request.method == "POST" and what == "reset":
            self.reset()
            return web.json_response({"reset": True})
        body = await request.read()
        status, value = self._control.answer(request.method, what, body)
        return web.json_response(value, status=status)


def run(emulator: Emulator) -> None:
    """Run an emulator until interrupted."""
    asyncio.run(serve(emulator))


@functools.cache
def _every_route() -> tuple[Routes, Routes]:
    """All operations' routes, built once because building them is the slowest part of a start; they never change."""
    from spapi_async.api import operations

    return _routes_of(operations())


def _routes_of(operations: Mapping[str, Operation[Any]]) -> tuple[Routes, Routes]:
    """The routes of all operations, and the routes of the restricted operations."""
    every = operations.values()
    return Routes(every), Routes(each for each in every if each.restriction is not None)


async def serve(emulator: Emulator) -> None:
    """Run an emulator until cancelled."""
    async with emulator:
        await asyncio.Event().wait()


def _any_size(*parts: Any) -> web.BaseRequest:
    # aiohttp's own limit is 1 MiB; feeds are larger.
    message, payload, protocol, writer, task = parts[:5]
    return web.BaseRequest(message, payload, protocol, writer, task, protocol._loop, client_max_size=0)  # noqa: SLF001


def _granted_by(lwa: LoginWithAmazon) -> Callable[[RoutedRequest], Reply]:
    def token(routed: RoutedRequest) -> Reply:
        if routed.method != "POST":
            return Reply(b"", 405, bare=True)
        return lwa.token(routed.headers.get("Content-Type", ""), routed.body)

    return token

"""The emulator itself: a real HTTP server, and the order in which it looks at a request.

1. latency on the way in, then an injected fault, if one is due;
2. route, access token (403), restricted data token (403);
3. usage plan (429), from here on the request has cost a token;
4. arguments (400), then the operation's own handler or a synthesised reply;
5. headers, and latency on the way back.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiohttp import web

from spapi_async._core.clock import Clock, SystemClock
from spapi_async._core.endpoints import LWA_PATH
from spapi_async._core.operation import Operation
from spapi_async.emulator.control import CONTROL_PATH, Control
from spapi_async.emulator.data.documents import DOCUMENTS_PATH
from spapi_async.emulator.data.jobs import iso
from spapi_async.emulator.data.world import Call, Settings, World
from spapi_async.emulator.gateway.arguments import read_arguments, read_body
from spapi_async.emulator.gateway.buckets import Plans
from spapi_async.emulator.gateway.faults import FaultRule, Faults
from spapi_async.emulator.gateway.replies import (
    RATE_HEADER,
    RATE_STATUSES,
    Refusal,
    Reply,
    bad_input,
    fault_reply,
    no_such_operation,
    throttled,
)
from spapi_async.emulator.gateway.routes import Routes
from spapi_async.emulator.gateway.sending import drop, respond
from spapi_async.emulator.gateway.statistics import Received, Statistics
from spapi_async.emulator.handlers import handler_of
from spapi_async.emulator.identity.lwa import CONSENT_PATH, LoginWithAmazon
from spapi_async.emulator.identity.tokens import TokenDesk
from spapi_async.marketplaces import Marketplace

__all__ = ["Emulator", "run", "serve"]

_LONGEST_USER_AGENT = 500  # Amazon rejects a longer one


# What fault rules call the places that are no operations.
_PLACES = {LWA_PATH: "lwa", CONSENT_PATH: "consent"}
_RDT = "tokens_2021_03_01.create_restricted_data_token"


class _Asked(NamedTuple):
    """A request, read and routed; ``name`` is the operation's, a place's, or empty for a path that leads nowhere."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    name: str
    found: tuple[Operation[Any], dict[str, str]] | None


class Emulator:
    """A Selling Partner API on this machine; ``async with Emulator() as emulator: emulator.url``.

    Args:
        host, port: where it listens; port 0 takes any free one.
        seed: equal seeds give equal data, tokens and faults.
        orders: how many orders each seller has. Every refresh token that begins with ``Atzr|`` is a seller of its own.
        rate_scale: every usage plan this many times faster, and announced so in ``x-amzn-RateLimit-Limit``; bursts
            stay.
        latency: seconds that a request spends on the wire each way; a pair is the range it is drawn from.
        applications: client ids and their secrets; None accepts any that are not empty.
        token_lifetime: seconds that an access token lives.
        plans: whose figure is enforced where Amazon's sources disagree: ``model``, ``sdk`` or ``docs``.
        throttle: False lets everything pass.
        clock: where time comes from.
        operations: what is served; None: everything in ``spapi_async.api``.
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
            data["marketplaces"] = tuple(Marketplace.parse(place) for place in marketplaces)
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
        if operations is None:
            from spapi_async.api import operations as every_operation

            operations = every_operation()
        self._routes = Routes(operations.values())
        self._restricted = Routes(each for each in operations.values() if each.restriction is not None)
        self._desk = TokenDesk(seed)
        self._lwa = LoginWithAmazon(
            self._desk, self._clock.time, seed=seed, applications=applications, token_lifetime=token_lifetime
        )
        self._runner: web.ServerRunner | None = None
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
        """What Amazon would have put on the application's queue: new client secrets, warnings of their end."""
        return tuple(self._lwa.notifications)

    async def start(self) -> None:
        """Listen."""
        server = web.Server(self._serve, request_factory=_any_size, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        host, port = self._runner.addresses[0][:2]
        self._url = f"http://{f'[{host}]' if ':' in str(host) else host}:{port}"

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        runner, self._runner, self._url = self._runner, None, ""
        if runner is not None:
            await runner.cleanup()

    def reset(self) -> None:
        """Data, buckets, faults and statistics as at the start; tokens that were issued stay good."""
        seed = self.settings.seed
        self._lwa.issued = self._lwa.requests = 0
        self._lwa.notifications.clear()
        self._lwa.token_lifetime = self._token_lifetime
        self._desk.pardon()
        self._chance = random.Random(f"latency {seed}")  # noqa: S311  jitter
        self._world = World(self.settings, self._clock.time, self._desk, self._lwa, self._restricted)
        self._plans = Plans(self._clock.monotonic, rate_scale=self._rate_scale, figures=self._figures)
        self._faults = Faults(seed)
        self._statistics = Statistics()
        self._control = Control(self._world, self._faults, self._plans)

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
        """The same as ``POST /_emulator/orders``: new and changed orders, updated now or ``at``; the ids of both."""
        moment = at.astimezone(UTC).timestamp() if isinstance(at, datetime) else at
        return self._control.change_orders(add, update, seller, moment)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        if path.startswith(CONTROL_PATH):
            return await self._serve_control(request, path)
        low, high = self._latency
        if high > 0:
            await self._clock.sleep(self._chance.uniform(low, high))
        try:
            asked = self._asked(request, await request.read() if request.can_read_body else b"")
        except ConnectionError:  # the client went away in the middle of its request
            return drop(request)
        rule = self._faults.draw(asked.name)
        if rule is not None and rule.delay > 0:
            await self._clock.sleep(rule.delay)
        if rule is not None and rule.disconnect == "before":
            self._count(asked, 0)
            return drop(request)
        reply = self._reply(asked, rule)
        if rule is not None:
            reply = _spoiled(reply, rule)
        self._count(asked, 0 if rule and rule.disconnect else reply.status)
        if high > 0:
            await self._clock.sleep(self._chance.uniform(low, high))
        if rule is not None and rule.disconnect == "after":
            return drop(request)
        return await respond(request, reply, rule)

    def _asked(self, request: web.BaseRequest, body: bytes) -> _Asked:
        path, _, query = request.raw_path.partition("?")
        name = _PLACES.get(path, "document" if path.startswith(DOCUMENTS_PATH) else "")
        found = None if name else self._routes.find(request.method, path)
        if found is not None:
            name = found[0].name
        return _Asked(request.method, path, query, request.headers, body, name, found)

    def _count(self, asked: _Asked, status: int) -> None:
        if asked.found is not None:
            target = f"{asked.path}?{asked.query}" if asked.query else asked.path
            self._statistics.count(asked.name, asked.method, target, status)
        elif not asked.name:
            self._statistics.unknown_paths += 1

    def _reply(self, asked: _Asked, rule: FaultRule | None) -> Reply:
        """The reply; synchronous, so that what is decided here is decided at one moment."""
        status = rule.status if rule is not None else None
        if asked.name == "lwa":
            if rule is not None and status is not None:
                return self._lwa.fault(status, rule.body)
            if asked.method != "POST":
                return Reply(b"", 405, bare=True)
            return self._lwa.token(asked.headers.get("Content-Type", ""), asked.body)
        if rule is not None and status is not None and asked.name and not _chooses_success(asked, rule):
            return fault_reply(status, rule.body)
        if asked.found is not None:
            return self._answer(asked, *asked.found, rule)
        return self._outside(asked)

    def _outside(self, asked: _Asked) -> Reply:
        """What is not an operation: the consent page, documents, the root, and nothing at all."""
        now = self._clock.time()
        if asked.name == "consent":
            return self._lwa.consent(asked.query)
        if asked.name == "document":
            identifier = asked.path[len(DOCUMENTS_PATH) :]
            return self._world.documents.serve(
                asked.method, identifier, asked.query, asked.headers, asked.body, now=now
            )
        if asked.path == "/" and asked.method == "GET":
            return Reply.json({"timestamp": iso(now)})
        return no_such_operation(asked.method, asked.path)

    def _answer(
        self, asked: _Asked, operation: Operation[Any], values: dict[str, str], rule: FaultRule | None
    ) -> Reply:
        rate = None
        try:
            token = self._desk.look_up(asked.headers.get("x-amz-access-token"), self._clock.time())
            elements = self._desk.permit(token, operation, asked.path)
            if self._throttle and (empty := self._plans.admit(operation, token.application, token.seller)):
                raise throttled(empty)
            rate = self._plans.announced(operation)
            arguments, body = self._arguments(asked, operation, values)
            call = Call(
                world=self._world,
                operation=operation,
                arguments=arguments,
                body=body,
                token=token,
                elements=elements,
                base_url=self.url,
                outcome=rule.outcome if rule else None,
                status=rule.status if rule else None,
            )
            reply = handler_of(operation, synthetic=self.settings.synthetic)(call)
        except Refusal as refusal:
            reply = refusal.reply()
        if rate is not None and reply.status in RATE_STATUSES and not reply.gateway:
            reply.headers.setdefault(RATE_HEADER, rate)
        if operation.name == _RDT and reply.status < 300:
            self._statistics.tokens_rdt += 1
        return reply

    def _arguments(
        self, asked: _Asked, operation: Operation[Any], values: dict[str, str]
    ) -> tuple[dict[str, Any], Any]:
        headers = asked.headers
        if operation.method == "GET" and (asked.body or "Content-Length" in headers):
            raise bad_input("A GET request must not have a body or Content-Length.", f"GET {asked.path}")
        if len(headers.get("User-Agent", "")) > _LONGEST_USER_AGENT:
            raise bad_input("The User-Agent header is too long.", f"at most {_LONGEST_USER_AGENT} characters")
        arguments, unknown = read_arguments(operation, values, asked.query, headers)
        for parameter in unknown:
            self._statistics.unknown_parameters[f"{operation.name} {parameter}"] += 1
        return arguments, read_body(operation, asked.body, headers.get("Content-Type", ""))

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


async def serve(emulator: Emulator) -> None:
    """Run an emulator until cancelled."""
    async with emulator:
        await asyncio.Event().wait()


def _any_size(*parts: Any) -> web.BaseRequest:
    # aiohttp's own limit is 1 MiB; feeds are larger.
    message, payload, protocol, writer, task = parts[:5]
    return web.BaseRequest(message, payload, protocol, writer, task, protocol._loop, client_max_size=0)  # noqa: SLF001


def _chooses_success(asked: _Asked, rule: FaultRule) -> bool:
    """Whether a rule's status is one of several that the operation succeeds with."""
    return rule.body is None and asked.found is not None and rule.status in asked.found[0].success


def _spoiled(reply: Reply, rule: FaultRule) -> Reply:
    """The reply after what a fault rule does to it."""
    if rule.status is None and rule.body is not None:
        spoiled = fault_reply(reply.status, rule.body)
        spoiled.gateway = reply.gateway
        reply = spoiled
    elif rule.headers:
        reply = Reply(reply.body, reply.status, reply.headers, gateway=reply.gateway, bare=reply.bare)
    for name, value in rule.headers.items():
        # One spelling, so that it replaces the real one; an empty value is taken out at the end.
        known = RATE_HEADER if name.lower() == RATE_HEADER.lower() else name
        reply.headers[known] = "" if value is None else value
    return reply

"""What happens to a request, from its arrival to its reply.

1. latency on the way in, then the delay or disconnection of an injected fault;
2. endpoints that are not operations (Login with Amazon, consent page, documents) answer by themselves;
3. the route, the access token (403), the restricted data token (403);
4. the usage plan (429); a request that passes has used up a token of its buckets;
5. the arguments (400), then the operation's handler or a synthesised reply;
6. the fault's changes to the reply, the statistics, latency on the way back.

The gateway has no data of its own: it is given a function that answers operations and an object that looks up tokens.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from aiohttp import web

from spapi_async._core.clock import Clock
from spapi_async._core.operation import Operation
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
from spapi_async.emulator.gateway.statistics import Statistics
from spapi_async.emulator.gateway.times import iso

__all__ = ["Admitted", "Endpoint", "Gateway", "RoutedRequest"]

_MAX_USER_AGENT = 500  # Amazon rejects a longer one
_RDT = "tokens_2021_03_01.create_restricted_data_token"


class RoutedRequest(NamedTuple):
    """A request that was read and routed; ``endpoint`` and ``found`` are both None for an unknown path."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    endpoint: Endpoint | None
    found: tuple[Operation[Any], dict[str, str]] | None

    @property
    def name(self) -> str:
        """The name by which fault rules match it: the operation's or the endpoint's; empty for an unknown path."""
        if self.endpoint is not None:
            return self.endpoint.name
        return self.found[0].name if self.found is not None else ""


class Endpoint(NamedTuple):
    """A path that is not an operation's and has neither a usage plan nor a token check."""

    name: str
    answer: Callable[[RoutedRequest], Reply]
    fault: Callable[[int, Any], Reply] = fault_reply


class Token(Protocol):
    """The application and the seller for whom an access token was issued."""

    @property
    def application(self) -> str: ...

    @property
    def seller(self) -> str | None: ...


T = TypeVar("T", bound=Token)


class TokenLookup(Protocol[T]):
    """Looks up access tokens."""

    def look_up(self, value: str | None, now: float) -> T:
        """The token; raises Refusal if it is missing, unknown or expired."""

    def permit(self, token: T, operation: Operation[Any], path: str) -> frozenset[str]:
        """The restricted data elements that it grants; raises Refusal if it does not cover the request."""


class Admitted(NamedTuple, Generic[T]):
    """A request that passed all checks, as the operation's handler receives it."""

    operation: Operation[Any]
    arguments: dict[str, Any]
    body: Any
    token: T
    elements: frozenset[str]
    outcome: str | None
    status: int | None


class Gateway(Generic[T]):
    """Serves requests.

    Args:
        routes: the routes of the operations.
        endpoints: other endpoints by path; a path that ends in ``/`` includes all paths below it.
        tokens: looks up access tokens.
        answer: makes an operation's reply to an admitted request.
        faults: the fault rules in force.
        plans: the usage plans.
        statistics: counts requests and replies.
        latency: the least and the most seconds that a request or a reply takes on the wire.
        clock: the source of time.
        rng: draws the latency.
        throttle: False disables the usage plans.
    """

    def __init__(
        self,
        *,
        routes: Routes,
        endpoints: Mapping[str, Endpoint],
        tokens: TokenLookup[T],
        answer: Callable[[Admitted[T]], Reply],
        faults: Faults,
        plans: Plans,
        statistics: Statistics,
        latency: tuple[float, float],
        clock: Clock,
        rng: random.Random,
        throttle: bool,
    ) -> None:
        self._routes = routes
        self._endpoints = {path: endpoint for path, endpoint in endpoints.items() if not path.endswith("/")}
        self._below = tuple((path, endpoint) for path, endpoint in endpoints.items() if path.endswith("/"))
        self._tokens = tokens
        self._operation = answer
        self._faults = faults
        self._plans = plans
        self._statistics = statistics
        self._latency = latency
        self._clock = clock
        self._rng = rng
        self._throttle = throttle

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, with latency and with the fault that is drawn for it."""
        await self._travel()
        try:
            routed = self._read(request, await request.read() if request.can_read_body else b"")
        except ConnectionError:  # the client went away in the middle of its request
            return drop(request)
        rule = self._faults.draw(routed.name)
        if rule is not None and rule.delay > 0:
            await self._clock.sleep(rule.delay)
        if rule is not None and rule.disconnect == "before":
            self._count(routed, 0)
            return drop(request)
        reply = self._reply(routed, rule)
        if rule is not None:
            reply = _altered(reply, rule)
        self._count(routed, 0 if rule and rule.disconnect else reply.status)
        if rule is not None and rule.hold > 0:
            await self._clock.sleep(rule.hold)
        await self._travel()
        if rule is not None and rule.disconnect == "after":
            return drop(request)
        return await respond(request, reply, rule, self._clock.time())

    async def _travel(self) -> None:
        low, high = self._latency
        if high > 0:
            await self._clock.sleep(self._rng.uniform(low, high))

    def _read(self, request: web.BaseRequest, body: bytes) -> RoutedRequest:
        path, _, query = request.raw_path.partition("?")
        endpoint = self._endpoints.get(path) or next(
            (endpoint for above, endpoint in self._below if path.startswith(above)), None
        )
        found = None if endpoint else self._routes.find(request.method, path)
        return RoutedRequest(request.method, path, query, request.headers, body, endpoint, found)

    def _reply(self, routed: RoutedRequest, rule: FaultRule | None) -> Reply:
        """The reply; synchronous, so that nothing changes between two checks of one request."""
        if rule is not None and rule.status is not None and routed.name and not _chooses_success(routed, rule):
            return (routed.endpoint.fault if routed.endpoint else fault_reply)(rule.status, rule.body)
        if routed.endpoint is not None:
            return routed.endpoint.answer(routed)
        if routed.found is not None:
            return self._answer(routed, *routed.found, rule)
        if routed.path == "/" and routed.method == "GET":
            return Reply.json({"timestamp": iso(self._clock.time())})
        return no_such_operation(routed.method, routed.path)

    def _answer(
        self, routed: RoutedRequest, operation: Operation[Any], values: dict[str, str], rule: FaultRule | None
    ) -> Reply:
        rate = None
        try:
            token = self._tokens.look_up(routed.headers.get("x-amz-access-token"), self._clock.time())
            elements = self._tokens.permit(token, operation, routed.path)
            payer = (operation, token.application, token.seller)
            if self._throttle and (empty := self._plans.admit(*payer, routed.query, routed.body)):
                raise throttled(*empty)
            rate = self._plans.announced(operation)
            arguments, body = self._arguments(routed, operation, values)
            outcome, status = (rule.outcome, rule.status) if rule else (None, None)
            reply = self._operation(Admitted(operation, arguments, body, token, elements, outcome, status))
        except Refusal as refusal:
            reply = refusal.reply()
        if rate is not None and reply.status in RATE_STATUSES and not reply.gateway:
            reply.headers.setdefault(RATE_HEADER, rate)
        if operation.name == _RDT and reply.status < 300:
            self._statistics.tokens_rdt += 1
        return reply

    def _arguments(
        self, routed: RoutedRequest, operation: Operation[Any], values: dict[str, str]
    ) -> tuple[dict[str, Any], Any]:
        headers = routed.headers
        if operation.method == "GET" and (routed.body or "Content-Length" in headers):
            raise bad_input("A GET request must not have a body or Content-Length.", f"GET {routed.path}")
        if len(headers.get("User-Agent", "")) > _MAX_USER_AGENT:
            raise bad_input("The User-Agent header is too long.", f"at most {_MAX_USER_AGENT} characters")
        arguments, unknown = read_arguments(operation, values, routed.query, headers)
        for parameter in unknown:
            self._statistics.unknown_parameters[f"{operation.name} {parameter}"] += 1
        return arguments, read_body(operation, routed.body, headers.get("Content-Type", ""))

    def _count(self, routed: RoutedRequest, status: int) -> None:
        if routed.found is not None:
            target = f"{routed.path}?{routed.query}" if routed.query else routed.path
            self._statistics.count(routed.name, routed.method, target, status)
        elif routed.endpoint is None:
            self._statistics.unknown_paths += 1


def _chooses_success(routed: RoutedRequest, rule: FaultRule) -> bool:
    """Whether a rule only chooses which of the operation's success statuses it answers with."""
    return rule.body is None and routed.found is not None and rule.status in routed.found[0].success


def _altered(reply: Reply, rule: FaultRule) -> Reply:
    """The reply with the changes that a fault rule makes to it."""
    if rule.status is None and rule.body is not None:
        altered = fault_reply(reply.status, rule.body)
        altered.gateway = reply.gateway
        reply = altered
    elif rule.headers:
        reply = Reply(reply.body, reply.status, reply.headers, gateway=reply.gateway, bare=reply.bare)
    for name, value in rule.headers.items():
        # The same spelling as in the real reply, so that it is replaced; ``respond`` removes empty values.
        known = RATE_HEADER if name.lower() == RATE_HEADER.lower() else name
        reply.headers[known] = "" if value is None else value
    return reply

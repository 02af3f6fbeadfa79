"""How a request is judged, from the wire and back to it; read it downwards.

1. latency on the way in, then an injected fault, if one is due;
2. a place that is no operation (tokens, consent, documents) answers for itself;
3. route, access token (403), restricted data token (403);
4. usage plan (429), from here on the request has cost a token;
5. arguments (400), then the operation's own handler or a synthesised reply;
6. what the fault does to the reply, the count of it, and latency on the way back.

Who a token stands for and what an operation answers is given to the judge: it knows neither data nor identity.
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

__all__ = ["Admitted", "Asked", "Judge", "Place"]

_LONGEST_USER_AGENT = 500  # Amazon rejects a longer one
_RDT = "tokens_2021_03_01.create_restricted_data_token"


class Asked(NamedTuple):
    """A request, read and routed; both ``place`` and ``found`` are None for a path that leads nowhere."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    place: Place | None
    found: tuple[Operation[Any], dict[str, str]] | None

    @property
    def name(self) -> str:
        """What fault rules call it: the operation's name, the place's, or nothing."""
        if self.place is not None:
            return self.place.name
        return self.found[0].name if self.found is not None else ""


class Place(NamedTuple):
    """Something under a path, or below it, that is no operation: it has neither plan nor token."""

    name: str
    answer: Callable[[Asked], Reply]
    fault: Callable[[int, Any], Reply] = fault_reply


class Token(Protocol):
    """Whom a good access token stands for."""

    @property
    def application(self) -> str: ...

    @property
    def seller(self) -> str | None: ...


T = TypeVar("T", bound=Token)


class Desk(Protocol[T]):
    """Knows tokens."""

    def look_up(self, value: str | None, now: float) -> T:
        """The token; raises Refusal for one that is missing, unknown or expired."""

    def permit(self, token: T, operation: Operation[Any], path: str) -> frozenset[str]:
        """The restricted data elements that it opens; raises Refusal where it does not reach."""


class Admitted(NamedTuple, Generic[T]):
    """A request that passed: what its operation's handler gets to see."""

    operation: Operation[Any]
    arguments: dict[str, Any]
    body: Any
    token: T
    elements: frozenset[str]
    outcome: str | None
    status: int | None


class Judge(Generic[T]):
    """Serves requests.

    Args:
        routes: the operations.
        places: what else there is, by path; a path that ends in ``/`` stands for all below it.
        desk: knows tokens.
        answer: what an operation answers to a request that passed.
        faults, plans, statistics: what goes wrong, what is let through, what is counted.
        latency: seconds on the wire each way, least and most.
        clock: where time comes from.
        rng: draws the latency.
        throttle: False lets everything pass.
    """

    def __init__(
        self,
        *,
        routes: Routes,
        places: Mapping[str, Place],
        desk: Desk[T],
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
        self._places = {path: place for path, place in places.items() if not path.endswith("/")}
        self._below = tuple((path, place) for path, place in places.items() if path.endswith("/"))
        self._desk = desk
        self._operation = answer
        self._faults = faults
        self._plans = plans
        self._statistics = statistics
        self._latency = latency
        self._clock = clock
        self._rng = rng
        self._throttle = throttle

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, as slowly and as badly as it is to be."""
        await self._travel()
        try:
            asked = self._read(request, await request.read() if request.can_read_body else b"")
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

    def _read(self, request: web.BaseRequest, body: bytes) -> Asked:
        path, _, query = request.raw_path.partition("?")
        place = self._places.get(path) or next((place for above, place in self._below if path.startswith(above)), None)
        found = None if place else self._routes.find(request.method, path)
        return Asked(request.method, path, query, request.headers, body, place, found)

    def _reply(self, asked: Asked, rule: FaultRule | None) -> Reply:
        """The reply; synchronous, so that what is decided here is decided at one moment."""
        if rule is not None and rule.status is not None and asked.name and not _chooses_success(asked, rule):
            return (asked.place.fault if asked.place else fault_reply)(rule.status, rule.body)
        if asked.place is not None:
            return asked.place.answer(asked)
        if asked.found is not None:
            return self._answer(asked, *asked.found, rule)
        if asked.path == "/" and asked.method == "GET":
            return Reply.json({"timestamp": iso(self._clock.time())})
        return no_such_operation(asked.method, asked.path)

    def _answer(self, asked: Asked, operation: Operation[Any], values: dict[str, str], rule: FaultRule | None) -> Reply:
        rate = None
        try:
            token = self._desk.look_up(asked.headers.get("x-amz-access-token"), self._clock.time())
            elements = self._desk.permit(token, operation, asked.path)
            payer = (operation, token.application, token.seller)
            if self._throttle and (empty := self._plans.admit(*payer, asked.query, asked.body)):
                raise throttled(*empty)
            rate = self._plans.announced(operation)
            arguments, body = self._arguments(asked, operation, values)
            outcome, status = (rule.outcome, rule.status) if rule else (None, None)
            reply = self._operation(Admitted(operation, arguments, body, token, elements, outcome, status))
        except Refusal as refusal:
            reply = refusal.reply()
        if rate is not None and reply.status in RATE_STATUSES and not reply.gateway:
            reply.headers.setdefault(RATE_HEADER, rate)
        if operation.name == _RDT and reply.status < 300:
            self._statistics.tokens_rdt += 1
        return reply

    def _arguments(self, asked: Asked, operation: Operation[Any], values: dict[str, str]) -> tuple[dict[str, Any], Any]:
        headers = asked.headers
        if operation.method == "GET" and (asked.body or "Content-Length" in headers):
            raise bad_input("A GET request must not have a body or Content-Length.", f"GET {asked.path}")
        if len(headers.get("User-Agent", "")) > _LONGEST_USER_AGENT:
            raise bad_input("The User-Agent header is too long.", f"at most {_LONGEST_USER_AGENT} characters")
        arguments, unknown = read_arguments(operation, values, asked.query, headers)
        for parameter in unknown:
            self._statistics.unknown_parameters[f"{operation.name} {parameter}"] += 1
        return arguments, read_body(operation, asked.body, headers.get("Content-Type", ""))

    def _count(self, asked: Asked, status: int) -> None:
        if asked.found is not None:
            target = f"{asked.path}?{asked.query}" if asked.query else asked.path
            self._statistics.count(asked.name, asked.method, target, status)
        elif asked.place is None:
            self._statistics.unknown_paths += 1


def _chooses_success(asked: Asked, rule: FaultRule) -> bool:
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

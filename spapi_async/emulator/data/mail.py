"""Destinations, subscriptions, and the way of a notification: late, lost or twice, as the settings say."""

from __future__ import annotations

import heapq
import itertools
import random
import uuid
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from spapi_async.emulator.data.cel import CelError, parse_expression
from spapi_async.emulator.data.notices import Notice
from spapi_async.emulator.data.products import chance

__all__ = ["Letter", "Mail", "Postage"]


class Postage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How well notifications travel.

    Attributes:
        lag: each copy is up to so many seconds late, so they overtake one another.
        loss: this share never arrives.
        duplication: this share arrives twice.
    """

    lag: float = 0.0
    loss: float = 0.0
    duplication: float = 0.0


class Letter(NamedTuple):
    """One copy of a notification on its way to a destination."""

    resource: dict[str, Any]
    message: dict[str, Any]


class Mail:
    """Everything about notifications that a reset starts anew."""

    def __init__(self, seed: int, postage: Postage) -> None:
        self.postage = postage
        self.destinations: dict[str, dict[str, Any]] = {}
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self._rng: random.Random = chance(seed, "notifications")
        self._number = itertools.count()
        # What will happen, and what is on its way: moment, a number that breaks ties, and the thing itself.
        self._ahead: list[tuple[float, int, str, Callable[[float], Notice]]] = []
        self._travelling: list[tuple[float, int, Letter]] = []

    def expect(self, seller: str, at: float, notice: Callable[[float], Notice]) -> None:
        """At that moment, something will have happened to a seller; what, is asked then."""
        heapq.heappush(self._ahead, (at, next(self._number), seller, notice))

    def due(self, now: float) -> Sequence[Letter]:
        """The copies that have arrived by now, and not before."""
        while self._ahead and self._ahead[0][0] <= now:
            at, _, seller, notice = heapq.heappop(self._ahead)
            self._send(seller, notice(now), at)
        arrived = []
        while self._travelling and self._travelling[0][0] <= now:
            arrived.append(heapq.heappop(self._travelling)[2])
        return arrived

    def put_back(self, letter: Letter, until: float) -> None:
        """The destination cannot be reached: try again later."""
        heapq.heappush(self._travelling, (until, next(self._number), letter))

    def new_id(self) -> str:
        """An id like Amazon's, the same in every run of one seed."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def _send(self, seller: str, notice: Notice, at: float) -> None:
        for subscription in self.subscriptions.values():
            destination = self.destinations.get(subscription["destinationId"])
            if destination is None or not _wanted(subscription, seller, notice):
                continue
            message = notice.message(
                notification_id=self.new_id(),
                subscription_id=subscription["subscriptionId"],
                application=subscription["application"],
                now=at,
            )
            copies = 0 if self._rng.random() < self.postage.loss else 1
            copies += copies and self._rng.random() < self.postage.duplication
            for _ in range(copies):
                arrival = at + self._rng.uniform(0, self.postage.lag)
                letter = Letter(destination["resource"], message)
                heapq.heappush(self._travelling, (arrival, next(self._number), letter))


def _wanted(subscription: dict[str, Any], seller: str, notice: Notice) -> bool:
    """Whether a subscription is this seller's, of this type and version, and its filter lets the notice through."""
    facts = (subscription["seller"], subscription["type"], subscription["payloadVersion"])
    if facts != (seller, notice.type, notice.version):
        return False
    directive = subscription.get("processingDirective") or {}
    if not _fulfils(directive.get("filterExpression"), notice):
        return False
    wished = directive.get("eventFilter") or {}
    places, changes = wished.get("marketplaceIds"), wished.get("orderChangeTypes")
    return (not places or notice.marketplace in places) and (not changes or notice.change in changes)


def _fulfils(expression: str | None, notice: Notice) -> bool:
    """Whether a payload is what a filter expression wants; one that has no value for it lets nothing through."""
    if expression is None:
        return True
    try:
        return parse_expression(expression)(notice.payload) is True
    except CelError:
        return False

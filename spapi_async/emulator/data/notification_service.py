"""Destinations, subscriptions and the delivery of notifications, some late, lost or duplicated as the settings say."""

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
from spapi_async.emulator.data.products import rng_for

__all__ = ["Delivery", "DeliverySettings", "NotificationService"]


class DeliverySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How reliably notifications are delivered.

    Attributes:
        lag: the most seconds by which each copy is delayed at random; copies can overtake one another.
        loss: the share of notifications that never arrive.
        duplication: the share of notifications that arrive twice.
    """

    lag: float = 0.0
    loss: float = 0.0
    duplication: float = 0.0


class Delivery(NamedTuple):
    """One copy of a notification on its way to a destination."""

    resource: dict[str, Any]
    message: dict[str, Any]


class NotificationService:
    """The state of notifications; a reset replaces it."""

    def __init__(self, seed: int, delivery_settings: DeliverySettings) -> None:
        self.delivery_settings = delivery_settings
        self.destinations: dict[str, dict[str, Any]] = {}
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self._rng: random.Random = rng_for(seed, "notifications")
        self._number = itertools.count()
        # Heaps of events to come and of copies under way: the time, a number that breaks ties, and the content.
        self._scheduled: list[tuple[float, int, str, Callable[[float], Notice]]] = []
        self._in_transit: list[tuple[float, int, Delivery]] = []

    def send(self, seller: str, at: float, notice: Notice) -> None:
        """Send a notification whose content is already made."""
        self.schedule(seller, at, lambda _: notice)

    def schedule(self, seller: str, at: float, notice: Callable[[float], Notice]) -> None:
        """Send a notification about a seller at a given time; ``notice`` is called then and makes its content."""
        heapq.heappush(self._scheduled, (at, next(self._number), seller, notice))

    def due(self, now: float) -> Sequence[Delivery]:
        """Remove and return the copies that have arrived by now."""
        while self._scheduled and self._scheduled[0][0] <= now:
            at, _, seller, notice = heapq.heappop(self._scheduled)
            self._send(seller, notice(now), at)
        arrived = []
        while self._in_transit and self._in_transit[0][0] <= now:
            arrived.append(heapq.heappop(self._in_transit)[2])
        return arrived

    def put_back(self, delivery: Delivery, until: float) -> None:
        """Deliver a copy again at the time ``until``, after a failed attempt."""
        heapq.heappush(self._in_transit, (until, next(self._number), delivery))

    def new_id(self) -> str:
        """An id like Amazon's; equal seeds give equal ids."""
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
            copies = 0 if self._rng.random() < self.delivery_settings.loss else 1
            copies += copies and self._rng.random() < self.delivery_settings.duplication
            for _ in range(copies):
                arrival = at + self._rng.uniform(0, self.delivery_settings.lag)
                delivery = Delivery(destination["resource"], message)
                heapq.heappush(self._in_transit, (arrival, next(self._number), delivery))


def _wanted(subscription: dict[str, Any], seller: str, notice: Notice) -> bool:
    """Whether a subscription is for this seller, type and version, and its filter accepts the notice."""
    facts = (subscription["seller"], subscription["type"], subscription["payloadVersion"])
    if facts != (seller, notice.type, notice.version):
        return False
    directive = subscription.get("processingDirective") or {}
    if not _matches(directive.get("filterExpression"), notice):
        return False
    event_filter = directive.get("eventFilter") or {}
    marketplaces, changes = event_filter.get("marketplaceIds"), event_filter.get("orderChangeTypes")
    return (not marketplaces or notice.marketplace in marketplaces) and (not changes or notice.change in changes)


def _matches(expression: str | None, notice: Notice) -> bool:
    """Whether a filter expression accepts a payload; one that has no value for the payload rejects it."""
    if expression is None:
        return True
    try:
        return parse_expression(expression)(notice.payload) is True
    except CelError:
        return False

"""Measurements computed from events and limits, for all backends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any, Protocol

import msgspec

from spapi_async._core.limiter import LimitSnapshot
from spapi_async._core.operation import Operation

__all__ = ["Level", "SyncLag", "Watched", "levels", "operation_of", "sync_counts"]


class Watched(Protocol):
    """The part of an application that is read here."""

    def limits(self) -> Iterable[LimitSnapshot]:
        """Snapshots of its buckets."""


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One operation's buckets combined.

    Attributes:
        tokens: the tokens in the emptiest bucket; negative while it is in debt.
        rate: the rate of the slowest bucket in requests per second.
        waiting: the calls that wait for any of them.
    """

    operation: str
    tokens: float
    rate: float
    waiting: int


def levels(applications: Iterable[Watched]) -> list[Level]:
    """The buckets of some applications, combined for each operation whatever the number of sellers."""
    found: dict[str, list[LimitSnapshot]] = {}
    for application in applications:
        for limit in application.limits():
            found.setdefault(limit.operation, []).append(limit)
    return [
        Level(
            operation=operation,
            tokens=min(limit.tokens for limit in limits),
            rate=min(limit.rate for limit in limits),
            waiting=sum(limit.waiting for limit in limits),
        )
        for operation, limits in sorted(found.items())
    ]


class SyncLag:
    """The lag of order syncs in seconds: that of the seller that is furthest behind.

    Each kind of progress has a name: ``""`` for reading, the delay of a reconciliation (``"2h"``) for reconciling.

    A worker of a fleet has each seller only now and then: what itself did for a seller says nothing of how far that is
    behind. So once the fleet has reported its lag, that of all workers together, only this counts.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._done_to: dict[str, dict[str, float]] = {"": {}}
        self._is_of_fleet = False
        self.sellers: dict[str, int] = {}
        """The numbers of a fleet's sellers: all, due, queued, new and revoked; empty outside a fleet."""

    def of_fleet(self, lags: Mapping[str, float], sellers: Mapping[str, int]) -> None:
        """Record how far a whole fleet is behind, by kind of progress, and its numbers of sellers."""
        now = self._now()
        self._done_to = {what: {"": now - seconds} for what, seconds in lags.items()}
        self._is_of_fleet, self.sellers = True, dict(sellers)

    def reached(self, seller: str, moment: float, *, what: str = "") -> None:
        """Record that this kind of progress has reached ``moment`` for a seller."""
        if not self._is_of_fleet:
            self._done_to.setdefault(what, {})[seller] = moment

    def seconds(self, what: str = "") -> float:
        """The lag of the seller that is furthest behind; 0 before there is any progress."""
        return max((self._now() - moment for moment in self._done_to.get(what, {}).values()), default=0.0)

    @property
    def reconciliations(self) -> list[str]:
        """The names of the reconciliations seen so far."""
        return [what for what in self._done_to if what]


def sync_counts(event: Any, lag: SyncLag) -> Iterator[tuple[str, float, str]]:
    """The metrics that an event of an order sync changes, each with amount and label; records progress in ``lag``.

    The metrics are ``orders``, ``unreadable``, ``failures``, ``found_late`` (labelled with the reconciliation) and
    ``freshness`` (with the source).
    """
    match type(event).__name__:  # by name: this module must not import the workflows
        case "PageStored":
            yield "orders", event.orders, ""
            yield "unreadable", event.unreadable, ""
        case "SellerFinished":
            lag.reached(event.seller, event.synced_to.timestamp())
        case "SellerFailed":
            yield "failures", 1, ""
        case "OrdersReconciled":
            after = f"{event.hours}h"
            lag.reached(event.seller, event.reconciled_to.timestamp(), what=after)
            yield "found_late", event.found, after
        case "FleetLag":
            sellers = {"all": event.sellers, "due": event.due, "queued": event.queued, "new": event.new}
            lag.of_fleet({"": event.lag, **event.reconciled}, {**sellers, "revoked": event.revoked})
        case "OrdersFresh":
            for seconds in event.seconds:
                yield "freshness", seconds, event.source
        case _:
            pass


@lru_cache(maxsize=512)
def operation_of(name: str) -> Operation[Any] | None:
    """The operation of this name, or None if there is none."""
    module, _, method = name.partition(".")
    try:
        found = getattr(import_module(f"spapi_async.api.{module}"), method.upper(), None)
    except ModuleNotFoundError:
        return None
    return found if isinstance(found, Operation) else None

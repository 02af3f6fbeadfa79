"""What events and limits say, in words and numbers that every backend shows alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any, Protocol

import msgspec

from spapi_async._core.limiter import LimitSnapshot
from spapi_async._core.operation import Operation

__all__ = ["Level", "SyncLag", "Watched", "levels", "operation_of", "sync_counts"]


class Watched(Protocol):
    """An application, by what is read of it."""

    def limits(self) -> Iterable[LimitSnapshot]:
        """Snapshots of its buckets."""


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One operation's buckets together.

    Attributes:
        tokens: in the emptiest of them; negative where calls have borrowed.
        rate: of the slowest, requests a second.
        waiting: calls in all of them.
    """

    operation: str
    tokens: float
    rate: float
    waiting: int


def levels(applications: Iterable[Watched]) -> list[Level]:
    """The buckets of some applications, by operation: as many as there are operations, however many sellers."""
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
    """How far the sellers' orders are behind: seconds from what is done to now, of the one furthest behind.

    What is done has a name: ``""`` is that everything was read, others are reconciliations.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._done_to: dict[str, dict[str, float]] = {"": {}}

    def reached(self, seller: str, moment: float, *, what: str = "") -> None:
        """It is done for everything of this seller's up to then."""
        self._done_to.setdefault(what, {})[seller] = moment

    def seconds(self, what: str = "") -> float:
        """Of the seller that is furthest behind; 0 before the first has come anywhere."""
        return max((self._now() - moment for moment in self._done_to[what].values()), default=0.0)

    @property
    def reconciliations(self) -> list[str]:
        """Those that were heard of."""
        return [what for what in self._done_to if what]


def sync_counts(event: Any, lag: SyncLag) -> Iterator[tuple[str, float, str]]:
    """What an event of an order sync adds to which metric, and the value of its label; how far it goes is for ``lag``.

    The metrics: ``orders``, ``unreadable``, ``failures``, ``found_late`` (labelled with the reconciliation) and
    ``freshness`` (with the source).
    """
    match type(event).__name__:  # the workflows are above, and need not be imported to be watched
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
        case "OrdersFresh":
            for seconds in event.seconds:
                yield "freshness", seconds, event.source
        case _:
            pass


@lru_cache(maxsize=512)
def operation_of(name: str) -> Operation[Any] | None:
    """The operation of an event; None for a name that is none."""
    module, _, method = name.partition(".")
    try:
        found = getattr(import_module(f"spapi_async.api.{module}"), method.upper(), None)
    except ModuleNotFoundError:
        return None
    return found if isinstance(found, Operation) else None

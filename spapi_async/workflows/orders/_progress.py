"""What a sync reports while it runs; whoever shows it (a bar, a log, a metric) is passed in as a callable."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

__all__ = [
    "DatasetRefused",
    "OrdersForecast",
    "OrdersFresh",
    "OrdersListed",
    "OrdersReconciled",
    "PageStored",
    "Progress",
    "SellerFailed",
    "SellerFinished",
    "SellerStarted",
    "SellerWaits",
    "SourceDropped",
    "SyncEvent",
]


class SyncEvent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Base of all events; ``seller`` identifies the seller without secrets."""

    seller: str


class SellerStarted(SyncEvent, frozen=True, kw_only=True):
    """A seller's sync began at ``last_updated_after``; ``resumed`` inside a window that an earlier run began.

    ``known``: the place comes from a checkpoint, and not from ``since``.
    """

    last_updated_after: datetime
    resumed: bool
    known: bool = False


class SellerWaits(SyncEvent, frozen=True, kw_only=True):
    """Another process works on this seller; ``expires_at`` is when its lease ends if it is not renewed."""

    holder: str
    expires_at: datetime | None


class PageStored(SyncEvent, frozen=True, kw_only=True):
    """A page was committed. ``orders`` and ``items`` are its own, ``total`` counts this run's orders of the seller.

    ``operation`` brought it. ``completed`` of its orders are there with their details now and were not before: none of
    a list that names orders without details.

    ``latest`` is the latest update on the page and ``upper_bound`` the end of the window, where known: between them
    lies what is left, if Amazon's pages come in order of time.
    """

    orders: int
    items: int
    total: int
    violations: int
    unreadable: int = 0
    latest: datetime | None
    upper_bound: datetime | None
    operation: str = ""
    completed: int = 0


class OrdersListed(SyncEvent, frozen=True, kw_only=True):
    """All orders of a history up to ``listed_to`` are stored at least without details, of those up to ``upper_bound``.

    ``left`` lack their details, which is known when the list is complete.
    """

    operation: str
    listed_to: datetime
    upper_bound: datetime
    left: int | None = None


class OrdersForecast(SyncEvent, frozen=True, kw_only=True):
    """How long a seller's sync still takes, with the quota at hand and at the pace so far.

    ``left`` orders are to be read in ``seconds``, most of them by ``limited_by``, if quota limits it. Where order
    reports list a history, all of it is stored without details in ``listed_in`` seconds, once that can be said.
    """

    left: int
    seconds: float
    limited_by: str | None
    listed_in: float | None = None


class SellerFinished(SyncEvent, frozen=True, kw_only=True):
    """A seller's window is complete; the next sync starts at ``synced_to``."""

    total: int
    synced_to: datetime


class SellerFailed(SyncEvent, frozen=True, kw_only=True):
    """A seller's sync stopped; what was committed stays, and the next run goes on from there."""

    total: int
    error: str


class SourceDropped(SyncEvent, frozen=True, kw_only=True):
    """Amazon refuses or has removed a source of orders for this seller; the others go on without it.

    ``source`` is the operation, ``reason`` Amazon's answer.
    """

    source: str
    reason: str


class DatasetRefused(SyncEvent, frozen=True, kw_only=True):
    """Amazon refuses this seller a data set: orders are stored without it, and it is asked for again once a day.

    ``dataset`` is the value of ``includedData``, ``reason`` Amazon's answer.
    """

    dataset: str
    reason: str


class OrdersFresh(SyncEvent, frozen=True, kw_only=True):
    """Changes were committed while orders are followed: ``seconds`` from each change at Amazon to the commit here.

    ``source`` is what found them: ``search``, ``notification`` or ``orders_v0``.
    """

    source: str
    seconds: tuple[float, ...]


class OrdersReconciled(SyncEvent, frozen=True, kw_only=True):
    """What was stored has been held against order reports, ``hours`` after it was closed, up to ``reconciled_to``.

    ``found`` counts the orders that were missing or outdated, and have been fetched. While orders are followed it comes
    once an hour for each of the three ages, though there was nothing new to hold against a report.
    """

    hours: int
    reconciled_to: datetime
    found: int


Progress = Callable[[SyncEvent], None]

"""The events that a sync reports while it runs, to a callable (a progress bar, a log, a metric)."""

from __future__ import annotations

import logging
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
    "tell",
]


class SyncEvent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Base of all events; ``seller`` identifies the seller without secrets."""

    seller: str


class SellerStarted(SyncEvent, frozen=True, kw_only=True):
    """A seller's sync began at ``last_updated_after``; ``resumed``: inside a window that an earlier run began.

    ``known``: it began at a checkpoint, and not at ``since``.
    """

    last_updated_after: datetime
    resumed: bool
    known: bool = False


class SellerWaits(SyncEvent, frozen=True, kw_only=True):
    """Another process works on this seller; ``expires_at`` is when its lease ends if it is not renewed."""

    holder: str
    expires_at: datetime | None


class PageStored(SyncEvent, frozen=True, kw_only=True):
    """A page was committed. ``orders`` and ``items`` are its counts, ``total`` counts the seller's orders in this run.

    ``operation`` is the operation that returned it. ``completed`` is the number of its orders that are now stored with
    their details and were not before; it is 0 for a list of orders without details.

    ``latest`` is the latest update on the page, ``upper_bound`` the end of the window, if known. If pages are sorted by
    time, the orders between the two are left.
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
    """All orders of a history up to ``listed_to`` are stored, at least without details; it ends at ``upper_bound``.

    ``left`` is the number of orders without details; it is known when the list is complete.
    """

    operation: str
    listed_to: datetime
    upper_bound: datetime
    left: int | None = None


class OrdersForecast(SyncEvent, frozen=True, kw_only=True):
    """A forecast of how long a seller's sync will take, with the available quota and at the pace so far.

    ``left`` orders remain to be read in ``seconds``, most of them by ``limited_by``, if quota is the limit. If order
    reports list a history, all of it is stored without details in ``listed_in`` seconds, once that is known.
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
    """A seller's sync failed; committed pages stay, and the next run resumes from there."""

    total: int
    error: str


class SourceDropped(SyncEvent, frozen=True, kw_only=True):
    """Amazon refuses or has removed a source of orders for this seller; the other sources continue.

    ``source`` is the operation, ``reason`` Amazon's answer.
    """

    source: str
    reason: str


class DatasetRefused(SyncEvent, frozen=True, kw_only=True):
    """Amazon refuses this seller a data set: orders are stored without it, and it is requested again once a day.

    ``dataset`` is the value of ``includedData``, ``reason`` Amazon's answer.
    """

    dataset: str
    reason: str


class OrdersFresh(SyncEvent, frozen=True, kw_only=True):
    """Changes were committed by a live sync; ``seconds`` are the times from each change at Amazon to its commit.

    ``source`` is how they were found: ``search``, ``notification`` or ``orders_v0``.
    """

    source: str
    seconds: tuple[float, ...]


class OrdersReconciled(SyncEvent, frozen=True, kw_only=True):
    """Stored orders were reconciled with order reports, at an age of ``hours``, up to ``reconciled_to``.

    ``found`` is the number of orders that were missing or outdated, and have been fetched. A live sync reports this
    event once an hour for each of the three ages, even if there was nothing new to reconcile.
    """

    hours: int
    reconciled_to: datetime
    found: int


Progress = Callable[[SyncEvent], None]


def tell(progress: Progress, event: SyncEvent, logger: logging.Logger) -> None:
    """Report an event; an error in the caller's function is logged and does not end the work that reports it."""
    try:
        progress(event)
    except Exception:
        logger.exception("progress %r failed on %s", progress, type(event).__name__)

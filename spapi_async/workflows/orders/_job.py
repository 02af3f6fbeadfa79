"""One seller's run: acquire the lease, fetch page after page, and commit each page with the new checkpoint."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Protocol, runtime_checkable

import anyio.lowlevel
import msgspec

from spapi_async._core.clock import Clock
from spapi_async._core.failures import first_of
from spapi_async._core.frames import forget_locals
from spapi_async.errors import LeaseHeldError, SPAPIError
from spapi_async.workflows.orders._checkpoint import Checkpoint, Window, advance, moment, resume, time_in
from spapi_async.workflows.orders._lease import Lease
from spapi_async.workflows.orders._page import OrderPage, OrderSink, Stored, Unreadable
from spapi_async.workflows.orders._pages import Pages
from spapi_async.workflows.orders._progress import (
    DatasetRefused,
    PageStored,
    Progress,
    SellerFailed,
    SellerFinished,
    SellerStarted,
    SellerWaits,
    SourceDropped,
    SyncEvent,
    tell,
)
from spapi_async.workflows.orders._quota import Quota
from spapi_async.workflows.orders._rows import OrderRow
from spapi_async.workflows.orders._seller import Seller
from spapi_async.workflows.orders._source import OrderSource, Page
from spapi_async.workflows.orders._walk import Sorting, Walk

__all__ = ["Job", "LeasedSink", "RememberingSink", "SellerResult"]

logger = logging.getLogger("spapi_async.workflows.orders")

_LEASE_PAUSE = 2.0  # seconds between attempts to take a stream that another process holds


@runtime_checkable
class RememberingSink(Protocol):
    """A sink that stores checkpoints."""

    async def checkpoint(self, seller: str, stream: str) -> Checkpoint | None:
        """The checkpoint of this seller's stream, or None before the first run."""


@runtime_checkable
class LeasedSink(Protocol):
    """A sink that lets only one process at a time advance a stream."""

    async def hold(self, seller: str, stream: str, holder: str, *, now: datetime) -> Lease:
        """Acquire the lease on a stream.

        Raises:
            LeaseHeldError: another process holds it.
        """

    async def renew(self, holder: str, *, now: datetime) -> None:
        """Renew every lease of a holder."""

    async def release(self, lease: Lease, *, now: datetime) -> None:
        """Release the lease, so that another process can acquire it at once."""


class SellerResult(msgspec.Struct, kw_only=True):
    """The result of a run for one seller, counted in orders, items and pages.

    ``unreadable`` entries of pages could not be made into rows; they are in the table of that name. ``stale`` orders
    were older than the stored ones; ``error`` is None if the window is complete.
    """

    seller: str
    orders: int = 0
    items: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    pages: int = 0
    violations: int = 0
    unreadable: int = 0
    checkpoint: Checkpoint | None = None
    error: BaseException | None = None


class Job:
    """One seller's run."""

    __slots__ = (
        "_account",
        "_clock",
        "_dropped",
        "_holder",
        "_progress",
        "_since",
        "_sink",
        "_source",
        "_window",
        "result",
        "sorting",
    )

    def __init__(
        self,
        seller: Seller,
        source: OrderSource,
        *,
        since: datetime,
        window: Window | None,
        clock: Clock,
        progress: Progress,
    ) -> None:
        self.result = SellerResult(seller=seller.name)
        self._account = seller.payer
        self._source = source
        self._since = since
        self._window = window
        self._clock = clock
        self._progress = progress
        self._dropped: set[str] = set()
        self.sorting = Sorting()

    async def run(self, sink: OrderSink, quota: Quota, *, holder: str, wait: bool) -> None:
        """Work until the window is complete; a failure is recorded in the result, and other sellers continue."""
        try:
            async with self.held(sink, holder, wait=wait) as lease:
                await self.work(sink, quota, lease)
        except Exception as error:  # noqa: BLE001 - any error concerns only this seller and goes into the report
            self.failed(error)

    def failed(self, error: BaseException) -> None:
        """Record an error in the result; of an exception group, the first error."""
        error = first_of(error)
        forget_locals(error)  # a page contains personal data
        self.result.error = error
        self.tell(SellerFailed(seller=self.result.seller, total=self.result.orders, error=str(error)))

    @asynccontextmanager
    async def held(
        self, sink: OrderSink, holder: str, *, wait: bool, stream: str | None = None
    ) -> AsyncIterator[Lease | None]:
        """Hold the lease on the stream, or another stream of the seller, while the block runs, if the sink has leases.

        Raises:
            LeaseHeldError: another process holds it, and ``wait`` is false.
        """
        if not isinstance(sink, LeasedSink):
            yield None
            return
        lease = await self._hold(sink, holder, stream or self.stream, wait=wait)
        try:
            yield lease
        finally:
            try:
                await sink.release(lease, now=moment(self._clock))
            except Exception as error:  # noqa: BLE001 - what was read is stored, and the lease expires by itself
                name, kind = self.result.seller, type(error).__name__
                logger.warning("the lease on %s of %s could not be released (%s)", lease.stream, name, kind)

    async def _hold(self, sink: LeasedSink, holder: str, stream: str, *, wait: bool) -> Lease:
        is_reported = False
        while True:
            try:
                return await sink.hold(self.result.seller, stream, holder, now=moment(self._clock))
            except LeaseHeldError as error:
                if not wait:
                    raise
                if not is_reported:
                    is_reported = True
                    self.tell(SellerWaits(seller=self.result.seller, holder=error.holder, expires_at=error.expires_at))
            await self._clock.sleep(_LEASE_PAUSE)

    def start_from(self, since: datetime) -> None:
        """Where this seller starts if it has no checkpoint."""
        self._since = since

    @property
    def stream(self) -> str:
        """The stream that is read; checkpoints and leases are stored under its name."""
        return self._source.stream if self._window is None else f"{self._source.stream} {self._window}"

    async def work(
        self,
        sink: OrderSink,
        quota: Quota,
        lease: Lease | None,
        *,
        stored: Callable[[Sequence[OrderRow], Stored], None] | None = None,
    ) -> None:
        """Read one window to its end; ``stored`` is called for each committed page.

        Raises:
            SPAPIError: a call or a commit failed for good; what was committed stays.
        """
        result, stream = self.result, self.stream
        saved = await sink.checkpoint(result.seller, stream) if isinstance(sink, RememberingSink) else None
        if self._window is not None and saved is not None and saved.cursor is None:
            saved = None  # the window was complete; it is read again
        checkpoint = resume(saved, seller=result.seller, stream=stream, since=self._since)
        result.checkpoint = checkpoint
        self.tell(
            SellerStarted(
                seller=result.seller,
                last_updated_after=checkpoint.last_updated_after,
                resumed=checkpoint.inside_window,
                known=saved is not None,
            )
        )
        before = self._window.before if self._window else None
        walk = Walk(time_in(checkpoint.cursor) or checkpoint.last_updated_after, before, self.sorting)
        pages = Pages(self._source, walk, seller=result.seller, before=before, clock=self._clock)
        while not walk.is_complete:
            page = await pages.fetch()
            checkpoint = advance(
                checkpoint,
                read_to=walk.read_to,
                upper_bound=page.upper_bound,
                is_complete=walk.is_complete,
                now=moment(self._clock),
            )
            done = await self._store(page, checkpoint, sink, quota, lease)
            if stored is not None:
                stored(page.rows, done)
            await anyio.lowlevel.checkpoint()  # if cancelled during the commit, end here, not in a request
        self.tell(SellerFinished(seller=result.seller, total=result.orders, synced_to=checkpoint.last_updated_after))

    async def _store(
        self, page: Page, checkpoint: Checkpoint, sink: OrderSink, quota: Quota, lease: Lease | None
    ) -> Stored:
        """Commit a page and the new checkpoint, even while the run is being cancelled: the page has cost quota."""
        result, now = self.result, moment(self._clock)
        spent = quota.dump(self._account)
        whole = OrderPage(
            seller=result.seller,
            rows=page.rows,
            checkpoint=checkpoint,
            at=now,
            quota=spent,
            unreadable=page.unreadable,
            lease=lease,
        )
        stored = self._stored(page.rows, await sink.store(whole))
        result.checkpoint = checkpoint
        result.violations += page.violations
        self.count(page.rows, stored, page.unreadable)
        latest = max((row.last_updated_at for row in page.rows if row.last_updated_at), default=None)
        self.tell(
            PageStored(
                seller=result.seller,
                orders=len(page.rows),
                items=stored.items,
                total=result.orders,
                violations=page.violations,
                unreadable=len(page.unreadable),
                latest=latest,
                upper_bound=page.upper_bound,
                operation=self._source.operation,
                completed=stored.inserted,
            )
        )
        return stored

    def count(self, rows: Sequence[OrderRow], stored: Stored, unreadable: Sequence[Unreadable]) -> int:
        """Add a page to the counts of this seller's run; returns the run's number of orders so far."""
        result = self.result
        result.pages += 1
        result.orders += len(rows)
        result.items += stored.items
        result.inserted += stored.inserted
        result.updated += stored.updated
        result.unchanged += stored.unchanged
        result.stale += stored.stale
        result.unreadable += len(unreadable)
        return result.orders

    @staticmethod
    def _stored(rows: Sequence[OrderRow], stored: Stored | None) -> Stored:
        """The result of a sink; if it returned nothing, every order counts as new."""
        return stored or Stored(
            inserted=len(rows),
            items=sum(len(row.items) for row in rows),
            changed=frozenset(row.order_id for row in rows),
        )

    def drop(self, source: str, error: SPAPIError) -> None:
        """Report once that a source is no longer used."""
        if source not in self._dropped:
            self._dropped.add(source)
            self.tell(SourceDropped(seller=self.result.seller, source=source, reason=str(error)))
            logger.warning("%s: %s is not used from now on (%s)", self.result.seller, source, error)

    def refuse(self, dataset: str, error: SPAPIError) -> None:
        """Report that orders are stored without a data set from now on."""
        self.tell(DatasetRefused(seller=self.result.seller, dataset=dataset, reason=str(error)))
        logger.warning("%s: orders are stored without %s from now on (%s)", self.result.seller, dataset, error)

    def tell(self, event: SyncEvent) -> None:
        """Report an event; an error in the progress function does not stop the sync."""
        tell(self._progress, event, logger)

"""Reconciles stored orders with order reports, which list every order of a window whatever happened to pages.

A window that was read completely may still lack an order: for example, while its first page was read, an order of the
third page was updated and left the list, and the next order moved onto a page that had already been read. Lists have
also been seen to be partial (github.com/amzn/models issue 5048). So closed windows are compared with a report, which
uses no quota of the Orders API, and orders that differ are fetched by their ids. The change feed shows these orders.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from spapi_async._core.clock import Clock
from spapi_async._core.failures import first_of
from spapi_async._core.options import Priority, call_options
from spapi_async.auth._lwa import is_transient
from spapi_async.errors import AuthError, ClosedError, LeaseHeldError, LeaseLostError, NotFoundError, SPAPIError
from spapi_async.workflows.orders._checkpoint import Checkpoint, Window, moment
from spapi_async.workflows.orders._database import OrderDatabase
from spapi_async.workflows.orders._datasets import Datasets
from spapi_async.workflows.orders._failures import is_refused
from spapi_async.workflows.orders._history import ByIds
from spapi_async.workflows.orders._job import Job
from spapi_async.workflows.orders._lease import Lease
from spapi_async.workflows.orders._listing import ReportList
from spapi_async.workflows.orders._page import OrderPage
from spapi_async.workflows.orders._progress import OrdersReconciled
from spapi_async.workflows.orders._rows import OrderRow
from spapi_async.workflows.orders._seller import Seller

__all__ = ["STAGES", "Reconciler", "Stage"]

logger = logging.getLogger("spapi_async.workflows.orders")


class Stage(NamedTuple):
    """When a window is reconciled: the age of its end, and its minimum length."""

    age: timedelta
    span: timedelta = timedelta(minutes=10)  # each window costs a report, so very short ones wait

    @property
    def hours(self) -> int:
        """The age in hours."""
        return round(self.age.total_seconds() / 3600)

    def stream(self, of: str) -> str:
        """The stream under which the progress of this stage is stored."""
        return f"{of} reconciled after {self.hours} h"


STAGES = (Stage(timedelta(hours=2)), Stage(timedelta(hours=48)), Stage(timedelta(days=30), timedelta(days=1)))
"""Three times: for orders that lists showed late, for changes without a new date, and for unexplained cases."""


class Reconciler:
    """Reconciles one seller's stored orders with order reports."""

    def __init__(
        self,
        seller: Seller,
        job: Job,
        *,
        places: Sequence[str],
        datasets: Datasets,
        database: OrderDatabase,
        clock: Clock,
    ) -> None:
        self.seller = seller
        self._job = job
        self._reports = ReportList(seller, marketplaces=places)
        self._by_id = ByIds(seller, datasets)
        self._database = database
        self._clock = clock

    async def go_on(self, lease: Lease | None) -> int:
        """Reconcile windows that have become old enough since the last time; returns the number of orders found late.

        Raises:
            SPAPIError: a call failed for good; the next attempt starts from the same checkpoint.
        """
        found = 0
        live = await self._database.checkpoint(self.seller.name, self._job.stream)
        if live is None:
            return 0
        now = moment(self._clock)
        for stage in STAGES:
            stream, late = stage.stream(self._job.stream), 0
            until = min(now - stage.age, live.last_updated_after)
            done = await self._database.checkpoint(self.seller.name, stream)
            if done is None:  # earlier orders are history, which lists have covered
                done = Checkpoint(seller=self.seller.name, stream=stream, last_updated_after=until)
                await self._store((), done, lease)
            elif until > done.last_updated_after and until - done.last_updated_after >= stage.span:
                late = await self.window(Window(done.last_updated_after, until), lease)
                done = msgspec.structs.replace(done, last_updated_after=until)
                await self._store((), done, lease)
            found += late
            self._job.tell(
                OrdersReconciled(
                    seller=self.seller.name, hours=stage.hours, reconciled_to=done.last_updated_after, found=late
                )
            )
        return found

    async def round(self, holder: str, *, wait: bool) -> None:
        """Reconcile what is due; if no report can be obtained now, leave it to the next round.

        Raises:
            SPAPIError: the seller's grant was refused, or the application was closed.
        """
        try:
            async with self._job.held(self._database, holder, wait=wait) as lease:
                await self.go_on(lease)
        except* SPAPIError as failures:
            error = first_of(failures)
            ends = isinstance(error, AuthError | ClosedError | LeaseHeldError | LeaseLostError)
            if ends and not is_transient(error):
                raise error from None
            if is_refused(error):
                self._job.drop(self._reports.name, error)
            else:
                logger.warning("%s: orders could not be reconciled with a report yet (%s)", self.seller.name, error)

    async def window(self, window: Window, lease: Lease | None) -> int:
        """Compare the orders updated in a window with a report; returns how many were missing or outdated.

        Raises:
            SPAPIError: a call failed for good.
        """
        found = 0
        with call_options(priority=Priority.BULK):
            async for part in self._reports.listed(window):
                known = await self._database.last_updates(
                    self.seller.name, [row.order_id for row in part.rows], whole=False
                )
                for row in part.rows:
                    if _differs(row, known.get(row.order_id)) and await self._fetch(row.order_id, lease):
                        found += 1
        return found

    async def _fetch(self, order_id: str, lease: Lease | None) -> bool:
        try:
            row = await self._by_id.order(order_id)
        except NotFoundError:
            return False
        except SPAPIError as error:
            if isinstance(error, AuthError | ClosedError) or is_refused(error):
                raise
            return False  # the second report names it again
        return row is not None and await self._store((row,), None, lease)

    async def _store(self, rows: Sequence[OrderRow], checkpoint: Checkpoint | None, lease: Lease | None) -> bool:
        page = OrderPage(seller=self.seller.name, rows=rows, checkpoint=checkpoint, at=moment(self._clock), lease=lease)
        stored = await self._database.store(page)
        if rows:
            self._job.count(rows, stored, ())
        return bool(stored.changed)


def _differs(row: OrderRow, known: datetime | None) -> bool:
    """Whether a report has a later version than the stored one, or an order that is not stored."""
    return known is None or (row.last_updated_at is not None and row.last_updated_at > known)

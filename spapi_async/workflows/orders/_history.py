"""Combines the sources that read a seller's history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from spapi_async._core.arguments import one_or_more
from spapi_async._core.clock import Clock
from spapi_async._core.options import Priority, call_options
from spapi_async.errors import AuthError, ClosedError, ConfigurationError, NotFoundError, SPAPIError
from spapi_async.workflows.orders._backfill import Backfill, Refiner
from spapi_async.workflows.orders._checkpoint import SETTLED, Checkpoint, moment
from spapi_async.workflows.orders._database import OrderDatabase
from spapi_async.workflows.orders._datasets import Datasets
from spapi_async.workflows.orders._failures import is_refused
from spapi_async.workflows.orders._job import Job
from spapi_async.workflows.orders._lease import Lease
from spapi_async.workflows.orders._listing import CoarseList, ReportList
from spapi_async.workflows.orders._page import CoarseOrder, OrderPage
from spapi_async.workflows.orders._quota import Quota
from spapi_async.workflows.orders._reading import read_order
from spapi_async.workflows.orders._rows import V2026, Detail, OrderRow
from spapi_async.workflows.orders._seller import Seller
from spapi_async.workflows.orders._source import Orders2026Source

__all__ = ["SOURCES", "ByIds", "History", "Source", "other_sources"]

Source = Literal["search", "ids", "orders_v0", "reports"]
"""searchOrders; getOrder; getOrders and getOrderItems; order reports."""

SOURCES: tuple[Source, ...] = ("search", "ids", "orders_v0", "reports")


class ByIds:
    """``getOrder`` of Orders 2026-01-01 for an order whose id is known: one in two seconds, burst 30."""

    name = "orders_2026_01_01.get_order"

    def __init__(self, seller: Seller, datasets: Datasets | Sequence[str]) -> None:
        self._seller = seller
        self._datasets = Datasets.of(datasets)

    def seconds(self, count: int) -> float:
        """Seconds until the last of ``count`` calls could be sent."""
        from spapi_async.api.orders_2026_01_01 import GET_ORDER

        return self._seller.forecast(GET_ORDER, count=count)

    async def fetch(self, order: CoarseOrder) -> OrderRow | None:
        """The whole order.

        Raises:
            SPAPIError: the call failed for good.
        """
        return await self.order(order.order_id)

    async def order(self, order_id: str) -> OrderRow | None:
        """The whole order with this id; None if it cannot be made into a row.

        Raises:
            SPAPIError: the call failed for good.
        """
        from spapi_async.api.orders_2026_01_01 import GET_ORDER

        response, lacks = await self._datasets.call(self._seller, GET_ORDER, order_id=order_id)
        piece = read_order(response, GET_ORDER)
        try:
            row = V2026.row(piece)
        except (ValueError, ArithmeticError, RecursionError, TypeError):
            return None
        if row.order_id != order_id:
            return None
        return msgspec.structs.replace(row, lacks=lacks) if lacks else row


def other_sources(sources: Sequence[str], *, possible: bool) -> tuple[Source, ...]:
    """The sources other than searches, which are always used.

    Raises:
        ConfigurationError: a source is unknown, or other sources are not ``possible``.
    """
    named = set(one_or_more(sources))
    if unknown := named.difference(SOURCES):
        raise ConfigurationError(f"unknown sources {', '.join(sorted(unknown))}; use {', '.join(SOURCES)}")
    found = tuple(source for source in SOURCES if source in named and source != "search")
    if found and not possible:
        raise ConfigurationError(
            "sources other than search need an OrderDatabase and Orders 2026-01-01, and cannot be used with a window"
        )
    return found


_BATCH = 50  # orders read from the database at a time

HEAD = SETTLED
"""How long before the first run the history ends: newer orders are searched first, so they are stored in minutes."""


class History:
    """Reads a new seller's orders of today, then its history by all sources; for a known seller it resumes."""

    def __init__(
        self,
        seller: Seller,
        job: Job,
        *,
        database: OrderDatabase,
        quota: Quota,
        sources: Sequence[Source],
        places: Sequence[str],
        datasets: Datasets,
        page_size: int,
        since: datetime,
        clock: Clock,
    ) -> None:
        self._since = since
        self._page_size = page_size
        self._seller = seller
        self._job = job
        self._database = database
        self._quota = quota
        self._sources = sources
        self._places = places
        self._datasets = datasets
        self._clock = clock
        self._stream = f"{job.stream} history"

    async def run(self, holder: str, *, wait: bool) -> None:
        """Work until both are complete; a failure is recorded in the job's result.

        Orders that were updated while the history was read have moved to the newest end, which is then read again.
        """
        job = self._job
        try:
            await self.divide(holder, wait=wait)
            await job.run(self._database, self._quota, holder=holder, wait=wait)
            if job.result.error is None and await self.go_on(holder, wait=wait):
                await job.run(self._database, self._quota, holder=holder, wait=wait)
        except Exception as error:  # noqa: BLE001 - any error concerns only this seller
            job.failed(error)

    async def go_on(self, holder: str, *, wait: bool) -> bool:
        """Read the rest of the history; returns whether there was any.

        If nothing is left, orders that are still coarse because an earlier run could not fetch them are requested, once
        each.

        Raises:
            SPAPIError: a search failed for good; what was committed stays.
        """
        history = await self._history()
        if history is None:
            return False
        was_read = _is_read(history)
        if was_read and not await self._is_any_coarse():
            return False
        async with self._job.held(self._database, holder, wait=wait, stream=self._stream) as lease:
            history = await self._history() or history  # another holder may have advanced it
            is_read = _is_read(history)
            if not is_read or await self._is_any_coarse():
                await self._backfill(history, lists=() if is_read else self._lists()).run(lease)
        return not was_read

    async def _is_any_coarse(self) -> bool:
        """Whether there is a coarse order whose details a source of this run could fetch."""
        can_refine = "ids" in self._sources or "orders_v0" in self._sources
        return can_refine and bool(await self._database.coarse(self._seller.name, limit=1))

    async def refill(self, lease: Lease | None) -> None:
        """Fetch orders again that were read only by Orders v0: they have no packages, expenses or breakdowns.

        Raises:
            SPAPIError: no token was obtained for the seller, or the application was closed.
        """
        by_id, tried = ByIds(self._seller, self._datasets), set[str]()
        while True:
            found = await self._database.coarse(self._seller.name, limit=_BATCH + len(tried), detail=Detail.V0)
            orders = [order for order in found if order.order_id not in tried]
            if not orders:
                return
            for order in orders:
                tried.add(order.order_id)  # once per run: an unchanged order would be fetched for ever
                try:
                    with call_options(priority=Priority.BULK):
                        row = await by_id.fetch(order)
                except SPAPIError as error:
                    if isinstance(error, AuthError | ClosedError):
                        raise
                    if is_refused(error) and not isinstance(error, NotFoundError):
                        self._job.drop(by_id.name, error)
                        return
                    continue
                if row is not None:
                    page = OrderPage(
                        seller=self._seller.name, rows=(row,), checkpoint=None, at=moment(self._clock), lease=lease
                    )
                    self._job.count((row,), await self._database.store(page), ())

    async def divide(self, holder: str, *, wait: bool) -> None:
        """Record which span is history before anything is read; an existing checkpoint stays.

        Only the holder of the history's lease does so. Otherwise, if two processes started a new seller at once, one
        could replace the span that the other has recorded and already reads.

        Raises:
            LeaseHeldError: another process holds the lease, and ``wait`` is false.
        """
        if await self._database.checkpoint(self._seller.name, self._job.stream) is not None:
            return
        known = await self._history()
        if known is None:
            async with self._job.held(self._database, holder, wait=wait, stream=self._stream) as lease:
                known = await self._history() or await self._begin(lease)
        if known is not None and known.upper_bound is not None:
            self._job.start_from(known.upper_bound)

    async def _begin(self, lease: Lease | None) -> Checkpoint | None:
        """Record a history of everything before the newest end; None if ``since`` is not before it."""
        now = moment(self._clock)
        head = (now - HEAD).replace(microsecond=0)
        if self._since >= head:
            return None
        history = Checkpoint(
            seller=self._seller.name, stream=self._stream, last_updated_after=self._since, upper_bound=head
        )
        page = OrderPage(seller=self._seller.name, rows=(), checkpoint=history, at=now, lease=lease)
        await self._database.store(page)
        return history

    async def _history(self) -> Checkpoint | None:
        return await self._database.checkpoint(self._seller.name, self._stream)

    def _lists(self) -> Sequence[CoarseList]:
        """The lists to use: reports first, because they list everything at once."""
        seller, places = self._seller, self._places
        lists: list[CoarseList] = [ReportList(seller, marketplaces=places)] if "reports" in self._sources else []
        if "orders_v0" in self._sources:
            from spapi_async.workflows.orders._v0_history import V0List

            lists.append(V0List(seller, marketplaces=places))
        return lists

    def _refiners(self) -> Sequence[Refiner]:
        refiners: list[Refiner] = [ByIds(self._seller, self._datasets)] if "ids" in self._sources else []
        if "orders_v0" in self._sources:
            from spapi_async.workflows.orders._v0_history import V0Items

            refiners.append(V0Items(self._seller))
        return refiners

    def _backfill(self, history: Checkpoint, *, lists: Sequence[CoarseList]) -> Backfill:
        """The backfill with all sources; searches are always included."""
        seller = self._seller
        search = Orders2026Source(seller, marketplaces=self._places, datasets=self._datasets, page_size=self._page_size)
        from spapi_async.api.orders_2026_01_01 import SEARCH_ORDERS

        return Backfill(
            seller=seller.name,
            stream=self._job.stream,
            history=history,
            search=search,
            lists=lists,
            refiners=self._refiners(),
            database=self._database,
            page_size=self._page_size,
            clock=self._clock,
            sorting=self._job.sorting,
            seconds=lambda count: seller.forecast(SEARCH_ORDERS, count=count),
            quota=lambda: self._quota.dump(seller.payer),
            count=self._job.count,
            tell=self._job.tell,
            drop=self._job.drop,
        )


def _is_read(history: Checkpoint) -> bool:
    return (history.upper_bound or history.last_updated_after) <= history.last_updated_after

"""Which sources read a seller's history, and what they need: put together for one seller."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from spapi_async._core.clock import Clock
from spapi_async._core.options import Priority, call_options
from spapi_async.errors import AuthError, ClosedError, ConfigurationError, NotFoundError, SPAPIError
from spapi_async.workflows.orders._backfill import Backfill, Refiner
from spapi_async.workflows.orders._checkpoint import SETTLED, Checkpoint, moment
from spapi_async.workflows.orders._database import OrderDatabase
from spapi_async.workflows.orders._datasets import Datasets
from spapi_async.workflows.orders._job import Job
from spapi_async.workflows.orders._lease import Lease
from spapi_async.workflows.orders._listing import CoarseList, ReportList, is_refused
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
        """Until quota would have let through so many."""
        from spapi_async.api.orders_2026_01_01 import GET_ORDER

        return self._seller.forecast(GET_ORDER, count=count)

    async def fetch(self, order: CoarseOrder) -> OrderRow | None:
        """The whole order.

        Raises:
            SPAPIError: the call failed for good.
        """
        return await self.order(order.order_id)

    async def order(self, order_id: str) -> OrderRow | None:
        """The whole order of this id; None where no row can be made of it.

        Raises:
            SPAPIError: the call failed for good.
        """
        from spapi_async.api.orders_2026_01_01 import GET_ORDER

        response, lacks = await self._datasets.call(self._seller, GET_ORDER, order_id=order_id)
        piece = read_order(response)
        try:
            row = V2026.row(piece)
        except (ValueError, ArithmeticError, RecursionError, TypeError):
            return None
        if row.order_id != order_id:
            return None
        return msgspec.structs.replace(row, lacks=lacks) if lacks else row


def other_sources(sources: Sequence[str], *, possible: bool) -> tuple[Source, ...]:
    """Those beside the searches, which always take part.

    Raises:
        ConfigurationError: one is unknown, or they are not ``possible``.
    """
    named = {sources} if isinstance(sources, str) else set(sources)
    if unknown := named.difference(SOURCES):
        raise ConfigurationError(f"unknown sources {sorted(unknown)}; there are {', '.join(SOURCES)}")
    found = tuple(source for source in SOURCES if source in named and source != "search")
    if found and not possible:
        raise ConfigurationError(
            "sources other than search need an OrderDatabase and Orders 2026-01-01, and do not go with a window"
        )
    return found


_REFILLED = 50  # orders looked up at once

HEAD = SETTLED
"""How long before the first run the history ends: what is newer is searched first, so it is there within minutes."""


class History:
    """A new seller: today's orders first, then its history by all sources; one that is known goes on where it was."""

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
        """Work until both are complete; a failure is kept in the job's result.

        What was updated while the history was read has left it for the newest end, which is read once more then.
        """
        job = self._job
        try:
            await self.divide()
            await job.run(self._database, self._quota, holder=holder, wait=wait)
            if job.result.error is None and await self.go_on(holder, wait=wait):
                await job.run(self._database, self._quota, holder=holder, wait=wait)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this seller's alone
            job.failed(error)

    async def go_on(self, holder: str, *, wait: bool) -> bool:
        """Read what is left of the history; whether there was any.

        Where nothing is left, the orders are fetched that are coarse still, because an earlier run could not: each is
        asked for once.

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
            history = await self._history() or history  # whoever held it meanwhile has moved it
            is_read = _is_read(history)
            if not is_read or await self._is_any_coarse():
                await self._backfill(history, lists=() if is_read else self._lists()).run(lease)
        return not was_read

    async def _is_any_coarse(self) -> bool:
        """Whether there is an order that a source of this run could make whole."""
        can_refine = "ids" in self._sources or "orders_v0" in self._sources
        return can_refine and bool(await self._database.coarse(self._seller.name, limit=1))

    async def refill(self, lease: Lease | None) -> None:
        """Fetch whole what only Orders v0 has brought: it has no packages, expenses or breakdowns.

        Raises:
            SPAPIError: the seller's token cannot be had, or the application was closed.
        """
        by_id, beyond = ByIds(self._seller, self._datasets), set[str]()
        while True:
            found = await self._database.coarse(self._seller.name, limit=_REFILLED + len(beyond), detail=Detail.V0)
            orders = [order for order in found if order.order_id not in beyond]
            if not orders:
                return
            for order in orders:
                beyond.add(order.order_id)  # once a run: what stays as it is would be fetched for ever
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

    async def divide(self) -> None:
        """Write down what is history before anything is read; a seller that has a checkpoint keeps it."""
        now = moment(self._clock)
        if await self._database.checkpoint(self._seller.name, self._job.stream) is not None:
            return
        head = (now - HEAD).replace(microsecond=0)
        known = await self._history()
        if known is None and self._since < head:
            known = Checkpoint(
                seller=self._seller.name, stream=self._stream, last_updated_after=self._since, upper_bound=head
            )
            await self._database.store(OrderPage(seller=self._seller.name, rows=(), checkpoint=known, at=now))
        if known is not None and known.upper_bound is not None:
            self._job.start_from(known.upper_bound)

    async def _history(self) -> Checkpoint | None:
        return await self._database.checkpoint(self._seller.name, self._stream)

    def _lists(self) -> Sequence[CoarseList]:
        """Reports list first, because they bring everything at once."""
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
        """The searches always take part."""
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

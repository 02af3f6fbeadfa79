"""The backfill: reads a seller's history from every source that has quota left, the newest end first.

::

    since                                                                            where live orders begin
      |---- refined by id, the oldest first -->          <-- searched, the newest first ----|
      |-- listed: coarse rows, by order reports or by getOrders -------------------------> |

A *list* names orders without their details and stores them as coarse rows, so the database records what is left to do.
Coarse rows are *refined* one by one, while *searches* read the history from its newest end. The backfill is complete
when lists have named everything that searches have not read, and no row is coarse. It may be killed at any moment: the
next run continues from the tables.

Searches are complete (:mod:`._walk`), and so is a list that page shifts do not affect: an order report. So a report is
read to its end even if searches were quicker: it is the first report with which the searches are reconciled. A list by
``getOrders`` is not awaited once searches have read everything.

An order that no refiner can fetch stays coarse and delays nothing. With a complete history and no lists, a run fetches
the orders that are still coarse.

An order that is updated in the meantime leaves the history. If it was named, its coarse row is still there, and is
fetched by its id; if not, the order is at the newest end, which the caller reads afterwards.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import anyio
import msgspec

from spapi_async._core.clock import Clock
from spapi_async._core.failures import first_of
from spapi_async._core.options import Priority, call_options
from spapi_async.errors import AuthError, ClosedError, NotFoundError, SPAPIError
from spapi_async.workflows.orders._checkpoint import Checkpoint, Window, moment
from spapi_async.workflows.orders._database import OrderDatabase
from spapi_async.workflows.orders._failures import is_refused
from spapi_async.workflows.orders._forecast import spares_a_search
from spapi_async.workflows.orders._lease import Lease
from spapi_async.workflows.orders._listing import CoarseList
from spapi_async.workflows.orders._page import NO_QUOTA, CoarseOrder, OrderPage, QuotaStates, Stored, Unreadable
from spapi_async.workflows.orders._progress import OrdersListed, PageStored, SyncEvent
from spapi_async.workflows.orders._rows import Detail, OrderRow
from spapi_async.workflows.orders._searching import Searching
from spapi_async.workflows.orders._source import OrderSource
from spapi_async.workflows.orders._walk import Sorting

__all__ = ["Backfill", "Refiner"]

logger = logging.getLogger("spapi_async.workflows.orders")

_BATCH = 50  # coarse rows that a refiner reads from the database at a time
_IDLE_PAUSE = 2.0  # seconds until a refiner without work checks again


class Refiner(Protocol):
    """Fetches the details of coarse orders, with its own quota."""

    name: str

    def seconds(self, count: int) -> float:
        """Seconds until the last of ``count`` calls could be sent."""

    async def fetch(self, order: CoarseOrder) -> OrderRow | None:
        """The order; None if it cannot be fetched or read.

        Raises:
            SPAPIError: the call failed for good.
        """


class Backfill:
    """The backfill of one seller, under its own lease."""

    def __init__(
        self,
        *,
        seller: str,
        stream: str,
        history: Checkpoint,
        search: OrderSource,
        lists: Sequence[CoarseList],
        refiners: Sequence[Refiner],
        database: OrderDatabase,
        page_size: int,
        clock: Clock,
        sorting: Sorting,
        seconds: Callable[[int], float],
        quota: Callable[[], QuotaStates] = lambda: NO_QUOTA,
        count: Callable[[Sequence[OrderRow], Stored, Sequence[Unreadable]], int],
        tell: Callable[[SyncEvent], None],
        drop: Callable[[str, SPAPIError], None],
    ) -> None:
        self._seller = seller
        self.stream = f"{stream} history"
        self._listing = f"{stream} listed"
        self._history = history
        self._lists = lists
        self._refiners = list(refiners)
        self._refining = {refiner.name for refiner in refiners}
        self._searched_by = search.operation
        self._database = database
        self._clock = clock
        self._seconds = seconds
        self._quota = quota
        self._count = count
        self._tell = tell
        self._drop = drop
        self._lease: Lease | None = None
        self._page_size = page_size
        self._searching = Searching(
            search,
            history,
            named_to=history.last_updated_after,
            has_help=bool(lists and refiners),
            sorting=sorting,
            database=database,
            page_size=page_size,
            clock=clock,
            store=self._store,
        )
        self._is_searching = True
        self._awaits_list = False  # whether a list that is read to its end is under way
        self._claimed: set[str] = set()
        self._unfetched: set[str] = set()  # orders that no refiner can fetch
        self._rows_added = anyio.Event()
        self._source_ended = anyio.Event()
        self._done = anyio.Event()

    async def run(self, lease: Lease | None) -> None:
        """Work until the history is complete, and every row that is still coarse has been tried.

        Raises:
            SPAPIError: a search failed for good; what was committed stays.
        """
        self._lease = lease
        history = self._history
        listed = await self._listed()
        self._searching.named_to = listed.last_updated_after
        with call_options(priority=Priority.BULK):
            async with anyio.create_task_group() as group:
                group.start_soon(self._list, listed)
                group.start_soon(self._search)
                for refiner in self._refiners:
                    group.start_soon(self._refine, refiner)
                await self._done.wait()
                group.cancel_scope.cancel()
        await self._store((), msgspec.structs.replace(history, upper_bound=history.last_updated_after, cursor=None))

    # ---- lists ------------------------------------------------------------------------------------------------------

    async def _listed(self) -> Checkpoint:
        """How far lists have come: everything updated before ``last_updated_after`` is named."""
        listed = await self._database.checkpoint(self._seller, self._listing)
        return listed or msgspec.structs.replace(self._history, stream=self._listing, cursor=None, cursor_at=None)

    async def _list(self, listed: Checkpoint) -> None:
        """List the part that is not listed yet, with the first source that Amazon does not refuse."""
        assert listed.upper_bound is not None
        for source in self._lists:
            if listed.last_updated_after >= listed.upper_bound:
                break
            self._awaits_list = source.is_exact
            try:
                await self._list_by(source)
            except* SPAPIError as failures:
                error = first_of(failures)
                if isinstance(error, AuthError | ClosedError):
                    raise error from None
                self._drop(source.name, error)  # a failed report does not stop it: other lists or searches continue
                listed = await self._listed()
            else:
                break
        else:
            self._searching.has_help = False
        self._awaits_list = False
        self._wake_refiners()
        self._wake_searches()
        await self._check_done()

    async def _list_by(self, source: CoarseList) -> None:
        listed = await self._listed()
        assert listed.upper_bound is not None
        async for part in source.listed(Window(listed.last_updated_after, listed.upper_bound)):
            if part.up_to is not None:
                listed = msgspec.structs.replace(listed, last_updated_after=part.up_to)
            await self._store(part.rows, listed, by=source.name)
            self._searching.named_to = listed.last_updated_after
            if part.up_to is not None:
                await self._tell_listed(source.name, listed)
            self._wake_refiners()

    async def _tell_listed(self, operation: str, listed: Checkpoint) -> None:
        to, bound = listed.last_updated_after, listed.upper_bound
        assert bound is not None
        left = await self._database.count(self._seller, coarse=True) if to >= bound else None
        self._tell(OrdersListed(seller=self._seller, operation=operation, listed_to=to, upper_bound=bound, left=left))

    def _wake_refiners(self) -> None:
        """Wake the refiners: there are new coarse rows."""
        added, self._rows_added = self._rows_added, anyio.Event()
        added.set()

    def _wake_searches(self) -> None:
        """Wake the searches: a list or a refiner has ended, and they have to read the rest."""
        ended, self._source_ended = self._source_ended, anyio.Event()
        ended.set()

    # ---- refining ---------------------------------------------------------------------------------------------------

    async def _refine(self, refiner: Refiner) -> None:
        """Fetch the details of coarse orders, the oldest first."""
        ahead: deque[CoarseOrder] = deque()
        while True:
            added = self._rows_added  # taken before the query, so that no new row is missed
            order = await self._claim(ahead)
            if order is None:
                await self._check_done()
                with anyio.move_on_after(_IDLE_PAUSE):
                    await added.wait()
                continue
            try:
                row = await refiner.fetch(order)
            except NotFoundError:
                self._unfetched.add(order.order_id)
            except SPAPIError as error:
                if isinstance(error, AuthError | ClosedError):
                    raise
                if is_refused(error):
                    self._drop(refiner.name, error)
                    self._refiners.remove(refiner)
                    self._wake_searches()
                    return
                logger.warning("%s of %s failed (%s)", refiner.name, order.order_id, error)
                self._unfetched.add(order.order_id)  # until the next run; a search may still bring it
            else:
                if row is None:
                    self._unfetched.add(order.order_id)
                else:
                    await self._store((row,), None, by=refiner.name)
                    if not _is_refined(row, order):
                        self._unfetched.add(order.order_id)
            finally:
                self._claimed.discard(order.order_id)

    async def _claim(self, ahead: deque[CoarseOrder]) -> CoarseOrder | None:
        if not ahead:
            known = len(self._claimed) + len(self._unfetched)
            ahead.extend(await self._database.coarse(self._seller, limit=_BATCH + known))
        while ahead:
            order = ahead.popleft()
            if order.order_id in self._claimed or order.order_id in self._unfetched:
                continue
            self._claimed.add(order.order_id)
            if await self._database.is_coarse(self._seller, order.order_id):
                return order
            self._claimed.discard(order.order_id)  # a search was quicker
        return None

    async def _check_done(self) -> None:
        searching = self._searching
        if self._claimed or self._awaits_list or not (searching.is_met or searching.has_read_all):
            return
        unfetched = frozenset(self._unfetched)  # a copy, because the set may grow during the query
        left = await self._database.coarse(self._seller, limit=len(unfetched) + 1)
        has_ended = not (self._refiners or self._is_searching)
        if has_ended or all(order.order_id in unfetched for order in left):
            self._done.set()

    # ---- searches ---------------------------------------------------------------------------------------------------

    async def _search(self) -> None:
        """Search until searches can bring nothing more, and again when a list or refiner has ended."""
        while True:
            ended, self._is_searching = self._source_ended, True
            await self._searching.go_on(spared=self._is_spared)
            self._is_searching = False
            await self._check_done()
            await ended.wait()

    def _is_spared(self, left: int) -> bool:
        """Whether refiners, which share these orders, fetch them early enough to spare a search."""
        if not self._refiners:
            return False
        each = -(-left // len(self._refiners))
        return spares_a_search(max(refiner.seconds(each) for refiner in self._refiners), self._seconds(2))

    # ---- storing ----------------------------------------------------------------------------------------------------

    async def _store(
        self,
        rows: Sequence[OrderRow],
        checkpoint: Checkpoint | None,
        unreadable: Sequence[Unreadable] = (),
        *,
        by: str | None = None,
    ) -> None:
        page = OrderPage(
            seller=self._seller,
            rows=rows,
            checkpoint=checkpoint,
            at=moment(self._clock),
            quota=self._quota(),
            unreadable=unreadable,
            lease=self._lease,
        )
        stored = await self._database.store(page)
        if rows or unreadable:
            total = self._count(rows, stored, unreadable)
            latest = max((row.last_updated_at for row in rows if row.last_updated_at), default=None)
            # A refined order is whole now, even if its own content is unchanged: items of v0 are fetched separately.
            known = frozenset() if by in self._refining else {row.order_id for row in rows} - stored.changed
            whole = [row for row in rows if row.detail is not Detail.REPORT and row.order_id not in known]
            self._tell(
                PageStored(
                    seller=self._seller,
                    orders=len(rows),
                    items=stored.items,
                    total=total,
                    violations=0,
                    unreadable=len(unreadable),
                    latest=latest,
                    upper_bound=None,
                    operation=by or self._searched_by,
                    completed=len(whole),
                )
            )


def _is_refined(row: OrderRow, order: CoarseOrder) -> bool:
    """Whether a fetched order replaces the coarse row: an older one does not, and would be fetched for ever."""
    dates = (row.last_updated_at, order.last_updated_at)
    return dates[0] is None or dates[1] is None or dates[0] >= dates[1]

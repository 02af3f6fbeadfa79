"""A seller's history, read by every source that has quota left, the newest end first.

::

    since                                                                            where live orders begin
      |---- refined by id, the oldest first -->          <-- searched, the newest first ----|
      |-- listed: coarse rows, by order reports or by getOrders -------------------------> |

A *list* names orders without their details and stores them as coarse rows, so the database is the list of what is left.
Coarse rows are *refined* one by one, while *searches* read the history from its newest end. Nothing is left to do when
everything is listed and no row is coarse, or when the searches have reached the beginning. Killed at any moment, the
next run goes on from what the tables say.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import anyio
import msgspec

from spapi_async._core.clock import Clock
from spapi_async._core.options import Priority, call_options
from spapi_async._engine.page_history import PageHistory
from spapi_async.errors import AuthError, BadRequestError, ClosedError, NotFoundError, SPAPIError
from spapi_async.workflows.orders._checkpoint import CURSOR_LIFETIME, Checkpoint, Window, moment
from spapi_async.workflows.orders._database import OrderDatabase
from spapi_async.workflows.orders._lease import Lease
from spapi_async.workflows.orders._listing import CoarseList, is_refused
from spapi_async.workflows.orders._page import NO_QUOTA, CoarseOrder, OrderPage, QuotaStates, Stored, Unreadable
from spapi_async.workflows.orders._progress import OrdersListed, PageStored, SyncEvent
from spapi_async.workflows.orders._rows import Detail, OrderRow
from spapi_async.workflows.orders._source import OrderSource, check_progress

__all__ = ["Backfill", "Refiner"]

logger = logging.getLogger("spapi_async.workflows.orders")

_FIRST_STEP = timedelta(days=1)
_LARGEST_WINDOW = 2000  # coarse orders
_SPARE = 33  # one order in so many is left free in a window of whole pages
_SHARE = 3  # a window has a third of what is left at most, so that searches and refiners meet
_AT_A_TIME = 50  # coarse rows that a refiner looks up at once
_PATIENCE = 2.0  # seconds until a refiner without work looks again


class Refiner(Protocol):
    """Makes whole orders of coarse ones, with a quota of its own."""

    name: str
    source: str | None
    """Takes only coarse rows of this source; None: any."""

    async def fetch(self, order: CoarseOrder) -> OrderRow | None:
        """The order; None where nothing can be made of it.

        Raises:
            SPAPIError: the call failed for good.
        """


class Backfill:
    """The history of one seller, within the lease of its own."""

    def __init__(
        self,
        *,
        seller: str,
        stream: str,
        history: Checkpoint,
        search: Callable[[datetime], OrderSource],
        lists: Sequence[CoarseList],
        refiners: Sequence[Refiner],
        database: OrderDatabase,
        page_size: int,
        clock: Clock,
        quota: Callable[[], QuotaStates] = lambda: NO_QUOTA,
        count: Callable[[Sequence[OrderRow], Stored, Sequence[Unreadable]], int],
        tell: Callable[[SyncEvent], None],
        drop: Callable[[str, SPAPIError], None],
    ) -> None:
        self._seller = seller
        self.stream = f"{stream} history"
        self._listing = f"{stream} listed"
        self._history = history
        self._search_before = search
        self._lists = lists
        self._refiners = refiners
        self._refining = {refiner.name for refiner in refiners}
        self._database = database
        self._clock = clock
        self._quota = quota
        self._count = count
        self._tell = tell
        self._drop = drop
        self._lease: Lease | None = None
        self._has_help = bool(lists and refiners)
        self._page_size = page_size
        self._searched = 0  # orders that searches brought
        self._is_listed = False
        self._claimed: set[str] = set()
        self._beyond: set[str] = set()  # what no refiner can do anything with
        self._news = anyio.Event()
        self._done = anyio.Event()

    async def run(self, lease: Lease | None) -> None:
        """Work until the history is complete; at once if it is.

        Raises:
            SPAPIError: a search failed for good; what was committed stays.
        """
        self._lease = lease
        history = self._history
        if history.upper_bound is None or history.upper_bound <= history.last_updated_after:
            return
        with call_options(priority=Priority.BULK):
            async with anyio.create_task_group() as group:
                group.start_soon(self._list)
                group.start_soon(self._search, history)
                for refiner in self._refiners:
                    group.start_soon(self._refine, refiner)
                await self._done.wait()
                group.cancel_scope.cancel()
        await self._store((), msgspec.structs.replace(history, upper_bound=history.last_updated_after, cursor=None))

    # ---- lists ------------------------------------------------------------------------------------------------------

    async def _list(self) -> None:
        """List what is not listed yet, by the first source that Amazon grants."""
        for source in self._lists:
            try:
                await self._list_by(source)
            except* SPAPIError as failures:
                error = _first(failures)
                if isinstance(error, AuthError | ClosedError):
                    raise error from None
                self._drop(source.name, error)  # a report that failed is no reason to stop: others list, or searches do
                self._has_help = source is not self._lists[-1]
            else:
                self._is_listed = True
                self._announce()
                await self._look_whether_done()
                return

    async def _list_by(self, source: CoarseList) -> None:
        listed = await self._database.checkpoint(self._seller, self._listing)
        listed = listed or msgspec.structs.replace(self._history, stream=self._listing, cursor=None, cursor_at=None)
        assert listed.upper_bound is not None
        if listed.last_updated_after >= listed.upper_bound:
            return
        async for part in source.listed(Window(listed.last_updated_after, listed.upper_bound)):
            if part.up_to is not None:
                listed = msgspec.structs.replace(listed, last_updated_after=part.up_to)
            await self._store(part.rows, listed, by=source.name)
            if part.up_to is not None:
                await self._tell_listed(source.name, listed)
            self._announce()

    async def _tell_listed(self, operation: str, listed: Checkpoint) -> None:
        to, bound = listed.last_updated_after, listed.upper_bound
        assert bound is not None
        left = await self._database.count(self._seller, coarse=True) if to >= bound else None
        self._tell(OrdersListed(seller=self._seller, operation=operation, listed_to=to, upper_bound=bound, left=left))

    def _announce(self) -> None:
        """Wake the refiners: there is something new to look at."""
        news, self._news = self._news, anyio.Event()
        news.set()

    # ---- refining ---------------------------------------------------------------------------------------------------

    async def _refine(self, refiner: Refiner) -> None:
        """Make whole orders of coarse ones, the oldest first."""
        ahead: deque[CoarseOrder] = deque()
        while True:
            news = self._news  # before it is looked, or what comes meanwhile would be missed
            order = await self._claim(refiner, ahead)
            if order is None:
                await self._look_whether_done()
                with anyio.move_on_after(_PATIENCE):
                    await news.wait()
                continue
            try:
                row = await refiner.fetch(order)
            except NotFoundError:
                self._beyond.add(order.order_id)
            except SPAPIError as error:
                if isinstance(error, AuthError | ClosedError):
                    raise
                if is_refused(error):
                    self._drop(refiner.name, error)
                    return
                logger.warning("%s of %s failed (%s)", refiner.name, order.order_id, error)
                self._beyond.add(order.order_id)  # until the next run; a search may bring it
            else:
                if row is None:
                    self._beyond.add(order.order_id)
                else:
                    await self._store((row,), None, by=refiner.name)
                    if not _is_refined(row, order):
                        self._beyond.add(order.order_id)
            finally:
                self._claimed.discard(order.order_id)

    async def _claim(self, refiner: Refiner, ahead: deque[CoarseOrder]) -> CoarseOrder | None:
        if not ahead:
            known = len(self._claimed) + len(self._beyond)
            ahead.extend(await self._database.coarse(self._seller, limit=_AT_A_TIME + known, source=refiner.source))
        while ahead:
            order = ahead.popleft()
            if order.order_id in self._claimed or order.order_id in self._beyond:
                continue
            self._claimed.add(order.order_id)
            if await self._database.is_coarse(self._seller, order.order_id):
                return order
            self._claimed.discard(order.order_id)  # a search was quicker
        return None

    async def _look_whether_done(self) -> None:
        if self._is_listed and not self._claimed:
            left = await self._database.coarse(self._seller, limit=len(self._beyond) + 1)
            if all(order.order_id in self._beyond for order in left):
                self._done.set()

    # ---- searches ---------------------------------------------------------------------------------------------------

    async def _search(self, history: Checkpoint) -> None:
        """Read window after window from the newest end down."""
        step, density = _FIRST_STEP, None
        resumed = history.cursor is not None
        while history.upper_bound is not None and history.upper_bound > history.last_updated_after:
            after, token = _place(history, moment(self._clock))
            if after is None:
                after = await self._next_window(history, step, density)
            begun, span = self._searched, history.upper_bound - after
            try:
                history = await self._read(history, after, token)
            except BadRequestError:
                if not (resumed and token):
                    raise
                history = msgspec.structs.replace(history, cursor=None)  # the token was another run's
            else:
                # Most sellers have few orders: a window of many days costs one request then.
                found = self._searched - begun
                density = found / max(span.total_seconds(), 1.0)
                step = span * (8 if found < self._page_size else 2)
            resumed = False
        self._done.set()

    async def _read(self, history: Checkpoint, after: datetime, token: str | None) -> Checkpoint:
        assert history.upper_bound is not None
        source = self._search_before(history.upper_bound)
        place = Checkpoint(seller=self._seller, stream=self.stream, last_updated_after=after, cursor=token)
        seen = PageHistory(token)
        while True:
            page = await source.page(place)
            self._searched += len(page.rows)
            check_progress(page, place, source.stream, seen)
            if page.cursor is None:
                history = msgspec.structs.replace(history, upper_bound=after, cursor=None, cursor_at=None)
                await self._store(page.rows, history, page.unreadable, by=source.operation)
                return history
            where = f"{after.isoformat()} {page.cursor}"
            history = msgspec.structs.replace(history, cursor=where, cursor_at=moment(self._clock))
            await self._store(page.rows, history, page.unreadable, by=source.operation)
            place = msgspec.structs.replace(place, cursor=page.cursor)

    async def _next_window(self, history: Checkpoint, step: timedelta, density: float | None) -> datetime:
        """Where the next window begins: as far back as it is worth, by what is known of the orders in it.

        ``density``: orders a second in the window before; None at first.
        """
        assert history.upper_bound is not None
        before, first = history.upper_bound, history.last_updated_after
        if self._is_listed:
            dates = await self._database.coarse_dates(self._seller, before=before, limit=_LARGEST_WINDOW * _SHARE)
            size = self._window_size(len(dates))
            after = dates[size - 1] if size <= len(dates) else first
        else:
            # How many there are is not known; the refiners, if any, come from the other end.
            left = before - max(first, await self._oldest_coarse() or first)
            few = density is not None and density * left.total_seconds() <= self._page_size * _SHARE
            share = left / _SHARE if self._has_help and left > _FIRST_STEP * 2 and not few else left
            after = before - min(step, share)
        return max(min(after, before - timedelta(seconds=1)), first)

    async def _oldest_coarse(self) -> datetime | None:
        found = await self._database.coarse(self._seller, limit=1)
        return found[0].last_updated_at if found else None

    def _window_size(self, left: int) -> int:
        """Orders in a window: whole pages, not quite full, for the order at its bound may be met again."""
        size = self._page_size
        pages = max(min(left // _SHARE, _LARGEST_WINDOW) // size, 1)
        return max(pages * size - size // _SPARE, 1)

    # ---- storing ----------------------------------------------------------------------------------------------------

    async def _store(
        self,
        rows: Sequence[OrderRow],
        checkpoint: Checkpoint | None,
        unreadable: Sequence[Unreadable] = (),
        *,
        by: str = "",
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
            # What was refined is whole now, though its own content may be the same: v0's items come apart from it.
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
                    operation=by,
                    completed=len(whole),
                )
            )


def _place(history: Checkpoint, now: datetime) -> tuple[datetime | None, str | None]:
    """The window and the token that an earlier run was at, unless Amazon has forgotten the token."""
    if history.cursor is None or history.cursor_at is None or now - history.cursor_at > CURSOR_LIFETIME:
        return None, None
    after, _, token = history.cursor.partition(" ")
    return datetime.fromisoformat(after), token


def _is_refined(row: OrderRow, order: CoarseOrder) -> bool:
    """Whether it replaces the coarse row: an older one does not, and would be fetched for ever."""
    dates = (row.last_updated_at, order.last_updated_at)
    return dates[0] is None or dates[1] is None or dates[0] >= dates[1]


def _first(failures: BaseExceptionGroup[SPAPIError]) -> SPAPIError:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first

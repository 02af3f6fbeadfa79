"""Searches of a seller's history, from its newest end backwards: the next window, and the progress."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from spapi_async._core.clock import Clock
from spapi_async.workflows.orders._checkpoint import Checkpoint, Window, moment, time_in
from spapi_async.workflows.orders._database import OrderDatabase
from spapi_async.workflows.orders._page import Unreadable
from spapi_async.workflows.orders._pages import Pages
from spapi_async.workflows.orders._rows import OrderRow
from spapi_async.workflows.orders._source import OrderSource
from spapi_async.workflows.orders._walk import Sorting, Walk

__all__ = ["Searching", "Store"]

Store = Callable[[Sequence[OrderRow], Checkpoint, Sequence[Unreadable]], Awaitable[None]]
"""Commits rows, a checkpoint, and entries that could not be made into rows."""

_SECOND = timedelta(seconds=1)  # Amazon's dates are cut to whole seconds
_FIRST_STEP = timedelta(days=1)
_SPARE = 100  # one order in so many is left free in a page: a full page may have a token
_SHARE = 3  # a window of unknown density has at most a third of what is left, so that searches and lists meet


class Searching:
    """Reads one seller's history in windows.

    If lists have named the remaining orders, a window has as many orders as fit on a page. If nothing is known, the
    length of a window depends on the orders found in the previous ones.

    Attributes:
        history: its end is how far the searches have come; its cursor, the position inside a window.
        named_to: everything updated before this time is named by lists.
        has_help: whether other sources work from the other end.
    """

    def __init__(
        self,
        source: OrderSource,
        history: Checkpoint,
        *,
        named_to: datetime,
        has_help: bool,
        sorting: Sorting,
        database: OrderDatabase,
        page_size: int,
        clock: Clock,
        store: Store,
    ) -> None:
        assert history.upper_bound is not None
        self.history = history
        self.named_to = named_to
        self.has_help = has_help
        self._newest = self._read_from = history.upper_bound  # everything updated from ``_read_from`` on has been read
        self._source = source
        self._sorting = sorting
        self._database = database
        self._page_size = page_size
        self._clock = clock
        self._store = store
        self._step = _FIRST_STEP
        self._density: float | None = None  # orders per second in the previous window

    @property
    def is_met(self) -> bool:
        """Whether lists have named everything that searches have not read."""
        return self.named_to >= self._read_from

    @property
    def has_read_all(self) -> bool:
        """Whether the searches have reached the beginning."""
        return self._read_from <= self.history.last_updated_after

    async def go_on(self, *, spared: Callable[[int], bool]) -> None:
        """Read until searches can return nothing more, or until ``spared`` leaves the rest to other sources.

        Raises:
            SPAPIError: a search failed for good; what was committed stays.
        """
        while (window := await self._next_window(spared)) is not None:
            await self._read(window)

    async def _next_window(self, spared: Callable[[int], bool]) -> Window | None:
        first, before = self.history.last_updated_after, self._read_from
        if before <= first:
            return None
        if self.is_met:
            return await self._coarse_window(Window(first, before), spared)
        begun, _ = self._position()
        if begun is not None:
            return Window(begun, before)
        first = max(first, self.named_to)
        left = before - first
        few = self._density is not None and self._density * left.total_seconds() <= self._page_size * _SHARE
        share = left / _SHARE if self.has_help and left > _FIRST_STEP * 2 and not few else left
        after = before - min(self._step, share)
        return Window(max(min(after, before - _SECOND), first), before)

    async def _coarse_window(self, left: Window, spared: Callable[[int], bool]) -> Window | None:
        """A window of as many of the newest coarse orders as fit on a page; fewer if whole orders are between them."""
        seller, size = self.history.seller, max(self._page_size - self._page_size // _SPARE, 1)
        found = await self._database.dates(seller, before=left.before, limit=size, coarse=True)
        coarse = [date for date in found if date + _SECOND > left.after]
        # Between these three queries orders become whole, or move to a later date.
        count = await self._database.count(seller, coarse=True) if coarse else 0
        if not count or spared(count):
            return None
        before = min(coarse[0] + _SECOND, left.before)
        stored = await self._database.dates(seller, before=before, limit=size)
        if not stored:  # the last of them was updated and stored by its id in the meantime
            return None
        after = max(coarse[min(size, len(coarse)) - 1], stored[-1])
        return Window(max(after, left.after), before)

    async def _read(self, window: Window) -> None:
        was_met = self.is_met
        begun, read_to = self._position()
        walk = Walk(read_to if read_to and begun == window.after else window.after, window.before, self._sorting)
        pages = Pages(self._source, walk, seller=self.history.seller, before=window.before, clock=self._clock)
        found = 0
        while True:
            if self.is_met and not was_met:
                self._move_to(self._read_from)  # the rest of this window is better known now
                return
            page = await pages.fetch()
            found += len(page.rows)
            if walk.has_gone_back:
                self._move_to(self._newest)
            elif walk.is_complete:
                self._move_to(window.after)
            else:
                self.history = msgspec.structs.replace(
                    self.history,
                    cursor=f"{window.after.isoformat()} {walk.read_to.isoformat()}",
                    cursor_at=moment(self._clock),
                )
            await self._store(page.rows, self.history, page.unreadable)
            if walk.has_gone_back:
                return
            if walk.is_complete:
                break
        span = window.before - window.after
        self._density = found / max(span.total_seconds(), 1.0)
        # Most sellers have few orders: then a window of many days costs one request.
        self._step = span * (8 if found < self._page_size else 2)

    def _position(self) -> tuple[datetime | None, datetime | None]:
        """The start of the window that an earlier run was reading, and the time up to which it was read."""
        after, _, read_to_text = (self.history.cursor or "").partition(" ")
        begun, read_to = time_in(after), time_in(read_to_text)
        return (begun, read_to) if begun is not None and read_to is not None else (None, None)

    def _move_to(self, read_from: datetime) -> None:
        self._read_from = read_from
        self.history = msgspec.structs.replace(self.history, upper_bound=read_from, cursor=None, cursor_at=None)

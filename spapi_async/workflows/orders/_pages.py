"""The pages of one window, fetched in the order of its walk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from spapi_async._core.clock import Clock
from spapi_async._engine.page_history import PageHistory
from spapi_async.errors import DecodeError
from spapi_async.workflows.orders._checkpoint import SETTLED, Checkpoint, moment
from spapi_async.workflows.orders._page import Unreadable
from spapi_async.workflows.orders._source import OrderSource, Page, check_progress
from spapi_async.workflows.orders._walk import Answer, Ask, Walk

__all__ = ["Pages"]


class Pages:
    """Reads a window from a source; its walk records the progress.

    Args:
        before: the end of the window; None: the latest that Amazon allows.
    """

    def __init__(self, source: OrderSource, walk: Walk, *, seller: str, before: datetime | None, clock: Clock) -> None:
        self._walk = walk
        self._source = source
        self._seller = seller
        self._before = before
        self._clock = clock
        self._history = PageHistory(None)
        self._unreadable: set[int] = set()  # hashes of entries that could not be made into rows

    async def fetch(self) -> Page:
        """The next page, without orders that the previous page already contained.

        Raises:
            SPAPIError: the call failed for good.
        """
        walk, ask = self._walk, self._walk.ask
        if ask.token is None:
            self._history = PageHistory(None)
        page = await self._ask(ask)
        if page.unreadable:
            page = await self._ask(ask)  # a transmission error is gone now, an error in Amazon's data is not
        check_progress(page, self._checkpoint(ask), self._source.stream, self._history)
        _check_window(page, ask, self._source.stream)
        known = walk.known
        walk.take(
            Answer(
                updates=[(row.order_id, row.last_updated_at) for row in page.rows],
                token=page.cursor,
                bound=page.upper_bound,
                settled=moment(self._clock) - SETTLED,
            )
        )
        return msgspec.structs.replace(
            page,
            rows=tuple(row for row in page.rows if known.get(row.order_id, _NEVER) != row.last_updated_at),
            upper_bound=walk.bound,
            unreadable=tuple(entry for entry in page.unreadable if self._is_first(entry)),
        )

    def _is_first(self, entry: Unreadable) -> bool:
        """Whether an entry is seen for the first time in this window."""
        before = len(self._unreadable)
        self._unreadable.add(hash(entry.raw))
        return len(self._unreadable) > before

    async def _ask(self, ask: Ask) -> Page:
        return await self._source.page(self._checkpoint(ask))

    def _checkpoint(self, ask: Ask) -> Checkpoint:
        return Checkpoint(
            seller=self._seller,
            stream=self._source.stream,
            last_updated_after=ask.after,
            upper_bound=ask.before or self._before,
            cursor=ask.token,
        )


def _check_window(page: Page, ask: Ask, stream: str) -> None:
    """Refuse a page for a single second if it has a successor but no order of that second.

    If a server ignored the times of requests, each window would be halved down to single seconds, of which two years
    have 63 million.

    Raises:
        DecodeError: no order was updated in that second, and another page follows.
    """
    if page.cursor is None or ask.before is None or ask.before - ask.after > _SECOND:
        return
    dates = [row.last_updated_at for row in page.rows if row.last_updated_at is not None]
    if dates and not any(ask.after - _SECOND < date <= ask.before for date in dates):
        raise DecodeError(
            "Amazon's reply ignores the times of the request: none of its orders was updated from"
            f" {ask.after.isoformat()} to {ask.before.isoformat()}, and another page follows",
            operation=stream,
        )


_SECOND = timedelta(seconds=1)  # dates are cut to whole seconds
_NEVER = datetime.min.replace(tzinfo=UTC)
"""A time that is the last update of no order."""

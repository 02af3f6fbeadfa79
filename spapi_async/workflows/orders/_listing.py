"""Lists of a seller's orders without details, from which a history is refined."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

import anyio

from spapi_async.workflows.orders._checkpoint import Window
from spapi_async.workflows.orders._report_rows import REPORT, order_rows
from spapi_async.workflows.orders._rows import OrderRow
from spapi_async.workflows.orders._seller import Seller
from spapi_async.workflows.orders._source import participations

__all__ = ["MONTH", "REPORTS_AT_ONCE", "CoarseList", "Listed", "ReportList"]

MONTH = timedelta(days=30)
"""The longest window of an order report."""

REPORTS_AT_ONCE = 10
"""Reports requested at once: createReport has a burst of 15."""

_MOST_ROWS = 500  # rows that are stored together


class Listed(NamedTuple):
    """Some coarse rows; if ``up_to`` is given, everything updated before that time is listed."""

    rows: Sequence[OrderRow]
    up_to: datetime | None = None


class CoarseList(Protocol):
    """Lists the orders of a window, the oldest first; searches start at the other end."""

    name: str
    is_exact: bool
    """Whether it lists every order of a window, whatever changes while it is read."""

    def listed(self, window: Window) -> AsyncIterator[Listed]:
        """Coarse rows, until the whole window is listed.

        Raises:
            SPAPIError: a call failed for good.
        """


class ReportList:
    """Order reports, a month each, several under way at once."""

    name = "reports_2021_06_30.create_report"
    is_exact = True

    def __init__(self, seller: Seller, *, marketplaces: Sequence[str]) -> None:
        self._seller = seller
        self._marketplaces = [str(place) for place in marketplaces]

    async def listed(self, window: Window) -> AsyncIterator[Listed]:
        """Coarse rows month by month; ten reports are requested at a time."""
        places = self._marketplaces or await participations(self._seller)
        months = _months(window)
        for start in range(0, len(months), REPORTS_AT_ONCE):
            ahead = months[start : start + REPORTS_AT_ONCE]
            found: dict[Window, list[OrderRow]] = {}

            async def fetch(month: Window, found: dict[Window, list[OrderRow]] = found) -> None:
                found[month] = await self._rows(month, places)

            async with anyio.create_task_group() as group:
                for month in ahead:
                    group.start_soon(fetch, month)
            for month in ahead:
                rows = found.pop(month)
                for position in range(0, len(rows), _MOST_ROWS):
                    yield Listed(rows[position : position + _MOST_ROWS])
                yield Listed((), month.before)

    async def _rows(self, month: Window, places: Sequence[str]) -> list[OrderRow]:
        async with self._seller.reports.download(
            REPORT, marketplaces=places, start=month.after, end=month.before, no_data="empty"
        ) as document:
            return order_rows([row async for row in document.iter_rows()])


def _months(window: Window) -> list[Window]:
    found, after = [], window.after
    while after < window.before:
        before = min(after + MONTH, window.before)
        found.append(Window(after, before))
        after = before
    return found

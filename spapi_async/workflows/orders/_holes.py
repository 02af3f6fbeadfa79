"""Holes: data sets missing from stored orders because Amazon refused them; they are requested again once a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from spapi_async._core.clock import Clock
from spapi_async._core.options import Priority, call_options
from spapi_async.workflows.orders._arguments import ignore_event
from spapi_async.workflows.orders._checkpoint import Window, moment
from spapi_async.workflows.orders._datasets import REFUSED, Datasets
from spapi_async.workflows.orders._job import Job
from spapi_async.workflows.orders._page import Hole
from spapi_async.workflows.orders._quota import Quota
from spapi_async.workflows.orders._seller import Seller
from spapi_async.workflows.orders._source import SEARCH_DELAY, Orders2026Source

if TYPE_CHECKING:
    from spapi_async.workflows.orders._database import OrderDatabase

__all__ = ["Holes"]

_ASK_AGAIN = timedelta(days=1)
_SECOND = timedelta(seconds=1)  # its bounds are whole seconds


class Holes:
    """The holes of one seller's orders."""

    def __init__(
        self,
        seller: Seller,
        datasets: Datasets,
        *,
        database: OrderDatabase,
        quota: Quota,
        places: Sequence[str],
        clock: Clock,
    ) -> None:
        self._seller = seller
        self._datasets = datasets
        self._database = database
        self._quota = quota
        self._places = places
        self._clock = clock

    async def recall(self) -> None:
        """Leave out data sets that an earlier run was refused."""
        for hole in await self._database.holes(self._seller.name):
            self._datasets.leave_out(hole.dataset)

    async def fill(self, holder: str) -> None:
        """Request data sets refused a day ago or earlier, and read their orders again if Amazon grants them now.

        Raises:
            SPAPIError: a call failed for good; the next run tries the remaining holes again.
        """
        for hole in await self._database.holes(self._seller.name):
            now = moment(self._clock)
            window = _window_of(hole, latest=now - SEARCH_DELAY)
            if hole.dataset not in self._datasets.wanted or now - hole.refused_at < _ASK_AGAIN or window is None:
                continue
            with call_options(priority=Priority.BULK):
                if not await self._is_given(hole.dataset, window):
                    await self._database.refused_again(hole, now=now)
                    continue
                self._datasets.restore(hole.dataset)
                await self._read(window, holder)
            if hole.dataset not in self._datasets.missing and hole.updated_to < window.before:
                await self._database.filled(hole)

    async def _is_given(self, dataset: str, window: Window) -> bool:
        from spapi_async.api.orders_2026_01_01 import SEARCH_ORDERS

        try:
            await self._seller.call(
                SEARCH_ORDERS,
                last_updated_after=window.after,
                last_updated_before=window.before,
                marketplace_ids=[str(place) for place in self._places] or None,
                included_data=[dataset],
                max_results_per_page=1,
            )
        except REFUSED:
            return False
        return True

    async def _read(self, window: Window, holder: str) -> None:
        source = Orders2026Source(
            self._seller, marketplaces=self._places, datasets=self._datasets, before=window.before
        )
        job = Job(self._seller, source, since=window.after, window=window, clock=self._clock, progress=ignore_event)
        async with job.held(self._database, holder, wait=True) as lease:
            await job.work(self._database, self._quota, lease)


def _window_of(hole: Hole, *, latest: datetime) -> Window | None:
    """The window to read again; None while all of it is too recent to be searched."""
    before = min(hole.updated_to.replace(microsecond=0) + _SECOND, latest)
    after = hole.updated_from.replace(microsecond=0)
    return Window.of(after, before) if after < before else None

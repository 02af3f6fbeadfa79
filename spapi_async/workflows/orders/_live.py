"""Follows one seller: searches at the pace of its quota, and fetches single orders that hints name.

A search finds every change, two minutes late and as often as ``searchOrders`` allows (one request in 180 s). Hints
(:mod:`._hints`) are faster but may be lost: they cause single orders to be fetched and never move the checkpoint.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import anyio

from spapi_async._core.clock import Clock
from spapi_async._core.failures import first_of
from spapi_async._core.frames import forget_locals
from spapi_async._core.operation import Operation
from spapi_async.errors import AuthError, ClosedError, LeaseLostError, NotFoundError, SPAPIError
from spapi_async.workflows._bucket import bucket_of
from spapi_async.workflows.orders._checkpoint import moment
from spapi_async.workflows.orders._failures import is_refused
from spapi_async.workflows.orders._hints import Hint, Hints
from spapi_async.workflows.orders._history import History
from spapi_async.workflows.orders._holes import Holes
from spapi_async.workflows.orders._job import Job
from spapi_async.workflows.orders._lease import Lease
from spapi_async.workflows.orders._page import OrderPage, OrderSink, Stored
from spapi_async.workflows.orders._progress import OrdersFresh, SellerFailed, SyncEvent
from spapi_async.workflows.orders._quota import Quota
from spapi_async.workflows.orders._reconcile import Reconciler
from spapi_async.workflows.orders._rows import OrderRow
from spapi_async.workflows.orders._seller import Seller

__all__ = ["Follower", "KnowingSink", "Lister"]

logger = logging.getLogger("spapi_async.workflows.orders")

_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0  # seconds after a seller's failure, doubled each time
_ROUND = 3600.0  # seconds between retries of orders that could not be fetched, and between reconciliations


@runtime_checkable
class KnowingSink(Protocol):
    """A sink that can return the last updates of its orders."""

    async def last_updates(self, seller: str, order_ids: Sequence[str]) -> dict[str, datetime]:
        """The last update of each of these orders that is stored."""


class Lister(Protocol):
    """Lists the orders that changed, without their content: a source of hints that is polled."""

    operation: Operation[Any]

    async def hints(self) -> Sequence[Hint]:
        """The hints since the last call.

        Raises:
            SPAPIError: the call failed for good.
        """


class Follower:
    """Follows one seller until cancelled."""

    def __init__(
        self,
        seller: Seller,
        job: Job,
        *,
        search: Operation[Any],
        by_id: Callable[[str], Awaitable[OrderRow | None]],
        listers: Sequence[Lister],
        history: History | None,
        reconciler: Reconciler | None,
        holes: Holes | None,
        every: float | None,
        quota: Quota,
        sink: OrderSink,
        clock: Clock,
    ) -> None:
        self.seller = seller
        self._job = job
        self._search = search
        self._by_id = by_id
        self._listers = list(listers)
        self._history = history
        self._reconciler = reconciler
        self._holes = holes
        self._every = every
        self._quota = quota
        self._sink = sink
        self._clock = clock
        self._hints = Hints()
        self._heard = anyio.Event()
        self._pause = _FIRST_PAUSE
        self._began = moment(clock).replace(microsecond=0)

    def hear(self, hint: Hint) -> None:
        """Fetch this order soon."""
        if self._hints.hear(hint, self._clock.monotonic()):
            self._heard.set()

    async def run(self, holder: str) -> None:
        """Follow until cancelled; a failure concerns only this seller: it is reported and retried after a pause."""
        while True:
            try:
                if self._history is not None:
                    await self._history.divide(holder, wait=True)
                if self._holes is not None:
                    await self._holes.recall()
                async with self._job.held(self._sink, holder, wait=True) as lease:
                    await self._follow(lease, holder)
            except Exception as error:  # noqa: BLE001 - any error concerns only this seller
                first = self._report(error)
                if isinstance(first, ClosedError):
                    raise first from None  # no further attempt can succeed
                if not isinstance(first, LeaseLostError):
                    await self._clock.sleep(self._pause)
                    self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def _report(self, error: BaseException) -> BaseException:
        first = first_of(error)
        forget_locals(first)
        self._job.tell(SellerFailed(seller=self.seller.name, total=self._job.result.orders, error=str(first)))
        return first

    async def _follow(self, lease: Lease | None, holder: str) -> None:
        async with anyio.create_task_group() as group:
            if self._history is not None:
                group.start_soon(self._read_history, self._history, holder, lease)
            group.start_soon(self._search_for_ever, lease)
            group.start_soon(self._fetch_for_ever, lease)
            for lister in self._listers:
                group.start_soon(self._list_for_ever, lister)

    async def _read_history(self, history: History, holder: str, lease: Lease | None) -> None:
        """Read orders older than the first search, with the quota that live orders leave; then do the hourly work."""
        pause = _FIRST_PAUSE
        while True:
            try:
                while True:
                    await history.go_on(holder, wait=True)
                    await history.refill(lease)
                    if self._reconciler is not None:
                        await self._reconciler.go_on(lease)
                    if self._holes is not None:
                        await self._holes.fill(holder)
                    await self._clock.sleep(_ROUND)
            except Exception as error:
                if isinstance(self._report(error), ClosedError):
                    raise
                await self._clock.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    # ---- searches ---------------------------------------------------------------------------------------------------

    async def _search_for_ever(self, lease: Lease | None) -> None:
        first = True
        while True:
            await self._job.work(self._sink, self._quota, lease, stored=self._found)
            self._pause = _FIRST_PAUSE
            pace = max(self._every or 0.0, self._pace(self._search))
            # The time of the second search differs between sellers, so that they do not all search at once.
            await self._clock.sleep(pace * (0.5 + _phase(self.seller.name) / 2) if first else pace)
            first = False

    def _found(self, rows: Sequence[OrderRow], stored: Stored) -> None:
        now = moment(self._clock)
        updates = [row.last_updated_at for row in rows if row.order_id in stored.changed and row.last_updated_at]
        # Changes from before the first search say nothing about the delay.
        self._fresh("search", [(now - updated).total_seconds() for updated in updates if updated >= self._began])

    def _pace(self, operation: Operation[Any]) -> float:
        """Seconds between calls that this operation's quota sustains, as learned."""
        return 1 / bucket_of(self.seller, operation).rate

    # ---- hints ------------------------------------------------------------------------------------------------------

    async def _list_for_ever(self, lister: Lister) -> None:
        """Request changed ids until Amazon refuses them; then the other sources continue alone."""
        while True:
            try:
                for hint in await lister.hints():
                    self.hear(hint)
            except SPAPIError as error:
                if is_refused(error):
                    self._drop(lister, error)
                    return
                logger.warning("%s of %s failed (%s)", lister.operation.name, self.seller.name, error)
            await self._clock.sleep(max(self._every or 0.0, self._pace(lister.operation)))

    def _drop(self, lister: Lister, error: SPAPIError) -> None:
        operation = lister.operation
        self._listers.remove(lister)
        self._job.drop(operation.name, error)

    async def _fetch_for_ever(self, lease: Lease | None) -> None:
        while True:
            now = self._clock.monotonic()
            hint = self._hints.take(now)
            if hint is not None:
                await self._fetch(hint, lease)
                continue
            due = self._hints.next_due()
            self._heard = anyio.Event()
            with anyio.move_on_after(None if due is None else max(due - now, 0.0)):
                await self._heard.wait()

    async def _fetch(self, hint: Hint, lease: Lease | None) -> None:
        """Fetch the order that a hint names, unless the stored order already shows the change."""
        try:
            if await self._is_known(hint):
                return
            row = await self._by_id(hint.order_id)
        except NotFoundError:
            row = None
        except BaseException as error:
            if isinstance(error, SPAPIError) and not isinstance(error, AuthError | ClosedError):
                logger.warning("%s of %s could not be fetched yet (%s)", hint.order_id, self.seller.name, error)
                self._hints.again(hint, self._clock.monotonic())
                return
            self._hints.hear(hint, self._clock.monotonic())  # so that the hint is not lost
            raise
        if row is not None:
            try:
                await self._store(row, hint, lease)
            except BaseException:
                self._hints.again(hint, self._clock.monotonic())  # so that it is retried, but not for ever
                raise
        if row is None or not hint.is_met_by(row.last_updated_at):
            self._hints.again(hint, self._clock.monotonic())

    async def _is_known(self, hint: Hint) -> bool:
        if hint.event_time is None or not isinstance(self._sink, KnowingSink):
            return False
        known = await self._sink.last_updates(self.seller.name, [hint.order_id])
        return hint.is_met_by(known.get(hint.order_id))

    async def _store(self, row: OrderRow, hint: Hint, lease: Lease | None) -> None:
        now = moment(self._clock)
        page = OrderPage(
            seller=self.seller.name,
            rows=(row,),
            checkpoint=None,
            at=now,
            quota=self._quota.dump(self.seller.payer),
            lease=lease,
        )
        stored = await self._sink.store(page)
        if stored is None or stored.changed:
            happened = hint.event_time or row.last_updated_at
            self._fresh(hint.source, [(now - happened).total_seconds()] if happened else [])

    def _fresh(self, source: str, seconds: Sequence[float]) -> None:
        if seconds:
            event: SyncEvent = OrdersFresh(seller=self.seller.name, source=source, seconds=tuple(seconds))
            self._job.tell(event)


def _phase(name: str) -> float:
    """A number from 0 to 1 that differs from seller to seller, and is the same in every run."""
    return zlib.crc32(name.encode()) / 2**32

"""The sync job: stores every seller's orders updated since the last run, with their items.

Several sellers are synced at once, each at the pace of its own quota; a seller that fails does not stop the others.
Each seller needs memory for one page at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import anyio
import msgspec

from spapi_async._core.clock import Clock, SystemClock
from spapi_async.errors import ConfigurationError, SPAPIError
from spapi_async.workflows.orders._arguments import (
    check_regions,
    check_start,
    datasets_in,
    ignore_event,
    personal_for,
    places_in,
    places_of,
)
from spapi_async.workflows.orders._checkpoint import Window, moment
from spapi_async.workflows.orders._database import OrderDatabase
from spapi_async.workflows.orders._datasets import Datasets
from spapi_async.workflows.orders._forecast import FULL_PAGE, Forecaster
from spapi_async.workflows.orders._history import History, Source, other_sources
from spapi_async.workflows.orders._holding import keep_leases, opened_sink, quotas_of, save_quota
from spapi_async.workflows.orders._holes import Holes
from spapi_async.workflows.orders._job import Job, SellerResult
from spapi_async.workflows.orders._lease import new_holder
from spapi_async.workflows.orders._page import OrderSink
from spapi_async.workflows.orders._plan import HISTORY, plan_seller
from spapi_async.workflows.orders._progress import Progress
from spapi_async.workflows.orders._quota import Quota
from spapi_async.workflows.orders._reconcile import Reconciler
from spapi_async.workflows.orders._seller import Seller
from spapi_async.workflows.orders._source import DEFAULT_DATASETS, Orders2026Source, OrderSource, OrdersV0Source
from spapi_async.workflows.orders._vault import RETENTION, PersonalKeys

__all__ = ["OrdersApi", "SyncReport", "sync_orders"]

OrdersApi = Literal["orders_2026_01_01", "orders_v0"]


logger = logging.getLogger("spapi_async.workflows.orders")


class SyncReport(msgspec.Struct, frozen=True, kw_only=True):
    """The results of a run, by seller, in the order in which the sellers were given."""

    sellers: tuple[SellerResult, ...]

    @property
    def orders(self) -> int:
        """The number of orders fetched."""
        return sum(result.orders for result in self.sellers)

    @property
    def unreadable(self) -> int:
        """The number of entries that could not be made into rows; they are in the table ``unreadable``."""
        return sum(result.unreadable for result in self.sellers)

    @property
    def failed(self) -> tuple[SellerResult, ...]:
        """The sellers whose window is not complete; another run resumes where they stopped."""
        return tuple(result for result in self.sellers if result.error is not None)


class _Task(NamedTuple):
    """The work of a run for one seller."""

    seller: Seller
    places: Sequence[str]
    datasets: Datasets
    job: Job
    forecaster: Forecaster | None


async def sync_orders(
    sellers: Iterable[Seller],
    database: str | OrderDatabase | OrderSink,
    *,
    api: OrdersApi = "orders_2026_01_01",
    since: datetime | None = None,
    window: tuple[datetime, datetime] | None = None,
    marketplaces: Sequence[str] = (),
    datasets: Sequence[str] = DEFAULT_DATASETS,
    personal: PersonalKeys | Literal["plain"] | None = None,
    retention: timedelta = RETENTION,
    sources: Sequence[Source] = ("search",),
    page_size: int | None = None,
    concurrency: int = 50,
    wait: bool = False,
    progress: Progress | None = None,
    forecast: bool = False,
    clock: Clock | None = None,
) -> SyncReport:
    """Fetch and store the orders that changed since each seller's checkpoint.

    Args:
        sellers: handles from ``app.selling_partner``.
        database: ``sqlite:///orders.db``, ``postgresql://user@host/name``, an open :class:`OrderDatabase`, or any
            object with an async ``store(page)`` (:class:`OrderSink`).
        api: ``orders_2026_01_01`` includes items, 100 orders per request; ``orders_v0`` needs another request for each
            order, and Amazon removes it on 2027-03-27.
        since: where a seller without a checkpoint starts; by default two years back, as far as Amazon keeps orders.
        window: read the orders updated from the first to the second time again, without changing the checkpoint.
        marketplaces: only these, by member, id or country; each seller uses those in its region; by default all.
        datasets: ``includedData`` of Orders 2026-01-01. Personal data is left out by default: add BUYER, RECIPIENT,
            TAX, PAYMENT, and state how it is stored.
        personal: keys that encrypt personal data, by default those in ``SP_API_PERSONAL_KEYS``; or ``"plain"`` if the
            disk itself is encrypted. If given, gift messages and customisation are stored, too.
        retention: how long personal data is stored, from shipment.
        sources: additional sources for reading a seller's history in its first run, beside searches (0.56 orders a
            second, burst 2,000): ``ids`` (one by one, another 0.5 a second), ``orders_v0`` (another 0.5 a second;
            without packages, expenses and breakdowns; ends on 2027-03-27), ``reports`` (everything at once, coarse).
            Today's orders come first. Only ``search`` by default; ``SOURCES`` has all. With ``reports`` each run
            reconciles orders that have become two hours, two days and thirty days old with an order report, and
            fetches orders that searches have missed.
        page_size: orders per page, 1 to 100.
        concurrency: the most sellers at once.
        wait: wait for sellers on which another process works, instead of reporting them as failed.
        progress: called with every event.
        forecast: also call ``progress`` with forecasts of the remaining time (:class:`OrdersForecast`). Costs one
            ``getOrderMetrics`` request per marketplace; for Orders 2026-01-01 without ``window``.
        clock: the source of time.

    Raises:
        ConfigurationError: an argument or the database is invalid. Failures of a seller are in the report instead.
    """
    _check_numbers(page_size, concurrency)
    places, datasets = places_in(marketplaces), datasets_in(datasets)
    clock = clock or SystemClock()
    check_start(since, moment(clock))
    span = None if window is None else Window.of(*window)
    stored_in_tables = isinstance(database, str | OrderDatabase)
    others = other_sources(sources, possible=stored_in_tables and span is None and api == "orders_2026_01_01")
    kept = personal_for(database, personal, retention, datasets)
    chosen = list(sellers)
    check_regions(chosen, places)
    begun = since or moment(clock) - HISTORY
    is_forecast = forecast and span is None and api == "orders_2026_01_01"

    def task_of(seller: Seller) -> _Task:
        asked = Datasets(datasets)
        places_there = places_of(seller, places)
        source = _source(api, seller, marketplaces=places_there, datasets=asked, page_size=page_size, window=span)
        start = span.after if span else begun
        observer = progress or ignore_event
        forecaster = (
            Forecaster(seller, others, page_size=page_size or FULL_PAGE, tell=observer, clock=clock)
            if is_forecast
            else None
        )
        job = Job(seller, source, since=start, window=span, clock=clock, progress=forecaster or observer)
        asked.tell = job.refuse
        return _Task(seller, places_there, asked, job, forecaster)

    tasks = [task_of(seller) for seller in chosen]
    _check_once(task.job.result.seller for task in tasks)
    async with opened_sink(database, personal=kept, retention=retention) as sink:

        async def work(task: _Task, quota: Quota, holder: str) -> None:
            seller, places_there, asked, job, forecaster = task
            if not isinstance(sink, OrderDatabase):
                await job.run(sink, quota, holder=holder, wait=wait)
                return
            try:
                holes = Holes(seller, asked, database=sink, quota=quota, places=places_there, clock=clock)
                await holes.recall()
                if forecaster is not None:
                    await _start_forecast(forecaster, task, sink, since=begun, others=others, now=moment(clock))
                await read(sink, task, quota, holder)
                if job.result.error is None and api == "orders_2026_01_01" and span is None:
                    await holes.fill(holder)
            except Exception as error:  # noqa: BLE001 - any error concerns only this seller
                job.failed(error)

        async def read(sink: OrderDatabase, task: _Task, quota: Quota, holder: str) -> None:
            if not others:
                await task.job.run(sink, quota, holder=holder, wait=wait)
                return
            history = History(
                task.seller,
                task.job,
                database=sink,
                quota=quota,
                sources=others,
                places=task.places,
                datasets=task.datasets,
                page_size=page_size or 100,
                since=begun,
                clock=clock,
            )
            await history.run(holder, wait=wait)
            await _reconcile(task, sink, holder, others=others, wait=wait, clock=clock)

        await _run(tasks, sink, concurrency, clock, work)
    return SyncReport(sellers=tuple(task.job.result for task in tasks))


def _check_once(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigurationError(f"the same seller was given twice: {name}")
        seen.add(name)


def _check_numbers(page_size: int | None, concurrency: int) -> None:
    if page_size is not None and not 1 <= page_size <= 100:
        raise ConfigurationError(f"page_size must be between 1 and 100, not {page_size!r}")
    if concurrency < 1:
        raise ConfigurationError(f"concurrency must be 1 or more, not {concurrency!r}")


async def _reconcile(
    task: _Task, database: OrderDatabase, holder: str, *, others: Sequence[Source], wait: bool, clock: Clock
) -> None:
    """Reconcile orders with order reports, if reports are a source."""
    if "reports" in others and task.job.result.error is None:
        reconciler = Reconciler(
            task.seller, task.job, places=task.places, datasets=task.datasets, database=database, clock=clock
        )
        await reconciler.round(holder, wait=wait)


async def _start_forecast(
    forecaster: Forecaster,
    task: _Task,
    database: OrderDatabase,
    *,
    since: datetime,
    now: datetime,
    others: Sequence[Source],
) -> None:
    """Give the forecaster the number of orders; if Amazon does not state it, there is no forecast."""
    try:
        plan = await plan_seller(task.seller, database, since=since, now=now, places=task.places, others=others)
    except SPAPIError as error:
        logger.warning(
            "%s: there is no forecast, because Amazon did not state the number of orders (%s)", task.seller.name, error
        )
    else:
        forecaster.expect(plan.orders, by=[source.operation for source in plan.sources])


async def _run(
    tasks: Sequence[_Task],
    sink: OrderSink,
    concurrency: int,
    clock: Clock,
    work: Callable[[_Task, Quota, str], Awaitable[None]],
) -> None:
    quotas = quotas_of((task.seller for task in tasks), clock)
    if isinstance(sink, OrderDatabase):
        await sink.sweep(now=moment(clock))
        for quota in quotas.values():
            await quota.restore(sink)
    slots = anyio.CapacityLimiter(concurrency)
    holder = new_holder()

    async def run(task: _Task) -> None:
        async with slots:
            await work(task, quotas[task.seller.application], holder)

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(keep_leases, sink, holder, clock)
            async with anyio.create_task_group() as working:
                for task in tasks:
                    working.start_soon(run, task)
            group.cancel_scope.cancel()
    finally:
        if isinstance(sink, OrderDatabase):
            await save_quota(quotas.values(), sink, moment(clock))


def _source(
    api: OrdersApi,
    seller: Seller,
    *,
    marketplaces: Sequence[str],
    datasets: Datasets,
    page_size: int | None,
    window: Window | None,
) -> OrderSource:
    before = window.before if window else None
    if api == "orders_2026_01_01":
        return Orders2026Source(
            seller, marketplaces=marketplaces, datasets=datasets, page_size=page_size or 100, before=before
        )
    if api == "orders_v0":
        return OrdersV0Source(seller, marketplaces=marketplaces, page_size=page_size or 30, before=before)
    raise ConfigurationError(f"unknown orders API {api!r}; use orders_2026_01_01 or orders_v0")

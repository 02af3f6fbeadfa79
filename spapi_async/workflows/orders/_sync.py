"""The job: every seller's orders updated since the last run, with their items, in a database.

Several sellers run at once, each at the pace of its own quota; one that fails does not stop the others. A seller
holds one page in memory at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

import anyio
import msgspec

from spapi_async._core.clock import Clock, SystemClock
from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Marketplace
from spapi_async.workflows.orders._checkpoint import Window
from spapi_async.workflows.orders._database import OrderDatabase
from spapi_async.workflows.orders._job import Job, LeasedSink, SellerResult, moment
from spapi_async.workflows.orders._lease import LEASE, new_holder
from spapi_async.workflows.orders._page import OrderSink
from spapi_async.workflows.orders._personal import PERSONAL_DATASETS
from spapi_async.workflows.orders._progress import Progress, SyncEvent
from spapi_async.workflows.orders._quota import Quota
from spapi_async.workflows.orders._seller import QuotaOwner, Seller
from spapi_async.workflows.orders._source import DEFAULT_DATASETS, Orders2026Source, OrderSource, OrdersV0Source
from spapi_async.workflows.orders._vault import RETENTION, PersonalData, PersonalKeys

__all__ = ["OrdersApi", "SyncReport", "sync_orders"]

OrdersApi = Literal["orders_2026_01_01", "orders_v0"]

logger = logging.getLogger("spapi_async.workflows.orders")

# Amazon keeps orders for two years (developer-docs.amazon.com/sp-api/docs/orders-api).
HISTORY = timedelta(days=730)
_LONGEST_COUNTRY = 3


class SyncReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did, seller by seller in the order they were given."""

    sellers: tuple[SellerResult, ...]

    @property
    def orders(self) -> int:
        """Orders fetched."""
        return sum(result.orders for result in self.sellers)

    @property
    def unreadable(self) -> int:
        """Entries of pages that no row could be made of; the table ``unreadable`` says which."""
        return sum(result.unreadable for result in self.sellers)

    @property
    def failed(self) -> tuple[SellerResult, ...]:
        """Sellers whose window is not complete; running the sync again goes on where they stopped."""
        return tuple(result for result in self.sellers if result.error is not None)


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
    page_size: int | None = None,
    concurrency: int = 50,
    wait: bool = False,
    progress: Progress | None = None,
    clock: Clock | None = None,
) -> SyncReport:
    """Fetch what changed since each seller's checkpoint and store it.

    Args:
        sellers: handles from ``app.selling_partner``.
        database: ``sqlite:///orders.db``, ``postgresql://user@host/name``, an open :class:`OrderDatabase`, or any
            object with an async ``store(page)`` (:class:`OrderSink`).
        api: ``orders_2026_01_01`` brings items inline, 100 orders a request; ``orders_v0`` needs one request more per
            order, and Amazon removes it on 2027-03-27.
        since: where a seller without a checkpoint starts; two years back, as far as Amazon keeps orders, by default.
        window: read the orders updated from the first time to the second again, and leave the checkpoint alone.
        marketplaces: only these, by member, id or country, of each seller those in its region; all by default.
        datasets: Orders 2026-01-01 ``includedData``. Personal data is left out by default: add BUYER, RECIPIENT, TAX,
            PAYMENT, and say how it is kept.
        personal: keys that encrypt personal data, those of ``SP_API_PERSONAL_KEYS`` by default; or ``"plain"`` where
            the disk itself is encrypted. Given, it keeps gift messages and customisation too.
        retention: how long personal data is kept, from shipment.
        page_size: orders a page, 1 to 100.
        concurrency: most sellers at once.
        wait: for sellers that another process works on, rather than report them as failed.
        progress: called with every event.
        clock: where time comes from.

    Raises:
        ConfigurationError: the arguments or the database cannot work. Failures of a seller are in the report instead.
    """
    if page_size is not None and not 1 <= page_size <= 100:
        raise ConfigurationError("page_size must be between 1 and 100")
    if since is not None and since.tzinfo is None:
        raise ConfigurationError("since must have a time zone")
    if concurrency < 1:
        raise ConfigurationError("concurrency must be 1 or more")
    places, datasets = _places(marketplaces), _one_or_more(datasets)
    clock = clock or SystemClock()
    if since is not None and since > moment(clock):
        # Its checkpoint would stay in the future and hide every order until then.
        raise ConfigurationError(f"since must not be in the future: {since.isoformat()}")
    span = None if window is None else Window.of(*window)
    kept = _personal(database, personal, retention, datasets)
    chosen = list(sellers)
    _check_regions(chosen, places)
    jobs = [
        Job(
            seller,
            _source(
                api,
                seller,
                marketplaces=_places_of(seller, places),
                datasets=datasets,
                page_size=page_size,
                window=span,
            ),
            since=span.after if span else since or moment(clock) - HISTORY,
            window=span,
            clock=clock,
            progress=progress or _nobody,
        )
        for seller in chosen
    ]
    if len({job.result.seller for job in jobs}) != len(jobs):
        raise ConfigurationError("the same seller was given twice")
    if isinstance(database, str):
        async with OrderDatabase(database, personal=kept, retention=retention) as opened:
            await _run(jobs, chosen, opened, concurrency, clock, wait=wait)
    else:
        await _run(jobs, chosen, database, concurrency, clock, wait=wait)
    return SyncReport(sellers=tuple(job.result for job in jobs))


def _personal(
    database: object,
    personal: PersonalKeys | Literal["plain"] | None,
    retention: timedelta,
    datasets: Sequence[str],
) -> PersonalKeys | Literal["plain"] | None:
    """How a database that is opened here keeps personal data; None: not at all.

    Raises:
        ConfigurationError: personal data is asked for, and nothing says how it is kept.
    """
    asked = sorted(PERSONAL_DATASETS.intersection(datasets))
    if isinstance(database, OrderDatabase):
        if personal is not None or (asked and database.personal is None):
            what = f"{', '.join(asked)} bring personal data" if asked else "the database is open already"
            raise ConfigurationError(f"{what}: say how it is kept with OrderDatabase(url, personal=…)")
        return None
    if not isinstance(database, str) or not (asked or personal):
        return None
    return PersonalData.wanted(personal, retention).keys or "plain"


async def _run(
    jobs: Sequence[Job],
    sellers: Sequence[Seller],
    sink: OrderSink,
    concurrency: int,
    clock: Clock,
    *,
    wait: bool,
) -> None:
    accounts: dict[QuotaOwner, list[str]] = {}
    for seller in sellers:
        accounts.setdefault(seller.application, []).extend((seller.payer, seller.key))
    quotas = {application: Quota(application, keys, clock) for application, keys in accounts.items()}
    if isinstance(sink, OrderDatabase):
        await sink.sweep(now=moment(clock))
        for quota in quotas.values():
            await quota.restore(sink)
    slots = anyio.CapacityLimiter(concurrency)
    holder = new_holder()

    async def run(job: Job, quota: Quota) -> None:
        async with slots:
            await job.run(sink, quota, holder=holder, wait=wait)

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_keep_leases, sink, holder, clock)
            async with anyio.create_task_group() as working:
                for job, seller in zip(jobs, sellers, strict=True):
                    working.start_soon(run, job, quotas[seller.application])
            group.cancel_scope.cancel()
    finally:
        if isinstance(sink, OrderDatabase):
            await _save(quotas.values(), sink, moment(clock))


async def _keep_leases(sink: OrderSink, holder: str, clock: Clock) -> None:
    """Renew what this run holds: it may wait for quota longer than a lease lasts."""
    while isinstance(sink, LeasedSink):
        await clock.sleep(LEASE.total_seconds() / 3)
        try:
            await sink.renew(holder, now=moment(clock))
        except Exception as error:  # noqa: BLE001 - each page checks its lease, and the next attempt may succeed
            logger.warning("the leases of this process could not be renewed (%s)", type(error).__name__)


async def _save(quotas: Iterable[Quota], database: OrderDatabase, now: datetime) -> None:
    """Keep what the whole run has spent, requests that stored no page included."""
    states = {key: state for quota in quotas for key, state in quota.dump_all().items()}
    try:
        if states:
            await database.store_quota(states, now=now)
    except Exception as error:  # noqa: BLE001 - the orders are stored, and a 429 or two would teach the next run as much
        logger.warning("what quota was spent could not be saved (%s)", type(error).__name__)


def _source(
    api: OrdersApi,
    seller: Seller,
    *,
    marketplaces: Sequence[str],
    datasets: Sequence[str],
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


def _places(names: str | Sequence[str]) -> list[str]:
    """Marketplaces; what is longer than a country and unknown is an id, which may be newer than this library."""
    known = {place.value for place in Marketplace}
    return [
        Marketplace.parse(name) if len(name) <= _LONGEST_COUNTRY or name in known else name
        for name in _one_or_more(names)
    ]


def _places_of(seller: Seller, places: Sequence[str]) -> list[str]:
    """Those in the seller's region: sellers of several regions may be synced at once.

    Raises:
        ConfigurationError: some were asked for, and none is there.
    """
    served = [place for place in places if not isinstance(place, Marketplace) or place.region is seller.region]
    if places and not served:
        raise ConfigurationError(f"none of the marketplaces is in region {seller.region.name}: {seller.name}")
    return served


def _check_regions(sellers: Iterable[Seller], places: Iterable[str]) -> None:
    regions = {seller.region for seller in sellers}
    for place in places:
        if isinstance(place, Marketplace) and place.region not in regions:
            raise ConfigurationError(f"marketplace {place.name} is in region {place.region.name}, and no seller is")


def _one_or_more(names: str | Sequence[str]) -> list[str]:
    """A string is one name, never its letters."""
    return [names] if isinstance(names, str) else list(names)


def _nobody(event: SyncEvent) -> None:
    """Progress that nobody watches."""

"""The job: every seller's orders updated since the last run, with their items, in a database.

Several sellers run at once, each at the pace of its own quota; one that fails does not stop the others. A seller
holds one page in memory at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import anyio
import anyio.lowlevel
import msgspec

from spapi_async._client.application import Application
from spapi_async._client.selling_partner import SellingPartner
from spapi_async._core.clock import Clock, SystemClock
from spapi_async._core.frames import forget_locals
from spapi_async._engine.page_history import PageHistory
from spapi_async.errors import BadRequestError, ConfigurationError
from spapi_async.marketplaces import Marketplace
from spapi_async.workflows.orders._checkpoint import Checkpoint, advance, restart, resume
from spapi_async.workflows.orders._database import OrderDatabase
from spapi_async.workflows.orders._progress import (
    PageStored,
    Progress,
    SellerFailed,
    SellerFinished,
    SellerStarted,
    SyncEvent,
)
from spapi_async.workflows.orders._quota import Quota
from spapi_async.workflows.orders._source import (
    DEFAULT_DATASETS,
    Orders2026Source,
    OrderSource,
    OrdersV0Source,
    Page,
    check_progress,
)

__all__ = ["OrdersApi", "SellerResult", "SyncReport", "sync_orders"]

OrdersApi = Literal["orders_2026_01_01", "orders_v0"]

logger = logging.getLogger("spapi_async.workflows.orders")

# Amazon keeps orders for two years (developer-docs.amazon.com/sp-api/docs/orders-api).
HISTORY = timedelta(days=730)
_LONGEST_COUNTRY = 3


class SellerResult(msgspec.Struct, kw_only=True):
    """What a run did for one seller.

    ``unreadable`` entries of its pages are in the table of that name, for no row could be made of them. ``stale``
    orders were older than the database's; ``error`` is None when the window is complete.
    """

    seller: str
    orders: int = 0
    items: int = 0
    inserted: int = 0
    updated: int = 0
    stale: int = 0
    pages: int = 0
    violations: int = 0
    unreadable: int = 0
    checkpoint: Checkpoint | None = None
    error: BaseException | None = None


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
    sellers: Iterable[SellingPartner],
    database: str | OrderDatabase,
    *,
    api: OrdersApi = "orders_2026_01_01",
    since: datetime | None = None,
    marketplaces: Sequence[str] = (),
    datasets: Sequence[str] = DEFAULT_DATASETS,
    page_size: int | None = None,
    concurrency: int = 50,
    progress: Progress | None = None,
    clock: Clock | None = None,
) -> SyncReport:
    """Fetch what changed since each seller's checkpoint and store it.

    Args:
        sellers: handles from ``app.selling_partner``.
        database: ``sqlite:///orders.db``, ``postgresql://user@host/name``, or an open :class:`OrderDatabase`.
        api: ``orders_2026_01_01`` brings items inline, 100 orders a request; ``orders_v0`` needs one request more per
            order, and Amazon removes it on 2027-03-27.
        since: where a seller without a checkpoint starts; two years back, as far as Amazon keeps orders, by default.
        marketplaces: only these, by member, id or country, of each seller those in its region; all by default.
        datasets: Orders 2026-01-01 ``includedData``. Personal data is left out by default: add BUYER, RECIPIENT, TAX,
            PAYMENT.
        page_size: orders a page, 1 to 100.
        concurrency: most sellers at once.
        progress: told of every event.
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
    if since is not None and since > _now(clock):
        # Its checkpoint would stay in the future and hide every order until then.
        raise ConfigurationError(f"since must not be in the future: {since.isoformat()}")
    chosen = list(sellers)
    _check_regions(chosen, places)
    jobs = [
        _Job(
            seller,
            _source(api, seller, _places_of(seller, places), datasets, page_size),
            since=since or _now(clock) - HISTORY,
            clock=clock,
            progress=progress or _nobody,
        )
        for seller in chosen
    ]
    if len({job.result.seller for job in jobs}) != len(jobs):
        raise ConfigurationError("the same seller was given twice")
    if isinstance(database, OrderDatabase):
        await _run(jobs, chosen, database, concurrency, clock)
    else:
        async with OrderDatabase(database) as opened:
            await _run(jobs, chosen, opened, concurrency, clock)
    return SyncReport(sellers=tuple(job.result for job in jobs))


def seller_key(seller: SellingPartner) -> str:
    """What a checkpoint is kept under: the seller id, which outlives a new authorisation, or else the grant's key."""
    return f"{seller.seller_id}@{seller.region.value}" if seller.seller_id else seller.key


async def _run(
    jobs: Sequence[_Job], sellers: Sequence[SellingPartner], database: OrderDatabase, concurrency: int, clock: Clock
) -> None:
    accounts: dict[Application, list[str]] = {}
    for seller in sellers:
        accounts.setdefault(seller.application, []).extend((seller.payer, seller.key))
    quotas = {application: Quota(application, keys, clock) for application, keys in accounts.items()}
    for quota in quotas.values():
        await quota.restore(database)
    places = anyio.CapacityLimiter(concurrency)

    async def run(job: _Job, quota: Quota) -> None:
        async with places:
            await job.run(database, quota)

    try:
        async with anyio.create_task_group() as group:
            for job, seller in zip(jobs, sellers, strict=True):
                group.start_soon(run, job, quotas[seller.application])
    finally:
        await _save(quotas.values(), database, _now(clock))


async def _save(quotas: Iterable[Quota], database: OrderDatabase, now: datetime) -> None:
    """Keep what the whole run has spent, requests that stored no page included."""
    states = {key: state for quota in quotas for key, state in quota.dump_all().items()}
    try:
        if states:
            await database.store_quota(states, now=now)
    except Exception as error:  # noqa: BLE001 - the orders are stored, and a 429 or two would teach the next run as much
        logger.warning("what quota was spent could not be saved (%s)", type(error).__name__)


class _Job:
    """One seller's run."""

    __slots__ = ("_account", "_clock", "_progress", "_since", "_source", "result")

    def __init__(
        self, seller: SellingPartner, source: OrderSource, *, since: datetime, clock: Clock, progress: Progress
    ) -> None:
        self.result = SellerResult(seller=seller_key(seller))
        self._account = seller.payer
        self._source = source
        self._since = since
        self._clock = clock
        self._progress = progress

    async def run(self, database: OrderDatabase, quota: Quota) -> None:
        """Work until the window is complete; a failure is kept in the result, for the other sellers go on."""
        try:
            await self._work(database, quota)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this seller's alone and goes into the report
            forget_locals(error)  # a page holds personal data
            self.result.error = error
            self._tell(SellerFailed(seller=self.result.seller, total=self.result.orders, error=str(error)))

    async def _work(self, database: OrderDatabase, quota: Quota) -> None:
        result, stream = self.result, self._source.stream
        saved = await database.checkpoint(result.seller, stream)
        checkpoint = resume(saved, seller=result.seller, stream=stream, since=self._since, now=_now(self._clock))
        resumed = checkpoint.cursor is not None
        result.checkpoint = checkpoint
        self._tell(
            SellerStarted(
                seller=result.seller,
                last_updated_after=checkpoint.last_updated_after,
                resumed=resumed,
                known=saved is not None,
            )
        )
        history, again = PageHistory(checkpoint.cursor), False
        while True:
            try:
                page = await self._source.page(checkpoint)
            except BadRequestError:
                if not resumed:
                    raise
                # The token is another run's, and Amazon may forget it before its 24 hours are over: the window starts
                # again.
                checkpoint, resumed = restart(checkpoint), False
                history = PageHistory(None)
                continue
            resumed = False
            if page.unreadable and not again:
                again = True  # what was garbled on the way is right the next time, what Amazon stores is not
                continue
            again = False
            check_progress(page, checkpoint, stream, history)
            checkpoint = await self._store(page, checkpoint, database, quota)
            if page.cursor is None:
                break
            await anyio.lowlevel.checkpoint()  # cancelled during the commit: end here, not in the middle of a request
        self._tell(SellerFinished(seller=result.seller, total=result.orders, synced_to=checkpoint.last_updated_after))

    async def _store(self, page: Page, before: Checkpoint, database: OrderDatabase, quota: Quota) -> Checkpoint:
        """Commit a page and the checkpoint after it, even while the run is being cancelled: it has been paid for."""
        result, now = self.result, _now(self._clock)
        checkpoint = advance(before, cursor=page.cursor, upper_bound=page.upper_bound, now=now)
        spent = quota.dump(self._account)
        stored = await database.store(
            result.seller, page.rows, checkpoint, now=now, quota=spent, unreadable=page.unreadable
        )
        result.checkpoint = checkpoint
        result.pages += 1
        result.orders += len(page.rows)
        result.items += stored.items
        result.inserted += stored.inserted
        result.updated += stored.updated
        result.stale += stored.stale
        result.violations += page.violations
        result.unreadable += len(page.unreadable)
        latest = max((row.last_updated_at for row in page.rows if row.last_updated_at), default=None)
        self._tell(
            PageStored(
                seller=result.seller,
                orders=len(page.rows),
                items=stored.items,
                total=result.orders,
                violations=page.violations,
                unreadable=len(page.unreadable),
                latest=latest,
                upper_bound=checkpoint.upper_bound or page.upper_bound,
            )
        )
        return checkpoint

    def _tell(self, event: SyncEvent) -> None:
        """Report an event; whoever shows it and fails does not stop what it shows."""
        try:
            self._progress(event)
        except Exception:
            logger.exception("progress %r failed on %s", self._progress, type(event).__name__)


def _source(
    api: OrdersApi,
    seller: SellingPartner,
    marketplaces: Sequence[str],
    datasets: Sequence[str],
    page_size: int | None,
) -> OrderSource:
    if api == "orders_2026_01_01":
        return Orders2026Source(seller, marketplaces=marketplaces, datasets=datasets, page_size=page_size or 100)
    if api == "orders_v0":
        return OrdersV0Source(seller, marketplaces=marketplaces, page_size=page_size or 30)
    raise ConfigurationError(f"unknown orders API {api!r}; use orders_2026_01_01 or orders_v0")


def _places(names: str | Sequence[str]) -> list[str]:
    """Marketplaces; what is longer than a country and unknown is an id, which may be newer than this library."""
    known = {place.value for place in Marketplace}
    return [
        Marketplace.parse(name) if len(name) <= _LONGEST_COUNTRY or name in known else name
        for name in _one_or_more(names)
    ]


def _places_of(seller: SellingPartner, places: Sequence[str]) -> list[str]:
    """Those in the seller's region: sellers of several regions may be synced at once.

    Raises:
        ConfigurationError: some were asked for, and none is there.
    """
    served = [place for place in places if not isinstance(place, Marketplace) or place.region is seller.region]
    if places and not served:
        raise ConfigurationError(f"none of the marketplaces is in region {seller.region.name}: {seller_key(seller)}")
    return served


def _check_regions(sellers: Iterable[SellingPartner], places: Iterable[str]) -> None:
    regions = {seller.region for seller in sellers}
    for place in places:
        if isinstance(place, Marketplace) and place.region not in regions:
            raise ConfigurationError(f"marketplace {place.name} is in region {place.region.name}, and no seller is")


def _one_or_more(names: str | Sequence[str]) -> list[str]:
    """A string is one name, never its letters."""
    return [names] if isinstance(names, str) else list(names)


def _now(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.time(), UTC)


def _nobody(event: SyncEvent) -> None:
    """Progress that nobody watches."""

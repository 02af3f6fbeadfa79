"""A new seller's history, read by several sources at once, against the emulator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import msgspec
import pytest
from order_databases import emulated_orders, query, stored_orders
from request_counts import requests_of
from virtual_hours import EPOCH, Hourglass, in_virtual_hours

from spapi_async import Application, ConfigurationError
from spapi_async._core.clock import SystemClock
from spapi_async._engine.retry import RetryPolicy
from spapi_async.emulator.server import Emulator
from spapi_async.workflows.orders import (
    Lease,
    OrderDatabase,
    OrderPage,
    PageStored,
    Source,
    SourceDropped,
    SyncEvent,
    SyncReport,
    sync_orders,
)
from spapi_async.workflows.orders._checkpoint import Checkpoint
from spapi_async.workflows.orders._history import History
from spapi_async.workflows.orders._job import Job
from spapi_async.workflows.orders._report_rows import order_rows
from spapi_async.workflows.orders._source import Orders2026Source

pytest_plugins = ("sync_fixtures",)

SEARCH, BY_ID = "orders_2026_01_01.search_orders", "orders_2026_01_01.get_order"
LIST, ITEMS = "orders_v0.get_orders", "orders_v0.get_order_items"
REPORTS = "reports_2021_06_30.create_report"
NOW = datetime.fromtimestamp(EPOCH, UTC)
SINCE = NOW - timedelta(days=90)


def emulator(**options: Any) -> Emulator:
    """A hundred orders of sixty days, and quota six thousand times Amazon's, so that every source has to wait."""
    usual: dict[str, Any] = {"orders": 100, "rate_scale": 6000, "processing": 0.02, "clock": Hourglass()}
    return Emulator(**usual | options)


async def backfill(
    running: Emulator,
    url: str | OrderDatabase,
    sources: Sequence[Source],
    *,
    events: list[SyncEvent] | None = None,
    **options: Any,
) -> SyncReport:
    """One run of one seller in an application of its own."""
    retry, clock = RetryPolicy(attempts=2, base=0.001, throttled_attempts=3), Hourglass()
    async with Application("app", "secret", endpoint=running.url, retry=retry, clock=clock) as app:
        seller = app.selling_partner("Atzr|one", region="NA", seller_id="one")
        heard = [] if events is None else events
        # a burst of searches is a hundred orders then
        usual: dict[str, Any] = {"page_size": 5, "progress": heard.append, "clock": clock}
        return await sync_orders([seller], url, sources=sources, since=SINCE, **usual | options)


def details(url: str) -> dict[str, int]:
    """How many orders are known in how much detail."""
    return dict(query(url, "SELECT detail, count(*) FROM orders GROUP BY 1"))


@pytest.mark.parametrize(
    "sources", [["search", "ids"], ["ids", "orders_v0"], ["ids", "reports"], ["search", "ids", "orders_v0", "reports"]]
)
@in_virtual_hours
async def test_several_sources_fetch_the_same_orders_as_searches_alone(sqlite_url: str, sources: list[Source]) -> None:
    """Every order is stored once, in as much detail as its source has, without a 429.

    There are so many orders that searches have not read them all when the first report is ready.
    """
    async with emulator(orders=90) as running:
        report = await backfill(running, sqlite_url, sources, page_size=2)
        assert report.failed == ()
        stored, truth = stored_orders(sqlite_url), emulated_orders(running)
        assert stored == truth
        found = details(sqlite_url)
        assert set(found) <= ({"whole", "v0"} if "orders_v0" in sources else {"whole"})
        assert sum(counts["throttled"] for counts in running.stats()["operations"].values()) == 0
        if "reports" in sources or "orders_v0" in sources:
            assert requests_of(running, BY_ID) + requests_of(running, ITEMS) > 0
    doubled = "SELECT order_id FROM order_changes WHERE kind = 'new' GROUP BY 1 HAVING count(*) > 1"
    assert query(sqlite_url, doubled) == []


@in_virtual_hours
async def test_another_run_has_nothing_left_to_do(sqlite_url: str) -> None:
    """It makes one search, from the checkpoint on; the history is known to be complete."""
    async with emulator() as running:
        await backfill(running, sqlite_url, ["ids", "reports"])
        before = {name: requests_of(running, name) for name in (SEARCH, BY_ID, REPORTS)}
        await backfill(running, sqlite_url, ["ids", "reports"])
        after = {name: requests_of(running, name) for name in (SEARCH, BY_ID, REPORTS)}
        assert after == {**before, SEARCH: before[SEARCH] + 1}


@in_virtual_hours
async def test_a_history_of_few_orders_costs_few_requests(sqlite_url: str) -> None:
    """Two years of a seller with ten orders take only a few of the burst of twenty searches."""
    async with emulator(orders=10) as running:
        since, clock = NOW - timedelta(days=730), Hourglass()
        async with Application("app", "secret", endpoint=running.url, clock=clock) as app:
            seller = app.selling_partner("Atzr|one", region="NA", seller_id="one")
            await sync_orders([seller], sqlite_url, sources=["ids", "orders_v0"], since=since, clock=clock)
        assert stored_orders(sqlite_url) == emulated_orders(running)
        assert requests_of(running, SEARCH) <= 8
        assert requests_of(running, LIST) <= 8


@in_virtual_hours
async def test_todays_orders_come_first(sqlite_url: str) -> None:
    """The first page that is stored has the newest orders, and searches continue into the past."""
    async with emulator(anchor=EPOCH - 200) as running:
        events: list[SyncEvent] = []
        await backfill(running, sqlite_url, ["ids"], events=events)
        first = next(event for event in events if isinstance(event, PageStored))
        assert first.upper_bound is not None
        assert NOW - first.upper_bound < timedelta(minutes=10)
        assert stored_orders(sqlite_url) == emulated_orders(running)


@pytest.mark.parametrize("status", [403, 404, 410])
@in_virtual_hours
async def test_sources_that_amazon_refuses_are_dropped(sqlite_url: str, status: int) -> None:
    """Each is reported once; searches fetch everything."""
    async with emulator() as running:
        running.faults(
            *({"operation": name, "status": status, "times": None} for name in (REPORTS, LIST, ITEMS, BY_ID))
        )
        events: list[SyncEvent] = []
        report = await backfill(running, sqlite_url, ["ids", "orders_v0", "reports"], events=events)
        assert report.failed == ()
        assert stored_orders(sqlite_url) == emulated_orders(running)
        dropped = [event.source for event in events if isinstance(event, SourceDropped)]
        assert {REPORTS, LIST} <= set(dropped)
        assert len(dropped) == len(set(dropped))


@in_virtual_hours
async def test_an_order_that_cannot_be_fetched_is_left_to_the_searches(sqlite_url: str) -> None:
    """Neither a 500 nor a 404 for one order delays the history."""
    async with emulator(orders=30, rate_scale=1000) as running:
        running.faults({"operation": BY_ID, "status": 404, "times": 7}, {"operation": BY_ID, "status": 500, "times": 9})
        # By single orders the burst of searches is spent before the history is read.
        report = await backfill(running, sqlite_url, ["ids", "reports"], page_size=1)
        assert report.failed == ()
        assert requests_of(running, BY_ID) > 7 + 9
        assert set(stored_orders(sqlite_url)) == set(emulated_orders(running))


@in_virtual_hours
async def test_a_search_that_fails_is_reported_and_the_next_run_goes_on(sqlite_url: str) -> None:
    """Committed orders stay."""
    async with emulator() as running:
        running.faults({"operation": SEARCH, "status": 500, "times": 2})
        report = await backfill(running, sqlite_url, ["search", "ids"])
        assert len(report.failed) == 1
        report = await backfill(running, sqlite_url, ["search", "ids"])
        assert report.failed == ()
        assert stored_orders(sqlite_url) == emulated_orders(running)


async def test_a_history_is_read_into_postgresql(postgres_url: str) -> None:
    """The statements are the same, with jsonb."""
    async with emulator() as running:
        report = await backfill(running, postgres_url, ["ids", "orders_v0"])
        assert report.failed == ()
        async with OrderDatabase(postgres_url) as database:
            assert (await database.counts())[0] == 100
            assert await database.coarse("one@na", limit=5) == []


@pytest.mark.parametrize(
    "options", [{"api": "orders_v0"}, {"window": (SINCE, datetime.now(UTC))}, {"sources": ["mail"]}]
)
async def test_incompatible_arguments_of_a_history_are_refused(sqlite_url: str, options: Any) -> None:
    """Nothing is sent."""
    async with Application("app", "secret", endpoint="http://127.0.0.1:9") as app:
        seller = app.selling_partner("Atzr|one", region="NA")
        with pytest.raises(ConfigurationError):
            await sync_orders([seller], sqlite_url, **{"sources": ["ids"]} | options)


LINE = {
    "amazon-order-id": "902-1",
    "order-status": "Cancelled",
    "fulfillment-channel": "Merchant",
    "purchase-date": "2026-01-01T00:00:00+00:00",
    "last-updated-date": "2026-01-02T00:00:00.750Z",
    "currency": "EUR",
    "item-price": "10.00",
    "item-tax": "1.90",
    "item-promotion-discount": "-2.00",
    "ship-city": "Planted",
    "buyer-name": "Planted",
}


def test_the_lines_of_a_report_are_joined_by_order() -> None:
    """They have one vocabulary, an exact total, and no personal data."""
    first, second = order_rows([LINE, {**LINE, "amazon-order-id": "902-2", "currency": ""}, LINE, {"sku": "no order"}])
    assert (first.order_id, first.status, first.channel) == ("902-1", "CANCELLED", "MERCHANT")
    assert (str(first.total_amount), first.total_currency) == ("19.80", "EUR")
    assert first.last_updated_at == datetime(2026, 1, 2, tzinfo=UTC)
    assert "lanted" not in first.payload
    assert first.payload.count("902-1") == 2
    assert (second.total_amount, second.detail.value, second.items) == (None, "report", ())


@pytest.mark.parametrize("cell", ["", "n/a", "NaN", "1E+999"])
def test_an_invalid_amount_does_not_spoil_a_report(cell: str) -> None:
    """Cells of reports may hold anything."""
    (row,) = order_rows([{**LINE, "item-price": cell, "last-updated-date": cell, "order-status": cell}])
    assert str(row.total_amount) == "-0.10"
    assert row.last_updated_at is None


class Overtaken(OrderDatabase):
    """A database whose history another process has completed by the time that its lease is acquired."""

    async def hold(self, seller: str, stream: str, holder: str, *, now: datetime) -> Lease:
        """Commit what the other process did, then acquire the lease."""
        place = await self.checkpoint(seller, stream) if stream.endswith(" history") else None
        if place is not None:  # None: it is acquired to begin the history
            read = msgspec.structs.replace(place, upper_bound=place.last_updated_after)
            await self.store(OrderPage(seller=seller, rows=(), checkpoint=read, at=now))
        return await super().hold(seller, stream, holder, now=now)


@in_virtual_hours
async def test_what_another_process_read_while_this_one_waited_is_not_read_again(sqlite_url: str) -> None:
    """The position in the history is read within its lease."""
    async with emulator() as running, Overtaken(sqlite_url) as database:
        report = await backfill(running, database, ["ids"])
        assert report.failed == ()
        assert (await database.counts())[0] < 50
        assert requests_of(running, SEARCH) < 20


class Ahead(SystemClock):
    """A clock that is ahead by so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def time(self) -> float:
        """That time."""
        return super().time() + self._seconds


class Beginning(Job):
    """Records where the history was told to end."""

    begins: datetime | None = None

    def start_from(self, since: datetime) -> None:
        """Record where the history ends."""
        self.begins = since


class WaitingLook(OrderDatabase):
    """A database that answers that there is no history only when the test allows it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.has_looked, self.may_go_on = anyio.Event(), anyio.Event()

    async def checkpoint(self, seller: str, stream: str) -> Checkpoint | None:
        """The checkpoint as it was when it was asked for."""
        found = await super().checkpoint(seller, stream)
        if stream.endswith("history"):
            self.has_looked.set()
            await self.may_go_on.wait()
        return found


async def test_two_processes_that_start_a_seller_divide_it_once(database_url: str) -> None:
    """Both read from where one of them ended the history, though the other one found none and has a slow clock."""

    def begun(database: OrderDatabase, seconds: float) -> tuple[History, Beginning]:
        seller: Any = app.selling_partner("Atzr|one", region="NA", seller_id="one")
        clock, source = Ahead(seconds), Orders2026Source(seller)
        job = Beginning(seller, source, since=SINCE, window=None, clock=clock, progress=lambda _: None)
        facts: dict[str, Any] = {"quota": None, "sources": (), "places": (), "datasets": (), "page_size": 5}
        return History(seller, job, database=database, since=SINCE, clock=clock, **facts), job

    async with (
        Application("app", "secret") as app,
        OrderDatabase(database_url) as database,
        WaitingLook(database_url) as slow,
        anyio.create_task_group() as group,
    ):
        (first, early), (second, late) = begun(database, 0.0), begun(slow, -60.0)
        group.start_soon(lambda: second.divide("second", wait=True))
        await slow.has_looked.wait()
        await first.divide("first", wait=True)
        slow.may_go_on.set()
    async with OrderDatabase(database_url) as database:
        history = await database.checkpoint("one@na", "orders_2026_01_01 history")
    assert history is not None
    assert early.begins == late.begins == history.upper_bound

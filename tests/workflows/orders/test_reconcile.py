"""Orders that searches missed are found by reports: missing and outdated ones are fetched, and no others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import AsyncMock

import msgspec
import pytest
from insides import database_engine
from order_databases import emulated_orders
from sqlalchemy import text

from spapi_async import Application, LWAError, SPAPIError
from spapi_async._core.clock import SystemClock
from spapi_async._engine.retry import RetryPolicy
from spapi_async.emulator.server import Emulator
from spapi_async.workflows.orders import (
    OrderDatabase,
    Orders2026Source,
    OrdersReconciled,
    SourceDropped,
    SyncEvent,
    sync_orders,
)
from spapi_async.workflows.orders._checkpoint import Checkpoint, Window
from spapi_async.workflows.orders._job import Job
from spapi_async.workflows.orders._page import OrderPage
from spapi_async.workflows.orders._reconcile import STAGES, Reconciler

pytest_plugins = ("sync_fixtures", "run_fixtures")
pytestmark = pytest.mark.usefixtures("quick_polls", "impatient")

BY_ID = "orders_2026_01_01.get_order"
REQUEST = "reports_2021_06_30.create_report"
NOW = datetime.now(UTC)
SINCE = NOW - timedelta(days=70)


class Later(SystemClock):
    """A clock that is some hours ahead."""

    def __init__(self, hours: float) -> None:
        super().__init__()
        self._ahead = hours * 3600

    def time(self) -> float:
        """That time."""
        return super().time() + self._ahead


@asynccontextmanager
async def synced(
    url: str, hours: float = 0.0, heard: list[SyncEvent] | None = None
) -> AsyncIterator[tuple[Emulator, OrderDatabase, Reconciler]]:
    """A seller whose ten orders have been read; then two are removed, and one is made older."""
    async with (
        Emulator(orders=10, rate_scale=5000, processing=0.02) as emulator,
        Application(
            "app", "secret", endpoint=emulator.url, retry=RetryPolicy(attempts=2, base=0.001, throttled_attempts=3)
        ) as app,
        OrderDatabase(url) as database,
    ):
        seller: Any = app.selling_partner("Atzr|one", region="NA", seller_id="one")
        await sync_orders([seller], database, since=SINCE)
        clock = Later(hours)
        job = Job(
            seller,
            Orders2026Source(seller),
            since=SINCE,
            window=None,
            clock=clock,
            progress=heard.append if heard is not None else lambda _: None,
        )
        facts: dict[str, Any] = {"places": (), "datasets": (), "database": database, "clock": clock}
        yield emulator, database, Reconciler(seller, job, **facts)


async def damage(database: OrderDatabase) -> None:
    """Change the database as a shifted page would: two orders are missing, a third is an older version."""
    async with database_engine(database).begin() as connection:
        ids = (await connection.execute(text("SELECT order_id FROM orders ORDER BY order_id LIMIT 3"))).scalars().all()
        await connection.execute(text("DELETE FROM orders WHERE order_id IN (:a, :b)"), {"a": ids[0], "b": ids[1]})
        older = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
        moment = older if database.url.get_backend_name() == "sqlite" else older.replace(tzinfo=UTC)
        shown = str(moment) + ".000000" if database.url.get_backend_name() == "sqlite" else moment
        await connection.execute(
            text("UPDATE orders SET last_updated_at = :at WHERE order_id = :c"), {"at": shown, "c": ids[2]}
        )


def fetched(emulator: Emulator) -> int:
    """How many orders were requested by their id."""
    counts = emulator.stats()["operations"].get(BY_ID)
    return int(counts["requests"]) if counts else 0


async def test_a_window_is_compared_with_a_report(database_url: str) -> None:
    """Two missing orders and an outdated one are fetched and published; the others are not requested."""
    async with synced(database_url) as (emulator, database, reconciler):
        assert await reconciler.window(Window.of(SINCE, NOW), None) == 0
        assert fetched(emulator) == 0
        before = [change async for change in database.changes(limit=None)]
        await damage(database)
        assert await reconciler.window(Window.of(SINCE, NOW), None) == 3
        assert fetched(emulator) == 3
        assert (await database.counts())[0] == len(emulated_orders(emulator)) == 10
        late = [change async for change in database.changes(after=before[-1].cursor)]
        assert sorted(change.kind for change in late) == ["new", "new", "updated"]


async def test_each_window_is_reconciled_once_it_is_two_hours_old(sqlite_url: str) -> None:
    """The first time only sets the beginning; later, the time in between is read once."""
    heard: list[SyncEvent] = []
    async with synced(sqlite_url, hours=3, heard=heard) as (emulator, database, reconciler):
        assert await reconciler.go_on(None) == 0
        reconciled = [event for event in heard if isinstance(event, OrdersReconciled)]
        assert [(event.hours, event.found) for event in reconciled] == [(2, 0), (48, 0), (720, 0)]
        stream = "orders_2026_01_01 reconciled after 2 h"
        place = await database.checkpoint("one@na", stream)
        assert place is not None
        earlier = Checkpoint(seller="one@na", stream=stream, last_updated_after=SINCE)
        await database.store(OrderPage(seller="one@na", rows=(), checkpoint=earlier, at=NOW))
        await damage(database)
        assert await reconciler.go_on(None) == 3
        event = next(event for event in heard[len(reconciled) :] if isinstance(event, OrdersReconciled))
        assert (event.seller, event.hours, event.found) == ("one@na", 2, 3)
        done = await database.checkpoint("one@na", stream)
        assert done is not None
        assert event.reconciled_to == done.last_updated_after > SINCE
        asked = fetched(emulator)
        assert await reconciler.go_on(None) == 0
        assert fetched(emulator) == asked
        moved = await database.checkpoint("one@na", stream)
        assert moved is not None
        assert moved.last_updated_after > SINCE


@pytest.mark.parametrize(("stage", "hours", "requested"), [(1, 1, 1), (2, 23, 0), (2, 25, 1)])
async def test_older_windows_are_reconciled_again(sqlite_url: str, stage: int, hours: int, requested: int) -> None:
    """It happens after two days continuously, and after thirty days once a day, with one report each."""
    async with synced(sqlite_url, hours=3) as (emulator, database, reconciler):
        await reconciler.go_on(None)
        stream = STAGES[stage].stream("orders_2026_01_01")
        place = await database.checkpoint("one@na", stream)
        assert place is not None
        earlier = msgspec.structs.replace(place, last_updated_after=place.last_updated_after - timedelta(hours=hours))
        await database.store(OrderPage(seller="one@na", rows=(), checkpoint=earlier, at=NOW))
        before = emulator.stats()["operations"].get(REQUEST, {"requests": 0})["requests"]
        await reconciler.go_on(None)
        assert emulator.stats()["operations"].get(REQUEST, {"requests": 0})["requests"] - before == requested
        assert (await database.checkpoint("one@na", stream) != earlier) is bool(requested)


async def test_a_refused_report_does_not_move_the_checkpoint(sqlite_url: str) -> None:
    """The next time begins there again."""
    async with synced(sqlite_url) as (emulator, database, reconciler):
        emulator.faults({"operation": "reports_2021_06_30.create_report", "status": 403, "times": None})
        with pytest.raises((SPAPIError, ExceptionGroup)):
            await reconciler.window(Window.of(SINCE, NOW), None)
        assert (await database.counts())[0] == 10


async def test_a_sync_reconciles_what_is_due(sqlite_url: str) -> None:
    """With reports among the sources, each run does, and finds what was lost."""
    async with synced(sqlite_url) as (_, database, reconciler):
        seller = reconciler.seller
        earlier = Checkpoint(seller=seller.name, stream=STAGES[0].stream("orders_2026_01_01"), last_updated_after=SINCE)
        await database.store(OrderPage(seller=seller.name, rows=(), checkpoint=earlier, at=NOW))
        await damage(database)
        options: dict[str, Any] = {"since": SINCE, "clock": Later(3)}
        await sync_orders([seller], database, sources=["ids"], **options)
        assert (await database.counts())[0] == 8
        heard: list[SyncEvent] = []
        report = await sync_orders([seller], database, sources=["ids", "reports"], progress=heard.append, **options)
        assert report.failed == ()
        assert (await database.counts())[0] == 10
        found = [event.found for event in heard if isinstance(event, OrdersReconciled)]
        assert found[0] >= 2  # the outdated one may be in the time that searches read again
        assert found[1:] == [0, 0]


@pytest.mark.parametrize(("status", "said"), [(403, 1), (500, 0)])
async def test_a_sync_whose_reports_fail_is_complete(sqlite_url: str, status: int, said: int) -> None:
    """A refused report is reported; a failed one is requested again by the next run."""
    async with synced(sqlite_url) as (emulator, database, reconciler):
        seller = reconciler.seller
        earlier = Checkpoint(seller=seller.name, stream=STAGES[0].stream("orders_2026_01_01"), last_updated_after=SINCE)
        await database.store(OrderPage(seller=seller.name, rows=(), checkpoint=earlier, at=NOW))
        emulator.faults({"operation": REQUEST, "status": status, "times": None})
        heard: list[SyncEvent] = []
        report = await sync_orders(
            [seller], database, sources=["reports"], since=SINCE, clock=Later(3), progress=heard.append
        )
        assert report.failed == ()
        assert len([event for event in heard if isinstance(event, SourceDropped)]) == said
        assert await database.checkpoint(seller.name, earlier.stream) == earlier


async def test_an_outage_of_login_with_amazon_leaves_it_to_the_next_round(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a report that fails, the orders are stored already; a refused grant fails the seller."""
    async with synced(sqlite_url) as (_, _, reconciler):
        for code, status, fails in (("temporarily_unavailable", 503, False), ("invalid_grant", 400, True)):
            error = LWAError("no token", code=code, status=status)
            monkeypatch.setattr(reconciler, "go_on", AsyncMock(side_effect=error))
            with pytest.raises(LWAError) if fails else nullcontext():
                await reconciler.round("holder", wait=False)

"""A data set that Amazon refuses a seller is left out, recorded, and filled when it is no longer refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from order_databases import emulated_orders, emulated_versions, query, stored_orders
from request_counts import requests_of
from virtual_hours import EPOCH, Hourglass, in_virtual_hours

from spapi_async import Application
from spapi_async.emulator.server import Emulator
from spapi_async.workflows.orders import (
    DatasetRefused,
    OrderDatabase,
    SellerFailed,
    Source,
    SyncEvent,
    SyncReport,
    follow_orders,
    sync_orders,
)
from spapi_async.workflows.orders._datasets import Datasets
from spapi_async.workflows.orders._history import ByIds

pytest_plugins = ("sync_fixtures",)

SINCE = datetime.fromtimestamp(EPOCH, UTC) - timedelta(days=90)
SEARCH, BY_ID = "orders_2026_01_01.search_orders", "orders_2026_01_01.get_order"
LACKING = "SELECT count(*) FROM orders WHERE payload NOT LIKE '%\"packages\"%'"
HOLES = "SELECT dataset FROM order_holes ORDER BY dataset"


def emulator(*refused: str) -> Emulator:
    """Fifteen orders, the same in each emulator; some data sets are refused."""
    usual: dict[str, Any] = {
        "orders": 15,
        "violations": False,
        "rate_scale": 6000,
        "processing": 0.02,
        "clock": Hourglass(),
    }
    return Emulator(**usual, refused_datasets=frozenset(refused))


async def run(
    running: Emulator, url: str, *, sources: Sequence[Source] = ("search",), **options: Any
) -> tuple[SyncReport, list[str]]:
    """Run one sync of one seller, and return the data sets that it reported as refused."""
    events, clock = list[SyncEvent](), Hourglass()
    options |= {"since": SINCE, "progress": events.append, "clock": clock}
    async with Application("app", "secret", endpoint=running.url, clock=clock) as app:
        seller = app.selling_partner("Atzr|one", region="NA", seller_id="one")
        report = await sync_orders([seller], url, sources=sources, **options)
    return report, [event.dataset for event in events if isinstance(event, DatasetRefused)]


@pytest.mark.parametrize("sources", [("search",), ("search", "ids", "reports")])
@pytest.mark.parametrize("refused", [("PACKAGES",), ("PROCEEDS", "PACKAGES")])
@in_virtual_hours
async def test_a_refused_data_set_is_left_out_and_reported_once(
    sqlite_url: str, refused: tuple[str, ...], sources: Sequence[Source]
) -> None:
    """Every order is stored without it, and the database has the hole."""
    async with emulator(*refused) as running:
        report, said = await run(running, sqlite_url, sources=sources, page_size=5)
        assert report.failed == ()
        assert stored_orders(sqlite_url) == emulated_orders(running)
    assert sorted(said) == sorted(refused)
    assert [name for (name,) in query(sqlite_url, HOLES)] == sorted(refused)


@in_virtual_hours
async def test_a_known_hole_is_not_requested_again_on_the_same_day(sqlite_url: str) -> None:
    """The next run leaves it out, reports nothing and makes one search."""
    async with emulator("PACKAGES") as running:
        await run(running, sqlite_url)
        before = requests_of(running, SEARCH)
        assert (await run(running, sqlite_url))[1] == []
        assert requests_of(running, SEARCH) == before + 1


@in_virtual_hours
async def test_a_hole_is_filled_when_the_data_set_is_no_longer_refused(sqlite_url: str) -> None:
    """A day later it is requested again, and the orders that lack it are read again."""
    async with emulator() as running:
        await run(running, reference := sqlite_url.replace(".db", "-whole.db"))
    async with emulator("PACKAGES") as running:
        await run(running, sqlite_url)
    assert query(sqlite_url, LACKING) > query(reference, LACKING)
    query(sqlite_url, "UPDATE order_holes SET refused_at = '2026-01-01 00:00:00.000000'")
    async with emulator() as running:
        report, said = await run(running, sqlite_url)
    assert (report.failed, said) == ((), [])
    assert query(sqlite_url, LACKING) == query(reference, LACKING)
    assert query(sqlite_url, HOLES) == []


@in_virtual_hours
async def test_a_data_set_that_is_still_refused_costs_one_search_a_day(sqlite_url: str) -> None:
    """The hole stays, and the time of the last request moves."""
    async with emulator("PACKAGES") as running:
        await run(running, sqlite_url)
        query(sqlite_url, "UPDATE order_holes SET refused_at = '2026-01-01 00:00:00.000000'")
        before = requests_of(running, SEARCH)
        await run(running, sqlite_url)
        assert requests_of(running, SEARCH) == before + 2
    assert query(sqlite_url, "SELECT count(*) FROM order_holes WHERE refused_at > '2026-01-02'") == [(1,)]


@in_virtual_hours
async def test_a_seller_that_may_not_search_at_all_fails(sqlite_url: str) -> None:
    """A search without data sets is refused too, so none is left out."""
    async with emulator() as running:
        running.faults({"operation": SEARCH, "status": 403, "times": None})
        report, said = await run(running, sqlite_url)
    assert len(report.failed) == 1
    assert said == []


@in_virtual_hours
async def test_a_temporary_refusal_leaves_no_data_set_out(sqlite_url: str) -> None:
    """One 403 fails the seller, and the next run requests everything."""
    async with emulator() as running:
        running.faults({"operation": SEARCH, "status": 403, "times": 1})
        report, said = await run(running, sqlite_url)
    assert (len(report.failed), said) == (1, [])


async def test_a_hole_spans_the_orders_that_lack_it_in_either_database(database_url: str) -> None:
    """It grows with every page from the first update to the last, and shrinks only as it is read."""
    async with emulator("PACKAGES") as running:
        await run(running, database_url, page_size=4)
        updates = sorted(emulated_versions(running).values())
    async with OrderDatabase(database_url) as database:
        (hole,) = await database.holes("one@na")
        assert (int(hole.updated_from.timestamp()), int(hole.updated_to.timestamp())) == (updates[0], updates[-1])
        later = hole.refused_at + timedelta(days=1)
        await database.refused_again(hole, now=later)
        await database.filled(hole)
        (moved,) = await database.holes("one@na")
        assert moved.refused_at == later
        await database.filled(moved)
        assert await database.holes("one@na") == []


@in_virtual_hours
async def test_an_order_fetched_by_its_id_says_what_it_lacks() -> None:
    """A refusal of ``getOrder`` is handled like that of ``searchOrders``, and the row records it."""
    said: list[str] = []
    datasets = Datasets(("PROCEEDS", "PACKAGES", "EXPENSE"), tell=lambda name, _: said.append(name))
    async with (
        emulator("PACKAGES") as running,
        Application("app", "secret", endpoint=running.url, clock=Hourglass()) as app,
    ):
        seller = app.selling_partner("Atzr|one", region="NA", seller_id="one")
        page = await seller.orders_2026_01_01.search_orders(last_updated_after=SINCE)
        rows = [await ByIds(seller, datasets).order(str(order.order_id)) for order in page.orders[:2]]
    assert [row.lacks for row in rows if row is not None] == [("PACKAGES",)] * 2
    assert (said, datasets.included) == (["PACKAGES"], ["PROCEEDS", "EXPENSE"])


@in_virtual_hours
async def test_a_follower_leaves_a_refused_data_set_out(sqlite_url: str) -> None:
    """The seller does not fail, and all orders come."""
    events: list[SyncEvent] = []
    async with (
        emulator("PACKAGES") as running,
        Application("app", "secret", endpoint=running.url, clock=Hourglass()) as app,
    ):
        seller = app.selling_partner("Atzr|one", region="NA", seller_id="one")
        async with anyio.create_task_group() as group:
            options: dict[str, Any] = {"since": SINCE, "progress": events.append, "clock": Hourglass()}
            group.start_soon(lambda: follow_orders([seller], sqlite_url, **options))
            with anyio.fail_after(60):
                while not stored(sqlite_url, running):
                    await anyio.sleep(0.05)
            group.cancel_scope.cancel()
    assert [event.dataset for event in events if isinstance(event, DatasetRefused)] == ["PACKAGES"]
    assert not [event for event in events if isinstance(event, SellerFailed)]
    assert query(sqlite_url, HOLES) == [("PACKAGES",)]


def stored(url: str, running: Emulator) -> bool:
    """Whether every order is stored; false while the tables are being created."""
    if not Path(url.removeprefix("sqlite:///")).exists() or not query(
        url, "SELECT 1 FROM sqlite_master WHERE name = 'order_holes'"
    ):
        return False
    return bool(emulated_orders(running)) and stored_orders(url) == emulated_orders(running)

"""Orders that a list has named and that could not be fetched: each later run tries them again, and fails for none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from order_databases import coarse_orders, emulated_orders, query, stored_orders
from request_counts import requests_of
from virtual_hours import EPOCH, Hourglass, in_virtual_hours

from spapi_async import Application
from spapi_async._engine.retry import RetryPolicy
from spapi_async.emulator.server import Emulator
from spapi_async.workflows.orders import OrderDatabase, Source, follow_orders, sync_orders

pytest_plugins = ("sync_fixtures",)

SEARCH, BY_ID = "orders_2026_01_01.search_orders", "orders_2026_01_01.get_order"
LIST, ITEMS = "orders_v0.get_orders", "orders_v0.get_order_items"
REPORTS = "reports_2021_06_30.create_report"
ORDERS = 4
SINCE = datetime.fromtimestamp(EPOCH, UTC) - timedelta(days=90)
RETRY = RetryPolicy(attempts=2, base=0.001, throttled_attempts=3)


def emulator() -> Emulator:
    """Few orders of sixty days: three runs request each within the burst of 30."""
    return Emulator(orders=ORDERS, rate_scale=6000, processing=0.02, anchor=EPOCH - 3600, clock=Hourglass())


async def sync(running: Emulator, url: str, sources: Sequence[Source]) -> None:
    """One run in an application of its own, as in a new process, which must not fail."""
    async with Application("app", "secret", endpoint=running.url, retry=RETRY, clock=Hourglass()) as app:
        seller = app.selling_partner("Atzr|one", region="NA", seller_id="one")
        report = await sync_orders([seller], url, sources=sources, since=SINCE, clock=Hourglass())
        assert report.failed == ()


async def left_coarse(running: Emulator, url: str, sources: Sequence[Source], **fault: Any) -> None:
    """A run whose calls for single orders fail, and whose searches do not answer before it has ended."""
    running.faults(
        {"operation": SEARCH},  # today's orders
        {"operation": SEARCH, "delay": 600, "times": 1},
        *({"operation": operation, "times": None, **fault} for operation in (BY_ID, ITEMS)),
    )
    await sync(running, url, sources)
    assert coarse_orders(url) == len(emulated_orders(running)) == ORDERS


@pytest.mark.parametrize(
    ("sources", "operation", "fault"),
    [
        (["ids", "reports"], BY_ID, {"status": 404}),
        (["ids", "reports"], BY_ID, {"body": {"order": {"orderId": "of another"}}}),
        (["orders_v0"], ITEMS, {"status": 500}),
    ],
    ids=["reports-404", "reports-another order", "getOrders-500"],
)
@in_virtual_hours
async def test_the_next_run_makes_whole_what_one_left_coarse(
    sqlite_url: str, sources: list[Source], operation: str, fault: dict[str, Any]
) -> None:
    """Each order is requested once, nothing is listed again, and then nothing is left to do."""
    async with emulator() as running:
        await left_coarse(running, sqlite_url, sources, **fault)
        running.faults({"clear": True})
        before = {name: requests_of(running, name) for name in (operation, SEARCH, REPORTS, LIST)}
        for _ in range(2):
            await sync(running, sqlite_url, sources)
        assert coarse_orders(sqlite_url) == 0
        assert stored_orders(sqlite_url) == emulated_orders(running)
        after = {name: requests_of(running, name) - before[name] for name in before}
        assert after == {operation: ORDERS, SEARCH: 2, REPORTS: 0, LIST: 0}


@pytest.mark.parametrize("sources", [["ids", "reports"], ["ids", "orders_v0"]], ids="+".join)
@in_virtual_hours
async def test_an_order_that_amazon_never_returns_costs_a_request_a_run(sqlite_url: str, sources: list[Source]) -> None:
    """Any source makes the request, and the order stays as it is."""
    async with emulator() as running:
        await left_coarse(running, sqlite_url, sources, status=404)
        for _ in range(2):
            before = requests_of(running, BY_ID) + requests_of(running, ITEMS)
            await sync(running, sqlite_url, sources)
            assert requests_of(running, BY_ID) + requests_of(running, ITEMS) - before == ORDERS
            assert coarse_orders(sqlite_url) == ORDERS


@in_virtual_hours
async def test_coarse_orders_stay_without_a_source_of_single_orders(sqlite_url: str) -> None:
    """The run costs only its search."""
    async with emulator() as running:
        await left_coarse(running, sqlite_url, ["ids", "reports"], status=404)
        before = requests_of(running, SEARCH)
        await sync(running, sqlite_url, ["reports"])
        assert (coarse_orders(sqlite_url), requests_of(running, SEARCH) - before) == (ORDERS, 1)


@in_virtual_hours
async def test_a_follower_tries_coarse_orders_again_in_each_round(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are tried after a restart, and again later."""
    monkeypatch.setattr("spapi_async.workflows.orders._live._ROUND", 0.1)
    async with (
        emulator() as running,
        Application("app", "secret", endpoint=running.url, retry=RETRY, clock=Hourglass()) as app,
        anyio.create_task_group() as group,
    ):
        await left_coarse(running, sqlite_url, ["ids", "reports"], status=404)
        before = requests_of(running, BY_ID)
        seller = app.selling_partner("Atzr|one", region="NA", seller_id="one")
        options: dict[str, Any] = {"since": SINCE, "sources": ["ids"], "clock": Hourglass()}
        group.start_soon(lambda: follow_orders([seller], sqlite_url, **options))
        with anyio.fail_after(60):
            while requests_of(running, BY_ID) - before <= ORDERS:
                await anyio.sleep(0.1)
            assert coarse_orders(sqlite_url) == ORDERS
            running.faults({"clear": True})
            while coarse_orders(sqlite_url):
                await anyio.sleep(0.1)
        group.cancel_scope.cancel()


async def test_looking_for_coarse_orders_reads_an_index(sqlite_url: str) -> None:
    """A million whole orders do not make it slower, since they are not in it."""
    async with OrderDatabase(sqlite_url) as database:
        assert await database.coarse("one@na", limit=1) == []
    plan = query(
        sqlite_url,
        "EXPLAIN QUERY PLAN SELECT order_id, last_updated_at, source, payload FROM orders WHERE seller = 'one@na'"
        " AND detail <> 'whole' AND detail = 'report' ORDER BY last_updated_at, order_id LIMIT 1",
    )
    assert [str(line[3]) for line in plan] == ["SEARCH orders USING INDEX orders_not_whole (seller=? AND detail=?)"]

"""Orders that change while they are read, from lists that shift, lag, shuffle, and have other dates: none is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from order_databases import coarse_orders, emulated_versions, query, stored_versions
from virtual_hours import EPOCH, Hourglass, in_virtual_hours

from spapi_async import Application
from spapi_async._engine.retry import RetryPolicy
from spapi_async.emulator.server import Emulator
from spapi_async.workflows.orders import PageStored, Source, SyncEvent, SyncReport, follow_orders, sync_orders

pytest_plugins = ("sync_fixtures",)

SINCE = datetime.fromtimestamp(EPOCH, UTC) - timedelta(days=90)
LAG = 0.3
SEARCH: list[Source] = ["search"]
V0: list[Source] = ["orders_v0"]
IDS_OF_V0: list[Source] = ["ids", "orders_v0"]
IDS_OF_REPORTS: list[Source] = ["ids", "reports"]
SEARCH_AND_REPORTS: list[Source] = ["search", "reports"]
ALL: list[Source] = ["search", "ids", "orders_v0", "reports"]

each_kind_of_source = pytest.mark.parametrize("sources", [SEARCH, V0, IDS_OF_REPORTS, ALL], ids="+".join)


def emulator(**options: Any) -> Emulator:
    """Quota many times Amazon's, so that every source waits a little; tokens are numbers of orders to skip."""
    usual = {"orders": 24, "rate_scale": 40_000, "processing": 0.02, "search_delay": 0.0, "page_shift": True}
    return Emulator(**{**usual, "anchor": EPOCH - 3600, "clock": Hourglass(), **options})


class Changes:
    """Progress that changes an order whenever a page has been stored, ``most`` times at most.

    ``after`` maps numbers of pages to functions that are then called.
    """

    def __init__(
        self, running: Emulator, *, most: int = 12, after: Mapping[int, Callable[[], None]] | None = None
    ) -> None:
        self._running = running
        self._most = most
        self._after = after or {}
        self.pages = 0

    def __call__(self, event: SyncEvent) -> None:
        if isinstance(event, PageStored):
            self.pages += 1
            if self.pages <= self._most:
                self._running.change_orders(update=1)
            if self.pages in self._after:
                self._after[self.pages]()


@asynccontextmanager
async def selling(running: Emulator) -> AsyncIterator[Any]:
    """A seller in an application of its own, as in a separate process."""
    retry = RetryPolicy(attempts=2, base=0.001, throttled_attempts=3)
    async with Application("app", "secret", endpoint=running.url, retry=retry, clock=Hourglass()) as app:
        yield app.selling_partner("Atzr|one", region="NA", seller_id="one")


async def sync(running: Emulator, url: str, sources: Sequence[Source], **options: Any) -> SyncReport:
    """One run."""
    async with selling(running) as seller:
        return await sync_orders([seller], url, sources=sources, since=SINCE, page_size=5, clock=Hourglass(), **options)


def lost(running: Emulator, url: str) -> set[str]:
    """Orders that are not in the database."""
    return set(emulated_versions(running)) - set(stored_versions(url))


@each_kind_of_source
@in_virtual_hours
async def test_no_shifted_page_loses_an_order(sqlite_url: str, sources: list[Source]) -> None:
    """One run stores every order, the next one their last changes."""
    async with emulator(seed=1) as running:
        changes = Changes(running)
        report = await sync(running, sqlite_url, sources, progress=changes)
        assert report.failed == ()
        assert changes.pages > 8
        assert (lost(running, sqlite_url), coarse_orders(sqlite_url)) == (set(), 0)
        await sync(running, sqlite_url, sources)
        assert stored_versions(sqlite_url) == emulated_versions(running)
    doubled = "SELECT order_id FROM order_changes WHERE kind = 'new' GROUP BY 1 HAVING count(*) > 1"
    assert query(sqlite_url, doubled) == []


@pytest.mark.parametrize("sources", [SEARCH, ["ids"], SEARCH_AND_REPORTS, IDS_OF_V0], ids="+".join)
@in_virtual_hours
async def test_lists_with_every_irregularity_lose_no_order(sqlite_url: str, sources: list[Source]) -> None:
    """Changes are late, pages are shuffled, and v0 dates changes of the status only."""
    hostile = {"list_lag": LAG, "shuffled_pages": True, "v0_status_dates": True}
    async with emulator(seed=3, **hostile) as running:
        await sync(running, sqlite_url, sources, progress=Changes(running))
        await anyio.sleep(LAG)
        await sync(running, sqlite_url, sources)
        assert stored_versions(sqlite_url) == emulated_versions(running)
        assert coarse_orders(sqlite_url) == 0


@each_kind_of_source
@in_virtual_hours
async def test_runs_that_end_in_the_middle_lose_no_order(sqlite_url: str, sources: list[Source]) -> None:
    """Each continues from the committed state, whatever has changed in between."""
    async with emulator(seed=4) as running:
        for pages in (2, 5, 13):
            with anyio.CancelScope() as scope:
                changes = Changes(running, after={pages: scope.cancel})
                await sync(running, sqlite_url, sources, progress=changes)
            assert scope.cancelled_caught
        await sync(running, sqlite_url, sources)
        assert coarse_orders(sqlite_url) == 0
        await sync(running, sqlite_url, sources)
        assert stored_versions(sqlite_url) == emulated_versions(running)


@pytest.mark.parametrize("unsorted", [False, True], ids=["by update", "in no order"])
@in_virtual_hours
async def test_unsorted_pages_lose_no_order(sqlite_url: str, unsorted: bool) -> None:
    """Amazon documents no order of pages; where they are unsorted, windows are halved until one page holds them."""
    async with emulator(seed=5, unsorted_lists=unsorted) as running:
        report = await sync(running, sqlite_url, ["search"], progress=Changes(running))
        assert report.failed == ()
        assert lost(running, sqlite_url) == set()
        await sync(running, sqlite_url, ["search"])
        assert stored_versions(sqlite_url) == emulated_versions(running)


@pytest.mark.parametrize("sources", [SEARCH, IDS_OF_V0, IDS_OF_REPORTS], ids="+".join)
@in_virtual_hours
async def test_followed_orders_end_as_amazon_has_them(sqlite_url: str, sources: list[Source]) -> None:
    """There is a history, and bursts that fill several pages between two searches."""
    async with emulator(seed=6, rate_scale=4_000) as running, selling(running) as seller:

        async def follow() -> None:
            changes = Changes(running, most=12)
            await follow_orders([seller], sqlite_url, sources=sources, since=SINCE, progress=changes, clock=Hourglass())

        async with anyio.create_task_group() as group:
            group.start_soon(follow)
            with anyio.fail_after(60):
                while len(versions(sqlite_url)) < 24:
                    await anyio.sleep(0.05)
                running.change_orders(add=40, update=24)
                while versions(sqlite_url) != emulated_versions(running) or coarse_orders(sqlite_url):
                    await anyio.sleep(0.05)
            group.cancel_scope.cancel()


def versions(url: str) -> dict[str, int]:
    """What is stored so far, if anything."""
    try:
        return stored_versions(url)
    except Exception:  # noqa: BLE001 - the tables are not there yet
        return {}

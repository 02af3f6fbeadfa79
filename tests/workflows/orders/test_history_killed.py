"""A history read by every source, in a process that is killed repeatedly: no order is lost, no change repeated."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from subprocess import PIPE
from typing import Any

import anyio
import pytest
import warm_python
from order_databases import (
    CREDENTIALS,
    REFRESH_TOKEN,
    emulated_orders,
    emulated_versions,
    query,
    stored_orders,
    stored_versions,
)
from request_counts import requests_of

from spapi_async import Application
from spapi_async.emulator import Emulator
from spapi_async.workflows.orders import Source, sync_orders

pytest_plugins = ("sync_fixtures",)

TOKEN, PLACES = "lwa", "sellers_v1.get_marketplace_participations"
SEARCH, BY_ID = "orders_2026_01_01.search_orders", "orders_2026_01_01.get_order"
LIST, HEADER, ITEMS = "orders_v0.get_orders", "orders_v0.get_order", "orders_v0.get_order_items"
CREATE, REPORT = "reports_2021_06_30.create_report", "reports_2021_06_30.get_report"
DOCUMENT, DOWNLOAD = "reports_2021_06_30.get_report_document", "document"
MOMENTS = (
    ("ids,orders_v0", (TOKEN, PLACES, SEARCH, LIST, ITEMS, BY_ID)),
    ("ids,reports", (TOKEN, PLACES, SEARCH, CREATE, REPORT, DOCUMENT, BY_ID)),
    ("ids,reports", (DOWNLOAD,)),
    ("ids,orders_v0,reports", (HEADER, ITEMS)),
)
"""Sources, and what they ask for: each process that is killed leaves the later ones something to ask for."""

RIVALS = {BY_ID: (HEADER, ITEMS), HEADER: (BY_ID,), ITEMS: (BY_ID,)}
"""What else makes orders whole, and could leave nothing for a request; beside searches, which could for all."""

CERTAIN = (TOKEN, DOWNLOAD)
"""Nothing is done without a token, and an order report is read to its end, whatever searches have read."""


SINCE = (datetime.now(UTC) - timedelta(days=70)).strftime("%Y-%m-%dT%H:%M:%SZ")
"""All of the emulator's orders are of the last sixty days: three order reports list them."""


def start(emulator: Emulator, url: str, sources: str) -> warm_python.Process:
    """The command, as a user starts it."""
    words = ["sync", "orders", "--database", url, "--since", SINCE, "--sources", sources, "--page-size", "2"]
    variables = {**os.environ, **CREDENTIALS, "SP_API_ENDPOINT": emulator.url}
    return warm_python.start(["-m", "spapi_async", *words], env=variables, stdout=PIPE, stderr=PIPE)


async def go_on(emulator: Emulator, url: str, sources: str) -> None:
    """The same sync in this process: the one that is killed has to be another, not the one that continues."""
    async with Application(CREDENTIALS["LWA_APP_ID"], CREDENTIALS["LWA_CLIENT_SECRET"], endpoint=emulator.url) as app:
        seller = app.selling_partner(REFRESH_TOKEN, region="NA")
        names: list[Source] = sources.split(",")  # type: ignore[assignment]
        since = datetime.fromisoformat(SINCE)
        report = await sync_orders([seller], url, since=since, sources=names, page_size=2)
        assert report.failed == ()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is true."""
    with anyio.fail_after(60):
        while not condition():
            await anyio.sleep(0.005)


def hold(emulator: Emulator, moment: str) -> None:
    """Hold the reply to the first request of an operation, and answer no other that could make it needless.

    Only the first search is answered, which reads the newest orders, of which there are none.
    """
    rules: list[dict[str, Any]] = [{"operation": moment, "hold": 600}]
    if moment in CERTAIN:
        emulator.faults(*rules)
        return
    if moment != SEARCH:
        rules.append({"operation": SEARCH})
    rules += [{"operation": rival, "delay": 600, "times": None} for rival in (SEARCH, *RIVALS.get(moment, ()))]
    emulator.faults(*rules)


def arrived(emulator: Emulator, moment: str) -> int:
    """How many requests of an operation have arrived."""
    return int(emulator.stats()["faults"]) if moment in CERTAIN else requests_of(emulator, moment)


async def kill_at(emulator: Emulator, url: str, sources: str, moment: str) -> None:
    """Kill a process while the emulator holds the first reply of an operation."""
    before = arrived(emulator, moment)
    hold(emulator, moment)
    process = await anyio.to_thread.run_sync(start, emulator, url, sources)
    try:
        await until(lambda: arrived(emulator, moment) > before or process.poll() is not None)
        assert process.poll() is None, f"{moment} was not asked for"
    finally:
        process.kill()
        process.communicate()
        emulator.faults({"clear": True})


@pytest.mark.parametrize(("sources", "moments"), MOMENTS)
async def test_killed_while_each_request_is_held(sqlite_url: str, sources: str, moments: tuple[str, ...]) -> None:
    """One process after another dies while it waits for a reply, each of another operation, and the last continues."""
    options: dict[str, Any] = {"orders": 40, "rate_scale": 6000, "processing": 0.05, "search_delay": 0.0}
    anchor = datetime.now(UTC).timestamp() - 3600
    async with Emulator(**options, page_shift=True, anchor=anchor) as emulator:
        for moment in moments:
            await kill_at(emulator, sqlite_url, sources, moment)
        emulator.change_orders(update=3)
        for _ in range(2):  # the second fetches what changed during the first
            await go_on(emulator, sqlite_url, sources)
        assert stored_orders(sqlite_url) == emulated_orders(emulator)
        assert stored_versions(sqlite_url) == emulated_versions(emulator)
    twice = "SELECT order_id FROM order_changes WHERE kind = 'new' GROUP BY seller, order_id HAVING count(*) > 1"
    assert query(sqlite_url, twice) == []
    assert query(sqlite_url, "SELECT count(*) FROM orders WHERE detail = 'report'") == [(0,)]

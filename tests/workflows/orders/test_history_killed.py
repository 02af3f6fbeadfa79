"""A history read by every source, its process killed again and again: nothing is lost, each change is there once."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
import warm_python
from order_databases import (
    CREDENTIALS,
    emulated_orders,
    emulated_versions,
    query,
    stored_orders,
    stored_versions,
)

from spapi_async.emulator import Emulator

TOKEN, PLACES = "lwa", "sellers_v1.get_marketplace_participations"
SEARCH, BY_ID = "orders_2026_01_01.search_orders", "orders_2026_01_01.get_order"
LIST, HEADER, ITEMS = "orders_v0.get_orders", "orders_v0.get_order", "orders_v0.get_order_items"
CREATE, REPORT = "reports_2021_06_30.create_report", "reports_2021_06_30.get_report"
DOCUMENT, DOWNLOAD = "reports_2021_06_30.get_report_document", "document"
MOMENTS = {
    "ids,orders_v0": (TOKEN, PLACES, LIST, SEARCH, ITEMS, BY_ID),
    "ids,reports": (TOKEN, PLACES, CREATE, REPORT, DOCUMENT, DOWNLOAD, SEARCH, BY_ID),
    "ids,orders_v0,reports": (HEADER, ITEMS),
}


def start(emulator: Emulator, url: str, sources: str) -> warm_python.Process:
    """The command, as a user starts it."""
    words = ["sync", "orders", "--database", url, "--sources", sources, "--page-size", "2"]
    variables = {**os.environ, **CREDENTIALS, "SP_API_ENDPOINT": emulator.url}
    return warm_python.start(["-m", "spapi_async", *words], env=variables, stderr=subprocess.DEVNULL)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is true."""
    with anyio.fail_after(60):
        while not condition():
            await anyio.sleep(0.005)


def faults(emulator: Emulator) -> int:
    """How many requests have been held."""
    return int(emulator.stats()["faults"])


@pytest.mark.parametrize(("sources", "moment"), [(each, moment) for each in MOMENTS for moment in MOMENTS[each]])
async def test_killed_while_each_request_is_held(tmp_path: Path, sources: str, moment: str) -> None:
    """The emulator holds the first request of an operation; the process dies there, and the next one goes on."""
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    # A search begins with the last order of the one before and brings one more: reports have the time they need.
    scale = 100 if moment in (HEADER, ITEMS, BY_ID) else 600
    async with Emulator(orders=120, rate_scale=scale, processing=0.05, search_delay=0.0, page_shift=True) as emulator:
        emulator.faults({"operation": moment, "delay": 30, "times": 1})
        process = await anyio.to_thread.run_sync(start, emulator, url, sources)
        try:
            await until(lambda: faults(emulator) > 0 or process.poll() is not None)
            assert process.poll() is None, f"{moment} was not asked for"
        finally:
            process.kill()
            process.wait()
        emulator.faults({"clear": True})
        emulator.change_orders(update=3)
        for _ in range(2):  # the second brings what changed during the first
            process = await anyio.to_thread.run_sync(start, emulator, url, sources)
            assert await anyio.to_thread.run_sync(process.wait) == 0
        assert stored_orders(url) == emulated_orders(emulator)
        assert stored_versions(url) == emulated_versions(emulator)
    twice = "SELECT order_id FROM order_changes WHERE kind = 'new' GROUP BY seller, order_id HAVING count(*) > 1"
    assert query(url, twice) == []
    assert query(url, "SELECT count(*) FROM orders WHERE detail = 'report'") == [(0,)]

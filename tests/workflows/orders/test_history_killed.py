"""A history read by every source, its process killed again and again: nothing is lost, each change is there once."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
import warm_python
from order_databases import CREDENTIALS, emulated_orders, query, stored_orders

from spapi_async.emulator import Emulator

SEARCH, BY_ID = "orders_2026_01_01.search_orders", "orders_2026_01_01.get_order"
LIST, ITEMS = "orders_v0.get_orders", "orders_v0.get_order_items"
CREATE, DOCUMENT = "reports_2021_06_30.create_report", "reports_2021_06_30.get_report_document"


def start(emulator: Emulator, url: str, sources: str) -> warm_python.Process:
    """The command, as a user starts it."""
    words = ["sync", "orders", "--database", url, "--sources", sources, "--page-size", "10"]
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


@pytest.mark.parametrize(
    ("sources", "moments"),
    [("ids,orders_v0", (LIST, SEARCH, ITEMS, BY_ID)), ("ids,reports", (CREATE, DOCUMENT, BY_ID, SEARCH))],
)
async def test_killed_while_each_request_is_held(tmp_path: Path, sources: str, moments: tuple[str, ...]) -> None:
    """The emulator holds one request of each operation; the process dies there, and the next one goes on."""
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    async with Emulator(orders=300, rate_scale=2000, processing=0.05, search_delay=0.0) as emulator:
        for operation in moments:
            emulator.faults({"operation": operation, "delay": 3, "times": 1})
            before = faults(emulator)
            process = await anyio.to_thread.run_sync(start, emulator, url, sources)
            try:
                await until(lambda: faults(emulator) > before or process.poll() is not None)  # noqa: B023
            finally:
                process.kill()
                process.wait()
            emulator.faults({"clear": True})
            emulator.change_orders(update=3, at=None)
        for _ in range(2):  # the second brings what changed during the first
            process = await anyio.to_thread.run_sync(start, emulator, url, sources)
            assert await anyio.to_thread.run_sync(process.wait) == 0
        assert set(stored_orders(url)) == set(emulated_orders(emulator))
    twice = "SELECT order_id FROM order_changes WHERE kind = 'new' GROUP BY seller, order_id HAVING count(*) > 1"
    assert query(url, twice) == []
    assert query(url, "SELECT count(*) FROM orders WHERE detail = 'report'") == [(0,)]

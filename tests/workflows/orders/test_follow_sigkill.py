"""A follower that is killed while Amazon holds one of its requests, and started again."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

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
from request_counts import requests_of

from spapi_async.emulator.server import Emulator

pytest_plugins = ("sync_fixtures",)

HELD = (
    "reports_2021_06_30.create_report",  # first, while there is a history to list
    "orders_2026_01_01.search_orders",
    "orders_v0.get_orders",
    "orders_2026_01_01.get_order",
)
"""Operations whose request is held when the follower is killed."""
SECONDS = 60.0


def follow(emulator: Emulator, url: str) -> warm_python.Process:
    """The command, with every source."""
    words = ["-m", "spapi_async", "sync", "orders", "--follow", "--sources", "all", "--every", "1s"]
    return warm_python.start(
        [*words, "--endpoint", emulator.url, "--database", url],
        env={**os.environ, **CREDENTIALS},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def held(emulator: Emulator) -> int:
    """How many requests have been held."""
    return int(emulator.stats()["faults"])


def is_equal(emulator: Emulator, url: str) -> bool:
    """Whether the tables equal the emulator's data, with each order in its last version."""
    return (
        Path(url.removeprefix("sqlite:///")).exists()
        and stored_orders(url) == emulated_orders(emulator)
        and stored_versions(url) == emulated_versions(emulator)
    )


@pytest.mark.spapi_emulator(orders=40, rate_scale=3000, processing=0.2, search_delay=0.0)
def test_killed_while_amazon_holds_each_request(spapi_emulator: Emulator, new_sqlite_url: str) -> None:
    """No order is missing in the end, and no version of an order was published twice."""
    for operation in HELD:
        process = follow(spapi_emulator, new_sqlite_url)
        try:
            spapi_emulator.faults({"operation": operation, "delay": 3, "times": 1})
            before, give_up_at = held(spapi_emulator), time.monotonic() + SECONDS
            while held(spapi_emulator) == before:
                assert time.monotonic() < give_up_at, f"{operation} is not asked"
                assert process.poll() is None, process.communicate()
                spapi_emulator.change_orders(update=1)  # getOrders names it, getOrder fetches it
                time.sleep(0.05)
        finally:
            process.kill()
            process.communicate()
            spapi_emulator.faults({"clear": True})
    before = requests_of(spapi_emulator, HELD[1])
    process = follow(spapi_emulator, new_sqlite_url)
    try:
        give_up_at = time.monotonic() + SECONDS
        while requests_of(spapi_emulator, HELD[1]) == before or not is_equal(spapi_emulator, new_sqlite_url):
            assert time.monotonic() < give_up_at, "orders are missing"
            time.sleep(0.1)
    finally:
        process.terminate()
        _, complaint = process.communicate(timeout=30)
    assert (process.returncode, complaint) == (0, b"")
    changes = query(
        new_sqlite_url, "SELECT order_id, updated_at, kind, source FROM order_changes WHERE kind != 'detail'"
    )
    assert len({(order, moment) for order, moment, _, _ in changes}) == len(changes)

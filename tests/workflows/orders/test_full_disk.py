"""A disk that is full in the middle of a page: one line reports it, nothing is half written, the next run continues."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from pathlib import Path

import pytest
import warm_python
from order_databases import CREDENTIALS, emulated_orders, query, stored_orders

from spapi_async.emulator.server import Emulator
from spapi_async.workflows.orders import OrderDatabase

pytest_plugins = ("sync_fixtures",)

WELL_BEHIND = time.time() - 3600
DATABASE_FAILED = 7
FULL = """
import resource, sys
from spapi_async.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, resource.RLIM_INFINITY))  # no file can grow beyond it
sys.argv = ['spapi-async', *sys.argv[1:]]
main()
"""


async def make(url: str) -> None:
    """Create the tables."""
    async with OrderDatabase(url):
        pass


def run(emulator: Emulator, url: str, size: int) -> tuple[int, str]:
    """A sync in a process whose files are limited to ``size`` bytes: its exit code and output."""
    command = ["sync", "orders", "--endpoint", emulator.url, "--database", url, "--page-size", "15"]
    process = warm_python.start(
        ["-c", FULL.replace("{size}", str(size)), *command],
        env={**os.environ, **CREDENTIALS},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    _, errors = process.communicate(timeout=120)
    assert process.returncode is not None
    return process.returncode, errors.decode()


@pytest.mark.spapi_emulator(orders=200, rate_scale=1e6, anchor=WELL_BEHIND)
def test_a_full_disk_stops_a_sync_between_two_pages(spapi_emulator: Emulator, new_sqlite_url: str) -> None:
    """The exit code is 7 and a line says why; with more room the next run continues."""
    asyncio.run(make(new_sqlite_url))
    before, stops = -1, 0
    size = Path(new_sqlite_url.removeprefix("sqlite:///")).stat().st_size
    for _ in range(40):
        size += 400_000
        code, errors = run(spapi_emulator, new_sqlite_url, size)
        stored = stored_orders(new_sqlite_url)
        assert query(new_sqlite_url, "PRAGMA integrity_check") == [("ok",)]
        assert not [order_id for order_id in stored if order_id.startswith("stray")]
        assert query(new_sqlite_url, "SELECT count(*) FROM order_changes") == [(len(stored),)]
        assert stored.items() <= emulated_orders(spapi_emulator).items()
        assert len(stored) >= before
        before = len(stored)
        if code == 0:
            break
        stops += 1
        assert code == DATABASE_FAILED
        assert len(errors.splitlines()) == 1
        assert "disk I/O error" in errors
    assert stops
    assert stored_orders(new_sqlite_url) == emulated_orders(spapi_emulator)


@pytest.mark.spapi_emulator(orders=5, rate_scale=1e6, anchor=WELL_BEHIND)
def test_a_disk_without_room_for_the_tables_is_a_database_error(spapi_emulator: Emulator, new_sqlite_url: str) -> None:
    """The exit code is the same, and the next run creates them."""
    code, errors = run(spapi_emulator, new_sqlite_url, 30_000)
    assert (code, len(errors.splitlines())) == (DATABASE_FAILED, 1)
    assert "disk" in errors
    assert run(spapi_emulator, new_sqlite_url, 10**9) == (0, "")
    assert stored_orders(new_sqlite_url) == emulated_orders(spapi_emulator)

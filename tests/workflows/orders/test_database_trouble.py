"""A database that fails during a sync: the failure is reported, nothing is half written, and the next run continues."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import warm_python
from insides import database_engine
from order_databases import CREDENTIALS, emulated_orders, query, stored_orders
from sqlalchemy import event, text

from spapi_async import Application
from spapi_async.emulator import Emulator
from spapi_async.workflows.orders import OrderDatabase, SyncEvent, SyncReport, sync_orders

pytest_plugins = ("sync_fixtures",)

ANCHOR = time.time() - 3600  # the emulator's searches lag two minutes behind


def emulator() -> Emulator:
    """Seven pages of fifteen."""
    return Emulator(orders=90, throttle=False, anchor=ANCHOR)


async def sync(server: Emulator, database: OrderDatabase, progress: Callable[[SyncEvent], None] | None) -> SyncReport:
    """A page for each fifteen orders."""
    async with Application("app", "secret", endpoint=server.url) as app:
        seller = app.selling_partner("Atzr|trouble", region="NA")
        since = datetime.now(UTC) - timedelta(days=60)
        return await sync_orders([seller], database, since=since, page_size=15, progress=progress)


async def assert_each_order_once(server: Emulator, database: OrderDatabase) -> None:
    """In the table, and in the feed."""
    changes = [change.order_id async for change in database.changes(limit=None)]
    assert sorted(changes) == sorted(emulated_orders(server))
    assert (await database.counts())[0] == len(changes)


async def test_a_full_disk_fails_the_page_and_the_next_run_goes_on(sqlite_url: str) -> None:
    """Committed pages stay, with their checkpoint; nothing of the failed page is stored."""
    async with emulator() as server:
        async with OrderDatabase(sqlite_url) as database:
            engine = database_engine(database)
            async with engine.connect() as connection:
                used = (await connection.execute(text("PRAGMA page_count"))).scalar_one()

            def limit(connection: Any, _: Any) -> None:
                connection.execute(f"PRAGMA max_page_count = {used + 40}")

            await engine.dispose()
            event.listen(engine.sync_engine, "connect", limit)
            (failed,) = (await sync(server, database, None)).failed
            assert "database or disk is full" in str(failed.error)
            assert 0 < failed.orders < 90
            assert failed.checkpoint is not None
            assert await database.checkpoint(failed.seller, failed.checkpoint.stream) == failed.checkpoint
        assert len(stored_orders(sqlite_url)) == failed.orders
        assert query(sqlite_url, "PRAGMA integrity_check") == [("ok",)]
        async with OrderDatabase(sqlite_url) as database:
            assert not (await sync(server, database, None)).failed
            await assert_each_order_once(server, database)


FILLED = """
import resource, sys
from spapi_async.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.argv = ['spapi-async', *sys.argv[2:]]
main()
"""


@pytest.mark.spapi_emulator(orders=90, rate_scale=1e6, anchor=ANCHOR)
def test_the_command_reports_a_file_that_may_not_grow(spapi_emulator: Emulator, sqlite_url: str) -> None:
    """The exit code is that of a failed database; started again with room, the command completes."""
    words = ["sync", "orders", "--endpoint", spapi_emulator.url, "--database", sqlite_url, "--page-size", "15"]
    environment = {**os.environ, **CREDENTIALS}
    limited = warm_python.start(
        ["-c", FILLED, "400000", *words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    _, complaint = limited.communicate(timeout=120)
    assert (limited.returncode, b"Traceback" in complaint) == (7, False), complaint
    assert b"disk" in complaint
    assert len(stored_orders(sqlite_url)) < 90
    again = warm_python.start(["-m", "spapi_async", *words], env=environment, stdout=subprocess.DEVNULL)
    assert again.wait(timeout=120) == 0
    assert stored_orders(sqlite_url) == emulated_orders(spapi_emulator)
    assert query(sqlite_url, "SELECT count(*), count(DISTINCT order_id) FROM order_changes") == [(90, 90)]

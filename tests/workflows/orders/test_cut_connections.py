"""PostgreSQL cuts its connections, as in a restart: nothing is lost, and no change is published twice."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from typing import Any

import anyio
import asyncpg
import pytest
from insides import database_engine
from order_databases import emulated_orders
from sqlalchemy.exc import DBAPIError

from spapi_async import Application
from spapi_async.emulator.server import Emulator
from spapi_async.errors import LeaseHeldError
from spapi_async.workflows import _cut_connections
from spapi_async.workflows._cursor import Cursor
from spapi_async.workflows.orders import (
    OrderDatabase,
    OrderPage,
    PageStored,
    SellerFailed,
    Stored,
    SyncEvent,
    SyncReport,
    follow_orders,
    sync_orders,
)
from spapi_async.workflows.orders._checkpoint import Checkpoint
from spapi_async.workflows.orders._lease import LEASE
from spapi_async.workflows.orders._writer import PageWriter

pytest_plugins = ("sync_fixtures",)
# asyncpg warns about a connection that is cut during its setup and dropped before it notices.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed connection <asyncpg:ResourceWarning")

ORDERS = 60
CUT = "SELECT pg_terminate_backend(pg_backend_pid())"
CUT_ALL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid()"
)


@pytest.fixture(autouse=True)
async def dropped_here() -> AsyncGenerator[None]:
    """Let a connection that was dropped warn in the test that cut it, and close itself while there is a loop."""
    yield
    gc.collect()


class _Cutting:
    """A cursor whose connection is cut before a statement."""

    def __init__(self, cursor: Any, statement: int) -> None:
        self._cursor, self._left, self.was_cut = cursor, statement, False

    def __getattr__(self, name: str) -> Any:
        if name in ("execute", "executemany"):
            if self._left == 0:
                self.was_cut = True
                self._cursor.execute(CUT)
            self._left -= 1
        return getattr(self._cursor, name)


def cut_inside(monkeypatch: pytest.MonkeyPatch, *, page: int, statement: int) -> Callable[[], bool]:
    """Cut the connection of a transaction once, in this page or the next one with so many statements."""
    write, pages, was_cut = PageWriter.write, 0, False

    def writing(self: PageWriter, cursor: Cursor, *words: Any) -> Stored:
        nonlocal pages, was_cut
        pages += 1
        if pages < page or was_cut:
            return write(self, cursor, *words)
        cutting = _Cutting(cursor, statement)
        try:
            return write(self, cutting, *words)
        finally:
            was_cut = cutting.was_cut

    monkeypatch.setattr(PageWriter, "write", writing)
    return lambda: was_cut


def cut_after(monkeypatch: pytest.MonkeyPatch, *, page: int) -> Callable[[], bool]:
    """Cut every connection once a page is committed."""
    store, pages = OrderDatabase.store, 0

    async def storing(self: OrderDatabase, stored: OrderPage) -> Stored:
        nonlocal pages
        found = await store(self, stored)
        pages += 1
        if pages == page:
            admin = await asyncpg.connect(self.url.set(drivername="postgresql").render_as_string(hide_password=False))
            await admin.fetch(CUT_ALL)
            await admin.close()
        return found

    monkeypatch.setattr(OrderDatabase, "store", storing)
    return lambda: pages >= page


def emulator() -> Emulator:
    """Orders well before the search delay."""
    return Emulator(orders=ORDERS, rate_scale=1e5, search_delay=0, anchor=datetime.now(UTC).timestamp() - 3600)


async def sync(running: Emulator, url: str | OrderDatabase) -> SyncReport:
    """One run."""
    async with Application("app", "secret", endpoint=running.url) as app:
        return await sync_orders([app.selling_partner("Atzr|one", region="NA", seller_id="one")], url, page_size=20)


async def check(running: Emulator, url: str) -> None:
    """Every order is stored, and each was published once."""
    truth = emulated_orders(running)
    async with OrderDatabase(url) as database:
        assert await database.counts() == (len(truth), sum(truth.values()))
        assert sorted([change.order_id async for change in database.changes(limit=None)]) == sorted(truth)


async def run_as_admin(database: OrderDatabase, statement: str) -> None:
    """Run a statement on a connection of its own, which may write."""
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    admin = await asyncpg.connect(url, server_settings={"default_transaction_read_only": "off"})
    await admin.execute(statement)
    await admin.close()


async def test_a_sync_goes_on_after_a_failover_during_which_the_server_only_read(postgres_url: str) -> None:
    """Connections that were opened meanwhile stay read-only, and are not used again."""
    async with emulator() as running, OrderDatabase(postgres_url) as database:
        name = database.url.database
        await database_engine(database).dispose()
        await run_as_admin(database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        try:
            with pytest.raises(DBAPIError, match="read-only"):
                await sync(running, database)
        finally:
            await run_as_admin(database, f"ALTER DATABASE {name} RESET default_transaction_read_only")
        assert (await sync(running, database)).failed == ()
        await check(running, postgres_url)


@pytest.mark.parametrize("statement", range(5))
async def test_a_sync_that_is_cut_inside_a_page_goes_on_with_the_next_run(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, statement: int
) -> None:
    """The page, its checkpoint and its changes are rolled back; the report says that the connection was lost."""
    was_cut = cut_inside(monkeypatch, page=3, statement=statement)
    async with emulator() as running, OrderDatabase(postgres_url) as database:
        report = await sync(running, database)
        assert was_cut()
        assert "terminating connection" in str(report.failed[0].error)
        async with OrderDatabase(postgres_url) as looked_at:
            assert 0 < (await looked_at.counts())[0] < ORDERS
        assert (await sync(running, database)).failed == ()  # at once, since the stream's lease was given back
        await check(running, postgres_url)


async def test_a_sync_that_is_cut_between_pages_goes_on_with_the_next_run(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Committed pages stay."""
    was_cut = cut_after(monkeypatch, page=2)
    async with emulator() as running, OrderDatabase(postgres_url) as database:
        await sync(running, database)
        assert was_cut()
        assert (await sync(running, database)).failed == ()
        await check(running, postgres_url)


@pytest.mark.parametrize("place", ["inside", "between"])
async def test_a_follower_whose_connections_are_cut_goes_on_by_itself(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """It reports it, and starts again after a pause."""
    monkeypatch.setattr("spapi_async.workflows.orders._live._FIRST_PAUSE", 0.05)
    events: list[SyncEvent] = []
    async with emulator() as running, Application("app", "secret", endpoint=running.url) as app:
        seller = app.selling_partner("Atzr|one", region="NA", seller_id="one")
        # The first page only marks where a new seller's history begins; the others have orders.
        cut = cut_inside(monkeypatch, page=3, statement=3) if place == "inside" else cut_after(monkeypatch, page=3)
        async with OrderDatabase(postgres_url) as database, anyio.create_task_group() as group:

            async def follow() -> None:
                await follow_orders([seller], database, sources=("search", "ids"), progress=events.append)

            group.start_soon(follow)
            with anyio.fail_after(30):
                while not cut() or not [event for event in events if isinstance(event, SellerFailed)]:
                    await anyio.sleep(0.01)
                running.change_orders(add=3)
                async with OrderDatabase(postgres_url) as looked_at:
                    while (await looked_at.counts())[0] < ORDERS + 3:
                        await anyio.sleep(0.02)
            group.cancel_scope.cancel()
        assert [event for event in events if isinstance(event, PageStored)]
        await check(running, postgres_url)


async def cut_all(database: OrderDatabase) -> None:
    """As a restart of PostgreSQL does."""
    admin = await asyncpg.connect(database.url.set(drivername="postgresql").render_as_string(hide_password=False))
    await admin.fetch(CUT_ALL)
    await admin.close()


async def test_a_lease_is_taken_renewed_and_given_back_over_cut_connections(postgres_url: str) -> None:
    """One that is not given back would hold its seller up for a minute."""
    now = datetime.now(UTC)
    async with OrderDatabase(postgres_url) as database:
        await cut_all(database)
        lease = await database.hold("s", "o", "me", now=now)
        await cut_all(database)
        await database.renew("me", now=now + LEASE)
        with pytest.raises(LeaseHeldError):
            await database.hold("s", "o", "you", now=now + LEASE * 1.5)
        await cut_all(database)
        await database.release(lease, now=now)
        assert (await database.hold("s", "o", "you", now=now)).fencing == lease.fencing + 1


async def test_a_lease_whose_commit_was_not_heard_of_is_taken_again(database_url: str) -> None:
    """By the same run; the number that it has then is the one that counts."""
    now = datetime.now(UTC)
    async with OrderDatabase(database_url) as database:
        first = await database.hold("s", "o", "me", now=now)
        again = await database.hold("s", "o", "me", now=now)
        assert again.fencing > first.fencing
        place = Checkpoint(seller="s", stream="o", last_updated_after=now)
        await database.store(OrderPage(seller="s", rows=(), checkpoint=place, at=now, lease=again))


async def test_a_run_whose_lease_cannot_be_given_back_is_complete(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """PostgreSQL is away when everything is stored: the lease expires by itself."""

    async def away(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError

    async with emulator() as running, OrderDatabase(postgres_url) as database:
        with monkeypatch.context() as patch:
            patch.setattr(OrderDatabase, "release", away)
            assert (await sync(running, database)).failed == ()
        await check(running, postgres_url)
    assert "could not be released (ConnectionRefusedError)" in caplog.text


async def test_a_server_that_starts_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """For some seconds, and not where another attempt is of no use."""
    monkeypatch.setattr(_cut_connections, "_AFTER_A_CUT", (0.0, 0.0, 0.0))
    starting = [ConnectionRefusedError(), asyncpg.CannotConnectNowError(), ConnectionResetError()]
    for errors, attempts in ((starting, 4), ([*starting, OSError()], 4), ([TimeoutError()], 1), ([ValueError()], 1)):
        left, tried = list(errors), 0

        @_cut_connections.again_if_cut
        async def work() -> None:
            nonlocal tried
            tried += 1
            if left:  # noqa: B023 - it is called here
                raise left.pop(0)  # noqa: B023

        with contextlib.suppress(OSError, ValueError):
            await work()
        assert tried == attempts
        assert left == []

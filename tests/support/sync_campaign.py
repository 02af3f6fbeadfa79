"""What an order sync has to stand, at full length: each a command of some minutes, outside of the suite.

``python tests/support/sync_campaign.py follow [sqlite|postgresql] [CHANGES]``: a reader follows the change feed while
four writers commit, with a long-running reader's transaction open meanwhile; it must see every change once, in order.

``python tests/support/sync_campaign.py kill [SECONDS]``: a sync into SQLite is killed while the emulator holds each of
its requests, and before each statement of each of its transactions, and started again; the tables must be those of a
sync that nobody disturbed, and the change feed must hold each order once.

``python tests/support/sync_campaign.py sellers [SELLERS]``: so many sellers are polled once in one process; prints the
most memory that it had.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from insides import database_engine
from servers import PostgresServer

from spapi_async import Application
from spapi_async.workflows.orders import Change, OrderDatabase, OrderPage, OrderRow, sync_orders
from spapi_async.workflows.orders import _writer as writer
from spapi_async.workflows.orders._rows import V2026

NOW = datetime(2026, 2, 1, tzinfo=UTC)
SEARCH = "orders_2026_01_01.search_orders"
WRITERS, SIZE = 4, 100


def say(line: str) -> None:
    """Print it at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


# ---- following -------------------------------------------------------------------------------------------------------


def order(order_id: str) -> OrderRow:
    """A small order."""
    content = {"orderId": order_id, "lastUpdatedTime": "2026-01-01T00:00:00Z", "orderItems": [{"orderItemId": "1"}]}
    return V2026.row(msgspec.json.encode(content))


async def follow(url: str, changes: int) -> None:
    """Four writers with a connection each, one follower, one dump."""
    pages, seen = changes // WRITERS // SIZE, list[Change]()
    total = pages * WRITERS * SIZE
    async with OrderDatabase(url) as reader, OrderDatabase(url) as dumped:
        async with database_engine(dumped).connect() as dump:
            await dump.exec_driver_sql("SELECT count(*) FROM orders")

            async def write(number: int) -> None:
                async with OrderDatabase(url) as database:
                    for page in range(pages):
                        rows = [order(f"{number}-{page}-{place:02}") for place in range(SIZE)]
                        await database.store(OrderPage(seller=f"s{number}", rows=rows, checkpoint=None, at=NOW))

            writing = asyncio.gather(*(write(number) for number in range(WRITERS)))
            reads = 0
            while len(seen) < total:
                done, reads = writing.done(), reads + 1
                batch = [change async for change in reader.changes(after=seen[-1].cursor if seen else None, limit=777)]
                assert batch or not done, f"{total - len(seen)} changes are missing"
                seen += batch
                if not batch:
                    await asyncio.sleep(0.02)  # a follower looks now and then
            await writing
        whole = [change async for change in reader.changes(limit=None)]
    assert [change.cursor for change in whole] == [change.cursor for change in seen]
    for number in range(WRITERS):
        own = [change.order_id for change in seen if change.seller == f"s{number}"]
        assert own == [f"{number}-{page}-{place:02}" for page in range(pages) for place in range(SIZE)]
    say(f"{url.partition(':')[0]}: {total} changes seen once and in order, in {reads} reads beside {WRITERS} writers")


# ---- killing ---------------------------------------------------------------------------------------------------------

EMULATOR = f"""
import asyncio, sys, time
from spapi_async.emulator import Emulator
async def main():
    options = dict(orders=int(sys.argv[1]), rate_scale=1e9, anchor=time.time() - 7200, search_delay=0)
    async with Emulator(**options) as emulator:
        print(emulator.url, flush=True)
        while words := (await asyncio.to_thread(sys.stdin.readline)).split():
            if words[0] == "hold":
                last = dict(operation="{SEARCH}", delay=3600, times=None)
                first = [dict(operation="{SEARCH}", times=int(words[1]))] if words[1] != "0" else []
                emulator.faults(dict(clear=True), *first, last)
            elif words[0] == "free":
                emulator.faults(dict(clear=True))
            pages = emulator.stats()["operations"].get("{SEARCH}", dict(requests=0))["requests"]
            print(pages if words[0] == "pages" else emulator.stats()["faults"], flush=True)
asyncio.run(main())
"""


class EmulatorProcess:
    """An emulator in a process of its own, so that this one can be forked."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.url = self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def ask(self, words: str) -> int:
        """Give it a command; how many requests it has met with a fault so far, or pages it was asked for."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{words}\n")
        self._process.stdin.flush()
        return int(self._answer())


@contextmanager
def emulator(orders: int) -> Iterator[EmulatorProcess]:
    """One that ends with the block."""
    command = [sys.executable, "-c", EMULATOR, str(orders)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield EmulatorProcess(process)
        finally:
            process.kill()


async def sync(server: str, url: str) -> None:
    """A sync, as a program has it."""
    async with Application("app", "secret", endpoint=server) as app:
        seller = app.selling_partner("Atzr|killed", region="NA")
        since = datetime.now(UTC) - timedelta(days=60)
        report = await sync_orders([seller], url, since=since, page_size=15)
        assert not report.failed, report.failed[0].error


def forked(work: Callable[[], None]) -> int:
    """Start a process that does something and ends."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return child


def ended(child: int) -> bool:
    """Whether a process has come to its end, killed or not; it must not have failed."""
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the sync failed"
    return os.WIFSIGNALED(status)


class _Dying:
    """A cursor in whose process the one statement is never run."""

    def __init__(self, cursor: Any, left: list[int]) -> None:
        self._cursor, self._left = cursor, left

    def __getattr__(self, name: str) -> Any:
        if name in ("execute", "executemany"):
            self._left[0] -= 1
            if self._left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return getattr(self._cursor, name)


def dying(server: str, url: str, statement: int) -> None:
    """A sync that is killed before a statement of a page's, counted over all of them."""
    write, left = writer.PageWriter.write, [statement]

    def writing(self: Any, cursor: Any, *words: Any) -> Any:
        return write(self, _Dying(cursor, left), *words)

    writer.PageWriter.write = writing  # type: ignore[assignment,method-assign]
    asyncio.run(sync(server, url))


def tables(url: str) -> Any:
    """What a sync leaves behind, but for moments and names of its own; each order must have one change."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        changes = connection.execute("SELECT order_id, kind FROM order_changes ORDER BY number").fetchall()
        assert len(set(changes)) == len(changes), "a change is there twice"
        orders = connection.execute("SELECT order_id, status, items, payload FROM orders ORDER BY 1").fetchall()
        items = connection.execute("SELECT order_id, order_item_id, payload FROM order_items ORDER BY 1, 2").fetchall()
    return orders, items, sorted(changes)


def kill(seconds: float) -> None:
    """Each request, then each statement, until the time is over."""
    end, points = time.monotonic() + seconds, {"request": 0, "statement": 0}
    with tempfile.TemporaryDirectory() as folder, emulator(90) as running:
        urls = (f"sqlite:///{Path(folder) / f'{number}.db'}" for number in range(10_000))
        reference = next(urls)
        assert not ended(forked(lambda: asyncio.run(sync(running.url, reference))))
        truth, pages = tables(reference), running.ask("pages")

        def settle(url: str) -> None:
            running.ask("free")
            assert not ended(forked(lambda: asyncio.run(sync(running.url, url))))
            assert tables(url) == truth

        for page in range(pages):
            url, before = next(urls), running.ask(f"hold {page}")
            child = forked(lambda url=url: asyncio.run(sync(running.url, url)))  # type: ignore[misc]
            while running.ask("count") <= before + page:
                time.sleep(0.002)
            os.kill(child, signal.SIGKILL)
            assert ended(child)
            settle(url)
            points["request"] += 1
        for statement in range(10_000):
            if time.monotonic() > end:
                break
            url = next(urls)
            if not ended(forked(lambda url=url, n=statement: dying(running.url, url, n))):  # type: ignore[misc]
                say("that was each statement of each page")
                break
            settle(url)
            points["statement"] += 1
    say(f"killed while each of {points['request']} requests was held, and before {points['statement']} statements")


# ---- many sellers ----------------------------------------------------------------------------------------------------


async def poll(server: str, url: str, sellers: int) -> None:
    """One look at each."""
    async with Application("app", "secret", endpoint=server) as app:
        handles = [app.selling_partner(f"Atzr|{number}", region="NA") for number in range(sellers)]
        report = await sync_orders(handles, url, since=datetime.now(UTC) - timedelta(days=60))
        assert len(report.sellers) == sellers
        assert not report.failed, report.failed[0].error


def many(sellers: int) -> None:
    """Poll them, and say how much memory that took."""
    with tempfile.TemporaryDirectory() as folder, emulator(1) as running:
        started = time.monotonic()
        asyncio.run(poll(running.url, f"sqlite:///{Path(folder) / 'orders.db'}", sellers))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(f"{sellers} sellers polled once in {time.monotonic() - started:.0f} s: {most:.0f} MB at most")


def main(words: list[str]) -> None:
    """Run one of them."""
    match words:
        case ["follow", *rest]:
            kind, changes = rest[0] if rest else "sqlite", int(rest[1]) if len(rest) > 1 else 100_000
            if kind == "postgresql":
                with PostgresServer() as server:
                    asyncio.run(follow(server.create_database(), changes))
            else:
                with tempfile.TemporaryDirectory() as folder:
                    asyncio.run(follow(f"sqlite:///{Path(folder) / 'orders.db'}", changes))
        case ["kill", *rest]:
            kill(float(rest[0]) if rest else 170.0)
        case ["sellers", *rest]:
            many(int(rest[0]) if rest else 10_000)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])

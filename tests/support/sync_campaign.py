"""Long tests of the order sync: each a command of some minutes, outside of the suite.

``python tests/support/sync_campaign.py follow [sqlite|postgresql] [CHANGES]``: a reader follows the change feed while
four writers commit, with a long-running reader's transaction open meanwhile; it must see every change once, in order.

``python tests/support/sync_campaign.py sellers [SELLERS]``: so many sellers are polled once in one process; prints the
most memory that it had.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from insides import database_engine
from servers import PostgresServer
from sync_kills import emulator, say

from spapi_async import Application
from spapi_async.workflows.orders import Change, OrderDatabase, OrderPage, OrderRow, sync_orders
from spapi_async.workflows.orders._rows import V2026

NOW = datetime(2026, 2, 1, tzinfo=UTC)
SEARCH = "orders_2026_01_01.search_orders"
WRITERS, SIZE = 4, 100


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
                    await asyncio.sleep(0.02)  # a follower polls
            await writing
        whole = [change async for change in reader.changes(limit=None)]
    assert [change.cursor for change in whole] == [change.cursor for change in seen]
    for number in range(WRITERS):
        own = [change.order_id for change in seen if change.seller == f"s{number}"]
        assert own == [f"{number}-{page}-{place:02}" for page in range(pages) for place in range(SIZE)]
    say(f"{url.partition(':')[0]}: {total} changes seen once and in order, in {reads} reads beside {WRITERS} writers")


# ---- many sellers ----------------------------------------------------------------------------------------------------


async def poll(server: str, url: str, sellers: int) -> None:
    """Poll each seller once."""
    async with Application("app", "secret", endpoint=server) as app:
        handles = [app.selling_partner(f"Atzr|{number}", region="NA") for number in range(sellers)]
        report = await sync_orders(handles, url, since=datetime.now(UTC) - timedelta(days=60))
        assert len(report.sellers) == sellers
        assert not report.failed, report.failed[0].error


def many(sellers: int) -> None:
    """Poll ``sellers`` sellers, and print how much memory that took."""
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
        case ["sellers", *rest]:
            many(int(rest[0]) if rest else 10_000)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])

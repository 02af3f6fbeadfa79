"""A history's sources at work: who does what, when it is over, and what is never done twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import msgspec
import pytest

from spapi_async._core.clock import SystemClock
from spapi_async.errors import NotFoundError
from spapi_async.workflows.orders import OrderDatabase, OrderPage, OrderRow
from spapi_async.workflows.orders._backfill import Backfill
from spapi_async.workflows.orders._checkpoint import Checkpoint, Window
from spapi_async.workflows.orders._listing import Listed
from spapi_async.workflows.orders._page import CoarseOrder
from spapi_async.workflows.orders._report_rows import order_rows
from spapi_async.workflows.orders._rows import V2026
from spapi_async.workflows.orders._searching import Searching
from spapi_async.workflows.orders._walk import Sorting

pytest_plugins = ("sync_fixtures",)

BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
ORDERS = [f"902-{n:07d}" for n in range(20)]


def updated(order_id: str) -> str:
    """An hour apart."""
    return (BEGIN + timedelta(hours=ORDERS.index(order_id) + 1)).isoformat()


def whole(order_id: str, *, at: str | None = None) -> OrderRow:
    """What ``getOrder`` brings."""
    return V2026.row(msgspec.json.encode({"orderId": order_id, "lastUpdatedTime": at or updated(order_id)}))


class Listing:
    """All orders, at once."""

    name = "list"
    is_exact = True

    async def listed(self, window: Window) -> AsyncIterator[Listed]:
        """Coarse rows."""
        assert window == Window(BEGIN, END)
        yield Listed(order_rows([{"amazon-order-id": each, "last-updated-date": updated(each)} for each in ORDERS]))
        yield Listed((), END)


class Refining:
    """Counts what it is asked for."""

    def __init__(self, name: str, *, stale: Sequence[str] = (), unknown: Sequence[str] = ()) -> None:
        self.name = name
        self.fetched: Counter[str] = Counter()
        self._stale, self._unknown = stale, unknown

    def seconds(self, count: int) -> float:
        """One at a time."""
        return float(count)

    async def fetch(self, order: CoarseOrder) -> OrderRow | None:
        """A moment later."""
        self.fetched[order.order_id] += 1
        await anyio.sleep(0.005)
        if order.order_id in self._unknown:
            raise NotFoundError("no such order")
        return whole(order.order_id, at=BEGIN.isoformat() if order.order_id in self._stale else None)


class NoQuota:
    """Searches that get no quota."""

    stream = "orders_2026_01_01"
    operation = "orders_2026_01_01.search_orders"

    async def page(self, checkpoint: Checkpoint) -> Any:
        """Never."""
        await anyio.sleep_forever()


async def read(url: str, *refiners: Refining) -> dict[str, int]:
    """Run a history to its end; the orders by detail."""
    history = Checkpoint(seller="s", stream="o history", last_updated_after=BEGIN, upper_bound=END)
    async with OrderDatabase(url) as database:
        backfill = Backfill(
            seller="s",
            stream="o",
            history=history,
            search=NoQuota(),
            lists=[Listing()],
            refiners=refiners,
            database=database,
            page_size=100,
            clock=SystemClock(),
            sorting=Sorting(),
            seconds=lambda _: 0.0,
            count=lambda rows, _stored, _unreadable: len(rows),
            tell=lambda _: None,
            drop=lambda _source, _error: None,
        )
        with anyio.fail_after(30):
            await backfill.run(None)
        done = await database.checkpoint("s", "o history")
        assert done is not None
        assert done.upper_bound == BEGIN
        coarse = len(await database.coarse("s", limit=100))
        return {"all": (await database.counts())[0], "coarse": coarse}


async def test_two_refiners_share_the_orders_and_none_is_fetched_twice(database_url: str) -> None:
    """And it is over when the last is stored, not before."""
    first, second = Refining("first"), Refining("second")
    assert await read(database_url, first, second) == {"all": 20, "coarse": 0}
    assert first.fetched + second.fetched == Counter(ORDERS)
    assert min(first.fetched.total(), second.fetched.total()) > 0


@pytest.mark.parametrize("what", ["stale", "unknown"])
async def test_an_order_that_stays_coarse_is_fetched_once_and_holds_nothing_up(sqlite_url: str, what: str) -> None:
    """Amazon knows it no more, or gives an older one: the next run tries again."""
    refiner = Refining("one", **{what: ORDERS[3:5]})
    assert await read(sqlite_url, refiner) == {"all": 20, "coarse": 2}
    assert refiner.fetched == Counter(ORDERS)


class Updating(OrderDatabase):
    """A refiner's commit comes between two answers."""

    async def count(self, seller: str, **what: Any) -> int:
        """The one coarse order has become a later one by the time that this is answered."""
        found = await super().count(seller, **what)
        late = whole(ORDERS[0], at=END.isoformat())
        await self.store(OrderPage(seller=seller, rows=(late,), checkpoint=None, at=END))
        return found


async def test_the_last_order_may_be_updated_while_its_window_is_looked_for(database_url: str) -> None:
    """It has left the history, and nothing is left that a search could bring."""
    history = Checkpoint(seller="s", stream="o history", last_updated_after=BEGIN, upper_bound=END)

    async def nothing(*_: Any) -> None:
        raise AssertionError("nothing was to be read")

    async with Updating(database_url) as database:
        rows = order_rows([{"amazon-order-id": ORDERS[0], "last-updated-date": updated(ORDERS[0])}])
        await database.store(OrderPage(seller="s", rows=rows, checkpoint=None, at=END))
        searching = Searching(
            NoQuota(),
            history,
            named_to=END,
            has_help=True,
            sorting=Sorting(),
            database=database,
            page_size=100,
            clock=SystemClock(),
            store=nothing,
        )
        with anyio.fail_after(30):
            await searching.go_on(spared=lambda _: False)
        assert await database.count("s", coarse=True) == 0

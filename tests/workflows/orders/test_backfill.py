"""The sources of a history at work: which does what, when it ends, and what is never done twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import anyio.lowlevel
import msgspec
import pytest

from spapi_async._core.clock import SystemClock
from spapi_async.errors import ForbiddenError, NotFoundError
from spapi_async.workflows.orders import OrderDatabase, OrderPage, OrderRow, PageStored, SyncEvent
from spapi_async.workflows.orders._backfill import Backfill
from spapi_async.workflows.orders._checkpoint import Checkpoint, Window
from spapi_async.workflows.orders._listing import Listed
from spapi_async.workflows.orders._page import CoarseOrder
from spapi_async.workflows.orders._report_rows import order_rows
from spapi_async.workflows.orders._rows import V2026, Detail
from spapi_async.workflows.orders._source import Page
from spapi_async.workflows.orders._walk import Sorting

pytest_plugins = ("sync_fixtures",)

BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
ORDERS = [f"902-{n:07d}" for n in range(8)]


def updated(order_id: str) -> str:
    """The last update of an order; they are an hour apart."""
    return (BEGIN + timedelta(hours=ORDERS.index(order_id) + 1)).isoformat()


def whole(order_id: str, *, at: str | None = None) -> OrderRow:
    """The order as ``getOrder`` returns it."""
    content = {"orderId": order_id, "lastUpdatedTime": at or updated(order_id), "programs": ["PRIME"]}
    return V2026.row(msgspec.json.encode(content))


class Listing:
    """A list that has all orders at once."""

    name = "list"
    is_exact = True

    async def listed(self, window: Window) -> AsyncIterator[Listed]:
        """Coarse rows."""
        assert window == Window(BEGIN, END)
        yield Listed(order_rows([{"amazon-order-id": each, "last-updated-date": updated(each)} for each in ORDERS]))
        yield Listed((), END)


class HalfListing(Listing):
    """A list that has named the older half of the orders when its quota is spent."""

    is_exact = False

    async def listed(self, window: Window) -> AsyncIterator[Listed]:
        """Coarse rows of that half, and the time up to which it is complete."""
        async for part in super().listed(window):
            yield Listed(part.rows[:4], datetime.fromisoformat(updated(ORDERS[4])))
            await anyio.sleep_forever()


class Refining:
    """A source of single orders that counts its requests."""

    def __init__(
        self, name: str, *, stale: Sequence[str] = (), unknown: Sequence[str] = (), updated_at: str | None = None
    ) -> None:
        self.name = name
        self.fetched: Counter[str] = Counter()
        self._stale, self._unknown, self._updated_at = stale, unknown, updated_at

    def seconds(self, count: int) -> float:
        """One at a time; like a forecast, it is asked for one call at least."""
        assert count > 0
        return float(count)

    async def fetch(self, order: CoarseOrder) -> OrderRow | None:
        """Return the order a moment later."""
        self.fetched[order.order_id] += 1
        await anyio.sleep(0.005)
        if order.order_id in self._unknown:
            raise NotFoundError("no such order")
        return whole(order.order_id, at=BEGIN.isoformat() if order.order_id in self._stale else self._updated_at)


class Refused(Refining):
    """Amazon takes its operation away after some orders."""

    async def fetch(self, order: CoarseOrder) -> OrderRow | None:
        """The first three."""
        if self.fetched.total() == 3:
            raise ForbiddenError("not for this application", status=403)
        return await super().fetch(order)


class NoQuota:
    """Searches that never get quota."""

    stream = "orders_2026_01_01"
    operation = "orders_2026_01_01.search_orders"

    async def page(self, checkpoint: Checkpoint) -> Any:
        """Wait for ever."""
        await anyio.sleep_forever()


class CountedSearches(NoQuota):
    """Says when a search has begun."""

    def __init__(self, begun: anyio.Event) -> None:
        self.count = 0
        self._begun = begun

    async def page(self, checkpoint: Checkpoint) -> Any:
        """Counted."""
        self.count += 1
        self._begun.set()
        await super().page(checkpoint)


class WaitingRefiner(Refining):
    """Fetches nothing before an event, and would need a fixed number of seconds for any number of orders."""

    def __init__(self, needs: float, begin: anyio.Event, *, updated_at: str | None = None) -> None:
        super().__init__("waiting", updated_at=updated_at)
        self._needs, self._begin = needs, begin

    def seconds(self, count: int) -> float:
        """The same for any number."""
        return self._needs

    async def fetch(self, order: CoarseOrder) -> OrderRow | None:
        """After the event."""
        await self._begin.wait()
        return await super().fetch(order)


class Searches(NoQuota):
    """Searches that find every order."""

    async def page(self, checkpoint: Checkpoint) -> Page:
        """All of the window, on a page."""
        after, before = checkpoint.last_updated_after, checkpoint.upper_bound or END
        found = [whole(each) for each in ORDERS if after <= datetime.fromisoformat(updated(each)) < before]
        return Page(rows=tuple(found), cursor=None, upper_bound=before)


class SlowList(OrderDatabase):
    """A database that lists coarse orders only after several of these were fetched, as a busy one does."""

    def __init__(self, url: str, refiner: Refining) -> None:
        super().__init__(url)
        self._refiner = refiner

    async def coarse(self, seller: str, *, limit: int, detail: Detail = Detail.REPORT) -> list[CoarseOrder]:
        """With a small limit, the caller only wants to know whether any is left."""
        found = await super().coarse(seller, limit=limit, detail=detail)
        if limit < len(ORDERS):
            before = self._refiner.fetched.total()
            while self._refiner.fetched.total() < min(before + 3, len(ORDERS)):
                await anyio.lowlevel.checkpoint()
        return found


class SlowDates(OrderDatabase):
    """A database that lists dates only after everything has been made whole, which begins when it is asked for them."""

    def __init__(self, url: str, *, coarse: bool) -> None:
        super().__init__(url)
        self._slow = coarse
        self.was_asked = anyio.Event()

    async def dates(self, seller: str, *, before: datetime, limit: int, coarse: bool = False) -> list[datetime]:
        """For coarse orders the dates from before, for all orders the current ones."""
        found = await super().dates(seller, before=before, limit=limit, coarse=coarse)
        if coarse is not self._slow or not found:
            return found
        self.was_asked.set()
        while await self.count(seller, coarse=True):
            await anyio.sleep(0.005)
        return found if coarse else await super().dates(seller, before=before, limit=limit)


async def read(
    database: OrderDatabase,
    *refiners: Refining,
    named: bool = False,
    listing: Listing | None = None,
    unread_to: datetime = END,
    search: NoQuota | None = None,
    seconds: Callable[[int], float] = lambda _: 0.0,
    events: list[SyncEvent] | None = None,
    dropped: list[str] | None = None,
) -> dict[str, int]:
    """Run a history to its end, and count orders by detail. ``named``: an earlier run has listed all of it."""
    said, left_out = [] if events is None else events, [] if dropped is None else dropped
    history = Checkpoint(seller="s", stream="o history", last_updated_after=BEGIN, upper_bound=unread_to)
    async with database:
        if named:
            rows = [row async for part in Listing().listed(Window(BEGIN, END)) for row in part.rows]
            listed = Checkpoint(seller="s", stream="o listed", last_updated_after=END, upper_bound=END)
            await database.store(OrderPage(seller="s", rows=rows, checkpoint=listed, at=END))
        backfill = Backfill(
            seller="s",
            stream="o",
            history=history,
            search=search or NoQuota(),
            lists=[] if named else [listing or Listing()],
            refiners=refiners,
            database=database,
            page_size=100,
            clock=SystemClock(),
            sorting=Sorting(),
            seconds=seconds,
            count=lambda rows, _stored, _unreadable: len(rows),
            tell=said.append,
            drop=lambda source, _error: left_out.append(source),
        )
        with anyio.fail_after(30):
            await backfill.run(None)
        done = await database.checkpoint("s", "o history")
        assert done is not None
        assert done.upper_bound == BEGIN
        coarse = len(await database.coarse("s", limit=100))
        return {"all": (await database.counts())[0], "coarse": coarse}


async def test_two_refiners_share_the_orders_and_none_is_fetched_twice(database_url: str) -> None:
    """The history ends when the last one is stored, and not before."""
    first, second = Refining("first"), Refining("second")
    assert await read(OrderDatabase(database_url), first, second) == {"all": 8, "coarse": 0}
    assert first.fetched + second.fetched == Counter(ORDERS)
    assert min(first.fetched.total(), second.fetched.total()) > 0


async def test_searches_read_what_a_list_has_not_named(sqlite_url: str) -> None:
    """They need not wait for the rest of the list."""
    refiner, events = Refining("one"), list[SyncEvent]()
    found = await read(OrderDatabase(sqlite_url), refiner, listing=HalfListing(), search=Searches(), events=events)
    assert found == {"all": 8, "coarse": 0}
    assert completed(events)[Searches.operation] >= 4


@pytest.mark.parametrize(("needs", "searches"), [(20.0, 0), (20.1, 1)])
async def test_refiners_that_are_done_when_quota_allows_two_searches_spare_one(
    sqlite_url: str, needs: float, searches: int
) -> None:
    """The second of the two is for the newest end, and takes the place of the first."""
    decided = anyio.Event()
    search = CountedSearches(begun=decided)

    def two_searches(count: int) -> float:
        assert count == 2
        if not searches:
            decided.set()
        return 20.0

    refiner = WaitingRefiner(needs, begin=decided)
    found = await read(OrderDatabase(sqlite_url), refiner, named=True, search=search, seconds=two_searches)
    assert (found, search.count) == ({"all": 8, "coarse": 0}, searches)


async def test_searches_read_what_a_refused_source_leaves(sqlite_url: str) -> None:
    """They had left the rest to it, since it would have been quicker than quota for two searches."""
    refiner, dropped, events = Refused("one"), list[str](), list[SyncEvent]()
    found = await read(
        OrderDatabase(sqlite_url), refiner, named=True, search=Searches(),
        seconds=lambda _: 1e6, events=events, dropped=dropped,
    )  # fmt: skip
    assert found == {"all": 8, "coarse": 0}
    assert dropped == ["one"]
    assert completed(events) == {"one": 3, Searches.operation: 5}


async def test_progress_says_which_operation_has_brought_orders(sqlite_url: str) -> None:
    """A list names them, a refiner completes them."""
    events: list[SyncEvent] = []
    await read(OrderDatabase(sqlite_url), Refining("one"), events=events)
    assert completed(events) == {"list": 0, "one": 8}


def completed(events: Sequence[SyncEvent]) -> Counter[str]:
    """How many orders each operation has made whole."""
    found = Counter[str]()
    for event in events:
        if isinstance(event, PageStored):
            found[event.operation] += event.completed
    return found


@pytest.mark.parametrize("what", ["stale", "unknown"])
async def test_an_order_that_stays_coarse_is_fetched_once_and_holds_nothing_up(sqlite_url: str, what: str) -> None:
    """Amazon no longer knows it, or returns an older version: the next run tries again."""
    some = ORDERS[3:5]
    refiner = Refining("one", stale=some) if what == "stale" else Refining("one", unknown=some)
    assert await read(OrderDatabase(sqlite_url), refiner) == {"all": 8, "coarse": 2}
    assert refiner.fetched == Counter(ORDERS)


async def test_a_history_ends_although_the_database_answers_slowly(sqlite_url: str) -> None:
    """Orders that cannot be fetched are compared as of the time at which the database was asked."""
    refiner = Refining("one", unknown=ORDERS)
    assert await read(SlowList(sqlite_url, refiner), refiner, named=True, unread_to=BEGIN) == {
        "all": 8,
        "coarse": 8,
    }
    assert refiner.fetched == Counter(ORDERS)


@pytest.mark.parametrize("coarse", [True, False])
async def test_orders_may_become_whole_while_a_search_is_prepared(sqlite_url: str, coarse: bool) -> None:
    """Each of the queries that choose its window may find none left, and no date."""
    database = SlowDates(sqlite_url, coarse=coarse)
    refiner = WaitingRefiner(20.0, database.was_asked, updated_at=(END + timedelta(days=1)).isoformat())
    assert await read(database, refiner, named=True) == {"all": 8, "coarse": 0}

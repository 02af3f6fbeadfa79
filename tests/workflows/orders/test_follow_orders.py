"""Orders followed as they change, against the emulator."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from order_databases import emulated_orders, query, stored_orders
from request_counts import requests_of
from virtual_hours import Hourglass, in_virtual_hours

from spapi_async import Application, ConfigurationError, TransportError
from spapi_async._engine.retry import RetryPolicy
from spapi_async.emulator.server import Emulator
from spapi_async.workflows.orders import (
    OrderDatabase,
    OrderPage,
    OrdersFresh,
    PageStored,
    SellerFailed,
    SourceDropped,
    Stored,
    SyncEvent,
    follow_orders,
)

pytest_plugins = ("sync_fixtures",)

SEARCH, BY_ID, LIST = "orders_2026_01_01.search_orders", "orders_2026_01_01.get_order", "orders_v0.get_orders"
EVER = timedelta(hours=1)
UNREAD = "SELECT count(*) FROM checkpoints WHERE stream LIKE '%history' AND upper_bound > last_updated_after"


class Watch:
    """Collects the events of a follower, and can wait for them."""

    def __init__(self) -> None:
        self.events: list[SyncEvent] = []

    def __call__(self, event: SyncEvent) -> None:
        self.events.append(event)

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, condition: Callable[[], bool], *, every: float = 0.01) -> None:
        """Wait until something is true, which is looked at again after so many seconds."""
        with anyio.fail_after(30):
            while not condition():
                await anyio.sleep(every)


@asynccontextmanager
async def followed(emulator: Emulator, database: Any, *names: str, **options: Any) -> AsyncIterator[Watch]:
    """Sellers that are followed during the block."""
    watch, clock = Watch(), Hourglass()
    retry = RetryPolicy(attempts=2, base=0.001, throttled_attempts=3)
    async with (
        Application("app", "secret", endpoint=emulator.url, retry=retry, clock=clock) as app,
        anyio.create_task_group() as group,
    ):
        sellers = [app.selling_partner(f"Atzr|{name}", region="NA", seller_id=name) for name in names or ("one",)]

        async def follow() -> None:
            await follow_orders(sellers, database, progress=watch, clock=clock, **options)

        group.start_soon(follow)
        yield watch
        group.cancel_scope.cancel()


def emulator(**options: Any) -> Emulator:
    """Orders before the search delay, which is zero here; a search each 0.18 s."""
    usual: dict[str, Any] = {"orders": 20, "rate_scale": 1000, "search_delay": 0.0, "anchor": Hourglass().time() - 3600}
    return Emulator(**usual | options, clock=Hourglass())


async def test_searches_alone_find_every_change(database_url: str) -> None:
    """New and changed orders are found without a queue and without v0."""
    async with emulator() as running, OrderDatabase(database_url) as database:
        async with followed(running, database, sources=["search"]) as watch:
            await watch.until(lambda: sum(each.orders for each in watch.of(PageStored)) >= 20)
            running.change_orders(add=3, update=2)
            await watch.until(lambda: sum(len(each.seconds) for each in watch.of(OrdersFresh)) >= 5)
            await watch.until(lambda: sum(each.orders for each in watch.of(PageStored)) >= 25)
        assert (await database.counts())[0] == 23
        kinds = [change.kind async for change in database.changes()]
        assert (kinds.count("new"), kinds.count("updated")) == (23, 2)
        assert {event.source for event in watch.of(OrdersFresh)} == {"search"}


@in_virtual_hours
async def test_changes_that_lists_show_late_are_found(sqlite_url: str) -> None:
    """They appear after the end of their window; the next window begins before it."""
    options = {"list_lag": 2.0, "shuffled_pages": True}
    async with emulator(**options) as running, followed(running, sqlite_url, sources=["search"]) as watch:
        await watch.until(lambda: bool(watch.of(PageStored)) and query(sqlite_url, UNREAD) == [(0,)])
        for _ in range(5):
            running.change_orders(add=2, update=2)
            await anyio.sleep(0.3)
        stored = "SELECT order_id, last_updated_at FROM orders"
        await watch.until(lambda: dict(query(sqlite_url, stored)) == moments(running), every=0.1)


def moments(running: Emulator) -> dict[str, str]:
    """Every order's last update, in SQLite's form."""
    return {
        order.order_id: datetime.fromtimestamp(int(order.updated), UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        for seller in running.world.sellers
        for order in seller.orders.since(0)
    }


@in_virtual_hours
async def test_a_notification_brings_an_order_before_the_next_search(sqlite_url: str) -> None:
    """It is fetched by its id; a second message about it costs nothing; foreign and broken ones are skipped."""
    async with emulator() as running:
        sender, receiver = anyio.create_memory_object_stream[Any](100)
        options = {"messages": receiver, "sources": ["search"], "every": EVER}
        async with sender, receiver, followed(running, sqlite_url, **options) as watch:
            await watch.until(lambda: bool(watch.of(PageStored)) and query(sqlite_url, UNREAD) == [(0,)])
            searches = requests_of(running, SEARCH)
            changed = running.change_orders(add=1, update=1)
            messages = [message(order_id) for ids in changed.values() for order_id in ids]
            for each in ["no notification", message("902-9", seller="stranger"), {"type": "x"}, *messages]:
                await sender.send(each)
            await watch.until(lambda: len(watch.of(OrdersFresh)) >= 2)
            for each in messages:
                await sender.send(each)
            await sender.send(message(changed["added"][0], event_time=now() + timedelta(seconds=60)))
            await watch.until(lambda: requests_of(running, BY_ID) == 3)
        assert requests_of(running, SEARCH) == searches
        assert {event.source for event in watch.of(OrdersFresh)} == {"notification"}
        assert all(0 <= seconds < 60 for event in watch.of(OrdersFresh) for seconds in event.seconds)
        assert stored_orders(sqlite_url) == emulated_orders(running)


@in_virtual_hours
async def test_v0_names_what_changed_between_two_searches(sqlite_url: str) -> None:
    """Its list is requested three times as often; named orders are fetched whole."""
    async with emulator() as running, followed(running, sqlite_url) as watch:
        await watch.until(lambda: bool(watch.of(PageStored)))
        running.change_orders(add=2)
        await watch.until(lambda: sum(len(each.seconds) for each in watch.of(OrdersFresh)) >= 2)
        await watch.until(lambda: stored_orders(sqlite_url) == emulated_orders(running))
        # Orders of the history that only v0 has listed are fetched whole in the end.
        await watch.until(lambda: query(sqlite_url, "SELECT DISTINCT detail FROM orders") == [("whole",)])
    assert stored_orders(sqlite_url) == emulated_orders(running)
    assert requests_of(running, LIST) >= 1


@pytest.mark.parametrize("status", [403, 404, 410])
@in_virtual_hours
async def test_a_source_that_amazon_removes_is_dropped_and_reported_once(sqlite_url: str, status: int) -> None:
    """It is removed on 2027-03-28, or a role is missing; searches continue."""
    async with emulator() as running:
        running.faults({"operation": LIST, "status": status, "times": None})
        async with followed(running, sqlite_url) as watch:
            await watch.until(lambda: bool(watch.of(SourceDropped)))
            running.change_orders(add=1)
            await watch.until(lambda: sum(len(each.seconds) for each in watch.of(OrdersFresh)) >= 1)
            await watch.until(lambda: stored_orders(sqlite_url) == emulated_orders(running))
        assert [event.source for event in watch.of(SourceDropped)] == [LIST]
        assert not watch.of(SellerFailed)
    assert stored_orders(sqlite_url) == emulated_orders(running)


@in_virtual_hours
async def test_one_sellers_failure_does_not_affect_others(sqlite_url: str) -> None:
    """A revoked grant is reported, and the other sellers continue."""
    async with emulator() as running:
        running.faults({"revoke_refresh_token": "Atzr|revoked"})
        async with followed(running, sqlite_url, "one", "revoked") as watch:
            await watch.until(lambda: bool(watch.of(SellerFailed)) and bool(watch.of(PageStored)))
            running.change_orders(add=1)
            await watch.until(lambda: sum(len(each.seconds) for each in watch.of(OrdersFresh)) >= 1)
            await watch.until(lambda: stored_orders(sqlite_url) == emulated_orders(running))
        assert {event.seller for event in watch.of(SellerFailed)} == {"revoked@na"}
        assert len(watch.of(SellerFailed)) == 1


@in_virtual_hours
async def test_a_failing_order_is_left_to_the_searches(sqlite_url: str) -> None:
    """Its fetch always fails; the seller is not interrupted."""
    async with emulator() as running:
        running.faults({"operation": BY_ID, "status": 500, "times": None})
        sender, receiver = anyio.create_memory_object_stream[Any](100)
        async with sender, receiver, followed(running, sqlite_url, messages=receiver, sources=["search"]) as watch:
            await watch.until(lambda: bool(watch.of(PageStored)))
            for order_id in running.change_orders(add=2)["added"]:
                await sender.send(message(order_id))
            await watch.until(lambda: sum(len(each.seconds) for each in watch.of(OrdersFresh)) >= 2)
            await watch.until(lambda: stored_orders(sqlite_url) == emulated_orders(running))
        assert not watch.of(SellerFailed)
    assert stored_orders(sqlite_url) == emulated_orders(running)


@in_virtual_hours
async def test_an_order_that_could_not_be_stored_is_fetched_again(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is fetched once the database works again; searches would not show it for two minutes."""
    monkeypatch.setattr("spapi_async.workflows.orders._live._FIRST_PAUSE", 0.01)
    monkeypatch.setattr("spapi_async.workflows.orders._hints.RETRIES", (0.01, 0.01, 0.01))
    store, refused = OrderDatabase.store, list[str]()

    async def storing(self: OrderDatabase, page: OrderPage) -> Stored:
        if page.checkpoint is None and page.rows and not refused:
            refused.append(page.rows[0].order_id)
            raise sqlite3.OperationalError("disk I/O error")
        return await store(self, page)

    async with emulator(search_delay=120.0) as running:
        sender, receiver = anyio.create_memory_object_stream[Any](100)
        options = {"messages": receiver, "sources": ["search"], "every": EVER}
        async with sender, receiver, followed(running, sqlite_url, **options) as watch:
            await watch.until(lambda: bool(watch.of(PageStored)) and query(sqlite_url, UNREAD) == [(0,)])
            monkeypatch.setattr(OrderDatabase, "store", storing)
            (added,) = running.change_orders(add=1)["added"]
            await sender.send(message(added))
            await watch.until(lambda: added in stored_orders(sqlite_url))
        assert refused == [added]
        assert [event.error for event in watch.of(SellerFailed)] == ["disk I/O error"]


class Flaky(AbstractAsyncContextManager[AsyncIterator[Any]]):
    """A source of messages that cannot be opened at first, and later breaks after each message."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.sent: list[Any] = []
        self.opened_at: list[float] = []
        self.broke_at: list[float] = []

    async def __aenter__(self) -> AsyncIterator[Any]:
        self.opened_at.append(Hourglass().monotonic())
        if len(self.opened_at) < 3:
            raise self.error
        return self._messages()

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""

    async def _messages(self) -> AsyncIterator[Any]:
        while not self.sent:
            await anyio.sleep(1)
        yield self.sent.pop(0)
        self.broke_at.append(Hourglass().monotonic())
        raise ValueError("a proxy cut the connection")


@in_virtual_hours
async def test_messages_that_cannot_be_read_for_a_while_do_not_end_the_follower(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """They are only hints: each failure is logged, and the source is opened again after a growing pause."""
    source = Flaky(TransportError("the AWS credentials for SQS cannot be fetched"))
    async with emulator(search_delay=120.0) as running:
        options = {"messages": source, "sources": ["search"], "every": EVER}
        async with followed(running, sqlite_url, **options) as watch:
            await watch.until(lambda: bool(watch.of(PageStored)) and query(sqlite_url, UNREAD) == [(0,)])
            await anyio.sleep(400)  # after five minutes of reading, the next pause is a short one again
            for added in running.change_orders(add=2)["added"]:
                source.sent.append(message(added))
                await watch.until(lambda added=added: added in stored_orders(sqlite_url), every=1)  # type: ignore[misc]
            await watch.until(lambda: len(source.opened_at) == 5, every=1)
        assert not watch.of(SellerFailed)
    assert [round(at) for at in source.opened_at[:3]] == [0, 5, 15]
    assert [round(source.opened_at[3] - source.broke_at[0]), round(source.opened_at[4] - source.broke_at[1])] == [5, 10]
    assert "messages cannot be read now (the AWS credentials" in caplog.text
    assert "messages cannot be read now (ValueError)" in caplog.text


async def test_a_queue_that_does_not_exist_ends_the_follower(sqlite_url: str) -> None:
    """It is a mistake of the caller, like any other invalid argument."""
    missing = Flaky(ConfigurationError("SQS ReceiveMessage: QueueDoesNotExist"))
    async with emulator() as running:
        with pytest.raises(ExceptionGroup) as caught:
            async with followed(running, sqlite_url, messages=missing, sources=["search"]):
                await anyio.sleep(10)
    assert [str(error) for error in caught.value.exceptions] == ["SQS ReceiveMessage: QueueDoesNotExist"]


@in_virtual_hours
async def test_a_follower_continues_after_a_cancellation(sqlite_url: str) -> None:
    """It comes at any moment; every change is published once, and once more if a list named the order first."""
    async with emulator(orders=110) as running:
        for _ in range(3):
            async with followed(running, sqlite_url) as watch:
                await watch.until(lambda: bool(watch.of(PageStored)))
                running.change_orders(add=2, update=3)
        async with followed(running, sqlite_url) as watch:
            await watch.until(lambda: stored_orders(sqlite_url) == emulated_orders(running))
            await watch.until(lambda: query(sqlite_url, UPDATES) == [(latest(running),)])
    changes = query(
        sqlite_url,
        "SELECT order_id, updated_at FROM order_changes WHERE kind != 'detail' GROUP BY 1, 2 HAVING count(*) > 1",
    )
    assert changes == []


UPDATES = "SELECT max(last_updated_at) FROM orders"


def latest(running: Emulator) -> str:
    """The emulator's latest update, in SQLite's form."""
    updated = max(order.updated for seller in running.world.sellers for order in seller.orders.since(0))
    return datetime.fromtimestamp(int(updated), UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


@in_virtual_hours
async def test_any_object_with_a_store_can_be_followed_into() -> None:
    """It needs no leases and no checkpoints."""

    class Sink:
        def __init__(self) -> None:
            self.orders: set[str] = set()

        async def store(self, page: OrderPage, /) -> None:
            self.orders |= {row.order_id for row in page.rows}

    sink = Sink()
    async with emulator(orders=5) as running, followed(running, sink) as watch:
        await watch.until(lambda: len(sink.orders) == 5)
        (added,) = running.change_orders(add=1)["added"]
        await watch.until(lambda: added in sink.orders)


@pytest.mark.parametrize(
    "options",
    [{"every": timedelta(0)}, {"since": datetime(2026, 1, 1)}, {"marketplaces": ["DE"]}],  # noqa: DTZ001
)
async def test_invalid_arguments_of_a_follower_are_refused(sqlite_url: str, options: Any) -> None:
    """Nothing is sent."""
    async with Application("app", "secret", endpoint="http://127.0.0.1:9") as app:
        seller = app.selling_partner("Atzr|one", region="NA")
        with pytest.raises(ConfigurationError):
            await follow_orders([seller], sqlite_url, **options)
        with pytest.raises(ConfigurationError, match="twice"):
            await follow_orders([seller, seller], sqlite_url)


def now() -> datetime:
    """The time of the emulator and of the follower."""
    return datetime.fromtimestamp(Hourglass().time(), UTC)


def message(order_id: str, *, seller: str = "one", event_time: datetime | None = None) -> dict[str, Any]:
    """ORDER_CHANGE as Amazon sends it."""
    facts = {"NotificationLevel": "OrderLevel", "SellerId": seller, "AmazonOrderId": order_id}
    return {
        "NotificationVersion": "1.0",
        "NotificationType": "ORDER_CHANGE",
        "PayloadVersion": "1.0",
        "EventTime": (event_time or now() - timedelta(seconds=1)).isoformat(),
        "Payload": {"OrderChangeNotification": facts},
    }

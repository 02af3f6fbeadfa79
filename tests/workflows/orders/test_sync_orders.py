"""The order sync with the emulator."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from insides import page_writer
from order_databases import emulated_orders, query, stored_orders
from request_counts import requests_of

from spapi_async import Application, ConfigurationError, LWAError, SellingPartner, ServerError, call_options
from spapi_async._engine.retry import RetryPolicy
from spapi_async.emulator.server import Emulator
from spapi_async.errors import BadRequestError, DecodeError, RateLimitWaitError
from spapi_async.ratelimit import RedisRateLimiter
from spapi_async.workflows.orders import OrderDatabase, SellerFinished, SyncEvent, SyncReport, sync_orders

pytest_plugins = ("sync_fixtures",)

FAST = 100_000.0
SEARCH = "orders_2026_01_01.search_orders"


@asynccontextmanager
async def emulator(**options: Any) -> AsyncIterator[Emulator]:
    """An emulator whose orders are all before its search delay."""
    options = {"orders": 130, "rate_scale": FAST, "anchor": datetime.now(UTC).timestamp() - 3600, **options}
    async with Emulator(**options) as running:
        yield running


@asynccontextmanager
async def application(running: Emulator) -> AsyncIterator[Application]:
    """An application of the emulator that retries without long pauses."""
    retry = RetryPolicy(attempts=2, base=0.001, throttled_attempts=3)
    async with Application("app", "secret", endpoint=running.url, retry=retry) as app:
        yield app


def seller(app: Application, name: str = "one") -> SellingPartner:
    """A selling partner of the emulator, which accepts any name."""
    return app.selling_partner(f"Atzr|{name}", region="NA", seller_id=name)


async def sync(running: Emulator, url: str | OrderDatabase, **options: Any) -> SyncReport:
    """One run of one seller in an application of its own, as a process would."""
    async with application(running) as app:
        return await sync_orders([seller(app)], url, page_size=20, **options)


@pytest.mark.parametrize("api", ["orders_2026_01_01", "orders_v0"])
async def test_every_order_arrives_with_its_items(new_sqlite_url: str, api: Any) -> None:
    """The database has exactly the emulator's orders and items, from either version of the API, without a 429."""
    async with emulator() as running:
        report = await sync(running, new_sqlite_url, api=api)
        assert report.failed == ()
        assert stored_orders(new_sqlite_url) == emulated_orders(running)
        assert all(counts["throttled"] == 0 for counts in running.stats()["operations"].values())


async def test_both_databases_end_with_the_same_rows(new_database_url: str) -> None:
    """PostgreSQL has what SQLite has."""
    async with emulator() as running, OrderDatabase(new_database_url) as database:
        await sync(running, database)
        expected = emulated_orders(running)
        assert await database.counts() == (len(expected), sum(expected.values()))


async def test_second_run_fetches_only_what_changed(sqlite_url: str) -> None:
    """Two changed orders and a new one cost one request, and only they are written."""
    async with emulator(search_delay=0.0) as running:
        await sync(running, sqlite_url)
        before = requests_of(running, SEARCH)
        running.change_orders(add=1, update=2)
        report = await sync(running, sqlite_url)
        assert requests_of(running, SEARCH) - before == 1
        (result,) = report.sellers
        assert (result.inserted, result.updated, result.stale) == (1, 2, 0)
        assert stored_orders(sqlite_url) == emulated_orders(running)


async def test_empty_window_moves_the_checkpoint(sqlite_url: str) -> None:
    """The next window starts at the bound that Amazon stated."""
    async with emulator(orders=0) as running:
        before = datetime.now(UTC)
        (result,) = (await sync(running, sqlite_url)).sellers
        assert result.orders == 0
        assert result.checkpoint is not None
        assert before - timedelta(seconds=122) <= result.checkpoint.last_updated_after <= datetime.now(UTC)


async def test_page_that_fails_leaves_a_checkpoint_to_go_on_from(sqlite_url: str) -> None:
    """Committed pages stay; the next run continues with the failed page, and requests none before it."""
    async with emulator() as running:
        report = await sync(running, sqlite_url, progress=_after_pages(3, running, {"status": 503, "times": None}))
        (failed,) = report.failed
        assert isinstance(failed.error, ServerError)
        stored = len(stored_orders(sqlite_url))
        assert 20 < stored <= 40
        running.faults({"clear": True})
        before = requests_of(running, SEARCH)
        (result,) = (await sync(running, sqlite_url)).sellers
        assert requests_of(running, SEARCH) - before == result.pages
        assert (result.inserted, result.unchanged <= 1) == (130 - stored, True)
        assert stored_orders(sqlite_url) == emulated_orders(running)


async def test_a_token_of_an_earlier_version_restarts_its_window(sqlite_url: str) -> None:
    """It is not sent: the window is read again, and nothing is lost or doubled."""
    async with emulator() as running:
        await sync(running, sqlite_url, progress=_after_pages(3, running, {"status": 503, "times": None}))
        running.faults({"clear": True})
        query(sqlite_url, "UPDATE checkpoints SET cursor = 'Zm9v+/=='")
        (result,) = (await sync(running, sqlite_url)).sellers
        assert (result.error, result.unchanged > 20) == (None, True)
        assert stored_orders(sqlite_url) == emulated_orders(running)


async def test_refused_first_page_is_an_error(sqlite_url: str) -> None:
    """It is requested once more without data sets, which Amazon may refuse."""
    async with emulator() as running:
        running.faults({"status": 400, "operation": SEARCH, "times": None})
        (failed,) = (await sync(running, sqlite_url)).failed
        assert failed.error is not None
        assert requests_of(running, SEARCH) == 2


async def test_one_seller_that_fails_does_not_stop_the_others(sqlite_url: str) -> None:
    """The report has its error, and the database their orders."""
    async with emulator(orders=45) as running, application(running) as app:
        running.faults({"revoke_refresh_token": "Atzr|revoked"})
        sellers = [seller(app, name) for name in ("one", "revoked", "two")]
        report = await sync_orders(sellers, sqlite_url, page_size=20)
        assert [result.orders for result in report.sellers] == [45, 0, 45]
        (failed,) = report.failed
        assert isinstance(failed.error, LWAError)
        assert len(stored_orders(sqlite_url)) == 90


async def test_many_sellers_at_once(sqlite_url: str) -> None:
    """Each uses its own quota, no more run at a time than allowed, and every order is stored."""
    async with emulator(orders=30, latency=0.002) as running, application(running) as app:
        sellers = [seller(app, f"seller-{number}") for number in range(10)]
        under_way: set[str] = set()
        most = 0

        def watch(event: SyncEvent) -> None:
            nonlocal most
            (under_way.discard if isinstance(event, SellerFinished) else under_way.add)(event.seller)
            most = max(most, len(under_way))

        report = await sync_orders(sellers, sqlite_url, page_size=20, concurrency=4, progress=watch)
        assert report.failed == ()
        assert 1 < most <= 4
        assert stored_orders(sqlite_url) == emulated_orders(running)


async def test_cancelled_run_keeps_the_page_it_was_committing(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes during a commit: the commit ends first, and the next run requests the page after it."""
    async with emulator() as running, application(running) as app, OrderDatabase(sqlite_url) as database:
        with anyio.CancelScope() as scope:
            writer = page_writer(database)
            committing, loop, cancelled = writer.put, asyncio.get_running_loop(), threading.Event()

            def cancelled_meanwhile(*words: Any) -> Any:
                loop.call_soon_threadsafe(scope.cancel)  # runs in the database's thread
                loop.call_soon_threadsafe(cancelled.set)
                assert cancelled.wait(30)
                return committing(*words)

            monkeypatch.setattr(writer, "put", cancelled_meanwhile)
            await sync_orders([seller(app)], database, page_size=20)
        assert scope.cancelled_caught
        assert len(stored_orders(sqlite_url)) == 20
        assert query(sqlite_url, "SELECT count(cursor) FROM checkpoints") == [(1,)]
        assert requests_of(running, SEARCH) == 1


async def test_progress_that_fails_does_not_stop_the_sync(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """The error is logged, and the orders are stored."""

    def broken(event: SyncEvent) -> None:
        raise RuntimeError("the bar broke")

    async with emulator() as running:
        assert (await sync(running, sqlite_url, progress=broken)).failed == ()
        assert stored_orders(sqlite_url) == emulated_orders(running)
    assert "the bar broke" in caplog.text


async def test_sellers_have_checkpoints_of_their_own(sqlite_url: str) -> None:
    """One seller's checkpoint does not affect another."""
    async with emulator(orders=45) as running, application(running) as app:
        await sync_orders([seller(app, "one")], sqlite_url)
        (result,) = (await sync_orders([seller(app, "two")], sqlite_url)).sellers
        assert result.inserted == 45
        assert query(sqlite_url, "SELECT seller FROM checkpoints ORDER BY 1") == [("one@na",), ("two@na",)]


async def test_marketplaces_are_a_stream_of_their_own(sqlite_url: str) -> None:
    """A checkpoint for the US does not affect Canada."""
    async with emulator() as running:
        (us,) = (await sync(running, sqlite_url, marketplaces=["ATVPDKIKX0DER"])).sellers
        (all_of_them,) = (await sync(running, sqlite_url)).sellers
        assert 0 < us.orders < all_of_them.orders == 130
        assert stored_orders(sqlite_url) == emulated_orders(running)


async def test_payloads_are_kept_whole_where_they_break_their_model(sqlite_url: str) -> None:
    """Unknown members are in the payload, to the byte, and are counted."""
    unknown = b'{"orders":[{"orderId":"x", "future":{"b":1.50,"a":null},"orderItems":[{"orderItemId":7}]}]}'
    async with emulator() as running:
        running.faults({"operation": SEARCH, "status": 200, "body": unknown.decode()})
        (result,) = (await sync(running, sqlite_url)).sellers
        assert result.violations > 0
        (payload,) = query(sqlite_url, "SELECT payload FROM orders")[0]
        assert payload == '{"orderId":"x", "future":{"b":1.50,"a":null},"orderItems":[{"orderItemId":7}]}'
        assert query(sqlite_url, "SELECT order_item_id FROM order_items") == [("7",)]


@pytest.mark.parametrize("body", ["{}", '{"orders":null}', '{"orders":[],"pagination":{"nextToken":5}}'])
async def test_a_page_without_a_list_or_a_valid_token_is_not_the_last(sqlite_url: str, body: str) -> None:
    """The checkpoint does not move past the orders that it may hide."""
    async with emulator() as running:
        running.faults({"operation": SEARCH, "status": 200, "body": body})
        (failed,) = (await sync(running, sqlite_url)).failed
        assert isinstance(failed.error, DecodeError)
        assert query(sqlite_url, "SELECT * FROM checkpoints") == []


async def test_same_token_twice_is_an_error(sqlite_url: str) -> None:
    """Following it would never end."""
    async with emulator() as running:
        body = '{"orders":[],"pagination":{"nextToken":"again"}}'
        running.faults({"operation": SEARCH, "status": 200, "body": body, "times": None})
        (failed,) = (await sync(running, sqlite_url)).failed
        assert isinstance(failed.error, DecodeError)
        assert requests_of(running, SEARCH) == 2


async def test_restart_does_not_spend_the_burst_again(sqlite_url: str) -> None:
    """A run saves how much of the burst it spent: later ones wait, and are not throttled."""
    async with emulator(orders=360, rate_scale=1.0) as running:
        with call_options(max_wait=1.0):
            runs = [await sync(running, sqlite_url) for _ in range(5)]  # 18 pages, then one each
        assert runs[0].failed == ()
        refused = runs[4].failed[0].error
        assert isinstance(refused, RateLimitWaitError)
        assert 100 < (refused.retry_after or 0) <= 400
        assert running.stats()["operations"][SEARCH]["throttled"] == 0


async def test_unreadable_quota_is_ignored(sqlite_url: str) -> None:
    """Another version may have saved it."""
    async with emulator(orders=30) as running:
        await sync(running, sqlite_url)
        query(sqlite_url, "UPDATE quota_states SET state = 'from the future'")
        assert (await sync(running, sqlite_url)).failed == ()


async def test_quota_in_redis_is_not_saved_twice(sqlite_url: str, redis_url: str) -> None:
    """A limiter that shares its buckets keeps them itself."""
    async with emulator(orders=30) as running:
        limiter = RedisRateLimiter(redis_url)
        async with Application("app", "secret", endpoint=running.url, limiter=limiter) as app:
            assert (await sync_orders([seller(app)], sqlite_url)).failed == ()
        assert query(sqlite_url, "SELECT * FROM quota_states") == []


async def test_two_runs_of_one_seller_at_once_do_no_harm(sqlite_url: str) -> None:
    """They only waste quota: every order is there once, and the checkpoint is that of a run."""
    async with emulator() as running:
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(sync, running, sqlite_url)
        assert stored_orders(sqlite_url) == emulated_orders(running)
        (result,) = (await sync(running, sqlite_url)).sellers
        assert result.orders == 0


async def test_order_whose_items_fail_ends_the_page(sqlite_url: str) -> None:
    """An order of v0 is not stored without its items, and the report has the error itself."""
    async with emulator(orders=10) as running:
        running.faults({"operation": "orders_v0.get_order_items", "status": 400})
        (failed,) = (await sync(running, sqlite_url, api="orders_v0")).failed
        assert isinstance(failed.error, BadRequestError)
        assert stored_orders(sqlite_url) == {}
        assert (await sync(running, sqlite_url, api="orders_v0")).failed == ()
        assert stored_orders(sqlite_url) == emulated_orders(running)


async def test_memory_holds_one_page_of_a_seller(sqlite_url: str) -> None:
    """A page is committed before the next one is requested."""
    seen: list[tuple[int, int]] = []
    async with emulator() as running:

        def look(event: SyncEvent) -> None:
            if hasattr(event, "upper_bound"):
                seen.append((requests_of(running, SEARCH), len(stored_orders(sqlite_url))))

        await sync(running, sqlite_url, progress=look)
    stored = [0, *(count for _, count in seen)]
    assert [page for page, _ in seen] == list(range(1, len(seen) + 1))
    assert stored[-1] == 130
    assert all(0 <= after - before <= 20 for before, after in itertools.pairwise(stored))


async def test_arguments_that_cannot_work_are_refused(sqlite_url: str) -> None:
    """Nothing is sent."""
    async with emulator() as running, application(running) as app:
        one = seller(app)
        wrong: list[tuple[Sequence[SellingPartner], dict[str, Any]]] = [
            ([one], {"page_size": 101}),
            ([one], {"since": datetime(2026, 1, 1)}),  # noqa: DTZ001
            ([one], {"api": "orders_v9"}),
            ([one, seller(app)], {}),
        ]
        for sellers, options in wrong:
            with pytest.raises(ConfigurationError):
                await sync_orders(sellers, sqlite_url, **options)
        assert running.stats()["operations"] == {}


async def test_since_limits_the_first_run(sqlite_url: str) -> None:
    """Orders updated earlier are not fetched."""
    async with emulator() as running:
        since = datetime.now(UTC) - timedelta(days=20)
        (result,) = (await sync(running, sqlite_url, since=since)).sellers
        assert 0 < result.orders < 130


def _after_pages(pages: int, running: Emulator, fault: dict[str, Any]) -> Any:
    """Progress that makes the emulator fail after some pages."""
    stored = iter(range(1, 1000))

    def progress(event: SyncEvent) -> None:
        if type(event).__name__ == "PageStored" and next(stored) == pages:
            running.faults(fault)

    return progress


async def test_a_sync_does_not_begin_in_the_future(sqlite_url: str) -> None:
    """Its checkpoint would stay there and hide every order; nothing is sent."""
    async with emulator(orders=1) as running:
        with pytest.raises(ConfigurationError, match="future"):
            await sync(running, sqlite_url, since=datetime.now(UTC) + timedelta(days=1))
        assert requests_of(running, SEARCH) == 0


@pytest.mark.parametrize(("times", "aside"), [(1, 0), (2, 1)])
async def test_an_unreadable_entry_is_requested_again_and_then_set_aside(
    sqlite_url: str, times: int, aside: int
) -> None:
    """One that was damaged in transit is right the next time; a permanent one stops neither page nor seller."""
    async with emulator(orders=3) as running:
        body = '{"orders":[{"orderId":"1"},{"orderId":undefined}],"lastUpdatedBefore":"2026-01-01T00:00:00Z"}'
        running.faults({"operation": SEARCH, "status": 200, "body": body, "times": times})
        report = await sync(running, sqlite_url)
        assert (report.failed, report.unreadable) == ((), aside)
        assert requests_of(running, SEARCH) == 2
        assert query(sqlite_url, "SELECT count(*) FROM unreadable") == [(aside,)]
        assert query(sqlite_url, "SELECT count(*) FROM orders") == [(1 if aside else 3,)]


async def test_a_page_that_comes_back_under_a_new_token_is_an_error(sqlite_url: str) -> None:
    """The sync does not follow new tokens to the same page for ever; the next run requests that page again."""
    async with emulator(orders=3) as running:
        for token in ("a", "b", "c"):
            body = f'{{"orders":[{{"orderId":"1"}}],"pagination":{{"nextToken":"{token}"}}}}'
            running.faults({"operation": SEARCH, "status": 200, "body": body, "times": 1})
        (failed,) = (await sync(running, sqlite_url)).failed
        assert isinstance(failed.error, DecodeError)
        assert failed.error.cursor == "a"
        assert query(sqlite_url, "SELECT count(cursor) FROM checkpoints") == [(1,)]

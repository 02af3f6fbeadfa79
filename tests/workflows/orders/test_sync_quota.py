"""What is saved of quota between runs, and which process writes it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest
from order_databases import query

from spapi_async import Application
from spapi_async._core.clock import SystemClock
from spapi_async.emulator.server import Emulator
from spapi_async.ratelimit import LocalRateLimiter
from spapi_async.ratelimit.local._state import BucketState, pack, unpack
from spapi_async.workflows.orders import OrderDatabase, sync_orders
from spapi_async.workflows.orders._quota import Quota, join_states, split_state

pytest_plugins = ("sync_fixtures",)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SEARCH = "orders_2026_01_01.search_orders"


def bucket(operation: str, *owner: str, tokens: float = 1.0) -> BucketState:
    """A bucket of an account, or of an application in a region."""
    return BucketState(key=(operation, *owner), tokens=tokens, announced=0.5, rate=0.5, burst=30.0)


def test_a_state_is_split_by_account() -> None:
    """Each seller's buckets are one part and the application's another; nothing is lost or changed."""
    buckets = [bucket("x", "a"), bucket("y", "a"), bucket("x", "b"), bucket("x", "app", "na")]
    parts = split_state(pack(buckets, 100.0))
    assert set(parts) == {"a", "b", ""}
    assert unpack(parts["a"].encode(), 100.0) == buckets[:2]
    again = join_states(parts)
    assert again is not None
    assert sorted(unpack(again, 100.0), key=str) == sorted(buckets, key=str)


def test_states_of_different_times_are_joined_at_the_latest() -> None:
    """Earlier ones have refilled since."""
    parts = {"a": pack([bucket("x", "a", tokens=1.0)], 100.0), "b": pack([bucket("x", "b", tokens=2.0)], 106.0)}
    joined = join_states({account: state.decode() for account, state in parts.items()})
    assert joined is not None
    assert {state.key[1]: state.tokens for state in unpack(joined, 106.0)} == {"a": 4.0, "b": 2.0}


def test_a_part_that_cannot_be_read_costs_the_others_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Another version saved it; the warning names its seller."""
    with caplog.at_level(logging.WARNING, "spapi_async.workflows.orders"):
        joined = join_states({"a": "from the future", "b": pack([bucket("x", "b")], 1.0).decode()})
    assert joined is not None
    assert [state.key for state in unpack(joined, 1.0)] == [("x", "b")]
    assert "rate limits of a are ignored" in caplog.text
    assert join_states({}) is None


async def test_processes_with_different_sellers_leave_each_other_s_quota_alone(database_url: str) -> None:
    """Both read the database before either wrote; afterwards each seller's own spending is stored."""
    spent = {}
    async with Emulator(orders=5) as running, OrderDatabase(database_url) as database:
        for name, calls in (("one", 3), ("two", 5)):
            async with Application("app", "secret", endpoint=running.url) as app:
                seller = app.selling_partner(f"Atzr|{name}", region="NA")
                quota = Quota(app, [seller.key], SystemClock())
                for _ in range(calls):
                    await seller.orders_2026_01_01.search_orders(last_updated_after="2026-01-01T00:00:00Z")
                spent[seller.key] = (quota.dump_all(), 20 - calls)
        for states, _ in spent.values():
            await database.store_quota(states, now=NOW)
        saved = await database.quota("app")
    for key, (_, left) in spent.items():
        (state,) = unpack(saved[key].encode(), 0.0)
        assert state.tokens == pytest.approx(left, abs=0.5)


async def test_a_run_that_stores_no_page_saves_what_it_spent(sqlite_url: str) -> None:
    """Its requests failed, but cost quota."""
    async with Emulator(orders=5) as running:
        running.faults({"operation": SEARCH, "status": 400, "times": None})
        async with Application("app", "secret", endpoint=running.url) as app:
            report = await sync_orders([app.selling_partner("Atzr|one", region="NA")], sqlite_url)
    assert len(report.failed) == 1
    assert query(sqlite_url, "SELECT count(*) FROM quota_states") == [(1,)]


async def test_a_run_restores_no_other_seller_s_quota(sqlite_url: str) -> None:
    """Ten thousand sellers' states in the database cost a run of one seller nothing."""
    async with Emulator(orders=5) as running:
        for name in ("one", "two"):
            async with Application("app", "secret", endpoint=running.url) as app:
                await sync_orders([app.selling_partner(f"Atzr|{name}", region="NA")], sqlite_url)
                assert isinstance(app.limiter, LocalRateLimiter)
                assert len(unpack(app.limiter.dump_state(), 0.0)) == 1
    assert query(sqlite_url, "SELECT count(*) FROM quota_states") == [(2,)]

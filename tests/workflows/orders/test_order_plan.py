"""The plan of a sync: how many orders it will fetch, from which sources, and how long it takes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import msgspec
import pytest
from order_databases import query

from spapi_async import Application, ConfigurationError
from spapi_async._core.operation import Operation
from spapi_async.cli.application import run
from spapi_async.emulator.server import Emulator
from spapi_async.workflows.orders import (
    SOURCES,
    OrdersForecast,
    PageStored,
    Source,
    SyncEvent,
    plan_orders,
    sync_orders,
    what_if,
)
from spapi_async.workflows.orders._plan import planned, shares_of

pytest_plugins = ("sync_fixtures",)


class PublishedQuota:
    """A seller with Amazon's published plans and full buckets."""

    name = "one@na"

    def forecast(
        self, operation: Operation[Any], arguments: Mapping[str, Any] | None = None, *, count: int = 1
    ) -> float:
        """The forecast of a limiter whose process has made no call yet."""
        assert arguments is None
        plan = operation.usage_plan
        return max(0.0, (count - plan.burst) / plan.rate)


@pytest.mark.parametrize(
    ("others", "hours"),
    [((), 3.97), (("ids", "orders_v0"), 1.42), (("ids", "reports"), 2.1), (("ids",), 3.97), (("orders_v0",), 2.1)],
)
def test_ten_thousand_orders_take_as_long_as_their_quotas_allow(others: tuple[Source, ...], hours: float) -> None:
    """They take 3 h 58 min by searches alone, 1 h 25 min with all three sources, 2 h 5 min without Orders v0."""
    seller: Any = PublishedQuota()
    plan = planned(seller, datetime.now(UTC), 10_000, others)
    assert plan.seconds / 3600 == pytest.approx(hours, rel=0.01)
    assert plan.limited_by == "orders_2026_01_01.search_orders"
    assert sum(source.orders for source in plan.sources) == 10_000


def test_shares_add_up_to_the_orders_there_are() -> None:
    """Rounding loses none."""
    brought: Any = {"search": 7, "ids": 7, "items": 7}
    assert sum(shares_of(brought, 10).values()) == 10
    assert shares_of(brought, 30) == brought


def test_orders_within_the_available_quota_take_no_time() -> None:
    """Nothing limits the sync then."""
    seller: Any = PublishedQuota()
    plan = planned(seller, datetime.now(UTC), 2000, ())
    assert (plan.seconds, plan.limited_by, plan.sources[0].requests) == (0.0, None, 20)


async def test_a_plan_counts_what_a_sync_then_reads(sqlite_url: str) -> None:
    """It counts by purchase, which makes no difference for a whole history; afterwards next to nothing is left."""
    since = datetime.now(UTC) - timedelta(days=100)
    async with (
        Emulator(orders=150, rate_scale=1000) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        seller = app.selling_partner("Atzr|one", region="NA", seller_id="one")
        plan = await plan_orders([seller], sqlite_url, since=since, sources=SOURCES)
        assert plan.orders == 150
        assert plan.sellers[0].since == since
        assert not emulator.stats()["operations"].get("orders_2026_01_01.search_orders")
        report = await sync_orders([seller], sqlite_url, since=since)
        assert report.orders == plan.orders
        after = await plan_orders([seller], sqlite_url, since=since, sources=SOURCES)
        assert after.orders < 20
        assert after.seconds == 0


async def test_a_plan_leaves_out_what_is_stored(sqlite_url: str) -> None:
    """A run that was stopped half-way has less to do; orders that were only listed count as not read."""
    since = datetime.now(UTC) - timedelta(days=100)
    stored, scope = 0, anyio.CancelScope()

    def heard(event: SyncEvent) -> None:
        nonlocal stored
        if isinstance(event, PageStored):
            stored += event.completed
            if stored >= 60:
                scope.cancel()

    async with (
        Emulator(orders=150, rate_scale=1000) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        seller = app.selling_partner("Atzr|one", region="NA", seller_id="one")
        with scope:
            await sync_orders([seller], sqlite_url, since=since, page_size=10, progress=heard)
        plan = await plan_orders([seller], sqlite_url, since=since)
        assert 60 <= stored < 150
        assert plan.orders == 150 - stored
        query(sqlite_url, "UPDATE orders SET detail = 'report' WHERE rowid <= 20")
        assert (await plan_orders([seller], sqlite_url, since=since)).orders == 170 - stored


async def test_a_plan_of_one_marketplace_leaves_out_its_orders_alone(sqlite_url: str) -> None:
    """Stored orders of another marketplace do not count."""
    since = datetime.now(UTC) - timedelta(days=100)
    async with (
        Emulator(orders=60, rate_scale=1000) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        seller = app.selling_partner("Atzr|one", region="NA", seller_id="one")
        report = await sync_orders([seller], sqlite_url, since=since, marketplaces=["US"])
        plan = await plan_orders([seller], sqlite_url, since=since, marketplaces=["CA", "MX"])
        assert 0 < plan.orders == 60 - report.orders


async def test_a_window_that_is_read_again_has_no_forecast(sqlite_url: str) -> None:
    """The number of orders that were updated in it is unknown."""
    end = datetime.now(UTC) - timedelta(hours=1)
    heard: list[SyncEvent] = []
    async with (
        Emulator(orders=60, rate_scale=1000) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        seller = app.selling_partner("Atzr|one", region="NA", seller_id="one")
        window = (end - timedelta(days=90), end)
        await sync_orders([seller], sqlite_url, window=window, forecast=True, progress=heard.append)
        assert not any(isinstance(event, OrdersForecast) for event in heard)
        assert not emulator.stats()["operations"].get("sales_v1.get_order_metrics")
        await sync_orders([seller], sqlite_url, since=window[0], forecast=True, progress=heard.append)
        assert any(isinstance(event, OrdersForecast) for event in heard)


def test_what_if_computes_the_use_of_quotas() -> None:
    """200 sellers with 250 orders a day each use a two-hundredth of what searches allow."""
    outlook = what_if(sellers=200, orders_per_day=50_000)
    assert outlook.orders_a_seller_a_day == 250
    assert outlook.possible_a_seller_a_day == pytest.approx(48_384)
    assert outlook.share_of_quota == pytest.approx(0.0052, abs=0.0001)
    assert outlook.freshness == pytest.approx(120 + 180 / 2, rel=0.01)
    assert outlook.history_orders_a_seller == 182_500
    fast = what_if(sellers=200, orders_per_day=50_000, sources=["ids", "orders_v0"])
    assert fast.freshness == pytest.approx(120 + 60 / 2, rel=0.01)
    assert fast.listed_seconds is None
    assert fast.history_seconds == pytest.approx(outlook.history_seconds * 0.56 / 1.56, rel=0.02)
    listed = what_if(sellers=1, orders_per_day=400, sources=["ids", "reports"])
    assert listed.listed_seconds == pytest.approx((25 - 15) * 60, rel=0.01)  # a report covers thirty days at most
    with pytest.raises(ConfigurationError):
        what_if(sellers=0, orders_per_day=1)


def test_the_command_line_prints_the_plan(capsys: pytest.CaptureFixture[str], sqlite_url: str) -> None:
    """It is a table or JSON, also without a call."""
    assert run(["plan", "orders", "--emulator", "--orders", "40", "--database", sqlite_url]) == 0
    assert "40" in capsys.readouterr().out
    assert run(["plan", "orders", "--emulator", "--orders", "40", "--database", sqlite_url, "--json"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["orders"] == 40
    assert run(["plan", "orders", "--what-if", "sellers=200", "orders-per-day=50000", "--json"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["orders_a_seller_a_day"] == 250
    assert run(["plan", "orders", "--what-if", "sellers=200", "orders-per-day=50000", "--sources", "all"]) == 0
    assert "48,384" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [[], ["--what-if"], ["--what-if", "sellers=x", "orders-per-day=1"], ["--what-if", "sellers=1"], ["sellers=1"]],
)
def test_a_plan_without_input_is_a_usage_error(words: list[str]) -> None:
    """The exit code is 2."""
    assert run(["plan", "orders", *words]) == 2

"""The emulator's order metrics: orders of an interval, by hour, by day and in total."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from spapi_async import Application, BadRequestError
from spapi_async.emulator.server import Emulator

NOW = datetime.now(UTC).replace(microsecond=0)


def interval(days: float) -> str:
    """From so many days ago until now."""
    return f"{(NOW - timedelta(days=days)).isoformat()}--{NOW.isoformat()}"


@pytest.mark.parametrize("violations", [True, False])
async def test_metrics_count_the_orders_of_one_marketplace(*, violations: bool) -> None:
    """Days add up to the total; amounts are exact as numbers and as text."""
    async with (
        Emulator(orders=80, rate_scale=1000, violations=violations) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        sales = app.selling_partner("Atzr|one", region="NA").sales_v1
        counted = 0
        for place in ("US", "CA", "MX"):
            (total,) = await sales.get_order_metrics(
                marketplace_ids=[place], interval=interval(100), granularity="Total"
            )
            days = await sales.get_order_metrics(
                marketplace_ids=[place], interval=interval(100), granularity="Day", granularity_time_zone="UTC"
            )
            assert sum(day.order_count for day in days) == total.order_count
            assert len(days) in (100, 101)
            assert isinstance(total.total_sales.amount, Decimal)
            counted += total.order_count
        assert counted == 80


@pytest.mark.parametrize(
    "wrong",
    [
        {"marketplace_ids": ["US", "CA"]},
        {"interval": "yesterday"},
        {"interval": interval(40), "granularity": "Hour"},
        {"granularity": "Day"},
        {"interval": interval(800)},
    ],
)
async def test_invalid_metrics_requests_are_refused(wrong: dict[str, Any]) -> None:
    """They have two marketplaces, no interval, hours of long ago, or days without a time zone."""
    async with (
        Emulator(orders=1, rate_scale=1000) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        asked: dict[str, Any] = {"marketplace_ids": ["US"], "interval": interval(10), "granularity": "Total"} | wrong
        with pytest.raises(BadRequestError):
            await app.selling_partner("Atzr|one", region="NA").sales_v1.get_order_metrics(**asked)

"""Runs are polled at the rate that the limiter has learned, not at the documented one."""

from __future__ import annotations

from typing import Any

import pytest

from spapi_async import Application
from spapi_async.emulator.server import Emulator
from spapi_async.workflows.data_kiosk._kind import QueryKind
from spapi_async.workflows.feeds._kind import FeedKind
from spapi_async.workflows.reports._kind import ReportKind

KINDS = {
    ReportKind: ("reports_2021_06_30", "iter_reports", {"report_types": ["GET_MERCHANT_LISTINGS_ALL_DATA"]}),
    FeedKind: ("feeds_2021_06_30", "iter_feeds", {"feed_types": ["JSON_LISTINGS_FEED"]}),
    QueryKind: ("data_kiosk_2023_11_15", "iter_queries", {}),
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_a_reply_that_names_another_rate_changes_the_pace(kind: Any) -> None:
    """The rate of lists applies to lists, and does not change the other one."""
    api, listing, arguments = KINDS[kind]
    async with Emulator(rate_scale=50) as emulator, Application("app", "secret", endpoint=emulator.url) as app:
        seller = app.selling_partner("Atzr|one", region="NA", seller_id="one")
        asked = kind(seller)
        get_rate, list_rate = asked.get_rate, asked.list_rate
        assert get_rate == pytest.approx(2.0, rel=0.01)
        assert list_rate == pytest.approx(0.0222, rel=0.01)
        async for _ in getattr(getattr(seller, api), listing)(**arguments):
            pass
        assert asked.list_rate == pytest.approx(50 * list_rate, rel=0.01)  # two forecasts that take time
        assert asked.get_rate == pytest.approx(get_rate, rel=0.01)

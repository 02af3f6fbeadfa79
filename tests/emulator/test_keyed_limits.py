"""Limits that depend on an argument, as the emulator enforces them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from direct import HandClock, running

from spapi_async.api.feeds_2021_06_30 import CREATE_FEED
from spapi_async.api.listings_items_2021_08_01 import PATCH_LISTINGS_ITEM, PUT_LISTINGS_ITEM
from spapi_async.api.reports_2021_06_30 import CREATE_REPORT
from spapi_async.emulator.gateway.buckets import Plans
from spapi_async.emulator.gateway.keyed_limits import WindowLog

SALES = b'{"reportType": "GET_SALES_AND_TRAFFIC_REPORT"}'
ORDERS = b'{"reportType": "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL"}'


def patch(*attributes: str) -> bytes:
    """A patch of these attributes."""
    paths = [{"op": "replace", "path": f"/attributes/{name}"} for name in attributes]
    return json.dumps({"productType": "X", "patches": paths}).encode()


def test_a_window_lets_no_more_through_in_any_hour() -> None:
    """Four at 0:50 and a fifth at 1:00 are five in an hour, though a bucket would have refilled."""
    log = WindowLog(4, 3600.0)
    for _ in range(4):
        assert log.holds_one(3000.0)
        log.take(3000.0)
    assert not log.holds_one(3600.0)
    assert not log.holds_one(6599.9)
    assert log.holds_one(6600.0)
    assert log.throttled == 2


def test_the_fifth_sales_report_of_an_hour_is_refused_and_other_types_pass() -> None:
    """The refusal names the type and costs no token of the plan; another seller has an hour of its own."""
    plans = Plans(lambda: 0.0)
    assert [plans.admit(CREATE_REPORT, "app", "one", body=SALES) for _ in range(4)] == [None] * 4
    refused = plans.admit(CREATE_REPORT, "app", "one", body=SALES)
    assert refused is not None
    assert "GET_SALES_AND_TRAFFIC_REPORT has no token left at 4 in 3600 s" in refused.why
    assert plans.tokens(CREATE_REPORT, "app", "one") == CREATE_REPORT.usage_plan.burst - 4
    assert plans.admit(CREATE_REPORT, "app", "one", body=ORDERS) is None
    assert plans.admit(CREATE_REPORT, "app", "two", body=SALES) is None


def test_the_sixth_json_feed_in_five_minutes_is_refused() -> None:
    """Five pass, and none more before the first is five minutes old."""
    moments = [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 299.0, 300.0]
    clock = iter(moments)
    plans = Plans(lambda: next(clock))
    body = b'{"feedType": "JSON_LISTINGS_FEED"}'
    passed = [plans.admit(CREATE_FEED, "app", "one", body=body) is None for _ in moments]
    assert passed == [True] * 5 + [False, False, True]


@pytest.mark.parametrize(
    ("operation", "query", "body", "amount", "level"),
    [
        (PATCH_LISTINGS_ITEM, "", patch("child_parent_sku_relationship"), 5, "relationships"),
        (PATCH_LISTINGS_ITEM, "", patch("purchasable_offer", "item_name"), 100, "product data"),
        (PATCH_LISTINGS_ITEM, "mode=VALIDATION_PREVIEW", patch("purchasable_offer"), 20, ""),
        (PATCH_LISTINGS_ITEM, "", patch("purchasable_offer"), 500, "the application"),
        (PUT_LISTINGS_ITEM, "", b'{"attributes": {"package_contains_sku": []}}', 25, "relationships"),
        (PUT_LISTINGS_ITEM, "", b'{"attributes": {"item_name": []}}', 100, "the application"),
    ],
)
def test_listings_have_limits_by_what_they_change(
    operation: Any, query: str, body: bytes, amount: int, level: str
) -> None:
    """Sellers of one application exceed a level's limit together, and the refusal names it."""
    plans = Plans(lambda: 0.0)
    admitted = 0
    while (refused := plans.admit(operation, "app", f"seller {admitted}", query, body)) is None:
        admitted += 1
    assert (admitted, refused.level) == (amount, level)


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'{"patches": [1, {"path": 2}]}', b'{"patches": {}}'])
def test_a_body_of_another_form_has_no_such_limit(body: bytes) -> None:
    """Whether it is valid is checked later."""
    assert Plans(lambda: 0.0).admit(PATCH_LISTINGS_ITEM, "app", "one", body=body) is None


async def test_a_listings_429_names_the_level() -> None:
    """It has one of Amazon's three messages; limits show what each one applies to."""
    async with running(clock=HandClock()) as api:
        body = json.loads(patch("child_parent_sku_relationship"))
        path = "/listings/2021-08-01/items/A1/SKU"
        tokens = [await api.log_in(name) for name in ("Atzr|one", "Atzr|two")] * 3
        path += "?marketplaceIds=ATVPDKIKX0DER"
        replies = [await api.send("PATCH", path, body=body, token=token) for token in tokens]
        assert replies[5].status == 429
        assert replies[5].error["message"].endswith("greater than what is allowed for relationships.")
        rules = {limit["rule"] for limit in (await api.get("/_emulator/limits")).json["limits"]}
        assert rules == {"", "relationships"}

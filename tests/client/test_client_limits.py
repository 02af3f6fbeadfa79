"""Limits as an application shows and keeps them, against an emulator that enforces its own."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from spapi_async import (
    Application,
    ConfigurationError,
    Event,
    RateLimitWaitError,
    Region,
    SellingPartner,
    Throttled,
    Waited,
    call_options,
)
from spapi_async._client import application
from spapi_async._core.recent import Recent
from spapi_async.api.catalog_items_2022_04_01 import SEARCH_CATALOG_ITEMS
from spapi_async.api.listings_items_2021_08_01 import PATCH_LISTINGS_ITEM
from spapi_async.api.reports_2021_06_30 import CREATE_REPORT
from spapi_async.emulator import Emulator
from spapi_async.ratelimit import Bucket, LocalRateLimiter, PlanRule, Window

SALES = "GET_SALES_AND_TRAFFIC_REPORT"
OTHER = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL"


def report(kind: str) -> dict[str, Any]:
    """Arguments of createReport."""
    return {"body": {"reportType": kind, "marketplaceIds": ["ATVPDKIKX0DER"]}}


def throttled(emulator: Emulator) -> int:
    """The number of 429s so far."""
    return sum(figures["throttled"] for figures in emulator.stats()["operations"].values())


@asynccontextmanager
async def selling(emulator: Emulator, **options: Any) -> AsyncIterator[SellingPartner]:
    """One seller of an application."""
    async with Application("app", "secret", endpoint=emulator.url, **options) as app:
        yield app.selling_partner("Atzr|one", region=Region.NA)


async def test_the_fifth_sales_report_is_refused_with_the_seconds_and_other_types_pass() -> None:
    """Four are sent, the fifth would wait for the rest of the hour; the emulator refuses none."""
    async with Emulator() as emulator, selling(emulator) as seller:
        for _ in range(4):
            await seller.call(CREATE_REPORT, **report(SALES))
        with call_options(max_wait=60), pytest.raises(RateLimitWaitError, match="longer than max_wait=60 s") as refusal:
            await seller.call(CREATE_REPORT, **report(SALES))
        assert refusal.value.retry_after == pytest.approx(3600, abs=30)
        assert (await seller.call(CREATE_REPORT, **report(OTHER))).status == 202
        assert throttled(emulator) == 0


async def test_the_fifth_waits_for_the_window_to_open() -> None:
    """A thousand times faster, the fifth is sent a window after the first, and is not refused."""
    rule = PlanRule(CREATE_REPORT.name, "body.reportType", SALES, (Window(4, 3.6),))
    events: list[Event] = []
    async with (
        Emulator(rate_scale=1000) as emulator,
        selling(emulator, plan_rules=[rule], observers=[events.append]) as seller,
    ):
        for _ in range(5):
            await seller.call(CREATE_REPORT, **report(SALES))
        assert throttled(emulator) == 0
    (waited,) = [event for event in events if isinstance(event, Waited)]
    assert waited.seconds == pytest.approx(3.6, abs=0.5)


async def test_a_sellers_forecast_sends_nothing() -> None:
    """It returns the seconds until so many calls could be sent, by argument where a limit depends on one."""
    async with Emulator() as emulator, selling(emulator) as seller:
        for _ in range(4):
            await seller.call(CREATE_REPORT, **report(SALES))
        requests = emulator.stats()["operations"]
        assert seller.forecast(CREATE_REPORT, report(SALES)) == pytest.approx(3600, abs=30)
        assert seller.forecast(CREATE_REPORT, report(OTHER)) == 0.0
        assert seller.forecast(CREATE_REPORT, report(OTHER), count=12) == pytest.approx(60, abs=5)
        assert emulator.stats()["operations"] == requests
        with pytest.raises(ConfigurationError, match="count must be 1 or more, not 0"):
            seller.forecast(CREATE_REPORT, count=0)
        with pytest.raises(ConfigurationError, match="count must be"):
            seller.forecast(CREATE_REPORT, report(SALES), count=1.5)  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="did you mean body"):
            seller.forecast(CREATE_REPORT, {"bdoy": {}})


async def test_limits_show_rules() -> None:
    """They show to what a rule applies, and the seller's name."""
    async with Emulator() as emulator, Application("app", "secret", endpoint=emulator.url) as app:
        seller = app.selling_partner("Atzr|one", region=Region.NA, seller_id="A1")
        await seller.call(CREATE_REPORT, **report(SALES))
        found = [(limit.account, limit.rule, limit.window, limit.tokens) for limit in app.limits()]
        assert ("A1@na", f"reportType={SALES}", 3600.0, 3.0) in found
        assert {account for account, *_ in found} == {"A1@na"}


async def test_the_level_that_a_listings_429_names_is_learned() -> None:
    """Another client uses the application's relationships up: those slow down, the seller's plan does not."""
    body = {"productType": "X", "patches": [{"op": "delete", "path": "/attributes/child_parent_sku_relationship"}]}
    arguments: dict[str, Any] = {"seller_id": "A", "sku": "S", "marketplace_ids": ["ATVPDKIKX0DER"], "body": body}
    async with Emulator() as emulator, selling(emulator) as seller:
        message = b"The frequency of requests was greater than what is allowed for relationships."
        emulator.faults({"status": 429, "times": 1, "body": {"errors": [{"code": "Q", "message": message.decode()}]}})
        with pytest.raises(Exception, match="not found"):
            await seller.call(PATCH_LISTINGS_ITEM, **arguments)
        rates = {limit.rule or limit.account[:1]: limit.rate for limit in seller.application.limits()}
        assert rates["relationships"] < 5.0
        assert {rate for rule, rate in rates.items() if rule != "relationships"} == {5.0, 500.0}


async def test_observers_are_called_by_a_limiter_that_is_given() -> None:
    """The call sends the event of a wait, the limiter that of a 429."""
    events: list[Event] = []
    limiter = LocalRateLimiter()
    async with (
        Emulator(rate_scale=1000) as emulator,
        selling(emulator, limiter=limiter, observers=[events.append]) as seller,
    ):
        emulator.faults({"status": 429, "times": 1})
        await seller.call(SEARCH_CATALOG_ITEMS, marketplace_ids=["ATVPDKIKX0DER"], keywords=["book"])
    kinds = {type(event) for event in events}
    assert {Throttled, Waited} <= kinds
    assert {event.account for event in events if isinstance(event, Throttled)} == {seller.name}


async def test_throttled_items_of_a_batch_slow_the_limiter_down() -> None:
    """The next call waits as after a 429 of its own."""
    async with Emulator() as emulator, selling(emulator) as seller:
        await seller.call(CREATE_REPORT, **report(OTHER))
        seller.note_throttled(CREATE_REPORT, report(OTHER))
        assert seller.forecast(CREATE_REPORT, report(OTHER)) > 1.0


async def test_one_credential_has_one_seller_id() -> None:
    """A handle without an id gets the first one that was given; another id is refused."""
    async with Application("app", "secret") as app:
        unnamed = app.selling_partner("Atzr|one", region=Region.NA)
        named = app.selling_partner("Atzr|one", region=Region.NA, seller_id="A1")
        later = app.selling_partner("Atzr|one", region=Region.NA)
        assert (unnamed.name, named.name, later.name) == (unnamed.key, "A1@na", "A1@na")
        assert later.seller_id == "A1"
        assert named.key == unnamed.key
        with pytest.raises(ConfigurationError, match="seller_id 'A1' before, so it cannot belong to 'A2'"):
            app.selling_partner("Atzr|one", region=Region.NA, seller_id="A2")
        assert app.selling_partner("Atzr|one", region=Region.EU, seller_id="A2").name == "A2@eu"


async def test_the_name_of_a_credential_is_kept_while_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many are as it holds; whose grant is replaced again and again, for weeks, is not remembered under each."""
    monkeypatch.setattr(application, "Recent", functools.partial(Recent, 1000))
    async with Application("app", "secret") as app:
        for name in ("one", "two"):
            app.selling_partner(f"Atzr|{name}", region=Region.NA, seller_id="A1")
        for number in range(1000):
            app.selling_partner(f"Atzr|{number}", region=Region.NA, seller_id="A1")
            if number == 500:
                app.selling_partner("Atzr|two", region=Region.NA)
        assert app.selling_partner("Atzr|one", region=Region.NA).seller_id is None
        assert app.selling_partner("Atzr|two", region=Region.NA).seller_id == "A1"


def test_a_hundred_thousand_names_are_kept() -> None:
    """One more displaces the one that was used longest ago."""
    names: Recent[int, str] = Recent()
    for number in range(100_000):
        names.put(number, "A1")
    assert names.get(0) == "A1"
    names.put(100_000, "A1")
    assert (names.get(0), names.get(1)) == ("A1", None)


@pytest.mark.parametrize("seller_id", ["", " ", "A1@na", "A|1", "{A1}", 5, "A\n1", "A1\x1b"])
async def test_an_invalid_seller_id_is_refused(seller_id: Any) -> None:
    """It would become part of keys, tables and log lines."""
    async with Application("app", "secret") as app:
        with pytest.raises(ConfigurationError, match="seller_id must be like"):
            app.selling_partner("Atzr|one", region=Region.NA, seller_id=seller_id)


async def test_rules_that_cannot_work_are_refused_when_the_application_is_made() -> None:
    """The error does not come in the middle of a call."""
    with pytest.raises(ConfigurationError, match="must be a list of PlanRule"):
        Application("app", "secret", plan_rules=[Bucket(1, 1)])  # type: ignore[list-item]

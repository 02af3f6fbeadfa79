"""What a sync asks besides orders, the seller's marketplaces and the number of orders, at a server with odd replies."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from spapi_async import Application, ConfigurationError, DecodeError, ForbiddenError, SellingPartner
from spapi_async.emulator.server import Emulator
from spapi_async.workflows.orders import follow_orders, plan_orders, sync_orders

pytest_plugins = ("sync_fixtures",)

MARKETPLACES = "sellers_v1.get_marketplace_participations"
METRICS = "sales_v1.get_order_metrics"
NO_LISTS: list[Any] = [None, 5, "x", {}, [None], ["x"], [{}, 5]]


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(orders=10, throttle=False) as emulator:
        yield emulator


@pytest.fixture
async def seller(emulator: Emulator) -> AsyncIterator[SellingPartner]:
    async with Application("app", "secret", endpoint=emulator.url) as app:
        yield app.selling_partner("Atzr|seller", region="NA", seller_id="A1")


@pytest.mark.parametrize("operation", [MARKETPLACES, METRICS])
@pytest.mark.parametrize("payload", NO_LISTS, ids=str)
async def test_a_plan_names_the_reply_that_cannot_be_read(
    emulator: Emulator, seller: SellingPartner, sqlite_url: str, operation: str, payload: Any
) -> None:
    """A marketplace or a number that is left out would make the plan, or the sync, too small."""
    emulator.faults({"operation": operation, "status": 200, "body": json.dumps({"payload": payload}), "times": None})
    with pytest.raises(DecodeError) as caught:
        await plan_orders([seller], sqlite_url)
    assert caught.value.operation == operation


async def test_a_marketplace_without_an_id_is_not_left_out(
    emulator: Emulator, seller: SellingPartner, sqlite_url: str
) -> None:
    """Orders v0 lists nothing of a marketplace that is not named."""
    entry = {"marketplace": {"countryCode": "US"}, "participation": {"isParticipating": True}}
    emulator.faults({"operation": MARKETPLACES, "status": 200, "body": json.dumps({"payload": [entry]})})
    with pytest.raises(DecodeError, match="a marketplace has no id"):
        await plan_orders([seller], sqlite_url)


@pytest.mark.parametrize("count", ["-1", "1" + 400 * "0", '"many"', "null"])
async def test_what_is_no_number_of_orders_is_refused(
    emulator: Emulator, seller: SellingPartner, sqlite_url: str, count: str
) -> None:
    """It would become the length of a wait."""
    emulator.faults({"operation": METRICS, "status": 200, "body": f'{{"payload": [{{"orderCount": {count}}}]}}'})
    with pytest.raises(DecodeError, match="holds no number of orders"):
        await plan_orders([seller], sqlite_url)


async def test_a_plan_raises_what_amazon_answers(emulator: Emulator, seller: SellingPartner, sqlite_url: str) -> None:
    """And no exception group, however many sellers are planned at once."""
    emulator.faults({"operation": METRICS, "status": 403, "times": None})
    with pytest.raises(ForbiddenError):
        await plan_orders([seller], sqlite_url)


async def test_a_sync_goes_on_without_a_forecast(emulator: Emulator, seller: SellingPartner, sqlite_url: str) -> None:
    """The number of orders is for the progress alone."""
    emulator.faults({"operation": METRICS, "status": 200, "body": '{"payload": [5]}', "times": None})
    report = await sync_orders([seller], sqlite_url, forecast=True)
    assert (report.failed, report.orders) == ((), 10)


async def test_following_ends_with_the_error_of_its_queue(seller: SellingPartner, sqlite_url: str) -> None:
    """And with no exception group."""

    async def messages() -> AsyncIterator[Any]:
        yield {}
        raise ConfigurationError("there is no such queue")

    with pytest.raises(ConfigurationError, match="no such queue"):
        await follow_orders([seller], sqlite_url, messages=messages())

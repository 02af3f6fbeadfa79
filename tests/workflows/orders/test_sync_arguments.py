"""What arguments ``sync_orders`` accepts, and what it refuses before anything is sent."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from order_databases import query

from spapi_async import Application, ConfigurationError, Marketplace
from spapi_async.emulator.server import Emulator
from spapi_async.workflows.orders import follow_orders, plan_orders, sync_orders

pytest_plugins = ("sync_fixtures",)


@pytest.mark.parametrize("places", ["US", ["us"], [Marketplace.US], "ATVPDKIKX0DER"])
async def test_marketplaces_are_members_ids_or_countries(sqlite_url: str, places: Any) -> None:
    """A single one is a list of one, not of letters; all forms are the same stream."""
    async with Emulator(orders=20) as running, Application("app", "secret", endpoint=running.url) as app:
        report = await sync_orders([app.selling_partner("Atzr|a", region="NA")], sqlite_url, marketplaces=places)
        assert report.failed == ()
        assert "marketplaceIds=ATVPDKIKX0DER&" in running.received[-1].target
    assert query(sqlite_url, "SELECT stream FROM checkpoints") == [("orders_2026_01_01:ATVPDKIKX0DER",)]


async def test_a_single_data_set_is_a_list_of_one(sqlite_url: str) -> None:
    """It is not split into letters."""
    async with Emulator(orders=5) as running, Application("app", "secret", endpoint=running.url) as app:
        seller = app.selling_partner("Atzr|a", region="NA")
        assert (await sync_orders([seller], sqlite_url, datasets="PACKAGES")).failed == ()
        assert running.received[-1].target.endswith("&includedData=PACKAGES")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concurrency": 0}, "concurrency must be 1 or more"),
        ({"marketplaces": ["XX"]}, "unknown marketplace 'XX'"),
        ({"marketplaces": ["US", "DE"]}, "marketplace DE is in region EU, but none of the sellers is"),
        ({"datasets": ["PROCEEDS", "PAKAGES"]}, r"unknown data sets \['PAKAGES'\]; there are BUYER, "),
        ({"datasets": "buyer"}, "unknown data sets"),
        ({"since": date(2026, 1, 1)}, "datetime with a time zone"),
    ],
)
async def test_arguments_that_cannot_work_are_refused(sqlite_url: str, options: Any, message: str) -> None:
    """The error names them, and no database is created."""
    async with Application("app", "secret") as app:
        with pytest.raises(ConfigurationError, match=message):
            await sync_orders([app.selling_partner("Atzr|a", region="NA")], sqlite_url, **options)


@pytest.mark.parametrize("job", [sync_orders, follow_orders, plan_orders])
async def test_a_start_without_a_zone_or_in_the_future_is_refused(sqlite_url: str, job: Any) -> None:
    """It could mean any of 24 hours, or would hide every order until then."""
    async with Application("app", "secret") as app:
        seller = app.selling_partner("Atzr|a", region="NA")
        with pytest.raises(ConfigurationError, match="datetime with a time zone"):
            await job([seller], sqlite_url, since=datetime(2026, 1, 1))  # noqa: DTZ001
        with pytest.raises(ConfigurationError, match="must not be in the future"):
            await job([seller], sqlite_url, since=datetime(2999, 1, 1, tzinfo=UTC))


async def test_each_seller_is_asked_for_the_marketplaces_of_its_region(sqlite_url: str) -> None:
    """One list serves sellers of several regions; an unknown id is sent for all of them."""
    async with Emulator(orders=5) as running, Application("app", "secret", endpoint=running.url) as app:
        sellers = [app.selling_partner("Atzr|a", region=region, seller_id=region) for region in ("NA", "EU")]
        await sync_orders(sellers, sqlite_url, marketplaces=["US", "A1PA6795UKMFR9", "A-NEWER-ONE"])
        targets = [received.target for received in running.received]
    assert {target.partition("marketplaceIds=")[2].partition("&")[0] for target in targets} == {
        "A-NEWER-ONE,A1PA6795UKMFR9",
        "A-NEWER-ONE,ATVPDKIKX0DER",
    }


async def test_a_seller_without_any_of_the_marketplaces_is_refused(sqlite_url: str) -> None:
    """Its sync would have no filter, or marketplaces that it cannot have."""
    async with Application("app", "secret") as app:
        sellers = [app.selling_partner("Atzr|a", region=region, seller_id="A1") for region in ("NA", "EU")]
        with pytest.raises(
            ConfigurationError, match="seller A1@eu is in region EU, but none of the given marketplaces is"
        ):
            await sync_orders(sellers, sqlite_url, marketplaces=["US"])

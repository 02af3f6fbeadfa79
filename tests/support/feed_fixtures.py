"""What tests of feeds share: an emulator, a seller with an id on it, and counts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from request_counts import requests_of

from spapi_async import Application, Region, SellingPartner
from spapi_async._core.journal import RunStore
from spapi_async.emulator import Emulator
from spapi_async.workflows.feeds import ListingsFeed

__all__ = ["CREATE", "UPLOAD", "feeds_emulated", "feeds_made", "listings_of", "seller_with_id_on"]

CREATE = "feeds_2021_06_30.create_feed"
UPLOAD = "feeds_2021_06_30.create_feed_document"


@asynccontextmanager
async def feeds_emulated(**options: Any) -> AsyncIterator[tuple[Emulator, SellingPartner]]:
    """Start an emulator whose feeds are done at once, and a seller on it."""
    settings: dict[str, Any] = {"processing": 0.0, "throttle": False, **options}
    async with Emulator(**settings) as emulator, seller_with_id_on(emulator.url) as seller:
        yield emulator, seller


@asynccontextmanager
async def seller_with_id_on(endpoint: str, journal: RunStore | None = None) -> AsyncIterator[SellingPartner]:
    """A seller of an application of its own, as a separate process would have it."""
    async with Application("app", "secret", endpoint=endpoint, journal=journal) as app:
        yield app.selling_partner("Atzr|seller", region=Region.NA, seller_id="A1SELLER")


def feeds_made(emulator: Emulator, operation: str = CREATE) -> int:
    """Return how often an operation was called."""
    return requests_of(emulator, operation)


def listings_of(*skus: str) -> ListingsFeed:
    """Return a listing for each SKU."""
    listings = ListingsFeed()
    for sku in skus:
        listings.put(sku, "LUGGAGE", {"item_name": [{"value": f"Case {sku}"}]})
    return listings

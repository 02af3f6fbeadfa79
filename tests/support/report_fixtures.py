"""What tests of reports share: an emulator, a seller on it, and windows that hold its orders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from request_counts import requests_of

from spapi_async import Application, Region, SellingPartner
from spapi_async._core.journal import RunStore
from spapi_async.emulator import Emulator

__all__ = ["ALL_ORDERS", "CREATE", "INVENTORY", "LISTINGS", "calls", "reports_emulated", "seller_on", "window"]

ALL_ORDERS = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL"
LISTINGS = "GET_MERCHANT_LISTINGS_ALL_DATA"
INVENTORY = "GET_FBA_MYI_ALL_INVENTORY_DATA"
CREATE = "reports_2021_06_30.create_report"


@asynccontextmanager
async def reports_emulated(**options: Any) -> AsyncIterator[tuple[Emulator, SellingPartner]]:
    """An emulator whose reports are done at once, and a seller on it."""
    settings: dict[str, Any] = {"processing": 0.0, "orders": 60, "throttle": False, **options}
    async with Emulator(**settings) as emulator, seller_on(emulator.url) as seller:
        yield emulator, seller


@asynccontextmanager
async def seller_on(endpoint: str, journal: RunStore | None = None) -> AsyncIterator[SellingPartner]:
    """A seller of an application of its own, as another process would have it."""
    async with Application("app", "secret", endpoint=endpoint, journal=journal) as app:
        yield app.selling_partner("Atzr|seller", region=Region.NA)


def window(days: int = 20, *, ago: int = 0) -> dict[str, Any]:
    """Start and end of a window that ends so many days ago, at midnight."""
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=ago)
    return {"start": end - timedelta(days=days), "end": end}


def calls(emulator: Emulator, operation: str = CREATE) -> int:
    """How often an operation was asked for."""
    return requests_of(emulator, operation)

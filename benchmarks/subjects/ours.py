"""Our client with all features: limiter, tokens, retries, typed decoding, an observer of every event."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
from bodies import MARKETPLACE, order_id
from canned_server import RATE

from spapi_async import Application, Region
from subjects import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN

DISTRIBUTIONS = ("spapi-async", "aiohttp", "msgspec", "anyio")

_OPERATIONS = (
    ("orders_v0", "GET_ORDER"),
    ("orders_v0", "GET_ORDERS"),
    ("catalog_items_2022_04_01", "SEARCH_CATALOG_ITEMS"),
)


def give_room() -> None:
    """Give the measured operations very large usage plans, so that the limiter works as usual but never waits."""
    for module_name, name in _OPERATIONS:
        module = importlib.import_module(f"spapi_async.api.{module_name}")
        operation = getattr(module, name)
        plan = type(operation.usage_plan)(rate=RATE, burst=int(RATE))
        setattr(module, name, msgspec.structs.replace(operation, usage_plan=plan))


@asynccontextmanager
async def connect(url: str, **options: Any) -> AsyncIterator[SimpleNamespace]:
    """One application, one selling partner."""
    give_room()
    seen = [0]

    def observer(_event: object) -> None:
        seen[0] += 1

    created_after = datetime(2026, 1, 1, tzinfo=UTC)
    async with Application(CLIENT_ID, CLIENT_SECRET, endpoint=url, observers=(observer,), **options) as app:
        seller = app.selling_partner(REFRESH_TOKEN, region=Region.NA)

        async def get_order(number: int) -> int:
            return len((await seller.orders_v0.get_order(order_id(number))).amazon_order_id) // 19

        async def get_orders(_number: int) -> int:
            page = await seller.orders_v0.get_orders(
                marketplace_ids=[MARKETPLACE], created_after=created_after, max_results_per_page=100
            )
            return len(page.orders)

        async def search(_number: int) -> int:
            page = await seller.catalog_items_2022_04_01.search_catalog_items(
                marketplace_ids=[MARKETPLACE], keywords=["widget", "blue"], page_size=20
            )
            return len(page.items)

        yield SimpleNamespace(
            calls={"getOrder": get_order, "getOrders page of 100": get_orders, "searchCatalogItems page of 20": search},
            batch=None,
            app=app,
        )
        assert seen[0], "the observer was not called"

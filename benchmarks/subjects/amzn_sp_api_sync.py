"""amzn-sp-api, Amazon's synchronous client; concurrent calls use its ``async_req=True``, with a thread per core."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from bodies import MARKETPLACE, order_id
from spapi import SPAPIClient, SPAPIConfig
from spapi.api.catalogitems_v2022_04_01.catalog_api import CatalogApi
from spapi.api.orders_v0.orders_v0_api import OrdersV0Api

from subjects import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN

DISTRIBUTIONS = ("amzn-sp-api", "urllib3", "requests")


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[SimpleNamespace]:
    """One client for both APIs. Its import configures logging; raising the level here only makes it faster."""
    logging.getLogger().setLevel(logging.ERROR)
    config = SPAPIConfig(client_id=CLIENT_ID, client_secret=CLIENT_SECRET, refresh_token=REFRESH_TOKEN, region="NA")
    client = SPAPIClient(config, oauth_endpoint=f"{url}/auth/o2/token", endpoint=url).api_client
    orders, catalog = OrdersV0Api(client), CatalogApi(client)

    def get_order(number: int, **options: Any) -> Any:
        return orders.get_order(order_id(number), **options)

    def get_orders(_number: int, **options: Any) -> Any:
        return orders.get_orders(
            [MARKETPLACE], created_after="2026-01-01T00:00:00Z", max_results_per_page=100, **options
        )

    def search(_number: int, **options: Any) -> Any:
        return catalog.search_catalog_items([MARKETPLACE], keywords=["widget", "blue"], page_size=20, **options)

    functions: dict[str, Callable[..., Any]] = {
        "getOrder": get_order,
        "getOrders page of 100": get_orders,
        "searchCatalogItems page of 20": search,
    }
    counts: dict[str, Callable[[Any], int]] = {
        "getOrder": lambda body: len(body.payload.amazon_order_id) // 19,
        "getOrders page of 100": lambda body: len(body.payload.orders),
        "searchCatalogItems page of 20": lambda body: len(body.items),
    }

    def batch(case: str, concurrency: int, calls: int) -> int:
        function, count = functions[case], counts[case]
        if concurrency == 1:
            return sum(count(function(number)) for number in range(calls))
        pending = [function(number, async_req=True) for number in range(calls)]
        return sum(count(result.get()) for result in pending)

    yield SimpleNamespace(calls={}, batch=batch)

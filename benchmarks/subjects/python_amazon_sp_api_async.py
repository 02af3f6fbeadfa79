"""The asynchronous clients of python-amazon-sp-api. They have no pacing: a 429 raises.

With a thousand calls at once, its connection pool (httpx 0.28) takes five to ten milliseconds per call if there is an
idle connection when they begin, but fifty to sixty if there is none, as after a pause of five seconds, when idle ones
expire. Because of the calls that are made before each batch, the figures are those of the faster case.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any

from bodies import MARKETPLACE, order_id
from sp_api.asyncio.api.catalog_items.catalog_items_2022_04_01 import CatalogItemsV20220401
from sp_api.asyncio.api.orders.orders_v0 import OrdersV0
from sp_api.asyncio.auth import AccessTokenClient

from subjects import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN

DISTRIBUTIONS = ("python-amazon-sp-api", "httpx")


def at(url: str, client_type: Any, **options: Any) -> Any:
    """A client of ``client_type`` that uses ``url``; it has no option for its URLs, so both are set as attributes."""
    AccessTokenClient.scheme, AccessTokenClient.host = "http://", url.removeprefix("http://")
    client = client_type(
        refresh_token=REFRESH_TOKEN,
        credentials={"lwa_app_id": CLIENT_ID, "lwa_client_secret": CLIENT_SECRET},
        **options,
    )
    client.endpoint = url
    return client


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[SimpleNamespace]:
    """One client for each API, kept open, which is the cheapest way to use it."""
    async with AsyncExitStack() as stack:
        orders = await stack.enter_async_context(at(url, OrdersV0))
        catalog = await stack.enter_async_context(at(url, CatalogItemsV20220401, version="2022-04-01"))

        async def get_order(number: int) -> int:
            return len((await orders.get_order(order_id(number))).payload["AmazonOrderId"]) // 19

        async def get_orders(_number: int) -> int:
            page = await orders.get_orders(
                MarketplaceIds=[MARKETPLACE], CreatedAfter="2026-01-01T00:00:00Z", MaxResultsPerPage=100
            )
            return len(page.payload["Orders"])

        async def search(_number: int) -> int:
            page = await catalog.search_catalog_items(
                marketplaceIds=[MARKETPLACE], keywords=["widget", "blue"], pageSize=20
            )
            return len(page.payload["items"])

        yield SimpleNamespace(
            calls={"getOrder": get_order, "getOrders page of 100": get_orders, "searchCatalogItems page of 20": search},
            batch=None,
        )

"""The asynchronous client of amzn-selling-partner, with its own transport."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from amzn_selling_partner import AsyncSellingPartner, Marketplace
from amzn_selling_partner.sdk._http import RateLimit
from bodies import order_id

from subjects import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN

DISTRIBUTIONS = ("amzn-selling-partner", "httpx2", "pydantic")

_OPERATIONS = ("orders_v0.getOrder", "orders_v0.getOrders", "catalog_items_v2022_04_01.searchCatalogItems")


def at(url: str, **options: Any) -> AsyncSellingPartner:
    """A client that uses ``url``: LWA's URL is an option, the API's is that of the region, which is a fake."""

    class _Here:
        def base_url(self, *, sandbox: bool) -> str:  # noqa: ARG002
            return url

    return AsyncSellingPartner(
        region=_Here(),
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        refresh_token=REFRESH_TOKEN,
        token_url=f"{url}/auth/o2/token",
        **options,
    )


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[SimpleNamespace]:
    """The client with its throttle enabled and a high rate, which it does not learn from the headers of 2xx replies."""
    async with at(url) as client:
        for operation in _OPERATIONS:
            client.http._bucket(operation, RateLimit(1e6, 1_000_000))  # noqa: SLF001

        async def get_order(number: int) -> int:
            return len((await client.orders_v0.get_order(order_id(number))).payload.amazon_order_id) // 19

        async def get_orders(_number: int) -> int:
            page = await client.orders_v0.list_orders(
                marketplace_ids=[Marketplace.US], created_after="2026-01-01T00:00:00Z", max_results_per_page=100
            )
            return len(page.payload.orders)

        async def search(_number: int) -> int:
            page = await client.catalog_items_v2022_04_01.list_items(
                [Marketplace.US], keywords=["widget", "blue"], page_size=20
            )
            return len(page.items)

        yield SimpleNamespace(
            calls={"getOrder": get_order, "getOrders page of 100": get_orders, "searchCatalogItems page of 20": search},
            batch=None,
        )

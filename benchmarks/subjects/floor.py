"""The floor: aiohttp as bare as an application would write it, and msgspec into dicts. No quota, no retry, no types."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import aiohttp
import msgspec
from bodies import MARKETPLACE, order_id

DISTRIBUTIONS = ("aiohttp", "msgspec")


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[SimpleNamespace]:
    """A session and three functions on it."""
    async with aiohttp.ClientSession(headers={"user-agent": "floor/1.0", "accept": "application/json"}) as session:
        async with session.post(f"{url}/auth/o2/token", data={"grant_type": "refresh_token"}) as reply:
            headers = {"x-amz-access-token": msgspec.json.decode(await reply.read())["access_token"]}

        async def get_order(number: int) -> int:
            async with session.get(f"{url}/orders/v0/orders/{order_id(number)}", headers=headers) as reply:
                body = msgspec.json.decode(await reply.read())
            return len(body["payload"]["AmazonOrderId"]) // 19

        async def get_orders(_number: int) -> int:
            query = {"MarketplaceIds": MARKETPLACE, "CreatedAfter": "2026-01-01T00:00:00Z", "MaxResultsPerPage": "100"}
            async with session.get(f"{url}/orders/v0/orders", params=query, headers=headers) as reply:
                body = msgspec.json.decode(await reply.read())
            return len(body["payload"]["Orders"])

        async def search(_number: int) -> int:
            query = {"marketplaceIds": MARKETPLACE, "keywords": "widget,blue", "pageSize": "20"}
            async with session.get(f"{url}/catalog/2022-04-01/items", params=query, headers=headers) as reply:
                body = msgspec.json.decode(await reply.read())
            return len(body["items"])

        yield SimpleNamespace(
            calls={"getOrder": get_order, "getOrders page of 100": get_orders, "searchCatalogItems page of 20": search},
            batch=None,
        )

"""The floor: bare aiohttp with msgspec decoding into dicts, without quota, retries or types.

It sends as many headers and bytes as our client, with constant values, and gets the same replies. The session has
aiohttp's defaults: 100 connections, like ours, a cookie jar and a total timeout.
"""

from __future__ import annotations

import platform
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import aiohttp
import msgspec
from bodies import MARKETPLACE, order_id
from yarl import URL

__all__ = ["DISTRIBUTIONS", "connect"]

DISTRIBUTIONS = ("aiohttp", "msgspec")

_AGENT = f"bare_floor_/0.1.0 (Language=CPython/{platform.python_version()}; Platform=Linux/{platform.release()})"
_HEADERS = {"user-agent": _AGENT, "accept": "application/json, application/hal+json"}


@asynccontextmanager
async def connect(url: str, *, lowered: bool = False) -> AsyncIterator[SimpleNamespace]:
    """A session and three functions that use it; ``floor_lowered`` explains ``lowered``."""
    options: dict[str, Any] = {}
    address: Any = str
    if lowered:
        bytes(1 << 20)
        options = {"timeout": aiohttp.ClientTimeout(sock_connect=30), "cookie_jar": aiohttp.DummyCookieJar()}
        address = _encoded
    async with aiohttp.ClientSession(headers=_HEADERS, **options) as session:
        async with session.post(f"{url}/auth/o2/token", data={"grant_type": "refresh_token"}) as reply:
            token = msgspec.json.decode(await reply.read())["access_token"]
        headers = {"x-amz-access-token": token, "x-amz-date": "20261122T070000Z"}

        async def get_order(number: int) -> int:
            target = address(f"{url}/orders/v0/orders/{order_id(number)}")
            async with session.get(target, headers=headers) as reply:
                body = msgspec.json.decode(await reply.read())
            return len(body["payload"]["AmazonOrderId"]) // 19

        async def get_orders(_number: int) -> int:
            query = f"MarketplaceIds={MARKETPLACE}&CreatedAfter=2026-01-01T00%3A00%3A00Z&MaxResultsPerPage=100"
            target = address(f"{url}/orders/v0/orders?{query}")
            async with session.get(target, headers=headers) as reply:
                body = msgspec.json.decode(await reply.read())
            return len(body["payload"]["Orders"])

        async def search(_number: int) -> int:
            query = f"marketplaceIds={MARKETPLACE}&keywords=widget,blue&pageSize=20"
            target = address(f"{url}/catalog/2022-04-01/items?{query}")
            async with session.get(target, headers=headers) as reply:
                body = msgspec.json.decode(await reply.read())
            return len(body["items"])

        yield SimpleNamespace(
            calls={"getOrder": get_order, "getOrders page of 100": get_orders, "searchCatalogItems page of 20": search},
            batch=None,
        )


def _encoded(address: str) -> URL:
    return URL(address, encoded=True)

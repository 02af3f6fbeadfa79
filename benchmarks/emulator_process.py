"""The emulator of one contestant, in a separate process. Prints its URL, and a listing that can be requested."""

from __future__ import annotations

import asyncio
import sys

import aiohttp
import msgspec
from bodies import MARKETPLACE
from subjects import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN

from spapi_async.emulator import Emulator
from spapi_async.emulator.identity.tokens import seller_of

__all__ = ["Referee"]


class Referee(msgspec.Struct):
    """The facts that a contestant needs."""

    url: str
    seller: str
    sku: str


async def _listing(url: str, seller: str) -> str:
    """A SKU of the seller, requested through another operation than the measured one."""
    form = {"grant_type": "refresh_token", "refresh_token": REFRESH_TOKEN, "client_id": CLIENT_ID}
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        async with session.post(f"{url}/auth/o2/token", data={**form, "client_secret": CLIENT_SECRET}) as reply:
            headers = {"x-amz-access-token": (await reply.json())["access_token"]}
        search = f"{url}/listings/2021-08-01/items/{seller}"
        async with session.get(search, params={"marketplaceIds": MARKETPLACE}, headers=headers) as reply:
            return str((await reply.json())["items"][0]["sku"])


async def _main() -> None:
    async with Emulator() as emulator:
        seller = seller_of(REFRESH_TOKEN)
        referee = Referee(emulator.url, seller, await _listing(emulator.url, seller))
        print(msgspec.json.encode(referee).decode(), flush=True)
        await asyncio.to_thread(sys.stdin.read)  # until the parent process ends


if __name__ == "__main__":
    asyncio.run(_main())

"""A web backend that shares quota with jobs: interactive calls, 503 with the seconds to wait, cancelled on disconnect.

Run it: ``pip install fastapi uvicorn``, ``python examples/web/web_backend.py``. It starts an emulator of its own, sends
requests to itself, and contacts no other server. With several workers, give the application a ``RedisRateLimiter``.
"""

import asyncio
import socket
from typing import Any

import aiohttp
import uvicorn
from fastapi import FastAPI

from spapi_async import Application, SellingPartner
from spapi_async.emulator import Emulator
from spapi_async.web import SPAPIMiddleware


def backend(application: Application, seller: SellingPartner) -> FastAPI:
    """The web application."""
    api = FastAPI()
    api.add_middleware(SPAPIMiddleware, application=application, max_wait=0.5)

    @api.get("/marketplaces")
    async def marketplaces() -> list[str]:
        entries = await seller.sellers_v1.get_marketplace_participations()
        return [entry.marketplace.name for entry in entries or ()]

    return api


async def send_requests(url: str, times: int) -> list[int]:
    """Send requests one after the other; return the statuses of the responses."""
    statuses = []
    async with aiohttp.ClientSession() as client:
        for _ in range(times):
            async with client.get(f"{url}/marketplaces") as reply:
                statuses.append(reply.status)
                if reply.status == 503:
                    print("try again in", reply.headers["retry-after"], "s:", await reply.text())
    return statuses


async def main() -> None:
    """Serve, and send more requests than the quota allows."""
    async with Emulator() as emulator, Application("app", "secret", endpoint=emulator.url) as application:
        api: Any = backend(application, application.selling_partner("Atzr|example", region="NA"))
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            server = uvicorn.Server(uvicorn.Config(api, log_level="warning"))
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
            statuses = await send_requests(f"http://127.0.0.1:{listener.getsockname()[1]}", 17)
            server.should_exit = True
            await serving
    print(statuses.count(200), "answered with 200,", statuses.count(503), "with 503")


if __name__ == "__main__":
    asyncio.run(main())

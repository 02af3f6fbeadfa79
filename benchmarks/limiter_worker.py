"""One worker of the limiter's benchmark: makes its share of the requests with one client, as its users would.

``limiter_worker.py SUBJECT URL SELLER SKU REQUESTS WORKERS SECONDS [REDIS_URL]``. It prints ``"ready"``, waits for a
line, makes all calls at once, and prints when each call began and ended and whether it succeeded.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from bodies import MARKETPLACE
from subjects import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN

__all__ = ["RACERS"]

RATE = 5.0
# Seconds between two samples of our own limiter's state.
SAMPLE_INTERVAL = 0.05

Call = Callable[[], Awaitable[Any]]
Look = Callable[[], tuple[float, int]]


class Job(msgspec.Struct):
    """The arguments of the command line."""

    subject: str
    url: str
    seller: str
    sku: str
    requests: int
    workers: int
    seconds: float
    redis: str | None = None


@asynccontextmanager
async def ours(job: Job) -> AsyncIterator[tuple[Call, Look | None]]:
    """Our client; several workers share quota through Redis."""
    from spapi_async import Application, Region

    options: dict[str, Any] = {}
    if job.redis:
        from spapi_async.ratelimit import RedisRateLimiter

        options["limiter"] = RedisRateLimiter(job.redis)
    async with Application(CLIENT_ID, CLIENT_SECRET, endpoint=job.url, **options) as app:
        seller = app.selling_partner(REFRESH_TOKEN, region=Region.NA)

        async def call() -> Any:
            return await seller.listings_items_2021_08_01.get_listings_item(
                job.seller, job.sku, marketplace_ids=[MARKETPLACE]
            )

        def look() -> tuple[float, int]:
            buckets = [bucket for bucket in app.limits() if bucket.account]
            return (buckets[0].tokens, buckets[0].waiting) if buckets else (0.0, 0)

        yield call, look


@asynccontextmanager
async def pacer(job: Job) -> AsyncIterator[tuple[Call, Look | None]]:
    """A simple solution in ten lines: a pause of 1 / rate before each request, ignoring bursts and other processes."""
    import aiohttp

    async with aiohttp.ClientSession(raise_for_status=True) as session:
        form = {"grant_type": "refresh_token", "refresh_token": REFRESH_TOKEN, "client_id": CLIENT_ID}
        async with session.post(f"{job.url}/auth/o2/token", data={**form, "client_secret": CLIENT_SECRET}) as reply:
            headers = {"x-amz-access-token": (await reply.json())["access_token"]}
        turn = asyncio.Lock()

        async def call() -> Any:
            async with turn:
                await asyncio.sleep(1 / RATE)
            address = f"{job.url}/listings/2021-08-01/items/{job.seller}/{job.sku}"
            async with session.get(address, params={"marketplaceIds": MARKETPLACE}, headers=headers) as reply:
                return await reply.json()

        yield call, None


@asynccontextmanager
async def amzn_selling_partner(job: Job) -> AsyncIterator[tuple[Call, Look | None]]:
    """amzn-selling-partner with its default throttle (a bucket for each client object) and two retries."""
    from subjects.amzn_selling_partner_async import at

    async with at(job.url) as client:

        async def call() -> Any:
            return await client.listings_items_v2021_08_01.get_listings_item(job.seller, job.sku, [MARKETPLACE])

        yield call, None


@asynccontextmanager
async def python_amazon_sp_api(job: Job) -> AsyncIterator[tuple[Call, Look | None]]:
    """python-amazon-sp-api's asynchronous client, which neither waits nor retries."""
    from sp_api.asyncio.api.listings_items.listings_items_2021_08_01 import ListingsItemsV20210801
    from subjects.python_amazon_sp_api_async import at

    async with at(job.url, ListingsItemsV20210801, version="2021-08-01") as client:

        async def call() -> Any:
            return await client.get_listings_item(job.seller, job.sku, marketplaceIds=[MARKETPLACE])

        yield call, None


@asynccontextmanager
async def python_amazon_sp_api_retry(job: Job) -> AsyncIterator[tuple[Call, Look | None]]:
    """python-amazon-sp-api's synchronous client with its ``throttle_retry``, in twenty threads over all workers."""
    from sp_api.api.listings_items.listings_items_2021_08_01 import ListingsItemsV20210801
    from sp_api.auth import AccessTokenClient
    from sp_api.util import throttle_retry

    AccessTokenClient.scheme, AccessTokenClient.host = "http://", job.url.removeprefix("http://")
    client = ListingsItemsV20210801(
        refresh_token=REFRESH_TOKEN,
        credentials={"lwa_app_id": CLIENT_ID, "lwa_client_secret": CLIENT_SECRET},
        version="2021-08-01",
    )
    client.endpoint = job.url
    patient = throttle_retry()(client.get_listings_item)
    threads = ThreadPoolExecutor(max(1, 20 // job.workers))

    async def call() -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, lambda: patient(job.seller, job.sku, marketplaceIds=[MARKETPLACE]))

    yield call, None


RACERS = {
    "spapi_async": ours,
    "fixed-interval pacer": pacer,
    "amzn-selling-partner": amzn_selling_partner,
    "python-amazon-sp-api, async": python_amazon_sp_api,
    "python-amazon-sp-api, @throttle_retry": python_amazon_sp_api_retry,
}


async def _main(job: Job) -> None:
    async with RACERS[job.subject](job) as (call, look):
        print('"ready"', flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        records: list[tuple[float, float | None, str]] = []
        samples: list[tuple[float, float, int]] = []

        async def request() -> None:
            asked = time.time()
            try:
                await call()
            except Exception as error:  # noqa: BLE001  # each client has its own errors, and the class is recorded
                records.append((asked, time.time(), type(error).__name__))
            else:
                records.append((asked, time.time(), ""))

        async def watch(look: Look) -> None:
            while True:
                samples.append((time.time(), *look()))
                await asyncio.sleep(SAMPLE_INTERVAL)

        started = time.time()
        watcher = asyncio.ensure_future(watch(look)) if look else None
        tasks = [asyncio.ensure_future(request()) for _ in range(job.requests)]
        await asyncio.wait(tasks, timeout=job.seconds)
        records += [(started, None, "unfinished")] * (job.requests - len(records))
        if watcher:
            watcher.cancel()
        print(msgspec.json.encode({"records": records, "samples": samples}).decode(), flush=True)
    os._exit(0)  # without waiting for threads that sleep between retries


if __name__ == "__main__":
    asyncio.run(_main(msgspec.convert(dict(zip(Job.__struct_fields__, sys.argv[1:], strict=False)), Job, strict=False)))

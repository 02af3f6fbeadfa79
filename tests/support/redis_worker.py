"""A process that makes calls through a shared limiter; started by the tests of several processes.

``python redis_worker.py '{"redis": url, "server": url, "calls": 50, "rate": 5, "burst": 10}'`` prints a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import aiohttp

from spapi_async._core.operation import Operation, UsagePlan
from spapi_async._core.options import Priority
from spapi_async.credentials import Account, Grant
from spapi_async.errors import ConnectionFailedError
from spapi_async.marketplaces import Region
from spapi_async.ratelimit.shared.redis._limiter import RedisRateLimiter


def make_operation(rate: float, burst: int, name: str = "tests_v0.get_thing", **plan: Any) -> Operation[Any]:
    """An operation of no API with this usage plan."""
    return Operation(
        name=name, id="getThing", method="GET", path="/thing", usage_plan=UsagePlan(rate=rate, burst=burst, **plan)
    )


def make_account(seller: str = "seller") -> Account:
    """A made-up seller's account."""
    return Account(Grant.refresh_token("amzn1.application-oa2-client.test", f"Atzr|{seller}"), Region.NA)


async def work(limiter: RedisRateLimiter, session: aiohttp.ClientSession, config: dict[str, Any]) -> dict[str, Any]:
    """Make every call, repeat those that are throttled or refused, and report the results."""
    operation, account = make_operation(config["rate"], config["burst"]), make_account()
    left = iter(range(config["calls"]))
    result = {"done": 0, "throttled": 0, "refused": 0, "longest_wait": 0.0}

    async def call() -> None:
        while True:
            began = time.monotonic()
            try:
                permit = await limiter.acquire(operation, account, priority=Priority.NORMAL, max_wait=None)
            except ConnectionFailedError:
                result["refused"] += 1
                await asyncio.sleep(0.1)
                continue
            result["longest_wait"] = max(result["longest_wait"], time.monotonic() - began)
            async with session.get(config["server"]) as reply:
                permit.observe(reply.status, None)
                if reply.status == 200:
                    result["done"] += 1
                    return
                result["throttled"] += 1

    async def caller() -> None:
        for _ in left:
            await call()

    await asyncio.gather(*(caller() for _ in range(config.get("concurrency", 10))))
    return result


async def main(config: dict[str, Any]) -> None:
    limiter = RedisRateLimiter(config["redis"], on_outage=config.get("on_outage", "local"), timeout=0.5)
    async with aiohttp.ClientSession() as session:
        result = await work(limiter, session, config)
    await limiter.aclose()
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))

"""A process that requests reports through a shared limiter: ``report_worker.py EMULATOR REDIS``; prints what passed."""

from __future__ import annotations

import asyncio
import json
import sys

from spapi_async import Application, RateLimitWaitError, Region, call_options
from spapi_async.ratelimit import RedisRateLimiter

SALES, OTHER = "GET_SALES_AND_TRAFFIC_REPORT", "GET_MERCHANT_LISTINGS_ALL_DATA"


async def main(endpoint: str, redis: str) -> None:
    passed = {SALES: 0, OTHER: 0, "longest": 0.0}
    limiter = RedisRateLimiter(redis, timeout=5.0)
    async with Application("app", "secret", endpoint=endpoint, limiter=limiter) as app:
        seller = app.selling_partner("Atzr|one", region=Region.NA)
        for kind in (SALES, SALES, SALES, OTHER, OTHER):
            body = {"reportType": kind, "marketplaceIds": ["ATVPDKIKX0DER"]}
            try:
                with call_options(max_wait=5.0):
                    await seller.reports_2021_06_30.create_report(body=body)
            except RateLimitWaitError as refusal:
                passed["longest"] = max(passed["longest"], refusal.retry_after or 0.0)
            else:
                passed[kind] += 1
    sys.stdout.write(json.dumps(passed) + "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

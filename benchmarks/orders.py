"""How fast a new seller's orders arrive, by the sources in use, beside what their quotas allow.

``python benchmarks/orders.py [--orders 10000] [--rate-scale 60] [--only NAME …] [--save]``. The emulator, in a process
of its own, has Amazon's usage plans, so many times faster, and nobody else calls. What the quotas allow is arithmetic:
bursts and rates of the operations, and orders a request (``ALLOWED``). Ratios of 1.0 are perfect; times are also shown
as they would be at Amazon's pace.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from spapi_async import Application
from spapi_async.workflows.orders import PageStored, SyncEvent, sync_orders

RESULT = Path(__file__).resolve().parent / "results" / "orders.json"

SERVER = """
import asyncio, sys
from spapi_async.emulator import Emulator
async def main():
    orders, scale = int(sys.argv[1]), float(sys.argv[2])
    async with Emulator(orders=orders, rate_scale=scale, processing=120 / scale) as emulator:
        print(emulator.url, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


class Quota(NamedTuple):
    """One source: requests a second, burst, whole orders a request."""

    rate: float
    burst: float
    orders: float


class Measured(NamedTuple):
    """One run: seconds, orders stored over time, orders stored in all, throttled replies, requests by operation."""

    seconds: float
    curve: list[tuple[float, int]]
    stored: int
    throttled: int
    requests: dict[str, int]


SEARCH, BY_ID, ITEMS = Quota(0.0056, 20, 100), Quota(0.5, 30, 1), Quota(0.5, 30, 1)

# The sources of each run, and the quotas that bring whole orders in it.
RUNS: dict[str, tuple[dict[str, Any], tuple[Quota, ...]]] = {
    "searches, single orders and Orders v0": ({"sources": ("ids", "orders_v0")}, (SEARCH, BY_ID, ITEMS)),
    "searches and single orders, listed by reports": ({"sources": ("ids", "reports")}, (SEARCH, BY_ID)),
    "searches alone": ({}, (SEARCH,)),
    "getOrders and getOrderItems, the usual loop": ({"api": "orders_v0"}, (ITEMS,)),
}


def allowed(quotas: Sequence[Quota], orders: int) -> float:
    """Seconds at Amazon's pace in which the quotas let that many orders through."""
    low, high = 0.0, 1e9
    while high - low > 0.1:
        middle = (low + high) / 2
        enough = sum(quota.orders * (quota.burst + quota.rate * middle) for quota in quotas) >= orders
        low, high = (low, middle) if enough else (middle, high)
    return high


async def run(url: str, options: dict[str, Any]) -> Measured:
    """One seller from nothing."""
    curve: list[tuple[float, int]] = []
    stored = 0

    def heard(event: SyncEvent) -> None:
        nonlocal stored
        if isinstance(event, PageStored):
            stored += event.orders
            curve.append((time.perf_counter() - started, stored))

    async with aiohttp.ClientSession() as session:
        await session.post(f"{url}/_emulator/reset")
        with tempfile.TemporaryDirectory() as folder:
            async with Application("app", "secret", endpoint=url) as app:
                seller = app.selling_partner("Atzr|benchmark", region="NA", seller_id="A1")
                since = datetime.now(UTC) - timedelta(days=62)
                started = time.perf_counter()
                report = await sync_orders(
                    [seller], f"sqlite:///{folder}/orders.db", since=since, progress=heard, **options
                )
                seconds = time.perf_counter() - started
        for result in report.failed:
            raise SystemExit(f"failed: {result.error}")
        async with session.get(f"{url}/_emulator/stats") as reply:
            counts = (await reply.json())["operations"]
    requests = {name: each["requests"] for name, each in counts.items()}
    throttled = sum(each["throttled"] for each in counts.values())
    return Measured(seconds, curve, report.sellers[0].inserted, throttled, requests)


def main() -> None:
    """Run each, print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--rate-scale", type=float, default=60.0)
    parser.add_argument("--only", action="append", choices=list(RUNS))
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    words = [sys.executable, "-c", SERVER, str(chosen.orders), str(chosen.rate_scale)]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    rows = []
    try:
        url = server.stdout.readline().strip()
        for name in chosen.only or RUNS:
            options, quotas = RUNS[name]
            found = asyncio.run(run(url, options))
            ideal = allowed(quotas, chosen.orders) / chosen.rate_scale
            row = {
                "run": name,
                "orders": found.stored,
                "hours_at_amazons_pace": round(found.seconds * chosen.rate_scale / 3600, 2),
                "hours_that_quota_allows": round(ideal * chosen.rate_scale / 3600, 2),
                "ratio": round(found.seconds / ideal, 3),
                "throttled": found.throttled,
                "requests": found.requests,
                "curve": [(round(at, 2), count) for at, count in found.curve[:: max(len(found.curve) // 60, 1)]],
            }
            rows.append(row)
            print(json.dumps({key: value for key, value in row.items() if key != "curve"}), flush=True)
    finally:
        server.kill()
        server.wait()
    if chosen.save:
        facts = {"orders": chosen.orders, "rate_scale": chosen.rate_scale, "runs": rows}
        RESULT.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""The cost of observers: getOrder with an observer and without, measured alternately in one run.

``python benchmarks/observe.py [--calls 400] [--turns 41] [--save]``. Processor time of this process per call, 50 at
once, against an emulator in another process. A ratio is the median over pairs of turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

from spapi_async import Application, Observer
from spapi_async.observe.logs import Logs
from spapi_async.observe.opentelemetry import Telemetry
from spapi_async.observe.prometheus import Metrics

RESULT = Path(__file__).resolve().parent / "results" / "observe.json"
SERVER = """
import asyncio
from spapi_async.emulator import Emulator
async def main():
    async with Emulator(orders=5, rate_scale=20_000) as emulator:
        print(emulator.url, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""
SUBJECTS: dict[str, Callable[[], Observer]] = {
    "Prometheus": lambda: Metrics(CollectorRegistry()),
    "OpenTelemetry, the API alone": Telemetry,
    "OpenTelemetry with its SDK": lambda: Telemetry(tracer_provider=TracerProvider(), meter_provider=MeterProvider()),
    "logs, nobody listens": Logs,
}


async def _turn(app: Application, order_id: str, calls: int) -> float:
    """Seconds of processor time per call."""
    seller = app.selling_partner("Atzr|benchmark", region="NA")
    left = calls

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await seller.orders_2026_01_01.get_order(order_id)

    started = time.process_time()
    await asyncio.gather(*(work() for _ in range(50)))
    return (time.process_time() - started) / calls


async def _measure(url: str, calls: int, turns: int) -> dict[str, float]:
    found: dict[str, float] = {}
    order_id = ""
    for name, make in SUBJECTS.items():
        # Both are new for each subject, because the cost of a call changes slightly while an application runs.
        async with (
            Application("app", "secret", endpoint=url) as bare,
            Application("app", "secret", endpoint=url, observers=[make()]) as watched,
        ):
            if not order_id:
                seller = bare.selling_partner("Atzr|benchmark", region="NA")
                page = await seller.orders_2026_01_01.search_orders(created_after="2020-01-01")
                order_id = page.orders[0].order_id
            for app in (bare, watched):
                await _turn(app, order_id, calls)
            ratios = []
            for turn in range(turns):
                pair = (bare, watched) if turn % 2 else (watched, bare)
                costs = {id(app): await _turn(app, order_id, calls) for app in pair}
                ratios.append(costs[id(watched)] / costs[id(bare)])
            found[name] = round(statistics.median(ratios), 3)
            print(f"{name}: {found[name]} times a call without an observer", flush=True)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--turns", type=int, default=41)
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        found = asyncio.run(_measure(server.stdout.readline().strip(), chosen.calls, chosen.turns))
    finally:
        server.kill()
        server.wait()
    if chosen.save:
        RESULT.write_text(json.dumps({"turns": chosen.turns, "ratios": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""The time to read a new seller's orders, for several sets of sources, compared with what quotas allow and forecasts.

``python benchmarks/orders.py [--orders 10000] [--history 300000] [--rate-scale 1] [--only NAME …] [--save]``. The
emulator has Amazon's usage plans and report delays, ``--rate-scale`` times faster; nothing else uses the quota. Waiting
takes no real time (:mod:`virtual_hours`), so the times are those of quota and latency; processor time is measured
separately. What the quotas allow is calculated from burst, rate and orders per request of the operations. The error of
a forecast is the difference between the forecast end and the real one, after the first tenth of the work.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import anyio
from saved import save
from virtual_hours import Hourglass, run

from spapi_async import Application
from spapi_async.emulator import Emulator
from spapi_async.workflows.orders import OrdersForecast, OrdersListed, PageStored, SyncEvent, sync_orders

__all__ = ["COARSE", "LOOP", "REPORTS", "SEARCHES", "V0", "measure", "table"]

Result = dict[str, Any]

RESULTS = Path(__file__).resolve().parent / "results"
LATENCY = 0.1  # seconds on the wire, each way
REPORT = 120.0  # seconds until a report is done
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
DAYS, HISTORY_DAYS = 60, 728

V0 = "searches, single orders and Orders v0"
REPORTS = "searches and single orders, listed by reports"
SEARCHES = "searches alone"
LOOP = "getOrders and getOrderItems, the usual loop"
COARSE = "two years, coarse by reports"


class Quota(NamedTuple):
    """One source: requests per second, burst, complete orders per request."""

    rate: float
    burst: float
    orders: float


class Run(NamedTuple):
    """The options of the sync, and the quotas of the operations that return complete orders."""

    options: Result
    quotas: tuple[Quota, ...]


SEARCH, BY_ID, ITEMS = Quota(0.0056, 20, 100), Quota(0.5, 30, 1), Quota(0.5, 30, 1)
RUNS: dict[str, Run] = {
    V0: Run({"sources": ("ids", "orders_v0")}, (SEARCH, BY_ID, ITEMS)),
    REPORTS: Run({"sources": ("ids", "reports")}, (SEARCH, BY_ID)),
    SEARCHES: Run({}, (SEARCH,)),
    LOOP: Run({"api": "orders_v0"}, (ITEMS,)),
    COARSE: Run({"sources": ("ids", "reports")}, ()),
}


def allowed(quotas: Sequence[Quota], orders: int) -> float:
    """Seconds at Amazon's pace in which the quotas let that many orders through."""
    low, high = 0.0, 1e9
    while high - low > 0.1:
        middle = (low + high) / 2
        enough = sum(quota.orders * (quota.burst + quota.rate * middle) for quota in quotas) >= orders
        low, high = (low, middle) if enough else (middle, high)
    return high


class Heard:
    """Collects the events of a run, with the time since its start."""

    def __init__(self, *, coarse: bool) -> None:
        self._began = asyncio.get_running_loop().time()
        self._coarse = coarse
        self._done = 0
        self.listed = anyio.CancelScope()
        self.curve: list[tuple[float, int]] = []
        self.foreseen: list[tuple[float, int, float]] = []

    @property
    def seconds(self) -> float:
        """The seconds since the run began."""
        return asyncio.get_running_loop().time() - self._began

    def __call__(self, event: SyncEvent) -> None:
        """Record an event; end a coarse run when all orders are listed."""
        if isinstance(event, PageStored):
            listed = event.orders if event.operation.startswith("reports") else 0
            self._done += listed if self._coarse else event.completed
            self.curve.append((self.seconds, self._done))
        elif isinstance(event, OrdersForecast):
            left = event.listed_in if self._coarse else event.seconds
            if left is not None:
                self.foreseen.append((self.seconds, self._done, self.seconds + left))
        elif isinstance(event, OrdersListed) and self._coarse and event.left is not None:
            self.listed.cancel()

    def errors(self, end: float, orders: int) -> list[float]:
        """The error of each forecast after the first tenth, as a share of the whole time."""
        return [abs(foreseen / end - 1) for _, done, foreseen in self.foreseen if done >= orders / 10]


async def _run(name: str, orders: int, scale: float) -> Result:
    """Sync one new seller."""
    chosen, coarse, clock = RUNS[name], name == COARSE, Hourglass()
    days = HISTORY_DAYS if coarse else DAYS
    since = datetime.fromtimestamp(clock.time(), UTC) - timedelta(days=days + 2)
    heard = Heard(coarse=coarse)
    async with (
        Emulator(
            orders=orders, days=days, rate_scale=scale, processing=REPORT / scale, latency=LATENCY / scale, clock=clock
        ) as emulator,
        Application("app", "secret", endpoint=emulator.url, clock=clock) as app,
    ):
        seller = app.selling_partner("Atzr|benchmark", region="NA", seller_id="A1")
        processor = time.process_time()
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder, heard.listed:
            report = await sync_orders(
                [seller],
                f"sqlite:///{folder}/orders.db",
                since=since,
                progress=heard,
                forecast=True,
                clock=clock,
                **chosen.options,
            )
            for result in report.failed:
                raise SystemExit(f"{name} failed: {result.error}")
            assert report.sellers[0].inserted == orders
        seconds, processor = heard.seconds, time.process_time() - processor
        counts = emulator.stats()["operations"]
    ideal = allowed(chosen.quotas, orders) / scale if chosen.quotas else None
    errors = heard.errors(seconds, orders)
    return {
        "run": name,
        "orders": orders,
        "hours": seconds * scale / 3600,
        "hours_that_quota_allows": ideal and ideal * scale / 3600,
        "ratio": ideal and seconds / ideal,
        "throttled": sum(each["throttled"] for each in counts.values()),
        "forecast_off_at_a_tenth": errors[0] if errors else None,
        "forecast_off_at_most_afterwards": max(errors, default=None),
        "processor_seconds": processor,
        "requests": {operation: each["requests"] for operation, each in counts.items()},
        "tenth_at": next(at for at, done in heard.curve if done >= orders / 10) * scale / 3600,
        "allowed": _thinned(_line(chosen.quotas, orders)),
        "curve": _thinned([(at * scale / 3600, done) for at, done in heard.curve]),
        "foreseen": _thinned([(at * scale / 3600, end * scale / 3600) for at, _, end in heard.foreseen]),
    }


def _line(quotas: Sequence[Quota], orders: int) -> list[tuple[float, float]]:
    """The number of orders that the quotas allow, over the hours."""
    hours = allowed(quotas, orders) / 3600 if quotas else 0.0
    points = [hours * step / 50 for step in range(51)] if quotas else []
    return [(at, sum(quota.orders * (quota.burst + quota.rate * at * 3600) for quota in quotas)) for at in points]


def _thinned(series: list[Any]) -> list[Any]:
    return [*series[:: max(len(series) // 200, 1)], *series[-1:]] if series else []


def measure(*, orders: int = 10_000, history: int = 300_000, scale: float = 1.0, only: Sequence[str] = ()) -> Result:
    """Measure every run, or those named."""
    rows = []
    for name in only or RUNS:
        row = run(_run(name, history if name == COARSE else orders, scale))
        rows.append(row)
        print(json.dumps({key: value for key, value in row.items() if not isinstance(value, list)}), flush=True)
    return {"rate_scale": scale, "runs": rows}


def table(result: Result) -> str:
    """Markdown."""
    lines = [
        "| a new seller by | orders | hours of quota | hours allowed | ratio | error of forecast | 429s |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in result["runs"]:
        allowed_hours = "" if row["ratio"] is None else f"{row['hours_that_quota_allows']:.2f}"
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        worst = row["forecast_off_at_most_afterwards"]
        off = "" if worst is None else f"{row['forecast_off_at_a_tenth']:.1%}, then at most {worst:.1%}"
        lines.append(
            f"| {row['run']} | {row['orders']:,} | {row['hours']:.2f} | {allowed_hours} | {ratio} | {off}"
            f" | {row['throttled']} |"
        )
    lines.append(
        "\nThe error is that of the forecast end: after a tenth of the work, and the largest one from then on."
    )
    return "\n".join(lines)


def main() -> None:
    """Run each, print a line for each, then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--history", type=int, default=300_000, help="the number of orders of the coarse run")
    parser.add_argument("--rate-scale", type=float, default=1.0)
    parser.add_argument("--only", action="append", choices=list(RUNS))
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    result = measure(orders=chosen.orders, history=chosen.history, scale=chosen.rate_scale, only=chosen.only or ())
    print(table(result))
    if chosen.save:
        from pictures import orders_picture

        save(result, RESULTS / "orders.json")
        orders_picture(result, RESULTS / "orders.png")


if __name__ == "__main__":
    main()

"""The bound of each figure, the source of the bound, and whether the figure meets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from imports import DEAREST
from live import ALONE as FOLLOWED_ALONE
from live import QUEUE as FOLLOWED_BY_QUEUE
from live import V0 as FOLLOWED_BY_V0
from orders import COARSE, LOOP, SEARCHES
from orders import REPORTS as BY_REPORTS
from orders import V0 as BY_V0

__all__ = ["SOURCES", "Bar", "bars", "bars_table"]

Result = dict[str, Any]

_OURS = "spapi_async"
_PAGE = "getOrders page of 100"

# The sources of bounds.
_TARGET = "target"
"""Set before anything was measured."""
_QUOTA = "quota"
"""What Amazon's usage plan allows a client that wastes none of it."""
_MEASURED = "measured"
"""At least a quarter above what version 0.1.0 showed on a quiet machine, to detect growth."""
_FLAT = "flat"
"""The cost should not grow; the bound leaves a margin for processor caches and garbage collection."""


SOURCES = (
    "A bound is a target that was set before anything was measured (target), what the quota allows (quota), a margin "
    "above an earlier run on a quiet machine (measured), or a limit on a cost that should not grow (flat)."
)


class Bar(msgspec.Struct, frozen=True):
    """A figure's name, its bound and the measured value; ``at_most`` says whether the bound is an upper one."""

    promise: str
    bound: float
    measured: float
    at_most: bool = True
    source: str = _TARGET

    @property
    def held(self) -> bool:
        """Whether the figure meets its bound."""
        return self.measured <= self.bound if self.at_most else self.measured >= self.bound


def bars(results: Result) -> list[Bar]:
    """The bars of the measurements in these results."""
    judges: dict[str, Callable[[Any], list[Bar]]] = {
        "overhead": _overhead,
        "limiter": _limiter,
        "queueing": _queueing,
        "memory": _memory,
        "imports": _imports,
        "scaling": _scaling,
        "streaming": _streaming,
        "documents": _documents,
        "bulk": _bulk,
        "orders": _orders,
        "live": _live,
    }
    return [bar for name, judge in judges.items() if name in results for bar in judge(results[name])]


def _overhead(result: Result) -> list[Bar]:
    def row(case: str, subject: str) -> Result:
        return next(r for r in result["rows"] if (r["case"], r["concurrency"], r["subject"]) == (case, 100, subject))

    at = "100 at once"
    rivals = (
        ("getOrder", "amzn-selling-partner (async)", 5),
        ("getOrder", "python-amazon-sp-api (async)", 10),
        (_PAGE, "amzn-sp-api (sync)", 300),
    )
    return [
        Bar(f"getOrder, {at}: times the floor", 1.30, row("getOrder", _OURS)["ratio"]),
        Bar(f"{_PAGE}, {at}: times the floor", 1.15, row(_PAGE, _OURS)["ratio"]),
        *(
            Bar(f"{case}, {at}: times cheaper than {name}", bound, row(case, name)["over_ours"], at_most=False)
            for case, name, bound in rivals
        ),
    ]


def _limiter(rows: list[Result]) -> list[Bar]:
    return [
        bar
        for row in rows
        if row["racer"] == _OURS
        for bar in (
            Bar(f"{row['workers']} worker(s): requests lost", 0, row["lost"], source=_QUOTA),
            Bar(f"{row['workers']} worker(s): throttled replies", 1, row["throttled"], source=_QUOTA),
            Bar(f"{row['workers']} worker(s): times the ideal duration", 1.03, row["total"] / row["ideal"]),
        )
    ]


def _queueing(result: Result) -> list[Bar]:
    short, long = result["queues"][0], result["queues"][-1]
    of = f"{long['waiters']:,} waiting, times the cost with {short['waiters']:,}"
    return [
        Bar(f"hand-over, {of}", 1.5, long["hand_over_us"] / short["hand_over_us"], source=_FLAT),
        # The garbage collector traverses all waiting tasks each time their number has grown by a quarter.
        Bar(f"joining the queue, {of}", 3.0, long["enqueue_us"] / short["enqueue_us"], source=_MEASURED),
    ]


def _memory(rows: list[Result]) -> list[Bar]:
    bounds = {
        "idle seller handle": (1_000, 64),
        "idle seller handle, two APIs used": (1_000, 64),
        "queued call": (4_500, 512),
        "call in flight": (20_000, 96),
    }
    return [
        bar
        for row in rows
        for each, whole in (bounds[row["kind"]],)
        for bar in (
            Bar(f"{row['kind']}: bytes", each, row["bytes_each"], source=_MEASURED),
            Bar(f"{row['kind']}: MB of a process with {row['count']:,}", whole, row["process_mb"], source=_MEASURED),
        )
    ]


def _imports(result: Result) -> list[Bar]:
    first = result["ms"]["first call (orders_v0.get_order) after that"]
    every, base = result["ms"]["all APIs and operations() instead"], result["ms"]["import aiohttp, msgspec"]
    return [
        Bar("import: times import aiohttp, msgspec", 1.15, result["ratio"]),
        Bar("import of any one API: times import aiohttp, msgspec", 0.15, result["ms"][DEAREST] / base),
        Bar("first call of one API, ms", 60, first),
        Bar("all APIs: times import aiohttp, msgspec", 4.0, every / base, source=_MEASURED),
    ]


def _scaling(result: dict[str, list[Result]]) -> list[Bar]:
    sellers = result["sellers"][-1]
    widths = {row["concurrency"]: row for row in result["concurrency"]}
    most = max(widths)
    return [
        Bar(f"{sellers['sellers']:,} sellers, times the cost of one", 1.15, sellers["growth"], source=_FLAT),
        Bar(
            f"{most:,} at once, times the multiple of the floor at 10",
            1.15,
            widths[most]["ratio"] / widths[10]["ratio"],
            source=_FLAT,
        ),
    ]


def _streaming(result: Result) -> list[Bar]:
    bounds = {"bytes": 1.4, "lists": 1.0, "dicts": 1.15}
    return [
        Bar(
            f"{row['task']}, {row['source']}: times the processor time of {row['plain']}",
            bounds[row["task"]],
            row["ratio"],
            source=_MEASURED,
        )
        for row in result["rows"]
        if row["inflater"] == "zlib"
    ]


def _documents(result: Result) -> list[Bar]:
    by_task = {row["task"]: row for row in result["rows"] if row["inflater"] == "zlib"}
    rows, items = by_task["rows to dicts"], by_task["items of one array"]
    return [
        Bar(f"rows to dicts: times the processor time of {rows['plain']}", 0.9, rows["ratio"]),
        Bar(f"items of one array: times the speed of {items['plain']}", 0.35, 1 / items["ratio"], at_most=False),
        *(Bar(f"{row['task']}: growth of memory, MB", 48, row["growth_mb"]) for row in (rows, items)),
        *(
            Bar(
                f"nesting, {row['name']}: growth of the cost per byte at four times the size",
                1.5,
                row["growth"],
                source=_FLAT,
            )
            for row in result["nesting"]
        ),
    ]


def _bulk(result: Result) -> list[Bar]:
    one, batched, pooled = (row["rate"] for row in result["rates"])
    crawled = result["crawl"]
    return [
        Bar("catalogue items per second: times one by one", 20, batched / one, at_most=False, source=_QUOTA),
        Bar("items per search", 19.9, result["rates"][1]["per_search"], at_most=False, source=_QUOTA),
        Bar("a pool of five sellers: times one", 4.97, pooled / batched, at_most=False, source=_QUOTA),
        Bar("processor time per look-up: times an item of a page of 20", 1.5, result["cost"]["ratio"]),
        Bar("crawl: MB", 150, crawled["peak_mb"]),
        Bar("crawl: 429s", 0, crawled["throttled"]),
    ]


def _orders(result: Result) -> list[Bar]:
    runs = {row["run"]: row for row in result["runs"]}
    loop = runs[LOOP]["hours_that_quota_allows"]  # the ideal time; the measured one is longer
    coarse = runs[COARSE]
    return [
        *(
            Bar(f"{row['orders']:,} orders, {name}: times what quota allows", 1.1, row["ratio"])
            for name, row in runs.items()
            if name in (BY_V0, BY_REPORTS, SEARCHES)
        ),
        Bar("orders with Orders v0: times as fast as the loop", 3.5, loop / runs[BY_V0]["hours"], at_most=False),
        Bar("orders without it: times as fast as the loop", 2.4, loop / runs[BY_REPORTS]["hours"], at_most=False),
        Bar(
            f"{coarse['orders']:,} orders, {COARSE}: hours, with processor time",
            1.0,
            coarse["hours"] + coarse["processor_seconds"] / 3600,
        ),
        *(
            Bar(
                f"{name}: error of the forecast after the first tenth of the work",
                0.1,
                row["forecast_off_at_most_afterwards"],
            )
            for name, row in runs.items()
            if row["forecast_off_at_most_afterwards"] is not None
        ),
        Bar("orders: throttled replies", 0, sum(row["throttled"] for row in runs.values()), source=_QUOTA),
    ]


def _live(result: Result) -> list[Bar]:
    runs = {row["run"]: row for row in result["runs"]}
    bounds = {FOLLOWED_BY_QUEUE: 5.0, FOLLOWED_BY_V0: 165.0, FOLLOWED_ALONE: 225.0}
    return [
        *(
            Bar(f"followed {name}: median seconds to the commit", bound, runs[name]["median_seconds"])
            for name, bound in bounds.items()
        ),
        *(
            Bar(f"followed {name}: orders missing after reconciliation", 0, runs[name]["missing_after_it"])
            for name in bounds
        ),
        Bar("followed: throttled replies", 0, sum(row["throttled"] for row in runs.values()), source=_QUOTA),
    ]


def bars_table(judged: list[Bar]) -> str:
    """Markdown."""
    lines = ["| bar | bound | from | measured | |", "|---|---:|---|---:|---|"]
    for bar in judged:
        sign = "≤" if bar.at_most else "≥"
        verdict = "held" if bar.held else "**missed**"
        lines.append(f"| {bar.promise} | {sign} {bar.bound:,g} | {bar.source} | {_figure(bar.measured)} | {verdict} |")
    return "\n".join(lines)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.2f}"

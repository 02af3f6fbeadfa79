"""A short check for CI: ratios within one run, wide margins, no other client needed. Exits with 1 if one is exceeded.

``python benchmarks/regression.py``. A ratio is a median over turns in which both sides are measured one after the
other, so that a busy machine slows both; it varied by a tenth between runs on two busy cores. The bounds are at least a
third above the figures of a quiet machine: the check detects mistakes that make calls much more expensive, not a change
of one percent. A ratio that exceeds its bound is measured up to twice more, and must exceed it each time to fail.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import imports
import overhead
import queueing
from bars import Bar, bars_table

ATTEMPTS = 3

_PAGE = "getOrders page of 100"
_PAIR = (overhead.FLOOR, overhead.OURS)


def main() -> int:
    """Measure, compare with the bounds, and print."""
    started = time.monotonic()
    guards: list[Callable[[], Bar]] = [
        lambda: Bar("getOrder, 100 at once: times the floor", 1.75, _overhead("getOrder"), source="guard"),
        lambda: Bar("page of 100 orders, 100 at once: times the floor", 1.5, _overhead(_PAGE), source="guard"),
        lambda: Bar("hand-over, 20,000 waiting: times 1,000 waiting", 2.5, _hand_over(), source="guard"),
        lambda: Bar("import: times import aiohttp, msgspec", 1.4, imports.ratio(rounds=7), source="guard"),
    ]
    judged = []
    for guard in guards:
        bar = guard()
        for _ in range(ATTEMPTS - 1):
            bar = bar if bar.held else guard()
        judged.append(bar)
    print(bars_table(judged))
    print(f"{time.monotonic() - started:.0f} s")
    return 0 if all(bar.held for bar in judged) else 1


def _overhead(case: str) -> float:
    points = overhead.measure(
        cases=(case,), concurrency=(100,), subjects=_PAIR, bar_sets=(2, 5), batch_cost=0.15, lowered=False
    )
    return next(float(row["ratio"]) for row in points["rows"] if row["subject"] == overhead.OURS)


def _hand_over() -> float:
    ratios: list[float] = []
    for _ in range(3):
        short, long = queueing.measure(waiters=(1_000, 20_000), rounds=1)["queues"]
        ratios.append(long["hand_over_us"] / short["hand_over_us"])
    return statistics.median(ratios)


if __name__ == "__main__":
    sys.exit(main())

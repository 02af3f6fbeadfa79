"""A short guard for CI: ratios within one run, wide margins, no other client needed. Exits with 1 when one is passed.

``python benchmarks/regression.py``. The margins are about a third above what a quiet machine shows: this finds a
mistake that makes calls much dearer, not a percent.
"""

from __future__ import annotations

import sys
import time

import imports
import overhead
import queueing
from bars import Bar, bars_table
from subjects import SUBJECTS

_PAGE = "getOrders page of 100"
_NAMES = [name for name, module in SUBJECTS.items() if module in ("floor", "ours")]


def main() -> int:
    """Measure, judge, print."""
    started = time.monotonic()
    points = overhead.measure(cases=("getOrder", _PAGE), concurrency=(100,), subjects=_NAMES, rounds=5, batch_cost=0.25)
    ratio = {row["case"]: row["ratio"] for row in points["rows"] if row["subject"] == "spapi_async"}
    queues = queueing.measure(waiters=(1_000, 20_000), rounds=3)
    short, long = queues["queues"]
    judged = [
        Bar("getOrder, 100 at once: times the floor", 1.75, ratio["getOrder"]),
        Bar("page of 100 orders, 100 at once: times the floor", 1.5, ratio[_PAGE]),
        Bar("hand-over, 20,000 waiting: times 1,000 waiting", 2.5, long["hand_over_us"] / short["hand_over_us"]),
        Bar("import: times import aiohttp, msgspec", 1.4, imports.measure(rounds=5)["ratio"]),
    ]
    print(bars_table(judged))
    print(f"{time.monotonic() - started:.0f} s")
    return 0 if all(bar.held for bar in judged) else 1


if __name__ == "__main__":
    sys.exit(main())

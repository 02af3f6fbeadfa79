"""How the cost of a call grows with the number of sellers, and with the number of calls at once.

Processor time per ``getOrder`` against the canned server, and that of the floor, measured in the same turn at the same
concurrency. With many calls at once the cost of the floor grows, too, because garbage collections traverse more
objects, and processor caches hold a smaller part of them; only a growing ratio is due to this client. The growth is the
ratio divided by the first one. ``python benchmarks/scaling.py [--turns 7]``
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from overhead import FLOOR, OURS, Costs, compare
from processes import Child, canned_server, program

__all__ = ["TURNS", "measure", "table"]

SELLERS = (1, 10, 100, 1_000, 10_000)
CONCURRENCY = (1, 10, 100, 1_000, 5_000)
TURNS = 7
CALLS = 1_000
# Calls at once in the measurement of sellers; the floor has no sellers.
AT_ONCE = 100
CASE = "getOrder"

Result = dict[str, Any]


def measure(
    *, sellers: Sequence[int] = SELLERS, concurrency: Sequence[int] = CONCURRENCY, turns: int = TURNS
) -> dict[str, list[Result]]:
    """``{"sellers": rows, "concurrency": rows}``."""
    with ExitStack() as stack:
        url = stack.enter_context(canned_server())
        ours, floor, many = (
            Child(stack.enter_context(program("subject_process.py", module, url)))
            for module in ("ours", "floor", "ours_many_sellers")
        )
        # Every seller's token and buckets exist before the clock starts.
        by_sellers = _rows(many, floor, sellers, turns, lambda count: (f"{CASE} of {count} sellers", AT_ONCE, count))
        by_width = _rows(ours, floor, concurrency, turns, lambda width: (CASE, width, width))
    return {
        "sellers": [{"sellers": count, **row} for count, row in zip(sellers, by_sellers, strict=True)],
        "concurrency": [{"concurrency": width, **row} for width, row in zip(concurrency, by_width, strict=True)],
    }


def _rows(
    ours: Child, floor: Child, points: Sequence[int], turns: int, of: Callable[[int], tuple[str, int, int]]
) -> list[Result]:
    """A row for each point; ``of`` returns its case, the calls at once, and the calls before the measurement.

    Each turn measures all points, so that a slow minute of the machine affects all of them.
    """
    costs: dict[int, Costs] = {point: {OURS: [], FLOOR: []} for point in points}
    for point in points:
        case, width, before = of(point)
        ours.ask({"case": case, "concurrency": width, "calls": max(before, CALLS)})
        floor.ask({"case": CASE, "concurrency": width, "calls": max(width, CALLS)})
    for turn in range(turns):
        for point in points:
            case, width, _ = of(point)
            batch = {"concurrency": width, "calls": max(width, CALLS), "warm_up": 40}
            pair = [(OURS, ours, case), (FLOOR, floor, CASE)]
            for name, child, asked in pair if turn % 2 else pair[::-1]:
                costs[point][name].append(child.ask({**batch, "case": asked})["cpu"] / batch["calls"] * 1e6)
    rows = []
    for both in costs.values():
        row = compare(OURS, both)
        facts = {key: row[key] for key in ("us", "ratio", "ratio_quartiles")}
        rows.append(facts | {"floor_us": statistics.median(both[FLOOR])})
    return [row | {"growth": row["ratio"] / rows[0]["ratio"]} for row in rows]


def table(result: dict[str, list[Result]]) -> str:
    """Markdown."""
    titles = {"sellers": f"sellers, {AT_ONCE} calls at once", "concurrency": "calls at once, one seller"}
    lines: list[str] = []
    for key, title in titles.items():
        lines += [
            f"| {title} | spapi_async | the floor | ratio (quartiles) | growth of the ratio |",
            "|---:|---:|---:|---:|---:|",
        ]
        for row in result[key]:
            first, third = row["ratio_quartiles"]
            lines.append(
                f"| {row[key]:,} | {row['us']:,.0f} µs | {row['floor_us']:,.0f} µs "
                f"| {row['ratio']:.2f}x ({first:.2f}–{third:.2f}) | {row['growth']:.2f}x |"  # noqa: RUF001  # a dash
            )
        lines.append("")
    return "\n".join(lines[:-1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=TURNS)
    print(table(measure(turns=parser.parse_args().turns)))

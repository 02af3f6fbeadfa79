"""How the cost of a call grows: with the number of sellers, and with the number of calls at once.

``getOrder`` against the canned server, processor time per call; beside the second, the floor at the same concurrency.
``python benchmarks/scaling.py [--rounds 5]``
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from processes import Child, canned_server, program

__all__ = ["measure", "table"]

SELLERS = (1, 10, 100, 1_000, 10_000)
CONCURRENCY = (1, 10, 100, 1_000, 5_000)
ROUNDS = 5
CALLS = 2_000
CASE = "getOrder"

Result = dict[str, Any]


def measure(
    *, sellers: Sequence[int] = SELLERS, concurrency: Sequence[int] = CONCURRENCY, rounds: int = ROUNDS
) -> dict[str, list[Result]]:
    """``{"sellers": rows, "concurrency": rows}``."""
    with ExitStack() as stack:
        url = stack.enter_context(canned_server())
        ours, floor, many = (
            Child(stack.enter_context(program("subject_process.py", module, url)))
            for module in ("ours", "floor", "ours_many_sellers")
        )
        return {
            "sellers": _by_sellers(many, sellers, rounds),
            "concurrency": _by_concurrency(ours, floor, concurrency, rounds),
        }


def _by_sellers(child: Child, sellers: Sequence[int], rounds: int) -> list[Result]:
    """Calls go to the sellers in turn, 100 at once; every seller's token and buckets exist before the clock starts."""
    costs: dict[int, list[float]] = {count: [] for count in sellers}
    for count in sellers:
        child.ask({"case": f"{CASE} of {count} sellers", "concurrency": 100, "calls": max(count, CALLS)})
    for _ in range(rounds):
        for count in sellers:
            case = f"{CASE} of {count} sellers"
            cost = child.ask({"case": case, "concurrency": 100, "calls": CALLS})
            costs[count].append(cost["cpu"] / CALLS * 1e6)
    base = statistics.median(costs[sellers[0]])
    return [
        {"sellers": count, "us": statistics.median(own), "growth": statistics.median(own) / base}
        for count, own in costs.items()
    ]


def _by_concurrency(ours: Child, floor: Child, concurrency: Sequence[int], rounds: int) -> list[Result]:
    costs: dict[int, list[tuple[float, float]]] = {width: [] for width in concurrency}
    for width in concurrency:
        for child in (ours, floor):
            child.ask({"case": CASE, "concurrency": width, "calls": width})
    for turn in range(rounds):
        for width in concurrency:
            batch = {"case": CASE, "concurrency": width, "calls": max(width, CALLS)}
            order = (ours, floor) if turn % 2 else (floor, ours)
            cost = {child: child.ask(batch)["cpu"] / batch["calls"] * 1e6 for child in order}
            costs[width].append((cost[ours], cost[floor]))
    return [
        {
            "concurrency": width,
            "us": statistics.median(mine for mine, _ in pairs),
            "floor_us": statistics.median(base for _, base in pairs),
            "ratio": statistics.median(mine / base for mine, base in pairs),
        }
        for width, pairs in costs.items()
    ]


def table(result: dict[str, list[Result]]) -> str:
    """Markdown."""
    lines = ["| sellers, 100 calls at once | per call | growth |", "|---:|---:|---:|"]
    lines += [f"| {row['sellers']:,} | {row['us']:,.0f} µs | {row['growth']:.2f}x |" for row in result["sellers"]]
    lines += ["", "| calls at once, one seller | per call | the floor's | ratio |", "|---:|---:|---:|---:|"]
    lines += [
        f"| {row['concurrency']:,} | {row['us']:,.0f} µs | {row['floor_us']:,.0f} µs | {row['ratio']:.2f}x |"
        for row in result["concurrency"]
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    print(table(measure(rounds=parser.parse_args().rounds)))

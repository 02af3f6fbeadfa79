"""Processor time per call in the client's process, side by side: the floor, this client and three others.

A server in its own process answers canned bytes. Every subject lives in a process of its own; rounds are
interleaved, so that whatever else the machine does meets all alike; a figure is the median over rounds, a ratio the
median of the ratios within each round. ``python benchmarks/overhead.py [--rounds 7] [--only CASE] [--concurrency
100] [--subjects floor,ours]``
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from bodies import CASES
from processes import Child, canned_server, program
from subjects import SUBJECTS

__all__ = ["measure", "table"]

CONCURRENCY = (1, 20, 100, 1000)
ROUNDS = 7
# One batch of a subject should cost about this much processor time, in seconds.
BATCH_COST = 0.3
FLOOR = next(iter(SUBJECTS))

Result = dict[str, Any]


def measure(
    *,
    cases: Sequence[str] = tuple(CASES),
    concurrency: Sequence[int] = CONCURRENCY,
    subjects: Sequence[str] = tuple(SUBJECTS),
    rounds: int = ROUNDS,
    batch_cost: float = BATCH_COST,
) -> Result:
    """Every case at every concurrency for every subject: versions, and rows with microseconds and ratio."""
    with ExitStack() as stack:
        url = stack.enter_context(canned_server())
        children = {
            name: Child(stack.enter_context(program("subject_process.py", SUBJECTS[name], url))) for name in subjects
        }
        rows = [
            row
            for case in cases
            for width in concurrency
            for row in _measure_point(children, case, width, rounds, batch_cost)
        ]
        versions = {name: version for child in children.values() for name, version in child.versions.items()}
    return {"versions": versions, "rounds": rounds, "rows": rows}


def _measure_point(children: dict[str, Child], case: str, width: int, rounds: int, batch_cost: float) -> list[Result]:
    sizes = {name: _batch_size(child, name, case, width, batch_cost) for name, child in children.items()}
    costs: dict[str, list[float]] = {name: [] for name in children}
    names = list(children)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            cost = children[name].ask({"case": case, "concurrency": width, "calls": sizes[name]})
            costs[name].append(cost["cpu"] / cost["calls"] * 1e6)
    print(f"{case}, {width} at once: done", file=sys.stderr, flush=True)
    floor = costs[FLOOR]
    return [
        {
            "case": case,
            "concurrency": width,
            "subject": name,
            "us": statistics.median(own),
            "ratio": statistics.median(mine / base for mine, base in zip(own, floor, strict=True)),
            "us_rounds": [round(value, 1) for value in own],
            "calls": sizes[name],
        }
        for name, own in costs.items()
    ]


def _batch_size(child: Child, name: str, case: str, width: int, batch_cost: float) -> int:
    """Warm up, and find how many calls make a batch: at least one for each slot of a concurrent client."""
    least = 1 if "sync)" in name and "async" not in name else width
    first = child.ask({"case": case, "concurrency": width, "calls": least})
    return max(least, min(5000, int(batch_cost / (first["cpu"] / least))))


def table(result: Result) -> str:
    """Markdown: a line for each case and concurrency, microseconds and the multiple of the floor for each subject."""
    names = list(dict.fromkeys(row["subject"] for row in result["rows"]))
    lines = ["| call | at once | " + " | ".join(names) + " |", "|---|---:|" + "---:|" * len(names)]
    points: dict[tuple[str, int], dict[str, Result]] = {}
    for row in result["rows"]:
        points.setdefault((row["case"], row["concurrency"]), {})[row["subject"]] = row
    for (case, width), by_name in points.items():
        cells = [f"{by_name[name]['us']:,.0f} µs ({by_name[name]['ratio']:.2f}x)" for name in names]
        lines.append(f"| {case} | {width:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", action="append", choices=list(CASES))
    parser.add_argument("--concurrency", type=int, action="append")
    parser.add_argument(
        "--subjects", help="modules of benchmarks/subjects, with commas", default=",".join(SUBJECTS.values())
    )
    return parser.parse_args()


if __name__ == "__main__":
    chosen = _arguments()
    modules = chosen.subjects.split(",")
    outcome = measure(
        cases=chosen.only or tuple(CASES),
        concurrency=chosen.concurrency or CONCURRENCY,
        subjects=[name for name, module in SUBJECTS.items() if module in modules],
        rounds=chosen.rounds,
    )
    print(table(outcome))

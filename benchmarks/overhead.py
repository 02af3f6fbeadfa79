"""Processor time per call in the client's process: the floor (bare aiohttp), this client and three others.

A server in another process sends canned bytes. At each point (a kind of call, a number of calls at once) every subject
has a fresh process, so that no figure depends on earlier measurements. ``subject_process`` measures a batch in the same
way for all: after uncounted calls that open connections, and after a garbage collection. A batch costs each subject
about the same processor time. An asynchronous client makes at least 50 calls, and at least as many as are made at once.
Amazon's own client has a thread for each core, so it makes at most that many at once, and at least as many in a batch.

*Turns.* A figure is the median of 7 turns in which every subject makes a batch, first the floor or this client,
alternately. At 100 at once, where the bars are, it is the median of 25 turns: five in each of five sets of fresh
processes, because processes of one program can differ by a fifth for as long as they run (the first memory that is
freed determines when glibc returns memory). A ratio is the median of the ratios within each turn, which removes the
influence of other work on the machine; the quartiles of these ratios show the spread.

*Fairness.* The floor and this client run on the same event loop (asyncio's own), use the same server over at most 100
connections, send the same number of headers and bytes (``--requests`` shows what each subject sends) and get the same
replies. The difference between them is what is measured: this client waits for its limiter, uses its token cache,
enforces a timeout, decodes into types, checks them, and calls an observer with every event; the floor awaits
``session.get(...)``, reads, and decodes into dicts. The floor's session has aiohttp's defaults. aiohttp costs less
without cookies and timers and with URLs that are already encoded, and asyncio costs less if glibc takes its read
buffers from the heap; this client uses these settings. A floor with the same settings ("lowered") is therefore
measured, too, and this client is shown as a multiple of both. The other clients are used as their documentation says:
one client object that is kept open, with its own pacing (but enough quota) and its own limit of connections.

``python benchmarks/overhead.py [--only CASE] [--concurrency 100] [--subjects floor,ours] [--requests]``
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import urllib.request
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any

import msgspec
from bodies import CASES
from processes import Child, canned_server, program
from subjects import LOWERED, SUBJECTS

__all__ = ["FLOOR", "OURS", "TURNS", "compare", "measure", "quartiles", "readme_table", "table"]

CONCURRENCY = (1, 20, 100, 1000)
TURNS = 7
# The concurrency that has bars, with the number of sets of processes and of turns in each.
BAR_AT, BAR_SETS = 100, (5, 5)
# The processor time that a batch should cost, in seconds, and the least and the most calls in it.
BATCH_COST = 0.2
LEAST_CALLS, MOST_CALLS = 50, 2000
WARM_UP = 40
FLOOR, OURS = tuple(SUBJECTS)[:2]

Result = dict[str, Any]
# Microseconds of a call in each turn, by subject.
Costs = dict[str, list[float]]


def measure(
    *,
    cases: Sequence[str] = tuple(CASES),
    concurrency: Sequence[int] = CONCURRENCY,
    subjects: Sequence[str] = tuple(SUBJECTS),
    turns: int = TURNS,
    bar_sets: tuple[int, int] = BAR_SETS,
    batch_cost: float = BATCH_COST,
    lowered: bool = True,
) -> Result:
    """Measure every subject in every case at every concurrency: versions, and rows with microseconds and ratios."""
    rows: list[Result] = []
    versions: dict[str, str] = {}
    with canned_server() as url:
        for case in cases:
            for width in concurrency:
                barred = width == BAR_AT
                names = [*subjects, LOWERED] if barred and lowered else subjects
                sets, turns_each = bar_sets if barred else (1, turns)
                costs: Costs = {name: [] for name in names}
                for _ in range(sets):
                    with ExitStack() as stack:
                        children = _children(stack, names, url)
                        for name, more in _measure_point(children, case, width, turns_each, batch_cost).items():
                            costs[name] += more
                        versions |= {name: text for child in children.values() for name, text in child.versions.items()}
                rows += [{"case": case, "concurrency": width, "subject": name} | compare(name, costs) for name in names]
                print(f"{case}, {width} at once: done", file=sys.stderr, flush=True)
    return {"versions": versions, "turns": turns, "bar_sets": bar_sets, "rows": rows}


def _children(stack: ExitStack, names: Iterable[str], url: str) -> dict[str, Child]:
    """A process for each subject; they start concurrently."""
    modules = {**SUBJECTS, LOWERED: "floor_lowered"}
    started = {name: stack.enter_context(program("subject_process.py", modules[name], url)) for name in names}
    return {name: Child(process) for name, process in started.items()}


def _measure_point(children: dict[str, Child], case: str, width: int, turns: int, batch_cost: float) -> Costs:
    costs: Costs = {name: [] for name in children}
    batches = {name: _batch(child, name, case, width, batch_cost) for name, child in children.items()}
    pair = [name for name in children if name in (FLOOR, OURS, LOWERED)]
    others = [name for name in children if name not in pair]
    for turn in range(turns):
        for name in [*(pair if turn % 2 else pair[::-1]), *others]:
            cost = children[name].ask(batches[name])
            costs[name].append(cost["cpu"] / cost["calls"] * 1e6)
    return costs


def compare(name: str, costs: Costs) -> Result:
    """A subject's median cost, and the median of its ratios to the floor and to this client within each turn."""
    own = costs[name]
    row: Result = {"us": statistics.median(own), "us_turns": [round(us, 1) for us in own]}
    for key, base in (("ratio", FLOOR), ("over_ours", OURS)):
        if base in costs:
            ratios = [us / other for us, other in zip(own, costs[base], strict=True)]
            row[key], row[f"{key}_quartiles"] = statistics.median(ratios), quartiles(ratios)
    return row


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The first and the third quartile."""
    if len(values) < 2:
        return values[0], values[0]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def _batch(child: Child, name: str, case: str, width: int, batch_cost: float) -> Result:
    """Warm up, and determine the number of calls in a batch."""
    alone = name.endswith("(sync)")
    least = min(width, os.cpu_count() or 1) if alone else max(width, LEAST_CALLS)
    batch = {"case": case, "concurrency": width, "warm_up": 0 if alone else WARM_UP}
    few = min(least, 100)
    for _ in range(1 if alone else 2):  # the first time opens connections
        cost = child.ask(batch | {"calls": few})
    return batch | {"calls": max(least, min(MOST_CALLS, int(batch_cost / (cost["cpu"] / few))))}


def table(result: Result) -> str:
    """Markdown: a line for each case and concurrency, microseconds and the multiple of the floor for each subject."""
    rows = [row for row in result["rows"] if row["subject"] != LOWERED]
    names = list(dict.fromkeys(row["subject"] for row in rows))
    sets, turns_each = result["bar_sets"]
    text = (
        f"Medians of {result['turns']} turns, and at {BAR_AT} at once of {sets * turns_each} in {sets} sets of "
        "fresh processes; in brackets the median of the multiples of the floor (aiohttp with msgspec) within each "
        "turn, for spapi_async also their quartiles."
    )
    lines = [
        text,
        "",
        "| call | at once | " + " | ".join(names) + " |",
        "|---|---:|" + "---:|" * len(names),
    ]
    points: dict[tuple[str, int], dict[str, Result]] = {}
    for row in rows:
        points.setdefault((row["case"], row["concurrency"]), {})[row["subject"]] = row
    for (case, width), by_name in points.items():
        cells = [_cell(name, by_name[name]) for name in names]
        lines.append(f"| {case} | {width:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines + _lowered_table(result))


def readme_table(result: Result) -> str:
    """Markdown: the same for the points that the README shows."""
    rows = [row for row in result["rows"] if row["case"] == "getOrder" or row["concurrency"] == BAR_AT]
    return table({**result, "rows": [row for row in rows if row["subject"] != LOWERED]})


def _cell(name: str, row: Result) -> str:
    if name == FLOOR:
        return f"{row['us']:,.0f} µs"
    first, third = row["ratio_quartiles"]
    spread = f", {first:.2f}–{third:.2f}" if name == OURS else ""  # noqa: RUF001  # a dash between two numbers
    return f"{row['us']:,.0f} µs ({row['ratio']:.{2 if row['ratio'] < 100 else 0}f}x{spread})"


def _lowered_table(result: Result) -> list[str]:
    """Markdown: the cost of aiohttp with this client's settings, and this client as a multiple of it."""
    lowered = {row["case"]: row for row in result["rows"] if row["subject"] == LOWERED}
    if not lowered:
        return []
    head = f"| {BAR_AT} at once | floor with this client's settings | times the floor | spapi_async, times that |"
    return ["", head, "|---|---:|---:|---:|"] + [
        f"| {case} | {row['us']:,.0f} µs | {row['ratio']:.2f}x | {1 / row['over_ours']:.2f}x |"
        for case, row in lowered.items()
    ]


def requests(subjects: Iterable[str]) -> str:
    """Markdown: how many header lines and bytes each subject sends for each case."""
    lines = ["| subject | call | header lines | bytes |", "|---|---|---:|---:|"]
    with canned_server() as url, ExitStack() as stack:
        for name, child in _children(stack, subjects, url).items():
            for case in CASES:
                child.ask({"case": case, "concurrency": 1, "calls": 1})
                with urllib.request.urlopen(f"{url}/_last") as reply:
                    request = msgspec.json.decode(reply.read())
                lines.append(f"| {name} | {case} | {request['headers']} | {request['bytes']} |")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--bar-sets", type=int, default=BAR_SETS[0])
    parser.add_argument("--only", action="append", choices=list(CASES))
    parser.add_argument("--concurrency", type=int, action="append")
    parser.add_argument(
        "--subjects", help="modules of benchmarks/subjects, separated by commas", default=",".join(SUBJECTS.values())
    )
    parser.add_argument("--requests", action="store_true", help="measure nothing, show the size of the requests")
    return parser.parse_args()


if __name__ == "__main__":
    chosen = _arguments()
    modules = chosen.subjects.split(",")
    named = [name for name, module in SUBJECTS.items() if module in modules]
    if chosen.requests:
        print(requests([*named, LOWERED]))
    else:
        print(
            table(
                measure(
                    cases=chosen.only or tuple(CASES),
                    concurrency=chosen.concurrency or CONCURRENCY,
                    subjects=named,
                    turns=chosen.turns,
                    bar_sets=(chosen.bar_sets, BAR_SETS[1]),
                )
            )
        )

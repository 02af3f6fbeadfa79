"""All measurements in one run: ``python benchmarks/run_all.py [--quick] [--only overhead,limiter]``.

Writes ``benchmarks/results/``: ``results.json`` with every figure and the versions of everything measured,
``results.md`` with the tables and the bars, the pictures; and prints the table that the README shows. Install
``benchmarks/requirements.txt`` first.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imports
import limiter
import memory
import msgspec
import overhead
import pictures
import queueing
import scaling
import streaming
from bars import bars, bars_table
from processes import HERE

RESULTS = HERE / "results"

Result = dict[str, Any]

MEASUREMENTS: dict[str, Callable[[bool], Any]] = {
    "overhead": lambda quick: overhead.measure(rounds=3 if quick else overhead.ROUNDS),
    "limiter": lambda quick: limiter.measure(requests=40 if quick else limiter.REQUESTS),
    "queueing": lambda quick: queueing.measure(rounds=3 if quick else 7),
    "memory": lambda _quick: memory.measure(),
    "imports": lambda quick: imports.measure(rounds=5 if quick else imports.ROUNDS),
    "scaling": lambda quick: scaling.measure(rounds=3 if quick else scaling.ROUNDS),
    "streaming": lambda quick: streaming.measure(rounds=3 if quick else streaming.ROUNDS),
}
_TABLES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "overhead": ("Processor time per call, and multiples of the floor", overhead.table),
    "limiter": ("getListingsItem against a quota of 5/s, burst 10", limiter.table),
    "queueing": ("The limiter alone", queueing.table),
    "memory": ("Memory", memory.table),
    "imports": ("Import and first call", imports.table),
    "scaling": ("Scaling", scaling.table),
    "streaming": ("Reading a report", streaming.table),
}
_PICTURES: dict[str, Callable[[Any, Path], None]] = {
    "overhead": pictures.overhead_picture,
    "limiter": pictures.limiter_picture,
    "queueing": pictures.queueing_picture,
    "scaling": pictures.scaling_picture,
}


def main() -> int:
    """Measure, write, print."""
    chosen = _arguments()
    results: Result = {"machine": _machine(), "versions": _versions(), "quick": chosen.quick}
    for name in chosen.only.split(","):
        started = time.monotonic()
        results[name] = MEASUREMENTS[name](chosen.quick)
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    target = Path(tempfile.mkdtemp(prefix="spapi_async-benchmarks-")) if chosen.quick else RESULTS
    target.mkdir(exist_ok=True)
    document = _markdown(results)
    (target / "results.json").write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    (target / "results.md").write_text(document)
    for name, draw in _PICTURES.items():
        if name in results:
            draw(results[name], target / f"{name}.png")
    print(document)
    print(f"written to {target}", file=sys.stderr)
    return 0


def _markdown(results: Result) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    parts = [
        f"Measured on {results['machine']} by `python benchmarks/run_all.py{' --quick' if results['quick'] else ''}`.",
        f"Versions: {versions}.",
    ]
    judged = bars(results)
    if judged:
        parts += ["### Bars", bars_table(judged)]
    for name, (title, render) in _TABLES.items():
        if name in results:
            parts += [f"### {title}", render(results[name])]
    return "\n\n".join(parts) + "\n"


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def _versions() -> dict[str, str]:
    lines = (HERE / "requirements.txt").read_text().splitlines()
    names = [line.split("==")[0].strip() for line in lines if "==" in line]
    own = ["spapi-async", "aiohttp", "msgspec", "aiolimiter", "anyio"]
    return {name: importlib.metadata.version(name) for name in dict.fromkeys([*own, *names])}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, fewer requests; into a temporary directory")
    parser.add_argument("--only", default=",".join(MEASUREMENTS), help="with commas")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""All measurements in one run: ``python benchmarks/run_all.py``, on a machine that does nothing else.

Writes ``benchmarks/results/``: ``results.json`` with the figures and the versions of everything measured,
``results.md`` with the tables and the bars, and the pictures. These are always the results of one complete run: those
of a shortened one (``--quick``) or of a part (``--only overhead,limiter``) go to a new directory, whose name is
printed, or to ``--into DIRECTORY``. ``--readme`` measures nothing and prints the README's table from the existing
results. Install ``benchmarks/requirements.txt`` first.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bulk
import documents
import imports
import limiter
import live
import memory
import msgspec
import orders
import overhead
import pictures
import queueing
import scaling
import streaming
from bars import SOURCES, bars, bars_table
from processes import HERE, measured_alone
from saved import save

RESULTS = HERE / "results"

Result = dict[str, Any]


# The measurements, by the names of their modules, and the options of shortened ones.
MEASUREMENTS: dict[str, dict[str, Any]] = {
    "overhead": {"concurrency": (1, 100), "turns": 1, "bar_sets": (1, 5)},
    "limiter": {"requests": 40},
    "queueing": {"rounds": 1},
    "memory": {},
    "imports": {"rounds": 3},
    "scaling": {"turns": 2},
    "streaming": {"rounds": 2},
    "documents": {"megabytes": 100, "pairs": 2},
    "bulk": {"seconds": 4.0, "identifiers": 20_000},
    "orders": {"history": 30_000},
    "live": {"sellers": 4, "minutes": 2.0},
}
_TABLES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "overhead": ("Processor time per call, and multiples of the floor", overhead.table),
    "limiter": ("getListingsItem against a quota of 5/s, burst 10", limiter.table),
    "queueing": ("The limiter alone", queueing.table),
    "memory": ("Memory", memory.table),
    "imports": ("Import and first call", imports.table),
    "scaling": ("Scaling", scaling.table),
    "streaming": ("Reading a report", streaming.table),
    "documents": ("Documents of gigabytes", documents.table),
    "bulk": ("Catalogue items in bulk", bulk.table),
    "orders": ("Orders of a new seller", orders.table),
    "live": ("Orders followed as they change", live.table),
}
_PICTURES: dict[str, Callable[[Any, Path], None]] = {
    "overhead": pictures.overhead_picture,
    "limiter": pictures.limiter_picture,
    "queueing": pictures.queueing_picture,
    "scaling": pictures.scaling_picture,
    "orders": pictures.orders_picture,
    "live": pictures.live_picture,
}


def main() -> int:
    """Measure, write, print."""
    chosen = _arguments()
    if chosen.readme:
        print(overhead.readme_table(msgspec.json.decode((RESULTS / "results.json").read_bytes())["overhead"]))
        return 0
    target = _target(chosen)
    results: Result = {"machine": _machine(), "versions": _versions(), "quick": chosen.quick, "seconds": {}}
    with tempfile.TemporaryDirectory() as draft:
        for name in chosen.only:
            started = time.monotonic()
            results[name] = measured_alone(name, MEASUREMENTS[name] if chosen.quick else {})
            results["seconds"][name] = round(time.monotonic() - started)
            print(f"{name}: {results['seconds'][name]} s", file=sys.stderr, flush=True)
        _write(results, Path(draft))
        target.mkdir(parents=True, exist_ok=True)
        for file in Path(draft).iterdir():
            shutil.copy(file, target)
    print((target / "results.md").read_text())
    print(f"written to {target}", file=sys.stderr)
    return 0


def _target(chosen: argparse.Namespace) -> Path:
    """Where results go: to the committed ones only from one complete run."""
    if chosen.into:
        return Path(chosen.into)
    if chosen.quick or set(chosen.only) != set(MEASUREMENTS):
        return Path(tempfile.mkdtemp(prefix="spapi_async-benchmarks-"))
    return RESULTS


def _write(results: Result, target: Path) -> None:
    save(results, target / "results.json")
    (target / "results.md").write_text(_markdown(results))
    for name, draw in _PICTURES.items():
        if name in results:
            draw(results[name], target / f"{name}.png")
    if "bulk" in results:
        pictures.bulk_pictures(results["bulk"], target)


def _markdown(results: Result) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    measured = [name for name in MEASUREMENTS if name in results]
    options = " --quick" if results["quick"] else ""
    options += "" if len(measured) == len(MEASUREMENTS) else f" --only {','.join(measured)}"
    minutes = sum(results["seconds"].values()) / 60
    parts = [
        f"Measured on {results['machine']} by `python benchmarks/run_all.py{options}` in {minutes:.0f} minutes.",
        f"Versions: {versions}.",
    ]
    judged = bars(results)
    if judged:
        parts += ["### Bars", bars_table(judged), SOURCES]
    for name, (title, render) in _TABLES.items():
        if name in results:
            parts += [f"### {title}", render(results[name])]
    return "\n\n".join(parts) + "\n"


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def _versions() -> dict[str, str]:
    lines = (HERE / "requirements.txt").read_text().splitlines()
    names = [line.split("==")[0].strip() for line in lines if "==" in line]
    own = ["spapi-async", "aiohttp", "msgspec", "anyio"]
    return {name: importlib.metadata.version(name) for name in dict.fromkeys([*own, *names])}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer turns, fewer requests")
    parser.add_argument("--only", default=",".join(MEASUREMENTS), help="names of measurements, separated by commas")
    parser.add_argument("--into", help="write the results to this directory")
    parser.add_argument("--readme", action="store_true", help="measure nothing, print the README's table")
    chosen = parser.parse_args()
    chosen.only = chosen.only.split(",")
    if unknown := set(chosen.only) - set(MEASUREMENTS):
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}; there are {', '.join(MEASUREMENTS)}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())

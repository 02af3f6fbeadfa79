"""What ``import spapi_async`` and the first call of an API cost, against ``import aiohttp, msgspec``.

Fresh processes in turn, processor time inside the process around the import, medians.
``python benchmarks/imports.py [--rounds 15]``
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from processes import HERE, canned_server

__all__ = ["measure", "own_modules", "table"]

ROUNDS = 15

_TIMED = "import time; t = time.process_time(); {}; print((time.process_time() - t) * 1e3)"
_BASE = "import aiohttp, msgspec"
_FIRST_CALL = """
import asyncio, sys, time
from spapi_async import Application, Region
async def main():
    async with Application("benchmark", "secret", endpoint=sys.argv[1]) as app:
        seller = app.selling_partner("Atzr|benchmark", region=Region.NA)
        started = time.process_time()
        await seller.orders_v0.get_order("902-0000001-0000001")
        print((time.process_time() - started) * 1e3)
asyncio.run(main())
"""

Result = dict[str, Any]


def measure(rounds: int = ROUNDS) -> Result:
    """Milliseconds of each, the ratio of the import to its base, and what the first call of one API adds."""
    programs = {
        "import aiohttp, msgspec": _TIMED.format(_BASE),
        "import spapi_async": _TIMED.format("import spapi_async"),
        "first use of orders_v0 after that": "import spapi_async, spapi_async._client\n"
        + _TIMED.format("import spapi_async.api.orders_v0"),
        "first call (orders_v0.get_order) after that": _FIRST_CALL,
    }
    with canned_server() as url:
        times: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(rounds + 1):
            for name, source in programs.items():
                times[name].append(_run(source, url))
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}  # the first one filled the caches
    pairs = zip(times["import spapi_async"][1:], times["import aiohttp, msgspec"][1:], strict=True)
    return {"ms": medians, "ratio": statistics.median(ours / base for ours, base in pairs), "own": own_modules()}


def _run(source: str, url: str) -> float:
    finished = subprocess.run(
        [sys.executable, "-c", source, url], capture_output=True, text=True, check=True, cwd=HERE.parent
    )
    return float(finished.stdout)


def own_modules() -> Mapping[str, float]:
    """Which imports beyond the base's ``import spapi_async`` pays for, in milliseconds, from ``-X importtime``."""
    base, ours = _import_times(_BASE), _import_times("import spapi_async")
    extra = {name: cost for name, cost in ours.items() if name not in base}
    return dict(sorted(extra.items(), key=lambda pair: -pair[1])[:12])


def _import_times(source: str) -> dict[str, float]:
    finished = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", source], capture_output=True, text=True, check=True, cwd=HERE.parent
    )
    rows = [
        line.removeprefix("import time:").split("|") for line in finished.stderr.splitlines() if line.count("|") == 2
    ]
    return {name.strip(): int(own) / 1e3 for own, _, name in rows if own.strip().isdigit()}


def table(result: Result) -> str:
    """Markdown."""
    lines = ["| start | processor time |", "|---|---:|"]
    lines += [f"| {name} | {value:.1f} ms |" for name, value in result["ms"].items()]
    lines.append(f"| import spapi_async ÷ import aiohttp, msgspec | {result['ratio']:.3f}x |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    outcome = measure(parser.parse_args().rounds)
    print(table(outcome))
    print("\ndearest modules that the base does not import:")
    for module, milliseconds in outcome["own"].items():
        print(f"  {milliseconds:6.2f} ms  {module}")

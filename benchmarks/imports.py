"""The cost of importing ``spapi_async`` and of the first call of an API, compared with ``import aiohttp, msgspec``.

Every public name is imported, because the package imports each one at its first use. Figures are medians of the
processor time around the import, measured alternately in fresh processes. Bytecode is compiled beforehand, as in an
installed package.
``python benchmarks/imports.py [--rounds 21] [--wheel FILE]``
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from processes import HERE, canned_server

__all__ = ["DEAREST", "ROUNDS", "measure", "ratio", "table"]

ROUNDS = 21

DEAREST = "first use of the dearest API (shipping_v2) after that"
"""The slowest of all 72 APIs, each imported in fresh processes; it has the most structs, enums and parameters."""

_TIMED = "import time; t = time.process_time(); {}; print((time.process_time() - t) * 1e3)"
_BASE = "import aiohttp, msgspec"
_OURS = "from spapi_async import *"
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


def measure(rounds: int = ROUNDS, wheel: Path | None = None) -> Result:
    """Milliseconds of each program, the ratio of the import to its base, and the slowest own modules."""
    programs = {
        "import aiohttp, msgspec": _TIMED.format(_BASE),
        _OURS: _TIMED.format(_OURS),
        "first use of orders_v0 after that": f"{_OURS}\n" + _TIMED.format("import spapi_async.api.orders_v0"),
        DEAREST: f"{_OURS}\n" + _TIMED.format("import spapi_async.api.shipping_v2"),
        "first call (orders_v0.get_order) after that": _FIRST_CALL,
        "all APIs and operations() instead": f"{_OURS}\n"
        + _TIMED.format("from spapi_async.api import operations; operations()"),
    }
    with canned_server() as url, _bytecode(wheel) as environment:
        times: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(rounds + 1):
            for name, source in programs.items():
                times[name].append(float(_python(environment, "-c", source, url).stdout))
        own = _own_modules(environment)
    medians = {
        name: statistics.median(values[1:]) for name, values in times.items()
    }  # without the first round, which fills the caches
    pairs = zip(times[_OURS][1:], times["import aiohttp, msgspec"][1:], strict=True)
    return {"ms": medians, "ratio": statistics.median(ours / base for ours, base in pairs), "own": own}


def ratio(rounds: int = ROUNDS) -> float:
    """The ratio of the import to its base: the median of the ratios of pairs."""
    programs = [_TIMED.format(_OURS), _TIMED.format(_BASE)]
    pairs = []
    with _bytecode() as environment:
        for _ in range(rounds + 1):
            ours, base = (float(_python(environment, "-c", source).stdout) for source in programs)
            pairs.append(ours / base)
    return statistics.median(pairs[1:])


@contextmanager
def _bytecode(wheel: Path | None = None) -> Iterator[dict[str, str]]:
    """The environment of processes that import the package from the wheel or from this tree.

    They keep their bytecode in a separate directory, whatever the caller's environment says.
    """
    with tempfile.TemporaryDirectory() as directory:
        package = HERE.parent
        if wheel is not None:
            package = Path(directory, "wheel")
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(package)
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        yield {**inherited, "PYTHONPYCACHEPREFIX": directory, "PYTHONPATH": str(package), "PYTHONSAFEPATH": "1"}


def _python(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment)


def _own_modules(environment: dict[str, str]) -> Mapping[str, float]:
    """The slowest modules that the package imports and the base does not, in milliseconds by ``-X importtime``."""
    base, ours = _import_times(environment, _BASE), _import_times(environment, _OURS)
    extra = {name: cost for name, cost in ours.items() if name not in base}
    return dict(sorted(extra.items(), key=lambda pair: -pair[1])[:12])


def _import_times(environment: dict[str, str], source: str) -> dict[str, float]:
    """The shortest of five times for each module, because other programs can only make it longer."""
    least: dict[str, float] = {}
    for _ in range(5):
        lines = _python(environment, "-X", "importtime", "-c", source).stderr.splitlines()
        rows = [line.removeprefix("import time:").split("|") for line in lines if line.count("|") == 2]
        for own, _, name in rows:
            if own.strip().isdigit():
                least[name.strip()] = min(least.get(name.strip(), math.inf), int(own) / 1e3)
    return least


def table(result: Result) -> str:
    """Markdown."""
    lines = ["| start | processor time |", "|---|---:|"]
    base = result["ms"]["import aiohttp, msgspec"]
    lines += [f"| {name} | {value:.1f} ms ({value / base:.2f}x) |" for name, value in result["ms"].items()]
    lines.append(f"| {_OURS} ÷ {_BASE} | {result['ratio']:.3f}x |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--wheel", type=Path, help="import the package from this wheel, not from the tree")
    chosen = parser.parse_args()
    outcome = measure(chosen.rounds, chosen.wheel)
    print(table(outcome))
    print("\nslowest modules that the base does not import:")
    for module, milliseconds in outcome["own"].items():
        print(f"  {milliseconds:6.2f} ms  {module}")

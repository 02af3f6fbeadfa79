"""The process in which one subject runs: reads batches to perform from its standard input, answers what they cost.

``subject_process.py MODULE URL``; each line in and out is a JSON object. Before a batch come some calls that are not
counted, since the process may have stood still for a while and connections may have been given up; then garbage is
collected. The collector stays on during the batch, as in an application. All this is the same for every subject.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import importlib.metadata
import sys
import time
from typing import Any

import msgspec
from bodies import CASES

# Calls at once while warming up.
_WARM_UP_WIDTH = 20


class Batch(msgspec.Struct):
    """``calls`` calls of a case, ``concurrency`` of them at a time; ``warm_up`` calls before are not counted."""

    case: str
    concurrency: int
    calls: int
    warm_up: int = 0


class Cost(msgspec.Struct):
    """What a batch took, in seconds: of this process's processor time, and by the clock."""

    cpu: float
    wall: float
    calls: int


async def _perform(subject: Any, batch: Batch) -> Cost:
    """Warm up, run a batch and check that every call decoded all that was sent."""
    if batch.warm_up:
        width = min(batch.concurrency, _WARM_UP_WIDTH)
        await _calls(subject, Batch(batch.case, width, batch.warm_up))
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    things = await _calls(subject, batch)
    cost = Cost(time.process_time() - cpu, time.perf_counter() - wall, batch.calls)
    # A case that is not in the list is a variant of getOrder: one thing for each call.
    expected = batch.calls * (CASES[batch.case].things if batch.case in CASES else 1)
    if things != expected:
        raise SystemExit(f"{batch.case}: {things} things came back, not {expected}")
    return cost


async def _calls(subject: Any, batch: Batch) -> int:
    if subject.batch is not None:
        return int(subject.batch(batch.case, batch.concurrency, batch.calls))
    return await _concurrently(subject.calls[batch.case], batch)


async def _concurrently(call: Any, batch: Batch) -> int:
    numbers = iter(range(batch.calls))
    things = 0

    async def work() -> None:
        nonlocal things
        for number in numbers:
            decoded = await call(number)  # not `things += await …`: that reads the sum before it waits
            things += decoded

    await asyncio.gather(*(work() for _ in range(min(batch.concurrency, batch.calls))))
    return things


async def _main(module_name: str, url: str) -> None:
    module = importlib.import_module(f"subjects.{module_name}")
    versions = {name: importlib.metadata.version(name) for name in module.DISTRIBUTIONS}
    async with module.connect(url) as subject:
        print(msgspec.json.encode(versions).decode(), flush=True)
        # Reading blocks the loop between batches: nothing else is due then.
        for line in sys.stdin:
            cost = await _perform(subject, msgspec.json.decode(line, type=Batch))
            print(msgspec.json.encode(cost).decode(), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2]))

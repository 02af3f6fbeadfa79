"""The process of one subject: reads batches from its standard input, performs them, and prints their cost.

``subject_process.py MODULE URL``; each line of input and output is a JSON object. Before a batch some calls are made
that are not counted, because connections may have been closed while the process was idle; then garbage is collected.
The garbage collector stays enabled during the batch, as in an application. This is the same for every subject.
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
    """The seconds that a batch took: processor time of this process, and elapsed time."""

    cpu: float
    wall: float
    calls: int


async def _perform(subject: Any, batch: Batch) -> Cost:
    """Warm up, run a batch and check that every call decoded the whole reply."""
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
        raise SystemExit(f"{batch.case}: {things} items were decoded, not {expected}")
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
        # Reading blocks the loop between batches, when it has nothing else to do.
        for line in sys.stdin:
            cost = await _perform(subject, msgspec.json.decode(line, type=Batch))
            print(msgspec.json.encode(cost).decode(), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2]))

"""A crawl in a process of its own, to be killed: ``crawl_worker.py ENDPOINT TARGET COUNT [STEP] [again]``.

With STEP the process kills itself there: ``written 2`` is after the second write and before its entry in the journal,
``replaced`` right after a file has replaced the output, ``moved`` right after the journal has recorded new places.
``again`` looks up once more what is done. ``full 8000`` limits files to 8000 bytes, as a full disk would.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from spapi_async import Application
from spapi_async.emulator.data.products import product_at
from spapi_async.workflows.bulk import crawl
from spapi_async.workflows.bulk._journal import Journal
from spapi_async.workflows.bulk._json_lines import JsonLines
from spapi_async.workflows.bulk._parquet import Parquet
from spapi_async.workflows.bulk._table import Table


def kill_at(step: str) -> None:
    """Kill the process at this step."""
    writes, (what, _, figure) = 0, step.partition(" ")
    if what == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(figure), int(figure)))
    original = Journal.record

    def record(self: Journal, *arguments: Any) -> None:
        nonlocal writes
        writes += 1
        if what == "written" and writes == int(figure):
            os.kill(os.getpid(), signal.SIGKILL)
        original(self, *arguments)

    Journal.record = record  # type: ignore[method-assign, assignment]
    for owner, name, after in ((Path, "replace", "replaced"), (Journal, "moved", "moved")):
        if step == after:
            kill_after(owner, name)


def kill_after(owner: type, name: str) -> None:
    """Kill the process after the first call of this method."""
    original = getattr(owner, name)

    def last(self: Any, *arguments: Any) -> None:
        original(self, *arguments)
        if owner is Journal or arguments[0].name == Path(sys.argv[2]).name:
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, last)


async def crawl_products(endpoint: str, target: str, count: int, *, again: bool = False) -> None:
    """Crawl ``count`` ASINs."""
    async with Application("id", "secret", endpoint=endpoint) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")
        asins = [product_at(0, n).asin for n in range(count)]
        await crawl("catalog", [seller], asins, target, older_than=timedelta(0) if again else None)


if __name__ == "__main__":
    steps = sys.argv[4:]
    for each in steps:
        kill_at(each)
    for sink in (JsonLines, Table, Parquet):
        sink.rows = 40
    asyncio.run(crawl_products(sys.argv[1], sys.argv[2], int(sys.argv[3]), again="again" in steps))

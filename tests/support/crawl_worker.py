"""A crawl in a process of its own, to be killed: ``crawl_worker.py ENDPOINT TARGET COUNT [STEP]``.

With STEP the process kills itself there: ``written`` is after the output was written and before the journal knows.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from spapi_async import Application
from spapi_async.emulator.data.products import product
from spapi_async.workflows.bulk import crawl
from spapi_async.workflows.bulk._journal import Journal
from spapi_async.workflows.bulk._json_lines import JsonLines
from spapi_async.workflows.bulk._parquet import Parquet
from spapi_async.workflows.bulk._table import Table


def kill_at(step: str) -> None:
    """Let the second write be the last thing this process does."""
    writes = 0
    original = Journal.record

    def record(self: Journal, *arguments: Any) -> None:
        nonlocal writes
        writes += 1
        if step == "written" and writes == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        original(self, *arguments)

    Journal.record = record  # type: ignore[method-assign, assignment]


async def main(endpoint: str, target: str, count: int) -> None:
    """Crawl so many ASINs."""
    for sink in (JsonLines, Table, Parquet):
        sink.rows = 40
    async with Application("id", "secret", endpoint=endpoint) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")
        await crawl("catalog", [seller], [product(0, n).asin for n in range(count)], target)


if __name__ == "__main__":
    if len(sys.argv) > 4:
        kill_at(sys.argv[4])
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))

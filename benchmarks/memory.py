"""Memory of an idle seller's handle, of a call that waits for quota, and of a call that waits for its reply.

Bytes each, by Python's allocations (tracemalloc), and the resident size of a process that contains all of them; each
measured in a new process. ``python benchmarks/memory.py``
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import resource
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
from bodies import order_id
from processes import program, read_line

__all__ = ["COUNTS", "measure", "table"]

COUNTS = {
    "idle seller handle": 10_000,
    "idle seller handle, two APIs used": 10_000,
    "queued call": 100_000,
    "call in flight": 1_000,
}

Result = dict[str, Any]


def measure(counts: dict[str, int] | None = None) -> list[Result]:
    """A row for each kind of object: bytes each, their number, and the megabytes of the process."""
    rows = []
    for kind, count in (counts or COUNTS).items():
        row: Result = {"kind": kind, "count": count}
        for traced in ("traced", "untraced"):
            with program("canned_server.py", "--silent") as server:
                url = f"http://127.0.0.1:{read_line(server)}"
                with program("memory.py", "--child", kind, str(count), url, traced) as child:
                    row |= msgspec.json.decode(read_line(child))
        rows.append(row)
    return rows


def _resident() -> float:
    """The resident size of this process in megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


async def _child(kind: str, count: int, url: str, *, traced: bool) -> None:
    from spapi_async import Application, Region

    async with Application("benchmark", "secret", endpoint=url, connections=count, timeout=3600) as app:
        one = app.selling_partner("Atzr|first", region=Region.NA)
        # Import modules that are imported at first use, so that they are not counted.
        names = (one.orders_v0, one.catalog_items_2022_04_01)
        assert names
        gc.collect()
        before = _resident()
        if traced:
            tracemalloc.start()
        kept, tasks = await _things(app, one, kind, count)
        gc.collect()
        if traced:
            facts = {"bytes_each": round(tracemalloc.get_traced_memory()[0] / count)}
        else:
            facts = {"process_mb": round(_resident()), "process_before_mb": round(before)}
        print(msgspec.json.encode(facts).decode(), flush=True)
        assert len(kept) + len(tasks) == count
        sys.stdin.readline()


async def _things(app: Any, one: Any, kind: str, count: int) -> tuple[list[Any], list[Any]]:
    from spapi_async import Region

    if kind.startswith("idle seller handle"):
        sellers = [app.selling_partner(f"Atzr|{number:08d}", region=Region.NA) for number in range(count)]
        if "used" in kind:
            assert all(seller.orders_v0 and seller.catalog_items_2022_04_01 for seller in sellers)
        return sellers, []
    if kind == "call in flight":
        from subjects.ours import give_room

        give_room()
    # The server never answers a GET: calls that got quota stay in flight, all others stay queued.
    surplus = 30 if kind == "queued call" else 0
    tasks = [asyncio.ensure_future(one.orders_v0.get_order(order_id(number))) for number in range(count + surplus)]
    for _ in range(50):
        await asyncio.sleep(0.1)
        waiting = sum(bucket.waiting for bucket in app.limits() if bucket.account)
        if waiting >= (count if kind == "queued call" else 0) and not any(task.done() for task in tasks):
            break
    if any(task.done() for task in tasks):
        raise SystemExit(f"a call ended early: {next(task for task in tasks if task.done())}")
    await asyncio.sleep(0.5)
    return [], tasks[surplus:]


def table(rows: list[Result]) -> str:
    """Markdown."""
    lines = ["| memory of | each | number | process before | process with them |", "|---|---:|---:|---:|---:|"]
    lines += [
        f"| {row['kind']} | {row['bytes_each']:,} B | {row['count']:,} "
        f"| {row['process_before_mb']} MB | {row['process_mb']} MB |"
        for row in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--child", nargs=4, metavar=("KIND", "COUNT", "URL", "TRACED"), help="used by the program itself"
    )
    chosen = parser.parse_args()
    if chosen.child:
        asyncio.run(_child(chosen.child[0], int(chosen.child[1]), chosen.child[2], traced=chosen.child[3] == "traced"))
    else:
        print(table(measure()))

"""How late changes are stored while orders are followed: with a queue, by searches and Orders v0, by searches alone.

``python benchmarks/live.py [--sellers 20] [--rate-scale 10] [--minutes 6] [--save]``. The emulator's usage plans, its
delay of searches (two minutes), its latency and its reports are ``--rate-scale`` times faster than Amazon's. Waiting
takes no real time (:mod:`virtual_hours`), and the machine's own work takes no virtual time. Orders change in bursts. Of
the notifications 10 % are lost, 10 % are delivered twice, each is up to a second late, and 5 % arrive after
reconciliation. Some orders appear in the lists only after searches have passed their date. Times are converted to
Amazon's pace.

Then following stops, and starts again more than two hours later. Each seller's orders are then reconciled once with a
report, after which every order must be stored as the emulator has it.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import anyio
from saved import save
from virtual_hours import Hourglass, run

from spapi_async import Application, SellingPartner
from spapi_async.emulator import Emulator
from spapi_async.emulator.identity.tokens import seller_of
from spapi_async.workflows.orders import (
    OrderDatabase,
    OrdersFresh,
    OrdersReconciled,
    Source,
    SyncEvent,
    follow_orders,
)

__all__ = ["ALONE", "QUEUE", "V0", "measure", "table"]

Result = dict[str, Any]

RESULTS = Path(__file__).resolve().parent / "results"
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
QUEUE, V0, ALONE = "with a queue", "searches and Orders v0", "searches alone"
HELD_BACK = 0.05  # share of the messages that arrive after reconciliation
UNSEEN = timedelta(minutes=20)  # so late that searches, which overlap by five minutes, do not find the order
RECONCILED = timedelta(hours=2, minutes=15)
SETTLED = 360.0  # seconds at Amazon's pace after the last change


class Run(NamedTuple):
    """Whether a queue is used, and the sources."""

    queue: bool
    sources: tuple[Source, ...]


RUNS = {
    QUEUE: Run(queue=True, sources=("ids", "orders_v0", "reports")),
    V0: Run(queue=False, sources=("ids", "orders_v0", "reports")),
    ALONE: Run(queue=False, sources=("search", "reports")),
}


class Heard:
    """Collects the events of following: how late changes are stored, and who has been reconciled."""

    def __init__(self, scale: float, sellers: int) -> None:
        self._scale = scale
        self._sellers = sellers
        self.late: list[float] = []
        self.begin_reconciling()

    def begin_reconciling(self) -> None:
        """Reset the counts of reconciliation."""
        self.found = 0
        self._reconciled: set[str] = set()
        self.all_reconciled = anyio.Event()

    def __call__(self, event: SyncEvent) -> None:
        """Record how late changes are, and reconciliations of orders that are two hours old."""
        if isinstance(event, OrdersFresh):
            self.late.extend(seconds * self._scale for seconds in event.seconds)
        elif isinstance(event, OrdersReconciled) and event.hours == 2:
            self.found += event.found
            self._reconciled.add(event.seller)
            if len(self._reconciled) == self._sellers:
                self.all_reconciled.set()


class Mailbox:
    """The emulator's notifications, with the seller ids of the client; some are held back for a long time."""

    def __init__(self, emulator: Emulator, handles: list[SellingPartner]) -> None:
        self._emulator = emulator
        # The emulator derives seller ids from refresh tokens.
        self._names = {seller_of(f"Atzr|{number}"): str(handle.seller_id) for number, handle in enumerate(handles)}
        self._rng = random.Random(2)
        self._seen = 0
        self.held_back: list[str] = []

    async def messages(self) -> AsyncIterator[str]:
        """The notifications as they arrive."""
        while True:
            arrived = self._emulator.notifications
            new, self._seen = arrived[self._seen :], len(arrived)
            for message in new:
                text = json.dumps(message)
                for real, given in self._names.items():
                    text = text.replace(real, given)
                if self._rng.random() < HELD_BACK:
                    self.held_back.append(text)
                else:
                    yield text
            await anyio.sleep(0.05)

    async def late(self) -> AsyncIterator[str]:
        """The notifications that were held back."""
        for text in self.held_back:
            yield text


async def _change(emulator: Emulator, clock: Hourglass, seconds: float) -> None:
    """Make bursts of changes, and sometimes an order that appears late in the lists."""
    rng, ends = random.Random(1), clock.monotonic() + seconds
    while clock.monotonic() < ends:
        emulator.change_orders(add=int(rng.random() < 0.3), update=rng.choice([0, 1, 1, 3]))
        if rng.random() < 0.1:
            emulator.change_orders(add=1, at=clock.time() - UNSEEN.total_seconds())
        await anyio.sleep(rng.uniform(1, 8))


async def _run(name: str, sellers: int, scale: float, minutes: float) -> Result:
    chosen, clock, heard = RUNS[name], Hourglass(), Heard(scale, sellers)
    delays: Result = {
        "search_delay": 120 / scale, "processing": 120 / scale, "latency": 0.1 / scale, "notification_lag": 1 / scale,
    }  # fmt: skip
    async with (
        Emulator(
            orders=30, rate_scale=scale, clock=clock, notification_loss=0.1, notification_duplication=0.1, **delays
        ) as emulator,
        Application("app", "secret", endpoint=emulator.url, clock=clock) as app,
    ):
        handles = [app.selling_partner(f"Atzr|{n}", region="NA", seller_id=f"A{n}") for n in range(sellers)]
        for handle in handles if chosen.queue else ():
            await handle.notifications.subscribe("ORDER_CHANGE", "arn:aws:sqs:us-east-1:123456789012:orders")
        mailbox = Mailbox(emulator, handles)
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            url = f"sqlite:///{folder}/orders.db"

            async def follow(messages: AsyncIterator[str] | None) -> None:
                await follow_orders(
                    handles, url, messages=messages, sources=chosen.sources, progress=heard, clock=clock
                )

            async with anyio.create_task_group() as group:
                group.start_soon(follow, mailbox.messages() if chosen.queue else None)
                await anyio.sleep(600 / scale)
                heard.late.clear()
                await _change(emulator, clock, minutes * 60)
                await anyio.sleep(SETTLED / scale)
                group.cancel_scope.cancel()
            late = list(heard.late)
            before = await _differences(emulator, url)
            await anyio.sleep(RECONCILED.total_seconds())
            heard.begin_reconciling()
            async with anyio.create_task_group() as group:
                group.start_soon(follow, None)
                await heard.all_reconciled.wait()
                group.cancel_scope.cancel()
            after = await _differences(emulator, url)
            async with anyio.create_task_group() as group:
                group.start_soon(follow, mailbox.late())
                await anyio.sleep(SETTLED / scale)
                group.cancel_scope.cancel()
            at_last = await _differences(emulator, url)
        counts = emulator.stats()["operations"]
    return {
        "run": name,
        "changes": len(late),
        "median_seconds": statistics.median(late),
        "p95_seconds": statistics.quantiles(late, n=20)[-1],
        "not_found_by_following": before,
        "found_by_reconciling": heard.found,
        "missing_after_it": after,
        "messages_after_it": len(mailbox.held_back),
        "missing_at_last": at_last,
        "throttled": sum(each["throttled"] for each in counts.values()),
        "late": sorted(late),
    }


async def _differences(emulator: Emulator, url: str) -> int:
    """The number of orders that are not stored with the emulator's last update."""
    async with OrderDatabase(url) as database:
        latest = {
            change.order_id: change.updated_at.timestamp()
            async for change in database.changes(limit=None)
            if change.updated_at is not None
        }
    books = [seller.orders for seller in emulator.world.sellers]
    return sum(int(latest.get(order.order_id, 0)) != int(order.updated) for book in books for order in book.since(0))


def measure(*, sellers: int = 20, scale: float = 10.0, minutes: float = 6.0) -> Result:
    """Measure each run."""
    rows = []
    for name in RUNS:
        row = run(_run(name, sellers, scale, minutes))
        rows.append(row)
        print(json.dumps({key: value for key, value in row.items() if key != "late"}), flush=True)
    return {"sellers": sellers, "rate_scale": scale, "runs": rows}


def table(result: Result) -> str:
    """Markdown."""
    lines = [
        f"{result['sellers']} sellers; seconds at Amazon's pace, from a change to its commit.",
        "",
        "| followed | changes | median | 95 % within | found by reconciling | missing afterwards | 429s |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['run']} | {row['changes']:,} | {row['median_seconds']:.1f} | {row['p95_seconds']:.0f}"
        f" | {row['found_by_reconciling']} | {row['missing_after_it']} | {row['throttled']} |"
        for row in result["runs"]
    ]
    return "\n".join(lines)


def main() -> None:
    """Run each, print a line for each, then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sellers", type=int, default=20)
    parser.add_argument("--rate-scale", type=float, default=10.0)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    result = measure(sellers=chosen.sellers, scale=chosen.rate_scale, minutes=chosen.minutes)
    print(table(result))
    if chosen.save:
        from pictures import live_picture

        save(result, RESULTS / "live.json")
        live_picture(result, RESULTS / "live.png")


if __name__ == "__main__":
    main()

"""How late changes are stored while orders are followed: with a queue, by searches and Orders v0, by searches alone.

``python benchmarks/live.py [--sellers 20] [--rate-scale 10] [--minutes 3] [--save]``. The emulator's usage plans and
its delay of searches (two minutes) are so many times faster; orders change in bursts; of the notifications 10 % are
lost and 10 % come twice, each up to a second late. Lateness is shown as it would be at Amazon's pace. Afterwards
every order must be stored as the emulator has it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import anyio

from spapi_async import Application
from spapi_async.emulator import Emulator
from spapi_async.workflows.orders import OrderDatabase, OrdersFresh, Source, SyncEvent, follow_orders

RESULT = Path(__file__).resolve().parent / "results" / "live.json"
RUNS: dict[str, dict[str, bool]] = {
    "with a queue": {"queue": True, "orders_v0": True},
    "searches and Orders v0": {"queue": False, "orders_v0": True},
    "searches alone": {"queue": False, "orders_v0": False},
}


async def _messages(emulator: Emulator) -> AsyncIterator[Mapping[str, Any]]:
    """What arrives in the emulator's mailbox."""
    seen = 0
    while True:
        arrived = emulator.notifications
        for message in arrived[seen:]:
            yield message
        seen = len(arrived)
        await anyio.sleep(0.05)


async def _run(sellers: int, scale: float, minutes: float, *, queue: bool, orders_v0: bool) -> dict[str, Any]:
    late: list[float] = []

    def heard(event: SyncEvent) -> None:
        if isinstance(event, OrdersFresh):
            late.extend(seconds * scale for seconds in event.seconds)

    sources: tuple[Source, ...] = ("ids", "orders_v0") if orders_v0 else ("search",)
    rng = random.Random(1)
    settings: dict[str, Any] = {
        "notification_lag": 1 / scale,
        "notification_loss": 0.1,
        "notification_duplication": 0.1,
    }
    async with (
        Emulator(orders=30, rate_scale=scale, search_delay=120 / scale, **settings) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        handles = [app.selling_partner(f"Atzr|{n}", region="NA", seller_id=f"A{n}") for n in range(sellers)]
        for handle in handles if queue else ():
            await handle.notifications.subscribe("ORDER_CHANGE", "arn:aws:sqs:us-east-1:123456789012:orders")
        with tempfile.TemporaryDirectory() as folder:
            async with OrderDatabase(f"sqlite:///{folder}/orders.db") as database, anyio.create_task_group() as group:

                async def follow() -> None:
                    messages = _named(_messages(emulator), handles) if queue else None
                    await follow_orders(
                        handles,
                        database,
                        messages=messages,
                        sources=sources,
                        progress=heard,
                    )

                group.start_soon(follow)
                await anyio.sleep(20)
                late.clear()
                ends = anyio.current_time() + minutes * 60
                while anyio.current_time() < ends:
                    emulator.change_orders(add=int(rng.random() < 0.3), update=rng.choice([0, 1, 1, 3]))
                    await anyio.sleep(rng.uniform(1, 8))
                await anyio.sleep(360 / scale + 20)
                group.cancel_scope.cancel()
            async with OrderDatabase(f"sqlite:///{folder}/orders.db") as database:
                stored, _ = await database.counts()
                changes = [change async for change in database.changes(limit=None)]
        books = [seller.orders for seller in emulator.world.sellers]  # what is true
        orders = sum(map(len, books))
        updated = {order.order_id: int(order.updated) for book in books for order in book.since(0)}
        latest: dict[str, int] = {}
        for change in changes:
            assert change.updated_at is not None
            latest[change.order_id] = int(change.updated_at.timestamp())
        stats = emulator.stats()["operations"]
    return {
        "changes": len(late),
        "median_seconds": round(statistics.median(late), 1),
        "p95_seconds": round(statistics.quantiles(late, n=20)[-1], 1),
        "missing": orders - stored,
        "outdated": sum(latest.get(order_id) != at for order_id, at in updated.items()),
        "throttled": sum(each["throttled"] for each in stats.values()),
    }


async def _named(messages: AsyncIterator[Mapping[str, Any]], handles: Any) -> AsyncIterator[Any]:
    """The emulator names sellers by their tokens: give each message the id that its handle was given."""
    from spapi_async.emulator.identity.tokens import seller_of

    names = {seller_of(f"Atzr|{n}"): handle.seller_id for n, handle in enumerate(handles)}
    async for message in messages:
        text = json.dumps(message)
        for real, given in names.items():
            text = text.replace(real, given)
        yield text


def main() -> None:
    """Run each, print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sellers", type=int, default=20)
    parser.add_argument("--rate-scale", type=float, default=10.0)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    rows = {}
    for name, options in RUNS.items():
        rows[name] = asyncio.run(_run(chosen.sellers, chosen.rate_scale, chosen.minutes, **options))
        print(name, json.dumps(rows[name]), flush=True)
    if chosen.save:
        facts = {"sellers": chosen.sellers, "rate_scale": chosen.rate_scale, "runs": rows}
        RESULT.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""``spapi-async demo``: the main job against an emulator in this process, with a summary."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from spapi_async.cli.event_loop import run_async
from spapi_async.cli.output import JsonOption, moving_console, print_json, table_console
from spapi_async.cli.tally import Tally
from spapi_async.cli.target import SeedOption, Target, connected

__all__ = ["demo"]

# searchOrders allows one request in 180 s after a burst of 20. At 400 times that rate and 50 orders a page, 2,000
# orders take the burst and then a request every 0.45 s, so that waiting is visible and the demo ends in ten seconds.
_ORDERS, _PAGE_SIZE, _RATE_SCALE = 2_000, 50, 400.0
_ORDER_AGE = 300.0  # seconds; the least age of an order


class DemoResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the demo did. ``throttled`` is the emulator's own count."""

    orders: int
    orders_emulated: int
    items: int
    requests: int
    throttled: int
    waited: float
    violations: int
    seconds: float


def demo(
    *,
    database: Annotated[
        str | None, typer.Option("--database", metavar="URL", help="Keep the database here; by default it is deleted.")
    ] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Sync 2,000 orders from an emulator in this process, at the pace of its quota."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'demo.db'}" if database is None else database
        result = run_async(_demo(url, seed, quiet=as_json))
    if as_json:
        print_json(result)
    else:
        table_console().print(_table(result))
    if result.orders != result.orders_emulated:
        raise RuntimeError(f"{result.orders} rows, but the emulator has {result.orders_emulated} orders")


async def _demo(database: str, seed: int, *, quiet: bool) -> DemoResult:
    from spapi_async.cli.progress import SyncBar
    from spapi_async.workflows.orders import OrderDatabase, sync_orders

    tally = Tally()
    started = time.monotonic()
    # Searches find only orders that are at least two minutes old; the demo has to find all of them.
    anchor = time.time() - _ORDER_AGE
    target = Target(emulator=True, seed=seed, orders=_ORDERS, rate_scale=_RATE_SCALE, anchor=anchor)
    async with OrderDatabase(database) as opened, connected(target, observers=[tally]) as connection:
        console = Console(quiet=True) if quiet else moving_console()
        bar = SyncBar(console, connection.application.limits, total=_ORDERS)
        async with bar.shown():
            report = await sync_orders([connection.seller], opened, page_size=_PAGE_SIZE, progress=bar)
        for failure in report.failed:
            assert failure.error is not None
            raise failure.error
        orders, items = await opened.counts()
        assert connection.emulator is not None
        stats = connection.emulator.stats()
    return DemoResult(
        orders=orders,
        orders_emulated=_ORDERS,
        items=items,
        requests=sum(counts["requests"] for counts in stats["operations"].values()),
        throttled=sum(counts["throttled"] for counts in stats["operations"].values()),
        waited=round(tally.waited, 3),
        violations=tally.violations,
        seconds=round(time.monotonic() - started, 3),
    )


def _table(result: DemoResult) -> Table:
    table = Table(title="What the demo did", title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("figure", justify="right")
    rows: list[tuple[str, Any]] = [
        ("orders in the database", f"{result.orders:,}"),
        ("orders in the emulator", f"{result.orders_emulated:,}"),
        ("order items", f"{result.items:,}"),
        ("requests", f"{result.requests:,}"),
        ("throttled (429)", f"{result.throttled:,}"),
        ("seconds waited for quota", f"{result.waited:.1f}"),
        ("violations tolerated", f"{result.violations:,}"),
        ("seconds in all", f"{result.seconds:.1f}"),
    ]
    for what, figure in rows:
        table.add_row(what, figure)
    return table

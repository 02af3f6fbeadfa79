"""``spapi-async limits``: the buckets of a running job (in its Redis) or of an emulator, live."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Annotated

import anyio
import msgspec
import typer
from rich.live import Live
from rich.table import Table

from spapi_async.cli.event_loop import run_async
from spapi_async.cli.exit_codes import Interrupted
from spapi_async.cli.output import JsonOption, print_json, table_console
from spapi_async.cli.target import EndpointOption, RedisOption, redis_limiter
from spapi_async.errors import ConfigurationError, ConnectionFailedError
from spapi_async.ratelimit import LimitSnapshot

__all__ = ["limits", "limits_table"]

Fetch = Callable[[], Awaitable[Sequence[LimitSnapshot]]]
Wanted = Callable[[Iterable[LimitSnapshot]], list[LimitSnapshot]]
Source = AbstractAsyncContextManager[Fetch]


def limits(
    context: typer.Context,
    *,
    redis: RedisOption = None,
    prefix: Annotated[str, typer.Option("--prefix", help="The prefix of the limiter's Redis keys.")] = "spapi",
    endpoint: EndpointOption = None,
    interval: Annotated[
        float, typer.Option("--interval", metavar="SECONDS", min=0.1, help="The interval between two readings.")
    ] = 1.0,
    seller: Annotated[
        str | None, typer.Option("--seller", metavar="NAME", help="Only sellers whose name contains this.")
    ] = None,
    operation: Annotated[
        str | None, typer.Option("--operation", metavar="NAME", help="Only operations whose name contains this.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print the table once and exit.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show every limit: what it applies to, rate, available tokens, waiting calls, 429s. Ends with Ctrl-C."""
    source_of_redis = context.get_parameter_source("redis")
    named = source_of_redis is not None and source_of_redis.name == "COMMANDLINE"  # and not by the environment
    if endpoint is None and redis is None:
        endpoint = os.environ.get("SP_API_ENDPOINT") or None
    if (redis is None and endpoint is None) or (named and endpoint is not None):
        raise ConfigurationError(
            "give --redis URL (or SP_API_REDIS), or --endpoint URL of an emulator (or SP_API_ENDPOINT)"
        )
    source = _redis(redis, prefix) if endpoint is None and redis is not None else _emulator(endpoint or "")
    wanted = partial(_chosen, seller=seller or "", operation=operation or "")
    try:
        run_async(_show(source, wanted, interval, once=once, as_json=as_json))
    except Interrupted:
        raise typer.Exit(0) from None  # Ctrl-C is the normal end of this command


async def _show(source: Source, wanted: Wanted, interval: float, *, once: bool, as_json: bool) -> None:
    console = table_console()
    async with source as fetch:
        if as_json:
            print_json(wanted(await fetch()))
            return
        if once or not console.is_terminal:
            console.print(limits_table(wanted(await fetch())))
            return
        with Live(console=console, auto_refresh=False) as live:
            while True:
                # A terminal cuts off long tables: a row takes up to two lines, the frame and the caption seven.
                rows = max((console.height - 7) // 2, 1)
                live.update(limits_table(wanted(await fetch()), rows), refresh=True)
                await anyio.sleep(interval)


@asynccontextmanager
async def _emulator(endpoint: str) -> AsyncIterator[Fetch]:
    """The buckets of the emulator at this URL; reading them uses no quota."""
    import aiohttp

    url = f"{endpoint.rstrip('/')}/_emulator/limits"
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:

        async def fetch() -> Sequence[LimitSnapshot]:
            try:
                async with session.get(url) as reply:
                    body = await reply.read()
            except ValueError as error:  # aiohttp's for a bad URL is a ClientError too
                raise ConfigurationError(f"endpoint must be like http://host[:port], not {endpoint!r}") from error
            except (aiohttp.ClientError, TimeoutError) as error:
                raise ConnectionFailedError(f"no emulator answers at {endpoint}: {error}") from error
            if reply.status != HTTPStatus.OK:
                raise ConfigurationError(f"{endpoint} is not an emulator: {url} answered {reply.status}")
            return msgspec.json.decode(body, type=_Limits).limits

        yield fetch


class _Limits(msgspec.Struct):
    limits: tuple[LimitSnapshot, ...]


@asynccontextmanager
async def _redis(url: str, prefix: str) -> AsyncIterator[Fetch]:
    """The buckets that the processes of a job share in Redis."""
    limiter = redis_limiter(url, on_outage="raise", prefix=prefix)
    try:
        yield limiter.snapshot_all
    finally:
        await limiter.aclose()


def limits_table(snapshots: Sequence[LimitSnapshot], rows: int | None = None) -> Table:
    """The buckets, first those with waiting calls; at most ``rows`` of them."""
    table = Table(title="Limits", title_justify="left", caption_justify="left")
    # On a narrow terminal only names are folded; figures are never cut.
    table.add_column("operation", overflow="fold")
    table.add_column("seller", overflow="fold")
    table.add_column("limit", overflow="fold", max_width=24)
    for heading in ("rate/s", "tokens", "waiting", "next in", "calls", "429"):
        table.add_column(heading, justify="right", no_wrap=True)
    ranked = sorted(snapshots, key=lambda s: (-s.waiting, -s.next_available, s.operation, s.account))
    for snapshot in ranked[:rows]:
        table.add_row(
            snapshot.operation,
            _seller(snapshot),
            snapshot.rule or "plan",
            f"{snapshot.burst:g} in {snapshot.window:g} s" if snapshot.window else f"{snapshot.rate:.4g}",
            f"{max(snapshot.tokens, 0.0):.1f}/{snapshot.burst:g}",
            f"{snapshot.waiting:,}",
            f"{snapshot.next_available:.1f} s" if snapshot.next_available > 0 else "now",
            f"{snapshot.admitted:,}",
            f"{snapshot.throttled:,}",
        )
    if rows is not None and len(ranked) > rows:
        table.caption = f"and {len(ranked) - rows} more: --seller and --operation filter, --once shows all"
    return table


def _seller(snapshot: LimitSnapshot) -> str:
    return snapshot.account or f"(all)@{snapshot.region}".rstrip("@")  # an emulator has no regions


def _chosen(snapshots: Iterable[LimitSnapshot], seller: str, operation: str) -> list[LimitSnapshot]:
    """The limits whose seller and operation contain these texts, in upper or lower case."""
    return [
        snapshot
        for snapshot in snapshots
        if seller.lower() in _seller(snapshot).lower() and operation.lower() in snapshot.operation.lower()
    ]

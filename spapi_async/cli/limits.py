"""``spapi-async limits``: the buckets of a running job (in its Redis) or of an emulator, live."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
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
from spapi_async.cli.target import EndpointOption, redis_limiter
from spapi_async.errors import ConfigurationError, ConnectionFailedError
from spapi_async.ratelimit import LimitSnapshot

__all__ = ["limits", "limits_table"]

Fetch = Callable[[], Awaitable[Sequence[LimitSnapshot]]]
Source = AbstractAsyncContextManager[Fetch]


def limits(
    *,
    redis: Annotated[
        str | None, typer.Option("--redis", metavar="URL", help="The Redis that a running job's limiter shares.")
    ] = None,
    prefix: Annotated[
        str, typer.Option("--prefix", help="What the job's limiter begins its Redis keys with.")
    ] = "spapi",
    endpoint: EndpointOption = None,
    interval: Annotated[float, typer.Option("--interval", metavar="SECONDS", min=0.1, help="Between two looks.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Print the table once and end.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show every limit: what it applies to, rate, tokens at hand, calls waiting, 429s. Ends with Ctrl-C."""
    if (redis is None) == (endpoint is None):
        raise ConfigurationError("give --redis URL or --endpoint URL of an emulator")
    source = _redis(redis, prefix) if redis is not None else _emulator(endpoint or "")
    try:
        run_async(_show(source, interval, once=once, as_json=as_json))
    except Interrupted:
        raise typer.Exit(0) from None  # this is how it is meant to end


async def _show(source: Source, interval: float, *, once: bool, as_json: bool) -> None:
    console = table_console()
    async with source as fetch:
        if as_json:
            print_json(await fetch())
            return
        if once or not console.is_terminal:
            console.print(limits_table(await fetch()))
            return
        with Live(console=console, auto_refresh=False) as live:
            while True:
                live.update(limits_table(await fetch()), refresh=True)
                await anyio.sleep(interval)


@asynccontextmanager
async def _emulator(endpoint: str) -> AsyncIterator[Fetch]:
    """The buckets of the emulator at this URL, which answers for itself: no quota is spent by looking."""
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
                raise ConfigurationError(f"{endpoint} is no emulator: {url} answered {reply.status}")
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


def limits_table(snapshots: Iterable[LimitSnapshot]) -> Table:
    """The buckets, those that hold calls up first."""
    table = Table(title="Limits", title_justify="left")
    table.add_column("operation", overflow="fold")  # gives way first: the figures stay whole on a narrow terminal
    table.add_column("seller", overflow="ellipsis", no_wrap=True, max_width=10)
    table.add_column("limit", overflow="fold", max_width=24)
    for heading in ("rate/s", "tokens", "waiting", "next in", "calls", "429"):
        table.add_column(heading, justify="right", no_wrap=True)
    for snapshot in sorted(snapshots, key=lambda s: (-s.waiting, -s.next_available, s.operation, s.account)):
        table.add_row(
            snapshot.operation,
            snapshot.account or f"(all)@{snapshot.region}".rstrip("@"),  # an emulator knows no regions
            snapshot.rule or "plan",
            f"{snapshot.burst:g} in {snapshot.window:g} s" if snapshot.window else f"{snapshot.rate:.4g}",
            f"{max(snapshot.tokens, 0.0):.1f}/{snapshot.burst:g}",
            f"{snapshot.waiting:,}",
            f"{snapshot.next_available:.1f} s" if snapshot.next_available > 0 else "now",
            f"{snapshot.admitted:,}",
            f"{snapshot.throttled:,}",
        )
    return table

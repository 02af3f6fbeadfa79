"""``spapi-async fleet``: order sync on many machines."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from spapi_async.cli.event_loop import run_async, until_sigterm
from spapi_async.cli.logs import log_observers
from spapi_async.cli.metrics import MetricsOption, metrics_at
from spapi_async.cli.moments import parse_moment, parse_span
from spapi_async.cli.output import JsonOption, print_json, print_table, table_console
from spapi_async.cli.sync import IncludeOption, MarketplacesOption, PlainOption, datasets_with, source_names
from spapi_async.cli.target import EndpointOption, redis_limiter
from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Marketplace

if TYPE_CHECKING:
    from spapi_async.fleet import Fleet, FleetStatus
    from spapi_async.observe.prometheus import Metrics
    from spapi_async.ratelimit import LimitSnapshot

__all__ = ["app", "tightest"]

app = typer.Typer(help="Order sync, or a job of your own, on many machines.", no_args_is_help=True)

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database", metavar="URL", help="Sync orders into this database: postgresql://user@host/name. Or give --job."
    ),
]
JobOption = Annotated[
    str | None,
    typer.Option(
        "--job", metavar="MODULE:FUNCTION", help="An async function of one seller to run instead; also give --name."
    ),
]
JournalOption = Annotated[
    str | None, typer.Option("--journal", metavar="URL", help="The journal of a job's reports, feeds and queries.")
]
SellersOption = Annotated[str, typer.Option("--sellers", metavar="FILE", help="The sellers, as for sync orders.")]
RedisOption = Annotated[
    str,
    typer.Option(
        "--redis",
        metavar="URL",
        envvar="SP_API_REDIS",
        show_envvar=True,
        help="The Redis with the queue and the shared quota.",
    ),
]
EveryOption = Annotated[
    str, typer.Option("--every", metavar="SPAN", help="The time between two syncs of a seller that is up to date.")
]
NameOption = Annotated[str, typer.Option("--name", help="The fleet's name; several fleets may share one Redis.")]
SourcesOption = Annotated[
    str, typer.Option("--sources", metavar="LIST", help="The sources of a new seller's history, as for sync orders.")
]
SliceOption = Annotated[float, typer.Option("--slice", metavar="SECONDS", help="The longest duration of a slice.")]
SinceOption = Annotated[str | None, typer.Option("--since", metavar="TIME", help="Where a new seller starts.")]


@app.callback()
def _fleet() -> None:
    """Order sync, or a job of your own, on many machines."""


@app.command("schedule")
def schedule(
    *,
    redis: RedisOption,
    sellers: SellersOption,
    database: DatabaseOption = None,
    job: JobOption = None,
    every: EveryOption = "3m",
    name: NameOption = "orders",
    slice_seconds: SliceOption = 50.0,
    since: SinceOption = None,
) -> None:
    """Queue sellers that are due, until SIGTERM. Only one process schedules; a second one stands by."""
    made = _made(redis, database, sellers, job=job, every=every, since=since, name=name, slice_seconds=slice_seconds)
    run_async(_schedule(made))


@app.command("worker")
def worker(
    *,
    redis: RedisOption,
    sellers: SellersOption,
    database: DatabaseOption = None,
    job: JobOption = None,
    journal: JournalOption = None,
    every: EveryOption = "3m",
    name: NameOption = "orders",
    slice_seconds: SliceOption = 50.0,
    since: SinceOption = None,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, help="The number of slices at once.")] = 20,
    sources: SourcesOption = "search",
    marketplace: MarketplacesOption = None,
    include: IncludeOption = None,
    plain: PlainOption = False,
    metrics: MetricsOption = None,
    endpoint: EndpointOption = None,
) -> None:
    """Carry out slices, until SIGTERM. A slice that is cut off continues in another worker."""
    watched = metrics_at(metrics)
    facts: dict[str, Any] = {
        "name": name,
        "slice_seconds": slice_seconds,
        "sources": source_names(sources),
        "marketplaces": [Marketplace.parse(each) for each in marketplace or ()],
        "datasets": datasets_with(include or ()),
        "personal": "plain" if plain else None,
    }
    if endpoint is not None:
        facts["endpoint"] = endpoint
    if journal is not None:
        from spapi_async.workflows.journal import Journal

        facts["journal"] = Journal(journal)
    made = _made(redis, database, sellers, job=job, every=every, since=since, metrics=watched, **facts)
    run_async(_work(made, concurrency))


@app.command("status")
def status(
    *,
    redis: RedisOption,
    name: NameOption = "orders",
    as_json: JsonOption = False,
) -> None:
    """Show sellers, how far they are behind, which quota they wait for, and failures."""
    found, quotas = run_async(_status(redis, name))
    if as_json:
        print_json({**msgspec.to_builtins(found), "quota": {seller: quotas[seller] for seller in sorted(quotas)}})
    else:
        _show(found, quotas)


def _made(
    redis: str,
    database: str | None,
    sellers: str,
    *,
    job: str | None,
    every: str,
    since: str | None,
    metrics: Metrics | None = None,
    **options: Any,
) -> Fleet:
    from spapi_async import SellerDirectory
    from spapi_async.fleet import Fleet
    from spapi_async.fleet._jobs import job_named

    if (database is None) == (job is None):
        raise ConfigurationError("give --database URL for order sync, or --job MODULE:FUNCTION")
    span = parse_span("--every", every)
    if span is None:
        raise ConfigurationError("--every takes a span, such as 3m")
    return Fleet(
        redis,
        database,
        SellerDirectory(sellers),
        job=None if job is None else job_named(job),
        every=span,
        since=parse_moment("--since", since),
        observers=[*log_observers(), *([] if metrics is None else [metrics])],
        progress=None if metrics is None else metrics.progress,
        watch=None if metrics is None else metrics.watch,
        **options,
    )


async def _schedule(fleet: Fleet) -> None:
    async with until_sigterm():
        await fleet.schedule()


async def _work(fleet: Fleet, concurrency: int) -> None:
    async with until_sigterm():
        await fleet.work(concurrency=concurrency)


async def _status(redis: str, name: str) -> tuple[FleetStatus, dict[str, LimitSnapshot]]:
    """The board of a fleet, and the tightest limits of its sellers."""
    from spapi_async.fleet import Fleet

    found = await Fleet.status_of(redis, name=name)
    limiter = redis_limiter(redis, on_outage="raise")
    try:
        limits = await limiter.snapshot_all()
    finally:
        await limiter.aclose()
    return found, tightest(limits, {state.seller for state in found.sellers})


def tightest(limits: Iterable[LimitSnapshot], sellers: Collection[str]) -> dict[str, LimitSnapshot]:
    """For each of these sellers the limit at which a call would wait longest, or else the emptiest bucket."""
    ranked = sorted(limits, key=lambda limit: (limit.next_available, -limit.tokens / limit.burst))
    return {limit.account: limit for limit in ranked if limit.account in sellers}  # the last one stays


def _show(found: FleetStatus, quotas: Mapping[str, LimitSnapshot]) -> None:
    from rich.table import Table

    now = time.time()
    table = Table("seller", "complete", "due", "quota", "failures", "reason")
    for state in found.sellers:
        complete = "never" if state.complete_at is None else f"{now - state.complete_at:.0f} s ago"
        due = "needs a new authorisation" if state.revoked else _moment(state.due_at, now)
        quota = _quota(quotas.get(state.seller))
        table.add_row(state.seller, complete, due, quota, str(state.failures or ""), state.reason)
    print_table(table)
    lag = "unknown" if found.lag is None else f"{found.lag:.0f} s"
    table_console().print(
        f"{len(found.sellers)} sellers, {found.queued} slices waiting or running, {found.failing} failing, "
        f"{found.revoked} revoked; furthest behind: {lag}"
    )


def _quota(limit: LimitSnapshot | None) -> str:
    if limit is None:
        return ""
    when = f"in {limit.next_available:.0f} s" if limit.next_available > 0 else "now"
    return f"{limit.operation.partition('.')[2]}: {max(limit.tokens, 0.0):.1f} of {limit.burst:g}, {when}"


def _moment(at: float, now: float) -> str:
    return "now" if at <= now else datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")

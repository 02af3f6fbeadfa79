"""``spapi-async sync orders``: store the orders that changed since the last run in a database."""

from __future__ import annotations

import enum
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spapi_async import Marketplace, call_options
from spapi_async.cli.event_loop import run_async
from spapi_async.cli.exit_codes import describe, exit_code
from spapi_async.cli.metrics import MetricsOption, metrics_at
from spapi_async.cli.moments import parse_moment, parse_span
from spapi_async.cli.output import JsonOption, moving_console, print_json, table_console
from spapi_async.cli.tally import Tally
from spapi_async.cli.target import (
    EmulatorOption,
    EndpointOption,
    LatencyOption,
    OrdersOption,
    RateScaleOption,
    RedisOption,
    SeedOption,
    Target,
    connected,
)
from spapi_async.cli.violations import ViolationFile, ViolationsOption
from spapi_async.errors import ConfigurationError

if TYPE_CHECKING:
    from spapi_async import Observer
    from spapi_async.workflows.orders import Source, SyncReport

__all__ = [
    "IncludeOption",
    "MarketplacesOption",
    "PlainOption",
    "app",
    "datasets_with",
    "orders",
    "source_names",
]

app = typer.Typer(help="Keep a database up to date with Amazon.", no_args_is_help=True)


class OrdersApiName(enum.StrEnum):
    """The two versions of the Orders API."""

    orders_2026_01_01 = "orders_2026_01_01"
    orders_v0 = "orders_v0"


class Dataset(enum.StrEnum):
    """The data sets of Orders 2026-01-01 that are not stored unless asked for."""

    BUYER = "BUYER"
    RECIPIENT = "RECIPIENT"
    TAX = "TAX"
    PAYMENT = "PAYMENT"
    FULFILLMENT_ORDERS = "FULFILLMENT_ORDERS"


MarketplacesOption = Annotated[
    list[str] | None, typer.Option("--marketplace", help="Only this marketplace (US, DE, an id); repeatable.")
]
IncludeOption = Annotated[
    list[Dataset] | None,
    typer.Option(
        "--include", case_sensitive=False, help="Also store this data set (most are personal data); repeatable."
    ),
]
PlainOption = Annotated[
    bool, typer.Option("--personal-plain", help="Store personal data unencrypted: the disk itself must be encrypted.")
]


@app.callback()
def _sync() -> None:
    """Keep a database up to date with Amazon."""


@app.command("orders")
def orders(
    *,
    database: Annotated[
        str, typer.Option("--database", metavar="URL", help="sqlite:///orders.db or postgresql://user@host/name.")
    ],
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Where a seller's first run starts (ISO 8601), by default two years back; later runs resume from their"
            " checkpoint.",
        ),
    ] = None,
    api: Annotated[
        OrdersApiName, typer.Option("--api", help="orders_v0 needs another request for each order.")
    ] = OrdersApiName.orders_2026_01_01,
    marketplace: MarketplacesOption = None,
    include: IncludeOption = None,
    plain: PlainOption = False,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="Read the orders updated between this time and --to again (ISO 8601)."
        ),
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="TIME", help="The end of that window (ISO 8601).")] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Fill all columns again from the stored payloads, without calls.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for sellers on which another process works, instead of failing.")
    ] = False,
    sources: Annotated[
        str | None,
        typer.Option(
            "--sources",
            metavar="LIST",
            help="The sources of a new seller's history: search, ids, orders_v0, reports, separated by commas; or all."
            " By default search; with --follow all except reports, which also reconcile.",
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Continue until stopped, as fast as quota allows; SIGTERM ends it cleanly.")
    ] = False,
    queue: Annotated[
        str | None,
        typer.Option("--queue", metavar="URL", help="With --follow: an SQS queue that receives ORDER_CHANGE."),
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(
            "--every",
            metavar="SPAN",
            help="With --follow: search each seller this often, such as 1h, instead of as often as quota allows.",
        ),
    ] = None,
    metrics: MetricsOption = None,
    page_size: Annotated[int | None, typer.Option("--page-size", min=1, max=100, help="Orders per page.")] = None,
    max_wait: Annotated[
        float | None,
        typer.Option(
            "--max-wait", metavar="SECONDS", min=0.0, help="Fail at once if the wait for quota would be longer."
        ),
    ] = None,
    sellers: Annotated[
        str | None,
        typer.Option(
            "--sellers",
            metavar="FILE",
            help="Several sellers at once: TOML or JSON with seller_id, marketplace or region, and refresh_token or"
            " refresh_token_env for each.",
        ),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Only the sellers of the file with this tag; repeatable.")
    ] = None,
    redis: RedisOption = None,
    violations: ViolationsOption = None,
    endpoint: EndpointOption = None,
    emulator: EmulatorOption = False,
    seed: SeedOption = 0,
    emulated_orders: OrdersOption = 200,
    rate_scale: RateScaleOption = 1.0,
    latency: LatencyOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Store every order updated since the last run, with its items.

    It syncs the seller in the environment or, with --sellers, all sellers of a file, each at the pace of its own quota.

    Each page is committed with a checkpoint: you can stop the command at any moment; run it again, and it continues.
    """
    target = Target(
        endpoint=endpoint,
        emulator=emulator,
        seed=seed,
        orders=emulated_orders,
        rate_scale=rate_scale,
        latency=latency,
        redis=redis,
        sellers=sellers,
        tags=tuple(tag or ()),
        marketplaces=tuple(marketplace or ()),
    )
    if rebuild:
        done = run_async(_rebuild(database, plain=plain), leaves="nothing has changed")
        _say_rebuilt(done, as_json=as_json)
        return
    started = parse_moment("--since", since)
    marketplaces = [Marketplace.parse(each) for each in marketplace or ()]
    if follow:
        _refuse_with_follow(api, from_, to, wait, page_size, max_wait, violations)
        from spapi_async.cli.follow import follow as follow_until_stopped

        facts = run_async(
            follow_until_stopped(
                database,
                target,
                queue=queue,
                metrics=metrics_at(metrics),
                since=started,
                every=parse_span("--every", every),
                marketplaces=marketplaces,
                datasets=datasets_with(include or ()),
                personal="plain" if plain else None,
                **({} if sources is None else {"sources": source_names(sources)}),
            ),
            leaves=f"the checkpoint in the database is good: {AGAIN}",
        )
        if as_json:
            print_json(facts)
        return
    if queue is not None or every is not None or metrics is not None:
        raise ConfigurationError("--queue, --every and --metrics need --follow")
    work = _sync_orders(
        database,
        target,
        as_json=as_json,
        api=api.value,
        since=started,
        marketplaces=marketplaces,
        datasets=datasets_with(include or ()),
        page_size=page_size,
        violations=violations,
        window=_window(from_, to),
        personal="plain" if plain else None,
        wait=wait,
        sources=source_names(sources or "search"),
    )
    with call_options(max_wait=max_wait):
        report = run_async(work, leaves=f"the checkpoint in the database is good: {AGAIN}")
    _fail(report, as_json=as_json)


def source_names(names: str) -> list[Source]:
    """The sources of a list such as ``search,ids``; ``all`` of them.

    Raises:
        ConfigurationError: one is unknown.
    """
    from spapi_async.workflows.orders import SOURCES

    wanted = {name.strip() for name in names.split(",") if name.strip()}
    if unknown := sorted(wanted.difference(SOURCES, {"all"})):
        raise ConfigurationError(f"--sources takes {', '.join(SOURCES)} or all, not {', '.join(unknown)}")
    return [source for source in SOURCES if source in wanted or "all" in wanted]


def _refuse_with_follow(api: OrdersApiName, *others: object) -> None:
    if api is not OrdersApiName.orders_2026_01_01 or any(other not in (None, False) for other in others):
        raise ConfigurationError(
            "--follow cannot be combined with --api, --from, --to, --wait, --page-size, --max-wait or --violations"
        )


AGAIN = "run the same command again to continue"


def _window(begin: str | None, end: str | None) -> tuple[datetime, datetime] | None:
    first, last = parse_moment("--from", begin), parse_moment("--to", end)
    if first is None and last is None:
        return None
    if first is None or last is None:
        raise ConfigurationError("--from and --to must be given together")
    return first, last


async def _rebuild(database: str, *, plain: bool) -> int:
    from spapi_async.workflows.orders import OrderDatabase, PersonalKeys

    async with OrderDatabase(database, personal="plain" if plain else PersonalKeys.from_env(), create=False) as opened:
        return await opened.rebuild()


def _say_rebuilt(orders: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"rebuilt": orders})
    else:
        sys.stdout.write(f"{orders:,} orders rebuilt from their payloads\n")


def datasets_with(more: Iterable[Dataset]) -> list[str]:
    """The usual data sets, and these."""
    from spapi_async.workflows.orders import DEFAULT_DATASETS

    return [*DEFAULT_DATASETS, *(name.value for name in more)]


async def _sync_orders(
    database: str, target: Target, *, as_json: bool, since: datetime | None, violations: str | None, **options: Any
) -> SyncReport:
    from spapi_async.cli.summary import summary_facts, summary_table

    tally = Tally()
    with ViolationFile(violations) as file:
        report = await _synced(database, target, [tally, file], since=since, **options)
    if as_json:
        print_json(summary_facts(report, tally))
    elif any(result.pages for result in report.sellers):
        console = table_console()
        console.print(summary_table(report, tally, console))
    return report


async def _synced(
    database: str, target: Target, observers: Iterable[Observer], *, since: datetime | None, **options: Any
) -> SyncReport:
    from spapi_async.cli.progress import SyncBar
    from spapi_async.workflows.orders import sync_orders

    async with connected(target, observers=observers) as connection:
        console = moving_console()
        bar = SyncBar(console, connection.application.limits, since=since, named=len(connection.sellers) > 1)
        async with bar.shown():
            return await sync_orders(
                connection.sellers, database, since=since, progress=bar, forecast=console.is_terminal, **options
            )


def _fail(report: SyncReport, *, as_json: bool) -> None:
    """Print which sellers are incomplete and why; the first one decides the exit code."""
    for result in report.failed:
        assert result.error is not None
        if result.pages:
            result.error.add_note(f"{result.orders:,} orders are stored; {AGAIN}")
        if len(report.sellers) == 1 and not as_json:  # the JSON printed before contains the error
            raise result.error
        sys.stderr.write(f"spapi-async: {result.seller}: {describe(result.error)}\n")
    for result in report.failed:
        assert result.error is not None
        raise typer.Exit(exit_code(result.error))

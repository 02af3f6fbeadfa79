"""``spapi-async plan orders``: how many orders a sync would read, from which sources, and how long it would take."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spapi_async import Marketplace
from spapi_async.cli.event_loop import run_async
from spapi_async.cli.moments import parse_moment, show_span
from spapi_async.cli.output import JsonOption, print_json, print_table
from spapi_async.cli.target import (
    EmulatorOption,
    EndpointOption,
    OrdersOption,
    RateScaleOption,
    SeedOption,
    Target,
    connected,
)
from spapi_async.errors import ConfigurationError

if TYPE_CHECKING:
    from spapi_async.workflows.orders import OrderPlan, Outlook, Source

__all__ = ["app"]

app = typer.Typer(help="Show what a job would do, before it starts.", no_args_is_help=True)


@app.callback()
def _plan() -> None:
    """Show what a job would do, before it starts."""


@app.command("orders")
def orders(
    facts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]...", help="With --what-if: sellers, orders-per-day, history-days."),
    ] = None,
    *,
    database: Annotated[
        str | None,
        typer.Option("--database", metavar="URL", help="sqlite:///orders.db or postgresql://user@host/name."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Where a new seller starts; by default two years back."),
    ] = None,
    sources: Annotated[
        str, typer.Option("--sources", metavar="LIST", help="As for sync orders; all selects every source.")
    ] = "search",
    marketplace: Annotated[
        list[str] | None, typer.Option("--marketplace", help="Only this marketplace (US, DE, an id); repeatable.")
    ] = None,
    what_if: Annotated[
        bool, typer.Option("--what-if", help="Plan for hypothetical sellers, without a call: sellers=200 …")
    ] = False,
    sellers: Annotated[str | None, typer.Option("--sellers", metavar="FILE", help="As for sync orders.")] = None,
    endpoint: EndpointOption = None,
    emulator: EmulatorOption = False,
    seed: SeedOption = 0,
    emulated_orders: OrdersOption = 200,
    rate_scale: RateScaleOption = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Show how many orders a sync would read, from which sources, how long it would take and what limits it.

    Asks Amazon for the number of orders (getOrderMetrics), which uses none of the sync's quotas. With --what-if nothing
    is sent: plan orders --what-if sellers=200 orders-per-day=50000.
    """
    from spapi_async.cli.sync import source_names

    names = source_names(sources)
    if what_if:
        _show_outlook(_outlook(facts or (), names), as_json=as_json)
        return
    if facts or database is None:
        raise ConfigurationError("plan orders needs --database URL, or --what-if with sellers=… orders-per-day=…")
    target = Target(
        endpoint=endpoint,
        emulator=emulator,
        seed=seed,
        orders=emulated_orders,
        rate_scale=rate_scale,
        sellers=sellers,
        marketplaces=tuple(marketplace or ()),
    )
    chosen = [Marketplace.parse(each) for each in marketplace or ()]
    plan = run_async(_planned(target, database, parse_moment("--since", since), names, chosen))
    if as_json:
        print_json({"orders": plan.orders, "seconds": plan.seconds, "sellers": plan.sellers})
    else:
        _show(plan)


async def _planned(
    target: Target, database: str, since: datetime | None, sources: list[Source], marketplaces: list[Marketplace]
) -> OrderPlan:
    from spapi_async.workflows.orders import plan_orders

    async with connected(target) as connection:
        return await plan_orders(connection.sellers, database, since=since, sources=sources, marketplaces=marketplaces)


def _outlook(facts: Any, sources: list[Source]) -> Outlook:
    from spapi_async.workflows.orders import what_if

    named = {"sellers": int, "orders-per-day": float, "history-days": float}
    given: dict[str, Any] = {}
    for fact in facts:
        name, _, value = fact.partition("=")
        try:
            given[name.replace("-", "_")] = named[name](value)
        except (KeyError, ValueError):
            raise ConfigurationError(f"--what-if takes {', '.join(named)}, each with a number, not {fact!r}") from None
    if not {"sellers", "orders_per_day"} <= given.keys():
        raise ConfigurationError("--what-if needs sellers=… and orders-per-day=…")
    return what_if(**given, sources=sources)


def _show(plan: OrderPlan) -> None:
    from rich.table import Table

    table = Table("seller", "since", "orders", "takes", "limited by", "sources")
    for each in plan.sellers:
        parts = ", ".join(f"{source.operation.partition('.')[2]}: {source.orders:,}" for source in each.sources)
        limit = each.limited_by or "nothing"
        table.add_row(
            each.seller, f"{each.since:%Y-%m-%d %H:%M}", f"{each.orders:,}", show_span(each.seconds), limit, parts
        )
    print_table(table)


def _show_outlook(outlook: Outlook, *, as_json: bool) -> None:
    if as_json:
        print_json(outlook)
        return
    coarse = outlook.listed_seconds
    listed = "" if coarse is None else f", listed by reports {show_span(coarse)} after the first one"
    typer.echo(
        f"{outlook.sellers:,} sellers with {outlook.orders_a_seller_a_day:,.0f} orders a day each\n"
        f"keeping up takes {outlook.share_of_quota:.1%} of the searches' quota; "
        f"{outlook.possible_a_seller_a_day:,.0f} orders a day each would be possible\n"
        f"a change is stored after {show_span(outlook.freshness)} (median, without notifications)\n"
        f"a history of {outlook.history_orders_a_seller:,} orders each takes {show_span(outlook.history_seconds)}"
        f"{listed}"
    )

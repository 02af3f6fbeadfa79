"""``spapi-async doctor``: find out why something does not work, or examine one order."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spapi_async.cli.event_loop import run_async
from spapi_async.cli.output import JsonOption, print_json, print_table
from spapi_async.cli.target import (
    EmulatorOption,
    EndpointOption,
    OrdersOption,
    RedisOption,
    SeedOption,
    Target,
    connected,
)
from spapi_async.errors import ApiError, SPAPIError

if TYPE_CHECKING:
    from spapi_async import SellingPartner
    from spapi_async.workflows.orders import OrderView

__all__ = ["app"]

app = typer.Typer(invoke_without_command=True)

_FACTS = (
    "status",
    "amazon_status",
    "channel",
    "fulfilled_by",
    "marketplace_id",
    "created_at",
    "last_updated_at",
    "total",
    "currency",
)
_ITEM_FACTS = ("asin", "seller_sku", "quantity_ordered", "quantity_shipped", "unit_price")


@app.callback()
def doctor(
    context: typer.Context,
    *,
    sellers: Annotated[
        str | None, typer.Option("--sellers", metavar="FILE", help="Check every seller of this file (TOML or JSON).")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Only the sellers of the file with this tag; repeatable.")
    ] = None,
    redis: RedisOption = None,
    endpoint: EndpointOption = None,
    emulator: EmulatorOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check the credentials: show each seller's marketplaces, or what is wrong. A subcommand examines one order."""
    if context.invoked_subcommand is not None:
        return
    from spapi_async.cli.check import check

    target = Target(endpoint=endpoint, emulator=emulator, redis=redis, sellers=sellers, tags=tuple(tag or ()))
    check(target, as_json=as_json)


@app.command("order")
def order(
    order_id: Annotated[str, typer.Argument(metavar="ID", help="An order id, such as 902-3159896-1390916.")],
    *,
    endpoint: EndpointOption = None,
    emulator: EmulatorOption = False,
    seed: SeedOption = 0,
    orders: OrdersOption = 200,
    as_json: JsonOption = False,
) -> None:
    """Show one order in both versions of the Orders API, side by side.

    Differences are marked. Amazon removes Orders v0 on 2027-03-27; afterwards only one column is shown. No personal
    data is requested.
    """
    target = Target(endpoint=endpoint, emulator=emulator, seed=seed, orders=orders)
    views = run_async(_views(target, order_id))
    if as_json:
        print_json({source: _facts(view) for source, view in views.items()})
    else:
        _print(views)


async def _views(target: Target, order_id: str) -> dict[str, OrderView | SPAPIError]:
    async with connected(target) as connection:
        seller = connection.seller
        found = {
            "orders_2026_01_01": await _tried(seller.orders.get(order_id)),
            "orders_v0": await _tried(_by_v0(seller, order_id)),
        }
    failures = [each for each in found.values() if isinstance(each, SPAPIError)]
    if len(failures) == len(found):
        raise failures[0]
    return found


async def _tried(asked: Awaitable[OrderView]) -> OrderView | SPAPIError:
    """The order in one version of the API, or the error with which Amazon refused it."""
    try:
        return await asked
    except ApiError as error:
        return error


async def _by_v0(seller: SellingPartner, order_id: str) -> OrderView:
    from spapi_async.workflows.orders import OrderView

    order = await seller.orders_v0.get_order(order_id)
    items = [item async for item in seller.orders_v0.iter_order_items(order_id)]
    return OrderView.from_v0(order, items)


def _facts(view: OrderView | SPAPIError) -> dict[str, Any]:
    if isinstance(view, SPAPIError):
        return {"error": str(view)}
    facts = {name: getattr(view, name) for name in _FACTS}
    facts["items"] = {item.order_item_id: {name: getattr(item, name) for name in _ITEM_FACTS} for item in view.items}
    return facts


def _print(views: dict[str, OrderView | SPAPIError]) -> None:
    from rich.table import Table

    rows: dict[str, dict[str, str]] = {}
    for source, view in views.items():
        for name, value in _flat(_facts(view)):
            rows.setdefault(name, {})[source] = "" if value is None else str(value)
    table = Table("", *views, "")
    for name, row in rows.items():
        shown = [row.get(source, "") for source in views]
        table.add_row(name, *shown, "" if len(set(shown)) == 1 else "differs")
    print_table(table)


def _flat(facts: dict[str, Any], lead: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in facts.items():
        if isinstance(value, dict):
            found += _flat(value, f"{name if name != 'items' else 'item'} ")
        else:
            found.append((f"{lead}{name}", value))
    return found

"""``spapi-async changes``: the changes of the orders in a database, after a cursor."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from spapi_async.cli.event_loop import run_async
from spapi_async.cli.output import JsonOption, print_table

if TYPE_CHECKING:
    from spapi_async.workflows.orders import Change

__all__ = ["changes"]


def changes(
    *,
    database: Annotated[
        str, typer.Option("--database", metavar="URL", help="sqlite:///orders.db or postgresql://user@host/name.")
    ],
    after: Annotated[
        str | None,
        typer.Option(
            "--after", metavar="CURSOR", help="The cursor of the last processed change; by default all changes."
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="The most changes to print.")] = 1000,
    as_json: JsonOption = False,
) -> None:
    """List the changes after a cursor, oldest first, in the order of commits.

    With --json, print one line for each change. Save the cursor of the last change, and pass it to the next call.
    """
    found = run_async(_read(database, after, limit, as_json=as_json))
    if not as_json:
        _print(found)


async def _read(database: str, after: str | None, limit: int, *, as_json: bool) -> list[Change]:
    from spapi_async.workflows.orders import OrderDatabase

    found = []
    async with OrderDatabase(database, create=False) as opened:
        async for change in opened.changes(after=after, limit=limit):
            if as_json:
                sys.stdout.write(msgspec.json.encode(change).decode() + "\n")
            else:
                found.append(change)
    return found


def _print(found: list[Change]) -> None:
    from rich.table import Table

    table = Table("seller", "order", "kind", "status", "changed", "source", "cursor")
    for change in found:
        before, after = change.status_before or "", change.status_after or ""
        status = after if before in ("", after) else f"{before} → {after}"
        shown: list[Any] = [change.seller, change.order_id, change.kind, status, ", ".join(change.paths)]
        table.add_row(*shown, change.source, change.cursor)
    print_table(table)

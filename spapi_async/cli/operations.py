"""``spapi-async operations``: list every operation and what a caller must know about it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import msgspec
import typer
from rich.table import Table

from spapi_async._core.operation import Operation
from spapi_async.cli.output import JsonOption, print_json, table_console
from spapi_async.errors import ConfigurationError

__all__ = ["operations"]


def operations(
    *,
    api: Annotated[
        str | None,
        typer.Option("--api", metavar="MODULE", help="Only APIs whose name contains this, such as orders_v0."),
    ] = None,
    restricted: Annotated[
        bool, typer.Option("--restricted", help="Only operations that may need a restricted data token.")
    ] = False,
    grantless: Annotated[bool, typer.Option("--grantless", help="Only operations that need no seller.")] = False,
    removed_by: Annotated[
        str | None,
        typer.Option(
            "--removed-by", metavar="DATE", help="Only operations that Amazon will have removed by this date."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the operations: method and path, rate and burst, restricted, grantless, status, removal."""
    from spapi_async import api as generated

    day = _day(removed_by)
    every = generated.operations()
    chosen = [
        operation
        for _, operation in sorted(every.items())
        if (api is None or api in operation.api)
        and (operation.restriction is not None or not restricted)
        and (operation.grantless_scope is not None or not grantless)
        and (day is None or (operation.removal is not None and operation.removal <= day))
    ]
    if api is not None and not any(api in operation.api for operation in every.values()):
        modules = ", ".join(sorted({operation.api for operation in every.values()}))
        raise ConfigurationError(f"there is no API {api!r}; there are {modules}")
    if as_json:
        print_json([_facts(operation) for operation in chosen])
    else:
        _print_table(chosen)


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"--removed-by takes a date, such as 2027-06-01, not {text!r}") from None


def _facts(operation: Operation[Any]) -> dict[str, Any]:
    plan = operation.usage_plan
    return {
        "name": operation.name,
        "id": operation.id,
        "method": operation.method,
        "path": operation.path,
        "rate": plan.rate,
        "burst": plan.burst,
        "plan_source": plan.source,
        "restricted": operation.restriction.mode if operation.restriction else None,
        "data_elements": list(operation.restricted_data_elements),
        "grantless_scope": operation.grantless_scope,
        "paged": operation.paging is not None,
        "idempotent": operation.idempotent,
        "sandbox_only": operation.sandbox_only,
        "status": operation.status,
        "removal": operation.removal,
        "successor": operation.successor,
        "parameters": [
            {
                "name": parameter.name,
                "wire_name": parameter.wire_name,
                "location": parameter.location,
                "type": parameter.type,
                "required": parameter.required,
                "constraints": msgspec.to_builtins(parameter.constraints),
            }
            for parameter in operation.parameters
        ],
    }


_HEADINGS = ("operation", "rate/s", "burst", "notes", "request")


def _print_table(chosen: list[Operation[Any]]) -> None:
    """Print as many columns as fit without cutting a cell; if not even the names fit, one name per line."""
    console = table_console()
    rows = [_cells(operation) for operation in chosen]
    for columns in (5, 4, 3, 1):
        if _least_width(rows, columns) <= console.width:
            console.print(_table(rows, columns))
            return
    for name, *_ in rows:
        console.print(name, soft_wrap=True, highlight=False)


def _cells(operation: Operation[Any]) -> tuple[str, ...]:
    plan = operation.usage_plan
    return (
        operation.name,
        f"{plan.rate:g}" + ("?" if plan.source == "assumed" else ""),
        str(plan.burst),
        ", ".join(_notes(operation)),
        f"{operation.method} {operation.path}",
    )


def _least_width(rows: list[tuple[str, ...]], columns: int) -> int:
    """With the borders, and a space on each side of a cell; only notes may wrap, between words.

    rich is slow to measure hundreds of rows, and counts only the longest word even where a cell may not wrap.
    """
    width = 3 * columns + 1
    for heading, *cells in list(zip(_HEADINGS, *rows, strict=True))[:columns]:
        pieces = " ".join(cells).split() if heading == "notes" else cells
        width += max(map(len, (heading, *pieces)))
    return width


def _table(rows: list[tuple[str, ...]], columns: int) -> Table:
    table = Table(title=f"{len(rows)} operations", title_justify="left")
    for heading in _HEADINGS[:columns]:
        justify: Literal["left", "right"] = "right" if heading in ("rate/s", "burst") else "left"
        table.add_column(heading, justify=justify, no_wrap=heading != "notes")
    for row in rows:
        table.add_row(*row[:columns])
    return table


def _notes(operation: Operation[Any]) -> list[str]:
    notes = []
    if operation.restriction:
        notes.append(
            "restricted" if operation.restriction.mode == "always" else f"restricted ({operation.restriction.mode})"
        )
    if operation.grantless_scope:
        notes.append("grantless")
    if operation.paging:
        notes.append("paged")
    if operation.sandbox_only:
        notes.append("sandbox only")
    if operation.removal:
        notes.append(f"removed on {operation.removal}: use {operation.successor}")
    elif operation.status != "current":
        notes.append(operation.status)
    return notes

"""``spapi-async operations``: list every operation and what a caller must know about it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import msgspec
import typer
from rich.table import Table

from spapi_async._core.operation import Operation
from spapi_async.cli.output import JsonOption, fits, print_json, table_console
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


def _print_table(chosen: list[Operation[Any]]) -> None:
    """Print as many columns as fit without cutting a name; if not even the names fit, one name per line."""
    console = table_console()
    for columns in (5, 4, 3, 1):
        table = _table(chosen, columns)
        if fits(table, console):
            console.print(table)
            return
    for operation in chosen:
        console.print(operation.name, soft_wrap=True, highlight=False)


def _table(chosen: list[Operation[Any]], columns: int) -> Table:
    table = Table(title=f"{len(chosen)} operations", title_justify="left")
    headings = ("operation", "rate/s", "burst", "notes", "request")[:columns]
    for heading in headings:
        justify: Literal["left", "right"] = "right" if heading in ("rate/s", "burst") else "left"
        table.add_column(heading, justify=justify, no_wrap=heading != "notes")
    for operation in chosen:
        plan = operation.usage_plan
        cells = (
            operation.name,
            f"{plan.rate:g}" + ("?" if plan.source == "assumed" else ""),
            str(plan.burst),
            ", ".join(_notes(operation)),
            f"{operation.method} {operation.path}",
        )
        table.add_row(*cells[:columns])
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

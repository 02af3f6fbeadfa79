"""The output of commands: JSON and tables on stdout, progress on stderr."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

__all__ = ["JsonOption", "fits", "moving_console", "print_json", "print_table", "table_console"]

_PIPED_WIDTH = 200
_UNBOUNDED = 10_000

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def print_json(value: Any) -> None:
    """One JSON document on stdout, indented when a person is likely to read it."""
    text = value if isinstance(value, bytes) else msgspec.json.encode(value)
    if sys.stdout.isatty():
        text = msgspec.json.format(text, indent=2)
    sys.stdout.write(text.decode() + "\n")


def table_console() -> Console:
    """Where tables go: as wide as the terminal, or wide enough for everything when the output is piped."""
    return Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def print_table(table: Table) -> None:
    """A table whose cells are whole on any terminal: what does not fit in a line goes on in the next."""
    for column in table.columns:
        column.overflow = "fold"
    table_console().print(table)


def fits(table: Table, console: Console) -> bool:
    """Whether a table can be shown with nothing cut and no word broken."""
    return console.measure(table, options=console.options.update(max_width=_UNBOUNDED)).minimum <= console.width


def moving_console() -> Console:
    """Where progress is drawn: stderr, so that stdout stays clean when it is piped."""
    return Console(stderr=True)

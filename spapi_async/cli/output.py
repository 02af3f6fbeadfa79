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
    """Print one JSON document to stdout, indented if it is a terminal."""
    text = value if isinstance(value, bytes) else msgspec.json.encode(value)
    if sys.stdout.isatty():
        text = msgspec.json.format(text, indent=2)
    sys.stdout.write(text.decode() + "\n")


def table_console() -> Console:
    """The console for tables: as wide as the terminal, or 200 characters wide if the output is piped."""
    return Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def print_table(table: Table) -> None:
    """Print a table whose cells wrap instead of being cut on a narrow terminal."""
    for column in table.columns:
        column.overflow = "fold"
    table_console().print(table)


def fits(table: Table, console: Console) -> bool:
    """Whether a table fits on the console without cutting or breaking a word."""
    return console.measure(table, options=console.options.update(max_width=_UNBOUNDED)).minimum <= console.width


def moving_console() -> Console:
    """The console for progress: stderr, so that piped output contains only results."""
    return Console(stderr=True)

"""``spapi-async keys``: keys that encrypt the personal data of orders."""

from __future__ import annotations

import sys

import typer

__all__ = ["app"]

app = typer.Typer(help="Keys that encrypt personal data.", no_args_is_help=True)


@app.callback()
def _keys() -> None:
    """Keys that encrypt personal data."""


@app.command("new")
def new() -> None:
    """Print a new key for SP_API_PERSONAL_KEYS. Whoever has it can read the data; without it nobody can.

    To change keys, put the new one before the old one, separated by a comma: the first encrypts, all decrypt.
    """
    from spapi_async.workflows.orders import PersonalKeys

    sys.stdout.write(PersonalKeys.new().reveal() + "\n")

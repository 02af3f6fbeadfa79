"""``spapi-async keys``: keys that encrypt the personal data of orders."""

from __future__ import annotations

import sys

import typer

__all__ = ["app"]

app = typer.Typer(help="Make keys that encrypt personal data.", no_args_is_help=True)


@app.callback()
def _keys() -> None:
    """Make keys that encrypt personal data."""


@app.command("new")
def new() -> None:
    """Print a new key for SP_API_PERSONAL_KEYS. The data can be read with this key and only with it.

    To change keys, put the new key before the old one, separated by a comma: the first key encrypts, all keys decrypt.
    """
    from spapi_async.workflows.orders import PersonalKeys

    sys.stdout.write(PersonalKeys.new().reveal() + "\n")

"""The operations that answer from data: one module for each API, named as in ``spapi_async.api``.

A module has ``HANDLERS``: operations by name, and the function that answers each. It is found by its name; what no
module answers is synthesised from its response type.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec

from spapi_async._core.operation import Operation
from spapi_async.emulator.data import synthesis
from spapi_async.emulator.data.world import Handler

__all__ = ["handler_of", "handlers_in"]

# These answer for real even when everything else is synthesised: they hand out tokens and secrets.
_ALWAYS = frozenset({"application_management_2023_11_30", "tokens_2021_03_01"})


def handler_of(operation: Operation[object], *, synthetic: bool) -> Handler:
    """The handler of an operation; ``synthetic``: of its response type alone, where that can be."""
    if synthetic and operation.api not in _ALWAYS:
        return synthesis.synthesise
    return handlers_in(operation.api).get(operation.name, synthesis.synthesise)


@cache
def handlers_in(api: str) -> dict[str, Handler]:
    """What was written for an API; nothing for most of them."""
    name = f"{__name__}.{api}"
    if find_spec(name) is None:
        return {}
    handlers: dict[str, Handler] = import_module(name).HANDLERS
    return handlers

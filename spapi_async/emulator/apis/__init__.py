"""The operations that have state: one module for each API, named as in ``spapi_async.api``.

``HANDLERS`` of a module maps names of operations to the functions that answer them. Modules are found by name; replies
of operations without a handler are synthesised from the response type.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec

from spapi_async._core.operation import Operation
from spapi_async.emulator.data import synthesis
from spapi_async.emulator.data.world import Handler

__all__ = ["handler_of", "handlers_in"]

# Their handlers are used even if all other replies are synthesised, because they issue tokens and secrets.
_ALWAYS = frozenset({"application_management_2023_11_30", "tokens_2021_03_01"})


def handler_of(operation: Operation[object], *, synthetic: bool) -> Handler:
    """The handler of an operation; with ``synthetic``, the one that synthesises replies, if the API allows it."""
    if synthetic and operation.api not in _ALWAYS:
        return synthesis.synthesise
    return handlers_in(operation.api).get(operation.name, synthesis.synthesise)


@cache
def handlers_in(api: str) -> dict[str, Handler]:
    """The handlers of an API; empty for most APIs."""
    name = f"{__name__}.{api}"
    if find_spec(name) is None:
        return {}
    handlers: dict[str, Handler] = import_module(name).HANDLERS
    return handlers

"""Which code answers an operation: one written for it, or the synthesiser."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from spapi_async._core.operation import Operation
from spapi_async.emulator import (
    catalog,
    feeds,
    kiosk,
    listings,
    orders_2026,
    orders_v0,
    reports,
    restricted,
    rotation,
    sellers,
)
from spapi_async.emulator.data import synthesis
from spapi_async.emulator.data.world import Handler

__all__ = ["handler_of"]

# These answer for real even when everything else is synthesised: they hand out tokens and secrets.
_ALWAYS: dict[str, Handler] = {**restricted.HANDLERS, **rotation.HANDLERS}


@lru_cache(maxsize=1)
def _written() -> dict[str, Handler]:
    modules = (catalog, feeds, kiosk, listings, orders_2026, orders_v0, reports, sellers)
    return {name: handler for module in modules for name, handler in module.HANDLERS.items()} | _ALWAYS


def handler_of(operation: Operation[Any], *, synthetic: bool) -> Handler:
    """The handler of an operation."""
    handlers = _ALWAYS if synthetic else _written()
    return handlers.get(operation.name, synthesis.synthesise)

"""Which code answers an operation: one written for it, or the synthesiser."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from spapi_async._core.operation import Operation
from spapi_async.emulator.apis import (
    application_management_2023_11_30,
    catalog_items_2022_04_01,
    data_kiosk_2023_11_15,
    feeds_2021_06_30,
    listings_items_2021_08_01,
    orders_2026_01_01,
    orders_v0,
    reports_2021_06_30,
    sellers_v1,
    tokens_2021_03_01,
)
from spapi_async.emulator.data import synthesis
from spapi_async.emulator.data.world import Handler

__all__ = ["handler_of"]

# These answer for real even when everything else is synthesised: they hand out tokens and secrets.
_ALWAYS: dict[str, Handler] = {**tokens_2021_03_01.HANDLERS, **application_management_2023_11_30.HANDLERS}


@lru_cache(maxsize=1)
def _written() -> dict[str, Handler]:
    modules = (
        catalog_items_2022_04_01,
        feeds_2021_06_30,
        data_kiosk_2023_11_15,
        listings_items_2021_08_01,
        orders_2026_01_01,
        orders_v0,
        reports_2021_06_30,
        sellers_v1,
    )
    return {name: handler for module in modules for name, handler in module.HANDLERS.items()} | _ALWAYS


def handler_of(operation: Operation[Any], *, synthetic: bool) -> Handler:
    """The handler of an operation."""
    handlers = _ALWAYS if synthetic else _written()
    return handlers.get(operation.name, synthesis.synthesise)

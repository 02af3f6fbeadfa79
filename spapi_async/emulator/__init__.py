"""A Selling Partner API on this machine: real HTTP, its own usage plans, seeded data, faults on demand.

This library's tests use it in place of Amazon, and yours can, too. It shares only facts with the client (operations,
models, marketplaces) and none of its decisions: a bug in the client's limiter cannot be hidden by the same bug here.

::

    async with Emulator(seed=7, orders=500, rate_scale=100) as emulator:
        async with Application("any id", "any secret", endpoint=emulator.url) as app:
            seller = app.selling_partner("Atzr|anything", region=Region.NA)

It serves Login with Amazon (``POST /auth/o2/token``), the consent page (``GET /apps/authorize/consent``), presigned
documents, and every operation. Orders v0 and 2026-01-01, Listings, Catalog, Product Pricing, Product Fees, FBA
Inventory, Sales, Sellers, Reports, Feeds, Data Kiosk, Notifications, Uploads, Tokens and the rotation of secrets have
state; every other reply is synthesised from its response type.

Tests control it by these requests:

- ``GET /_emulator/stats``: requests, 429s and errors of each operation; tokens issued
- ``POST /_emulator/faults``: faults to inject; the rules are in ``faults``, the commands in ``control``
- ``POST /_emulator/orders``: ``{"add": n, "update": n, "seller": id, "at": time}``, new and changed orders
- ``POST /_emulator/reports``: ``{"reportType": type, "age": seconds, ...}``, a report that somebody else requested
- ``POST /_emulator/offers``: ``{"count": n, "seller": id}``, changes of competitors' offers
- ``GET /_emulator/notifications``: the notifications sent so far, unless they go to an ``sqs_endpoint``
- ``GET /_emulator/limits``: the usage plans in use and the tokens left
- ``GET /_emulator/sellers``: the sellers seen so far and how many orders each has
- ``POST /_emulator/reset``: return to the initial state; issued tokens stay valid
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spapi_async.emulator.server import Emulator, run, serve

__all__ = ["Emulator", "run", "serve"]


def __getattr__(name: str) -> Any:
    # pytest loads this package's plugin in every project that has this library installed, so aiohttp.web and the
    # models are imported only when one of these names is used.
    if name in __all__:
        from spapi_async.emulator import server

        value = globals()[name] = getattr(server, name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

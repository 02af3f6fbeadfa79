"""A Selling Partner API on this machine: real HTTP, its own usage plans, seeded data, faults on demand.

It is the referee of this library's tests and can be the stand-in for Amazon in yours. It shares with the client only
the facts (operations, models, marketplaces), never the code that decides: a bug in the limiter cannot cancel itself
out here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spapi_async.emulator.server import Emulator, run, serve

__all__ = ["Emulator", "run", "serve"]


def __getattr__(name: str) -> Any:
    # The pytest plugin lives in this package and is loaded into every pytest run of a project with this library:
    # aiohttp.web and the models are imported only by who asks for the server.
    if name in __all__:
        from spapi_async.emulator import server

        return getattr(server, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

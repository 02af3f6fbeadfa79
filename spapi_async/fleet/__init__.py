"""Jobs on many machines: slices of work in a queue, shared quota, tokens and leases, and a board of all sellers.

::

    fleet = Fleet("redis://localhost", "postgresql://localhost/orders", SellerDirectory("sellers.toml"))
    await fleet.schedule()      # in one process: queues the sellers that are due
    await fleet.work()          # in as many processes as you like, on any host

The commands are ``spapi-async fleet schedule`` and ``spapi-async fleet worker``. Needs the extra ``fleet``.

The job is the order sync or, with ``Fleet(…, None, …, job=function)``, any other: reports, feeds, crawls.

A *slice* is at most a minute of one seller's job. It can be cut off anywhere, because the database records where to
resume, so workers may be killed, added or removed at any time. A seller has one slice at a time, by its mark on the
board; a process that was suspended meanwhile and replaced writes neither to the board nor, by its lease, to the order
database. Quota is shared through :class:`RedisRateLimiter`, access tokens through :class:`RedisTokenStore` if keys are
given.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spapi_async.fleet._board import SellerState
    from spapi_async.fleet._fleet import Fleet, FleetStatus
    from spapi_async.fleet._lag import FleetLag

__all__ = ["Fleet", "FleetLag", "FleetStatus", "SellerState"]
_HOMES = {"FleetLag": "_lag", "SellerState": "_board"}

if not TYPE_CHECKING:  # imported on first use, so that the command line can show its help without them

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = _HOMES.get(name, "_fleet")
        value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
        return value

"""What the lanes of one process have in common."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from spapi_async.ratelimit.shared._flights import Flights
from spapi_async.ratelimit.shared._local_share import LocalShare

__all__ = ["LaneSettings", "OperationView"]


class LaneSettings(msgspec.Struct, kw_only=True):
    """Of all lanes.

    ``number`` gives the next request or feedback number; numbers never repeat, whatever lane uses them. ``shares`` are
    this process's parts of limits while the store is away, by key.
    """

    me: str
    lease_seconds: float
    jitter: float
    number: Callable[[], int]
    now: Callable[[], float]
    shares: dict[str, LocalShare]


class OperationView:
    """Of the lanes of one (application, region, operation).

    Attributes:
        known: marker of the store's memory.
        processes: how many processes use the operation, as last heard.
        flights: requests on their way.
    """

    __slots__ = ("flights", "known", "processes")

    def __init__(self) -> None:
        self.known = ""
        self.processes = 1
        self.flights = Flights()

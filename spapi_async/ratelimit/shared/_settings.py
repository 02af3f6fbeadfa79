"""What the lanes of one process have in common."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable

import msgspec

from spapi_async.errors import ConfigurationError
from spapi_async.ratelimit.shared._flights import Flights, Silence
from spapi_async.ratelimit.shared._local_share import LocalShare

__all__ = ["MEANWHILE", "LaneSettings", "OperationView", "check_settings", "new_name"]

MEANWHILE = {
    "local": "this process spends its own part of each quota",
    "raise": "calls are refused",
}
"""What the log says happens while the store is away, by ``on_outage``."""


def check_settings(on_outage: str, lease_seconds: float, processes: int) -> None:
    """Whether these can work.

    Raises:
        ConfigurationError: they cannot.
    """
    if on_outage not in MEANWHILE:
        raise ConfigurationError(f'on_outage must be "local" or "raise", not {on_outage!r}')
    if not 0 < lease_seconds <= 60:
        raise ConfigurationError(f"lease_seconds must be above 0 and at most 60, not {lease_seconds!r}")
    if processes < 1:
        raise ConfigurationError(f"processes must be at least 1, not {processes!r}")


def new_name() -> str:
    """Tells one process, or one life of it, from all others."""
    return f"{os.getpid():x}-{secrets.token_hex(6)}"


class LaneSettings(msgspec.Struct, kw_only=True):
    """Of all lanes.

    ``number`` gives the next request or feedback number; numbers never repeat, whatever lane uses them. ``shares`` are
    this process's parts of limits while the store is away, by key; ``silences`` tell of its requests by plan.
    """

    me: str
    lease_seconds: float
    jitter: float
    number: Callable[[], int]
    now: Callable[[], float]
    shares: dict[str, LocalShare]
    silences: dict[str, Silence] = msgspec.field(default_factory=dict)


class OperationView:
    """Of the lanes of one (application, region, operation).

    Attributes:
        known: marker of the store's memory, as last heard.
        lost: whether that reply came from another memory than the one before.
        processes: how many processes use the operation, as last heard.
        flights: requests on their way.
    """

    __slots__ = ("flights", "known", "lost", "processes")

    def __init__(self) -> None:
        self.known = ""
        self.lost = False
        self.processes = 1
        self.flights = Flights()

    def heard(self, marker: str, processes: int) -> None:
        """A reply came."""
        self.lost = self.known not in ("", marker)
        self.known, self.processes = marker, processes

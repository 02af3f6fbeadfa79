"""The settings that the lanes of one process have in common."""

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
"""What happens while the store is away, as logged, by ``on_outage``."""


def check_settings(on_outage: str, lease_seconds: float, processes: int) -> None:
    """Check the settings.

    Raises:
        ConfigurationError: a setting is invalid.
    """
    if on_outage not in MEANWHILE:
        raise ConfigurationError(f'on_outage must be "local" or "raise", not {on_outage!r}')
    if not 0 < lease_seconds <= 60:
        raise ConfigurationError(f"lease_seconds must be above 0 and at most 60, not {lease_seconds!r}")
    if processes < 1:
        raise ConfigurationError(f"processes must be at least 1, not {processes!r}")


def new_name() -> str:
    """A unique name for this process and its current loop."""
    return f"{os.getpid():x}-{secrets.token_hex(6)}"


class LaneSettings(msgspec.Struct, kw_only=True):
    """The settings and objects that all lanes share.

    ``number`` returns the next number of a request or feedback; numbers are unique over all lanes. ``shares`` are this
    process's parts of limits while the store is away, by key; ``silences`` are its unanswered requests, by plan.
    """

    me: str
    lease_seconds: float
    jitter: float
    number: Callable[[], int]
    now: Callable[[], float]
    shares: dict[str, LocalShare]
    silences: dict[str, Silence] = msgspec.field(default_factory=dict)


class OperationView:
    """What the lanes of one (application, region, operation) share.

    Attributes:
        known: the marker of the store's data in the last reply.
        lost: whether that reply had another marker than the one before, so that the store has lost its data.
        processes: how many processes use the operation, by the last reply.
        flights: the requests under way.
    """

    __slots__ = ("flights", "known", "lost", "processes")

    def __init__(self) -> None:
        self.known = ""
        self.lost = False
        self.processes = 1
        self.flights = Flights()

    def received(self, marker: str, processes: int) -> None:
        """A reply came."""
        self.lost = self.known not in ("", marker)
        self.known, self.processes = marker, processes

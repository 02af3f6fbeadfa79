"""The small things that a process's picture of a shared bucket is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from spapi_async._core.options import Priority
from spapi_async.ratelimit._jitter import Jitter
from spapi_async.ratelimit._waiting import Waiter
from spapi_async.ratelimit.shared._flights import Flights
from spapi_async.ratelimit.shared._local_share import LocalShare
from spapi_async.ratelimit.shared._slot import Slot
from spapi_async.ratelimit.shared.redis._script import Reply

__all__ = ["Caller", "LaneSettings", "SharedView"]


class LaneSettings(msgspec.Struct, kw_only=True):
    """What all lanes of a process have in common.

    ``number`` gives the next request or feedback number; numbers never repeat, whatever lane uses them.
    """

    me: str
    lease_seconds: float
    jitter: float
    number: Callable[[], int]
    now: Callable[[], float]


class Caller(Waiter):
    """A call in the line. ``ahead`` is how many of its own process come before it, as it looked when it came."""

    __slots__ = ("ahead", "max_wait")

    def __init__(self, future: asyncio.Future[Slot], priority: Priority, max_wait: float | None, ahead: int) -> None:
        super().__init__(future, int(priority), None)
        self.max_wait = max_wait
        self.ahead = ahead


class SharedView:
    """What this process knows of all accounts of one (application, region, operation)."""

    __slots__ = ("flights", "jitter", "known", "local", "processes", "replied", "reply", "reply_at")

    def __init__(self) -> None:
        self.known = ""
        self.flights = Flights()
        self.jitter = Jitter()
        self.replied = False
        self.processes = 1
        self.reply: Reply | None = None
        self.reply_at = 0.0
        self.local: LocalShare | None = None

"""One process's side of a shared limit, with a clock that the test moves and replies made by hand."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import msgspec
from fake_store import state_of
from redis_worker import make_account, make_operation

from spapi_async._core.options import Priority
from spapi_async.ratelimit.shared._lane import Lane
from spapi_async.ratelimit.shared._promises import WaitingCall
from spapi_async.ratelimit.shared._settings import LaneSettings, OperationView
from spapi_async.ratelimit.shared._store import LimitSpec, Reply
from spapi_async.ratelimit.shared._terms import Terms

__all__ = ["LEASED", "NOW", "PLAN", "SALES", "Process"]

PLAN = LimitSpec(kind="plan", rate=1.0, burst=10)
SALES = LimitSpec(kind="rule", rate=4 / 3600, burst=4, seconds=3600.0)

NOW, LEASED = (0.0, False), (0.0, True)
"""Grants in a reply: a token for a waiting call and one for an expected call, usable at once."""


class Process:
    """One lane with its clock; without ``specs`` it has one limit, ``PLAN``."""

    def __init__(self, *specs: LimitSpec) -> None:
        self.loop = asyncio.new_event_loop()
        self.now = 100.0
        number = itertools.count(1).__next__
        self.settings = LaneSettings(
            me="me", lease_seconds=1.0, jitter=0.0, number=number, now=lambda: self.now, shares={}
        )
        self.specs = specs or (PLAN,)
        keys = ("plan", "memory", *(f"limit {number}" for number in range(1, len(self.specs))))
        self.terms = Terms(kind="", value="", keys=keys, former=(), specs=self.specs, places={})
        self.view = OperationView()
        self.lane = self.another()

    def another(self, view: OperationView | None = None, **terms: Any) -> Lane:
        """A lane of the same limits, unless ``terms`` differ."""
        changed = msgspec.structs.replace(self.terms, **terms)
        view, settings = view or self.view, self.settings
        return Lane(make_operation(1.0, 10), make_account(), terms=changed, view=view, settings=settings)

    def wait(self, *, priority: Priority = Priority.NORMAL, max_wait: float | None = None) -> WaitingCall:
        """A call that waits."""
        caller = WaitingCall(self.loop.create_future(), priority, max_wait, self.lane.queue.ahead(priority))
        self.lane.enqueue(caller)
        return caller

    def reply(self, *delays: tuple[float, bool], level: float = 0.0, **facts: Any) -> Reply:
        """The reply of a store whose bucket is at this level."""
        states = [state_of(each, level=level) for each in self.specs]
        facts = {"now": 5000.0 + self.now, "lease": 4.0, "marker": "m", "limits": states, **facts}
        return Reply(delays=list(delays), **facts)

    def exchange(self, *delays: tuple[float, bool], **facts: Any) -> Any:
        """Send what is to be asked, take a reply, and return the request."""
        request = self.lane.request()
        self.lane.absorb(self.reply(*delays, **facts))
        return request

"""One limit of a rule in each of the stores, for tests in which versions of the rule take turns and time passes."""

from __future__ import annotations

from typing import Protocol

from redis_speaker import Speaker

from spapi_async.ratelimit import Bucket, Window
from spapi_async.ratelimit._book import Charge
from spapi_async.ratelimit._bucket import Flight
from spapi_async.ratelimit._meter import Meter
from spapi_async.ratelimit.local._state import pack, restore, state_of, unpack
from spapi_async.ratelimit.shared._store import LimitSpec

Limit = Bucket | Window

START = 1_000_000.0


class Store(Protocol):
    """A rule's limit in one of the stores."""

    now: float

    def use(self, limit: Limit) -> None:
        """Put this version in force."""

    def take(self) -> bool:
        """Whether a call is let through now."""


class InProcess:
    """Each version is another run of the program, which starts with what the one before has saved."""

    def __init__(self) -> None:
        self.now = START
        self._meter: Meter | None = None

    def use(self, limit: Limit) -> None:
        """Start again."""
        before, charge = self._meter, Charge(key=("op", "seller", "rule", "0"), limit=limit, kind="rule", shared=False)
        self._meter = Meter(charge, self.now)
        if before is not None:
            (state,) = unpack(pack([state_of(before, self.now)], self.now), self.now)
            restore(self._meter, state, self.now)

    def take(self) -> bool:
        """Send a request that arrives at once."""
        meter = self._meter
        assert meter is not None
        if not meter.counter.has_token(self.now):
            return False
        flight = Flight(self.now, sent_at=self.now)
        meter.launch(flight)
        meter.counter.land(flight, self.now)
        return True


class InRedis:
    """Each version is another process."""

    def __init__(self, url: str) -> None:
        self.now = START
        self._speaker = Speaker(url, clock=lambda: self.now)
        self._spec = LimitSpec(kind="rule", rate=1.0, burst=1)
        self._requests = 0

    def use(self, limit: Limit) -> None:
        """Let that process ask, without calls."""
        if isinstance(limit, Bucket):
            self._spec = LimitSpec(kind="rule", rate=limit.rate, burst=int(limit.burst))
        else:
            rate = limit.requests / limit.seconds
            self._spec = LimitSpec(kind="rule", rate=rate, burst=limit.requests, seconds=limit.seconds)
        self._ask(0)

    def take(self) -> bool:
        """One call, which leaves now or not at all."""
        passed = self._ask(1)
        if not passed:
            self._ask(0)
        return passed

    def _ask(self, waiting: int) -> bool:
        self._requests += 1
        me = f"{self._spec.burst} {self._spec.rate}"
        reply = self._speaker.ask(
            self._requests, me=me, rate=1e6, burst=10**6, more={"rule": self._spec}, waiting=(0, waiting, 0)
        )
        return bool(reply.delays)

    def new(self) -> InRedis:
        """The same with an empty memory."""
        self._speaker.client.flushall()
        self.now, self._requests = START, 0
        return self

    def close(self) -> None:
        """Leave."""
        self._speaker.client.close()

"""What keeps a quota that processes share: the contract, whatever fulfils it. ``redis/`` is one; another is a folder.

A *store* carries out exchanges. An exchange is one atomic step on the limits that one kind of a seller's calls pays
from (the usage plan first), on a clock that all processes share. In order:

1. A request whose number is not above the last one of this process is answered ``stale`` and changes nothing.
2. Limits that the store does not remember begin with the rate that the process knew. Where the process remembers an
   earlier ``marker`` than the store's, they begin empty; a window counts as evenly used up. Limits that others made
   since are emptied then, once, and a rate that is still the published one gives way to the rate that the process knew.
3. What flowed in since the last exchange is added. Leases that have ended come back.
4. ``lost``: what that request was given, if it ran, comes back. Each feedback is applied once, by its number.
5. Tokens are sold to this process, at most ``waiting`` plus ``prefetch`` (the latter on lease), each with the seconds
   from which it may be used. One sale pays from every limit or from none, and never brings more than a limit allows:
   whoever uses tokens no earlier than told is never refused. Priorities, their shares and turns among processes are as
   in the package's docstring: nobody that waits is passed over for ever.
6. The reply says how the limits stand, when to come again, and who else waits (where asked).

A limit that is ``optional`` does not exist until a 429 is blamed on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from spapi_async._core.limiter import LimitSnapshot
from spapi_async._core.plan_rules import Window
from spapi_async.ratelimit._book import Charge

__all__ = ["Feedback", "LimitSpec", "LimitState", "Outage", "Reply", "Request", "Store", "spec_of"]


class Outage(Exception):  # noqa: N818 - a state of affairs; the limiter decides whether it is an error
    """The store cannot be used now: gone, silent, full, read-only, still loading."""


class LimitSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A limit as published.

    Attributes:
        kind: ``plan``, ``application`` or ``rule``.
        rate, burst: of a bucket; of a window, requests a second in the long run and requests in it.
        seconds: of a window; 0 for a bucket.
        shared: whether all sellers pay from it.
        optional: whether it exists only once a 429 has taught it.
        label: what a snapshot calls it.
    """

    kind: str
    rate: float
    burst: float
    seconds: float = 0.0
    shared: bool = False
    optional: bool = False
    label: str = ""


def spec_of(charge: Charge, *, optional: bool = False) -> LimitSpec:
    """The same limit as the book has it."""
    limit = charge.limit
    facts = {"kind": charge.kind, "shared": charge.shared, "optional": optional, "label": charge.label}
    if isinstance(limit, Window):
        rate = limit.requests / limit.seconds
        return LimitSpec(rate=rate, burst=limit.requests, seconds=limit.seconds, **facts)  # type: ignore[arg-type]
    return LimitSpec(rate=limit.rate, burst=limit.burst, **facts)  # type: ignore[arg-type]


class Feedback(msgspec.Struct, kw_only=True):
    """What happened to a process's tokens since the last feedback; applied once, however often it is sent.

    Attributes:
        used, back: leased tokens that were spent, and that return unspent.
        credit, credit_at: tokens granted to waiters that return unspent, and the store's time at which the first of
            them was to be used.
        spent: tokens spent while the store was away.
        rate: the rate in Amazon's header when it differs from the one known, or 0.
        hits, hit_at: 429s, and the store's time at which the last of those requests was admitted.
        hit_limit: the place in the request's limits, from 1, of the one that Amazon's message names; 0: none named.
        others_pass: 1 where calls with another value of the argument passed in this process.
    """

    seq: int
    used: int = 0
    back: int = 0
    credit: int = 0
    credit_at: float = 1e18
    spent: int = 0
    rate: float = 0.0
    hits: int = 0
    hit_at: float = 0.0
    hit_limit: int = 0
    others_pass: int = 0


class Request(msgspec.Struct, kw_only=True):
    """What a process says and asks about the limits of one kind of a seller's calls.

    Attributes:
        me: the process and the kind; n: number of the request; lost: first earlier request whose reply never came, or
            0.
        former: 1 where the last of the keys is the plan's of a time when the seller id was not known, to be taken over.
        kind: ``""``, or what tells calls with limits of their own from the seller's others.
        known, fresh: marker of the store's memory as the process knows it, and one to use if there is none.
        jitter, horizon: seconds by which a request may arrive late, and for which tokens are sold ahead.
        clear, slowest: store's time before which every request of this process has been answered (0: not known),
            and the longest that one of them took lately, in seconds.
        landed: store's time at which the last of those replies came; 0: none.
        limits: what such a call pays from, the usage plan first.
        known_rate, known_announced: what the process believes of that plan, in case the store forgot.
        waiting: calls that wait and have no token in sight, by priority.
        prefetch: tokens wanted for calls that are expected; 0 where a window is among the limits.
        expected: calls that will probably come within eight horizons.
        predict: 1 to be told who else waits. bye: 1 when the process leaves.
    """

    me: str
    kind: str
    former: int
    n: int
    lost: int
    known: str
    fresh: str
    jitter: float
    clear: float
    slowest: float
    landed: float
    horizon: float
    limits: Sequence[LimitSpec]
    known_rate: float
    known_announced: float
    waiting: tuple[int, int, int]
    prefetch: int
    expected: int
    predict: int
    bye: int
    feedback: list[Feedback]


class LimitState(msgspec.Struct, kw_only=True):
    """How a limit stands.

    Attributes:
        level, pace, capacity: tokens, tokens a second really handed out, most tokens kept.
        rate, announced, burst: believed, announced, believed.
        starts, opens, seconds: of a window: when the first requests in it arrive, from now; in how many seconds the
            next may pass, whatever the window holds; its length.
        later: of a window: the requests after ``starts`` in a bounded number of runs, as the arrival of the last of a
            run and how many there are. A reply stays small however many requests a window holds.
        absent: an optional limit that nothing has taught yet.
    """

    level: float = 0.0
    rate: float = 0.0
    announced: float = 0.0
    burst: float = 0.0
    pace: float = 0.0
    capacity: float = 0.0
    admitted: int = 0
    throttled: int = 0
    starts: list[float] = []
    later: list[tuple[float, int]] = []
    opens: float = 0.0
    seconds: float = 0.0
    absent: bool = False


class Reply(msgspec.Struct, kw_only=True):
    """What the store answers.

    Attributes:
        delays: when each granted token may be used, in seconds from now, and whether it is on lease.
        lease: seconds for which leased tokens may be kept.
        crowded: whether calls wait elsewhere, or urgent ones are about: no more should be asked for than is needed.
        poll: seconds after which to ask again, or -1 when every wish was granted and nobody else waits.
        others: calls waiting in each other process, by priority, and whether they are of the same kind (when asked).
        limits: how each limit of the request stands.
    """

    now: float
    stale: int = 0
    delays: list[tuple[float, bool]] = []
    lease: float = 0.0
    crowded: int = 0
    poll: float = -1.0
    marker: str = ""
    processes: int = 1
    shared_processes: int = 1
    others: list[tuple[int, int, int, int]] = []
    limits: list[LimitState] = []

    @property
    def plan(self) -> LimitState:
        """The usage plan."""
        return self.limits[0]

    @property
    def pace(self) -> float:
        """Tokens a second that all limits together let through in the long run."""
        return min(limit.pace for limit in self.limits if not limit.absent)

    @property
    def throttled(self) -> int:
        """429s so far."""
        return self.limits[0].throttled


class Store(Protocol):
    """Keeps limits for any number of processes."""

    @property
    def label(self) -> str:
        """What errors and logs call it; shows no secret."""

    @property
    def round_trips(self) -> int:
        """How often it was asked."""

    def keys(self, charges: Sequence[Charge], application: str, region: str, name: str) -> tuple[str, ...]:
        """Where it keeps these limits of a seller of that name, and what all sellers of the operation share."""

    async def exchange(self, calls: Sequence[tuple[tuple[str, ...], Request]]) -> list[Reply]:
        """Carry out each exchange, in one round trip; within the store's timeout.

        Raises:
            Outage: any of them could not be carried out; some may have been.
        """

    async def probe(self) -> None:
        """Find out whether exchanges would work, on a connection that no earlier reply can arrive on.

        Raises:
            Outage: they would not.
        """

    async def snapshots(self) -> tuple[LimitSnapshot, ...]:
        """Every limit in it.

        Raises:
            Outage: it cannot be read.
        """

    def renewed(self, me: str) -> Store:
        """The same limits over connections of its own, for another loop, or another process; leaves these alone."""

    async def disconnect(self) -> None:
        """Close every connection; the next exchange opens one."""

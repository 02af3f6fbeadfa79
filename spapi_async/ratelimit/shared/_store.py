"""The contract of a store that keeps a quota for several processes. ``redis/`` implements it; add others as folders.

A *store* carries out exchanges. An exchange is one atomic step on the limits that one kind of a seller's calls uses
(the usage plan first), on a clock that all processes share. In this order:

1. A request whose number is not above the last one of this process is answered ``stale`` and changes nothing.
2. Limits that the store does not have begin with the rate that the process knew. If the process knows an earlier
   ``marker`` than the store's, they begin empty; a window counts as evenly used up. Limits that other processes have
   created since are then emptied, once, and a rate that is still the published one is replaced by the process's rate.
3. Tokens that flowed in since the last exchange are added. Leases that have ended are returned.
4. ``lost``: tokens granted to that request, if it was carried out, are returned. Each feedback is applied once, by its
   number.
5. Tokens are sold to this process, at most ``waiting`` plus ``prefetch`` (the latter leased), each with the seconds
   from now at which it becomes usable. A sale takes a token from every limit or from none, and never more than a limit
   allows: a process that uses no token early is never refused. Priorities, their shares and turns among processes are
   as in the package's docstring: no waiting process is passed over for ever.
6. The reply states the limits, when to ask again, and which other calls wait (if requested).

A limit that is ``optional`` does not exist until a 429 is attributed to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from spapi_async._core.limiter import LimitSnapshot
from spapi_async._core.plan_rules import Window
from spapi_async.ratelimit._book import Charge

__all__ = ["Feedback", "LimitSpec", "LimitState", "Outage", "Reply", "Request", "Store", "spec_of"]


class Outage(Exception):  # noqa: N818 - a state; the limiter decides whether it is an error
    """The store cannot be used now: unreachable, not answering, full, read-only, or still loading."""


class LimitSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A limit as published.

    Attributes:
        kind: ``plan``, ``application`` or ``rule``.
        rate, burst: the bucket's; for a window, its requests per second in the long run and its number of requests.
        seconds: the length of a window; 0 for a bucket.
        shared: whether all sellers use it.
        optional: whether it exists only after it was learned from a 429.
        label: its name in a snapshot.
    """

    kind: str
    rate: float
    burst: float
    seconds: float = 0.0
    shared: bool = False
    optional: bool = False
    label: str = ""


def spec_of(charge: Charge, *, optional: bool = False) -> LimitSpec:
    """The specification of a limit of the book."""
    limit = charge.limit
    facts = {"kind": charge.kind, "shared": charge.shared, "optional": optional, "label": charge.label}
    if isinstance(limit, Window):
        rate = limit.requests / limit.seconds
        return LimitSpec(rate=rate, burst=limit.requests, seconds=limit.seconds, **facts)  # type: ignore[arg-type]
    return LimitSpec(rate=limit.rate, burst=limit.burst, **facts)  # type: ignore[arg-type]


class Feedback(msgspec.Struct, kw_only=True):
    """What happened to a process's tokens since the last feedback; applied once, however often it is sent.

    Attributes:
        used, back: leased tokens that were spent, and leased tokens that are returned unspent.
        credit, credit_at: tokens granted to waiting calls that are returned unspent, and the store's time at which the
            first of them was to be used.
        spent: tokens spent while the store was away.
        rate: the rate in Amazon's header if it differs from the known one, or 0.
        hits, hit_at: 429s, and the store's time at which the last of those requests was admitted.
        hit_limit: the position, from 1, of the limit that Amazon's message names; 0 if it names none.
        others_pass: 1 if calls with another value of the argument passed in this process.
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
    """A request of a process about the limits of one kind of a seller's calls.

    Attributes:
        me: the process and the kind.
        n: the number of the request.
        lost: the number of the first earlier request without a reply, or 0.
        former: 1 if the last key is the plan's key from before the seller id was known; its state is taken over.
        kind: ``""``, or the identification of calls with their own limits.
        known, fresh: the marker of the store's data known to the process, and a marker to use if there is none.
        jitter, horizon: seconds by which a request may arrive late, and for which tokens are sold ahead.
        clear, slowest: the store's time before which every request of this process has been answered (0: unknown), and
            the longest recent round trip in seconds.
        landed: the store's time at which the last of those replies came; 0: none.
        limits: the limits that such a call uses, the usage plan first.
        known_rate, known_announced: the plan's rates known to the process, in case the store has lost them.
        waiting: waiting calls without a granted token, by priority.
        prefetch: tokens wanted for expected calls; 0 if a window is among the limits.
        expected: calls that will probably come within eight horizons.
        predict: 1 to request which other calls wait.
        bye: 1 if the process leaves.
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
    """The state of a limit.

    Attributes:
        level, pace, capacity: the tokens, the tokens per second actually granted, the most tokens kept.
        rate, announced, burst: the rate in use, the announced rate, the burst in use.
        starts, opens, seconds: for a window: the arrival times of its first requests, relative to now; the seconds for
            which no request is admitted, whatever its entries; its length.
        later: for a window: the requests after ``starts`` in a bounded number of runs, as the arrival time of the last
            one of a run and their number. A reply stays small however many requests a window holds.
        absent: whether it is an optional limit that has not been learned yet.
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
    """The store's reply.

    Attributes:
        delays: for each granted token, in how many seconds it becomes usable, and whether it is leased.
        lease: seconds for which leased tokens may be kept.
        crowded: whether calls wait in other processes, or urgent calls are expected: request no more than is needed.
        poll: seconds after which to ask again, or -1 if everything was granted and no other process waits.
        others: the calls that wait in each other process, by priority, and whether they are of the same kind (on
            request).
        limits: the state of each limit of the request.
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
        """Calls per second that all limits together admit in the long run."""
        return min(limit.pace for limit in self.limits if not limit.absent)

    @property
    def throttled(self) -> int:
        """The number of 429s so far."""
        return self.limits[0].throttled


class Store(Protocol):
    """Keeps limits for any number of processes."""

    @property
    def label(self) -> str:
        """Its name in errors and logs, without secrets."""

    @property
    def round_trips(self) -> int:
        """The number of round trips so far."""

    def keys(self, charges: Sequence[Charge], application: str, region: str, name: str) -> tuple[str, ...]:
        """The keys of these limits of the named seller, and of what all sellers of the operation share."""

    async def exchange(self, calls: Sequence[tuple[tuple[str, ...], Request]]) -> list[Reply]:
        """Carry out each exchange, in one round trip; within the store's timeout.

        Raises:
            Outage: an exchange could not be carried out; others may have been.
        """

    async def probe(self) -> None:
        """Check whether exchanges would work, on a connection on which no earlier reply can arrive.

        Raises:
            Outage: they would not work.
        """

    async def snapshots(self) -> tuple[LimitSnapshot, ...]:
        """Every limit in the store.

        Raises:
            Outage: the store cannot be read.
        """

    def renewed(self, me: str) -> Store:
        """A store with the same limits and its own connections, for another loop or process."""

    async def disconnect(self) -> None:
        """Close every connection; the next exchange opens one."""

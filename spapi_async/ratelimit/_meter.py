"""A limit in use, and the lanes of calls that use it.

A meter has its bucket or window, the estimates learned from replies, and the queue of lanes that wait for it; a lane
has the meters that its calls use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spapi_async._core.limiter import LimitSnapshot
from spapi_async._core.operation import Operation
from spapi_async._core.options import Priority
from spapi_async._core.plan_rules import Window
from spapi_async.credentials import Account
from spapi_async.ratelimit._adaptation import Adaptation, announced_rate
from spapi_async.ratelimit._book import Charge
from spapi_async.ratelimit._bucket import NEVER, Flight, TokenBucket
from spapi_async.ratelimit._jitter import Jitter
from spapi_async.ratelimit._turns import LaneQueue
from spapi_async.ratelimit._waiting import CallQueue
from spapi_async.ratelimit._window import SlidingLog

__all__ = ["Lane", "Meter"]


class Meter:
    """The current state of a limit.

    Attributes:
        counter: the bucket or window that counts what is left.
        forms: what counted before the rule was changed, and may again (``_conversion.py``): it counts all requests.
        widest: the largest burst that the rule has had.
        adaptation: the estimates of a token bucket's rate and burst; None for a window, which is used as published.
        queue: the lanes in the queue of this limit.
        lanes: every lane that uses it and has waiting calls, in whichever queue it is.
        calm: whether nothing can be learned from successes.
        header: the rate header of the last reply that had one.
        suspect: the lane whose request was refused last, if none was served since.
    """

    __slots__ = (
        "_refused_at",
        "adaptation",
        "admitted",
        "calm",
        "charge",
        "counter",
        "forms",
        "header",
        "lanes",
        "queue",
        "suspect",
        "throttled",
        "widest",
    )

    def __init__(self, charge: Charge, now: float) -> None:
        self.charge = charge
        self.counter: TokenBucket | SlidingLog
        self.adaptation: Adaptation | None
        limit = charge.limit
        if isinstance(limit, Window):
            self.counter = SlidingLog(limit.requests, limit.seconds)
            self.adaptation = None
        else:
            self.counter = TokenBucket(limit.rate, limit.burst, now)
            self.adaptation = Adaptation(limit.rate, limit.burst)
        self.forms: tuple[TokenBucket | SlidingLog, ...] = ()
        self.widest = self.counter.burst
        self.queue: LaneQueue[Lane] = LaneQueue()
        self.lanes: dict[Lane, None] = {}
        self.suspect: Lane | None = None
        self.admitted = 0
        self.throttled = 0
        self.header: float | None = None
        self.calm = True
        self._refused_at = float("-inf")

    @property
    def interval(self) -> float:
        """Seconds per request in the long run."""
        return 1.0 / self.counter.rate

    def launch(self, flight: Flight) -> None:
        """Charge a request that is sent now."""
        self.counter.launch(flight)
        self.admitted += 1
        for form in self.forms:
            form.count(flight.lands_by)

    def recall(self, flight: Flight, now: float) -> None:
        """The request was not counted: it was not sent, or was refused."""
        self.counter.recall(flight, now)
        for form in self.forms:
            # A bucket may have had no token to charge; the one that it had flows in again.
            if isinstance(form, SlidingLog):
                form.uncount(flight.lands_by)

    # ---- learning ---------------------------------------------------------------------------------------------------

    def suspected(self, lane: Lane) -> None:
        """A request of this lane was refused, because of this limit or another of its limits."""
        self.suspect = lane
        self.throttled += 1
        self.calm = False

    def refused(self, flight: Flight, sent_at: float, now: float) -> bool:
        """A request sent at that time was refused because of this limit; returns whether this is new evidence."""
        adaptation = self.adaptation
        self.calm = False
        if adaptation is None:
            news = sent_at > self._refused_at
            self._refused_at = now
            assert isinstance(self.counter, SlidingLog)
            # Another client uses the same window: when its requests expire is unknown, so try at their mean distance.
            self.counter.block(now + self.interval)
            return news
        shared = self.charge.shared  # a burst cannot be estimated from the requests of several sellers
        news = adaptation.throttled(
            sent_at=sent_at, now=now, number=0 if shared else flight.number, drawn=self.counter.drawn
        )
        self._apply(now)
        if news:
            assert isinstance(self.counter, TokenBucket)
            self.counter.set_tokens(adaptation.emptied, now)
        return news

    def succeeded(self, now: float) -> bool:
        """A request was served; returns whether the rate is back at the announced one."""
        self.suspect = None
        adaptation = self.adaptation
        self.calm = adaptation is None or adaptation.calm
        if adaptation is None or self.calm or not adaptation.succeeded():
            return False
        self._apply(now)
        return adaptation.rate == adaptation.announced

    def announce(self, header: float, now: float) -> bool:
        """Process a reply's rate header; returns whether it differs from the last one."""
        self.header = header
        if self.adaptation is None:
            return False
        assert not isinstance(self.charge.limit, Window)
        rate = announced_rate(header, self.charge.limit.rate)
        if rate is None or rate == self.adaptation.announced:
            return False
        self.adopt_rate(rate, now)
        return True

    def adopt_rate(self, rate: float, now: float) -> None:
        """Use the rate that a header announced, now or earlier."""
        assert self.adaptation is not None
        self.adaptation.announce(rate)
        self._apply(now)

    def _apply(self, now: float) -> None:
        adaptation, counter = self.adaptation, self.counter
        assert adaptation is not None
        assert isinstance(counter, TokenBucket)
        if adaptation.rate != counter.rate:
            counter.set_rate(adaptation.rate, now)
        if adaptation.burst != counter.burst:
            counter.set_burst(adaptation.burst, now)

    def drain(self, moment: float, now: float) -> None:
        """Assume that another client had used everything by then; in a window, at even intervals."""
        elapsed = now - moment
        for form in (self.counter, *self.forms):
            if isinstance(form, SlidingLog):
                form.restore([elapsed + form.seconds * place / form.requests for place in range(form.requests)], now)
            else:
                form.set_tokens(min(form.tokens(now), elapsed * form.rate), now)

    # ---- looking ----------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """The number of waiting calls that use this limit."""
        return sum(lane.queue.total for lane in self.lanes)

    def is_idle(self, now: float) -> bool:
        """Whether a new meter would be the same, except for the announced rate."""
        adaptation = self.adaptation
        kept = adaptation is not None and adaptation.is_worth_keeping(now)
        return not kept and not self.lanes and all(form.is_full(now) for form in (self.counter, *self.forms))

    def next_wait(self, now: float) -> float:
        """Seconds that a new NORMAL call would wait for this limit."""
        if self.charge.shared:
            ahead = self.queue.up_to(Priority.NORMAL)
        elif len(self.lanes) == 1:
            ahead = next(iter(self.lanes)).queue.ahead(Priority.NORMAL)
        else:
            ahead = sum(lane.queue.up_to(Priority.NORMAL) for lane in self.lanes)
        return self.counter.delay(now, ahead + 1)

    def snapshot(self, now: float, *, application: str, account: str, region: str) -> LimitSnapshot:
        """The current state for display."""
        charge, counter = self.charge, self.counter
        return LimitSnapshot(
            operation=charge.key[0],
            application=application,
            account=account,
            region=region,
            rate=counter.rate,
            announced_rate=self.adaptation.announced if self.adaptation else counter.rate,
            burst=counter.burst,
            tokens=counter.tokens(now),
            waiting=self.waiting,
            next_available=self.next_wait(now),
            admitted=self.admitted,
            throttled=self.throttled,
            rule=charge.label,
            window=charge.limit.seconds if isinstance(charge.limit, Window) else 0.0,
        )

    def __repr__(self) -> str:
        return f"<Meter {' '.join(self.charge.key)} {self.charge.limit} waiting={self.waiting}>"


class Lane:
    """Calls of one seller and operation that use the same limits.

    Attributes:
        meters: every limit that they use, the usage plan first.
        value: the value of the argument that may have its own limit.
        replied, replied_at: whether and when the first reply came; until then nothing is known of the network.
        passed: whether a call was answered with something other than a 429.
        waits_at: the limit in whose queue the lane is, while calls wait.
        moves: how often its turn came at one limit while another had no room, since it was last served.
        reserved_at: limits that reserve a token for it while it waits at another.
        turn: its order among the lanes of other sellers: when it was last served or began to wait, as a growing number.
    """

    __slots__ = (
        "account",
        "first",
        "jitter",
        "meters",
        "moves",
        "operation",
        "others",
        "passed",
        "queue",
        "replied",
        "replied_at",
        "reserved_at",
        "turn",
        "used_at",
        "value",
        "waits_at",
    )  # fmt: skip

    def __init__(
        self,
        operation: Operation[Any],
        account: Account,
        meters: Sequence[Meter],
        *,
        jitter: Jitter,
        value: str,
        now: float,
    ) -> None:
        self.operation = operation
        self.account = account
        self.use(meters)
        self.value = value
        self.queue = CallQueue()
        self.waits_at: Meter | None = None
        self.moves = 0
        self.reserved_at: list[Meter] = []
        self.jitter = jitter
        self.replied = False
        self.replied_at = NEVER
        self.passed = False
        self.turn = 0
        self.used_at = now

    def use(self, meters: Sequence[Meter]) -> None:
        """Use these limits from now on."""
        self.meters = tuple(meters)
        self.first, *others = self.meters
        self.others = tuple(others)

    @property
    def is_contested(self) -> bool:
        """Whether its place in the queue may matter: it uses other limits, too, or other lanes wait for this one."""
        return bool(self.others) or len(self.first.lanes) > 1

    def __repr__(self) -> str:
        return f"<Lane {self.operation.name} {self.account.name} waiting={self.queue.total}>"

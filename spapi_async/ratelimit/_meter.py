"""One limit in use, and the lanes of calls that pay from it.

A meter has its bucket or window, what replies have taught about it, and the line of lanes that wait at it; a lane has
the meters that its calls pay from.
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
from spapi_async.ratelimit._bucket import Flight, TokenBucket
from spapi_async.ratelimit._jitter import Jitter
from spapi_async.ratelimit._turns import Turns
from spapi_async.ratelimit._waiting import Line
from spapi_async.ratelimit._window import SlidingLog

__all__ = ["NEVER", "Lane", "Meter"]

NEVER = float("inf")


class Meter:
    """A limit of the book, as it stands.

    Attributes:
        counter: how much of it is left.
        adaptation: what is believed of a token bucket's rate and burst; None for a window, which is taken as published.
        line: the lanes that wait for this one before any other.
        lanes: every lane that pays from it and has somebody waiting, wherever it stands.
        calm: whether successes have nothing to teach.
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
        "header",
        "lanes",
        "line",
        "suspect",
        "throttled",
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
        self.line: Turns[Lane] = Turns()
        self.lanes: dict[Lane, None] = {}
        self.suspect: Lane | None = None
        self.admitted = 0
        self.throttled = 0
        self.header: float | None = None
        self.calm = True
        self._refused_at = float("-inf")

    @property
    def interval(self) -> float:
        """Seconds in which one request flows in, in the long run."""
        return 1.0 / self.counter.rate

    # ---- learning ---------------------------------------------------------------------------------------------------

    def suspected(self, lane: Lane) -> None:
        """A request of this lane was refused, because of this limit or of another that it paid from."""
        self.suspect = lane
        self.throttled += 1
        self.calm = False

    def refused(self, flight: Flight, sent_at: float, now: float) -> bool:
        """A request sent then was refused because of this limit; whether that is news: less is left than believed."""
        adaptation = self.adaptation
        self.calm = False
        if adaptation is None:
            news = sent_at > self._refused_at
            self._refused_at = now
            assert isinstance(self.counter, SlidingLog)
            # Another client of the same window: nobody says when its requests leave it, so try at their mean distance.
            self.counter.block(now + self.interval)
            return news
        shared = self.charge.shared  # its sellers' requests are no row from which to tell a burst
        news = adaptation.throttled(
            sent_at=sent_at, now=now, number=0 if shared else flight.number, drawn=self.counter.drawn
        )
        self._apply(now)
        if news:
            assert isinstance(self.counter, TokenBucket)
            self.counter.set_tokens(adaptation.emptied, now)
        return news

    def succeeded(self, now: float) -> bool:
        """A request was served; whether that brought the announced rate back."""
        self.suspect = None
        adaptation = self.adaptation
        self.calm = adaptation is None or adaptation.calm
        if adaptation is None or self.calm or not adaptation.succeeded():
            return False
        self._apply(now)
        return adaptation.rate == adaptation.announced

    def announce(self, header: float, now: float) -> bool:
        """A reply's header; whether it is another rate than the last one's."""
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
        """The rate that a header announced, now or earlier."""
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

    def drain(self, now: float) -> None:
        """Take nothing for granted: somebody else has spent what there was, of a window evenly."""
        if isinstance(self.counter, SlidingLog):
            requests = self.counter.requests
            self.counter.restore([self.counter.seconds * place / requests for place in range(requests)], now)
        else:
            self.counter.set_tokens(min(self.counter.tokens(now), 0.0), now)

    # ---- looking ----------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Calls that wait and pay from this limit."""
        return sum(lane.line.total for lane in self.lanes)

    def is_idle(self, now: float) -> bool:
        """Whether a new one would be no different, but for the announced rate."""
        adaptation = self.adaptation
        kept = adaptation is not None and adaptation.is_worth_keeping(now)
        return not kept and not self.lanes and self.counter.is_full(now)

    def newcomer(self, now: float) -> float:
        """Seconds that a NORMAL call which comes now would wait for this limit."""
        if self.charge.shared:
            ahead = self.line.up_to(Priority.NORMAL)
        elif len(self.lanes) == 1:
            ahead = next(iter(self.lanes)).line.ahead(Priority.NORMAL)
        else:
            ahead = sum(lane.line.up_to(Priority.NORMAL) for lane in self.lanes)
        return self.counter.delay(now, ahead + 1)

    def snapshot(self, now: float, *, application: str, account: str, region: str) -> LimitSnapshot:
        """As it is now."""
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
            next_available=self.newcomer(now),
            admitted=self.admitted,
            throttled=self.throttled,
            rule=charge.label,
            window=charge.limit.seconds if isinstance(charge.limit, Window) else 0.0,
        )

    def __repr__(self) -> str:
        return f"<Meter {' '.join(self.charge.key)} {self.charge.limit} waiting={self.waiting}>"


class Lane:
    """Calls of one seller and operation whose arguments call for the same limits.

    Attributes:
        meters: every limit that they pay from, the usage plan first.
        value: of the argument that may have a limit of its own.
        replied, replied_at: whether and when the first reply came: until then nothing is known of the network.
        passed: whether a call was answered otherwise than by a 429.
        stand: the limit in whose line it stands, while somebody waits.
        moves: how often it was its turn at one limit while another had no room, since it was last served.
        kept: limits that keep a place for it while it waits at another.
        turn: its place among the lanes of other sellers: when it was last served or began to wait, as a growing number.
    """

    __slots__ = ("account", "first", "jitter", "kept", "line", "meters", "moves", "operation", "others", "passed",
                 "replied", "replied_at", "stand", "turn", "used_at", "value")  # fmt: skip

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
        self.pay(meters)
        self.value = value
        self.line = Line()
        self.stand: Meter | None = None
        self.moves = 0
        self.kept: list[Meter] = []
        self.jitter = jitter
        self.replied = False
        self.replied_at = NEVER
        self.passed = False
        self.turn = 0
        self.used_at = now

    def pay(self, meters: Sequence[Meter]) -> None:
        """Pay from these limits from now on."""
        self.meters = tuple(meters)
        self.first, *others = self.meters
        self.others = tuple(others)

    @property
    def is_contested(self) -> bool:
        """Whether its place in line may matter: it has to pass other limits too, or others wait for the same one."""
        return bool(self.others) or len(self.first.lanes) > 1

    def __repr__(self) -> str:
        return f"<Lane {self.operation.name} {self.account.name} waiting={self.line.total}>"

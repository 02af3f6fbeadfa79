"""Forecasts how long a running sync will take, from the orders left, the available quota and the pace so far.

Each operation that returns whole orders is a *supply*: a bucket of calls that may be made at once, refilled at a rate,
and the number of orders that a call has returned so far. The end is the time at which all supplies together have
returned the remaining orders. Order reports list a history coarsely before that; the last report arrives one turnaround
after it was requested.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from spapi_async._core.clock import Clock
from spapi_async._core.operation import Operation
from spapi_async.workflows._bucket import HasForecast, bucket_of
from spapi_async.workflows.orders._listing import MONTH, REPORTS_AT_ONCE
from spapi_async.workflows.orders._progress import (
    OrdersForecast,
    OrdersListed,
    PageStored,
    Progress,
    SellerStarted,
    SourceDropped,
    SyncEvent,
)

__all__ = [
    "FULL_PAGE",
    "Forecaster",
    "Supply",
    "history_left",
    "operations_of",
    "seconds_left",
    "spares_a_search",
    "supply_of",
]

_SEARCH, _REPORTS = "orders_2026_01_01.search_orders", "reports_2021_06_30.create_report"
_PRECISION = 0.01  # seconds
_ROUNDING = 1e-6  # calls
_FULL_PAGES = 5  # full pages averaged with the first ones, whose windows had a guessed density
_FORECAST_PAUSE = 1.0  # seconds between two forecasts

FULL_PAGE = 100
"""The most orders that a search returns."""


class Supply(NamedTuple):
    """The orders that one operation can return.

    Attributes:
        tokens: calls that may be made at once.
        rate: calls per second.
        orders: whole orders per call.
        seconds: the duration of a call without its wait for quota; the next call is made after it.
        waiting: calls that wait for quota.
    """

    tokens: float
    rate: float
    orders: float
    seconds: float = 0.0
    waiting: int = 0

    def within(self, seconds: float) -> float:
        """The orders returned within ``seconds``, by complete calls only."""
        calls = self._calls(seconds)
        if self.seconds > 0:
            calls = min(calls, math.floor(seconds / self.seconds + _ROUNDING))
        return max(calls, 0) * self.orders

    def next_call(self, after: int = 0) -> float:
        """Seconds until a call may be made after ``after`` others."""
        return max((after + 1 - self.tokens) / self.rate, 0.0)

    def _calls(self, seconds: float) -> int:
        return math.floor(self.tokens + self.rate * seconds + _ROUNDING)


def seconds_left(left: float, supplies: Iterable[Supply]) -> float:
    """The fewest seconds in which the supplies together return ``left`` orders; infinity if they never do."""
    able = [supply for supply in supplies if supply.orders > 0 and supply.rate > 0]
    if left <= 0:
        return 0.0
    if not able:
        return math.inf

    def enough(seconds: float) -> bool:
        return sum(supply.within(seconds) for supply in able) >= left

    if enough(0.0):
        return 0.0
    high = 1.0
    while not enough(high):
        high *= 2
    low = 0.0 if high == 1.0 else high / 2
    while high - low > _PRECISION:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def history_left(left: float, search: Supply, others: Sequence[Supply]) -> float:
    """Seconds until a history is read by searches and other supplies, and then the newest end by one more search.

    The last orders are left to the others if :func:`spares_a_search` says so.
    """
    searched = search.waiting
    while True:
        rest = left - searched * search.orders
        fetched = seconds_left(rest, others)
        if spares_a_search(fetched, search.next_call(searched + 1)):
            return max(fetched, search.next_call(searched))
        searched += 1


def spares_a_search(fetched_in: float, two_searches_in: float) -> bool:
    """Whether other sources fetch the last orders of a history early enough to do without a search for them.

    When a history has been read, its newest end is searched once more. Without a search for the last orders, quota
    allows this final search earlier; so the others must be done before quota would allow both.
    """
    return fetched_in <= two_searches_in


def supply_of(seller: HasForecast, operation: Operation[Any], *, orders: float, seconds: float = 0.0) -> Supply:
    """A seller's supply by an operation, from its limiter's current state; waiting calls return orders, too."""
    tokens, rate = bucket_of(seller, operation)
    waiting = math.ceil(max(-tokens - _ROUNDING, 0.0))
    return Supply(tokens + waiting, rate, orders, seconds, waiting)


def operations_of(others: Iterable[str], *, page_size: int = FULL_PAGE) -> dict[Operation[Any], int]:
    """The operations that return whole orders with these sources beside searches, with the most orders per request."""
    from spapi_async.api.orders_2026_01_01 import GET_ORDER, SEARCH_ORDERS

    sources = set(others)
    found: dict[Operation[Any], int] = {SEARCH_ORDERS: page_size}
    if "ids" in sources and sources & {"orders_v0", "reports"}:  # these sources supply the ids
        found[GET_ORDER] = 1
    if "orders_v0" in sources:
        from spapi_async.api.orders_v0 import GET_ORDER_ITEMS

        found[GET_ORDER_ITEMS] = 1
    return found


class Forecaster:
    """Passes the events of one seller's sync on to its progress function, and adds forecasts.

    It makes no forecast before :meth:`expect`, because the number of orders is not known yet.
    """

    def __init__(
        self,
        seller: HasForecast,
        others: Iterable[str],
        *,
        page_size: int = FULL_PAGE,
        tell: Progress,
        clock: Clock,
    ) -> None:
        self._seller = seller
        self._sources = set(others) - {"search"}
        per_request = operations_of(self._sources, page_size=page_size)
        self._supplies = {operation.name: _Pace(operation, each) for operation, each in per_request.items()}
        self._reads_again = bool(self._sources)  # the newest end, when the history has been read
        self._readings = 0
        self._reports = _Reports(seller) if "reports" in self._sources else None
        self._tell = tell
        self._clock = clock
        self._left: float | None = None
        self._forecast_at = -math.inf

    def expect(self, orders: int, *, by: Collection[str]) -> None:
        """From now on, this many orders are to be read by these operations."""
        self._left = orders
        self._supplies = {name: pace for name, pace in self._supplies.items() if name in by}

    def __call__(self, event: SyncEvent) -> None:
        """Process an event and pass it on, followed by a forecast if the event changes it."""
        now = self._clock.monotonic()
        self._take(event, now)
        self._tell(event)
        if isinstance(event, PageStored | OrdersListed) and self._left is not None and self._is_due(now):
            self._forecast_at = now
            self._tell(self._forecast(now))

    def _is_due(self, now: float) -> bool:
        return now - self._forecast_at >= _FORECAST_PAUSE or not self._left

    def _take(self, event: SyncEvent, now: float) -> None:
        if isinstance(event, PageStored):
            self._take_page(event, now)
        elif isinstance(event, OrdersListed):
            if event.left is not None:
                self._left = event.left  # an exact count; before, it was Amazon's count by purchase
            if self._reports is not None and event.operation == _REPORTS:
                self._reports.listed(event.listed_to, event.upper_bound, now)
        elif isinstance(event, SourceDropped):
            self._drop(event.source)
        elif isinstance(event, SellerStarted):
            self._start(now)

    def _start(self, now: float) -> None:
        """The newest end is read, the history after it, and the newest end again."""
        self._readings += 1
        self._reads_again = self._reads_again and self._readings == 1
        if self._reports is not None:
            self._reports.begin(now)

    def _take_page(self, event: PageStored, now: float) -> None:
        if self._left is not None:
            self._left = max(self._left - event.completed, 0)
        pace = self._supplies.get(event.operation)
        if pace is not None:
            pace.add_call(event.completed, now, free=self._seller.forecast(pace.operation) == 0)

    def _drop(self, operation: str) -> None:
        """Amazon refuses an operation; if no operation lists orders any more, none can be fetched by id."""
        self._supplies.pop(operation, None)
        source = {_REPORTS: "reports", "orders_v0.get_orders": "orders_v0"}.get(operation)
        self._sources.discard(source or "")
        if source == "reports":
            self._reports = None
        if not self._sources & {"reports", "orders_v0"}:
            self._supplies = {name: pace for name, pace in self._supplies.items() if name == _SEARCH}

    def _forecast(self, now: float) -> OrdersForecast:
        left = self._left or 0
        supplies = {name: pace.supply(self._seller) for name, pace in self._supplies.items()}
        if self._reads_again:
            others = [supply for name, supply in supplies.items() if name != _SEARCH]
            seconds = history_left(left, supplies[_SEARCH], others)
        else:
            seconds = seconds_left(left, supplies.values())
        most = max(supplies, key=lambda name: supplies[name].within(seconds), default=None)
        return OrdersForecast(
            seller=self._seller.name,
            left=round(left),
            seconds=seconds,
            limited_by=most if seconds > 0 else None,
            listed_in=self._reports.seconds_left(now) if self._reports is not None else None,
        )


class _Pace:
    """The orders that an operation has returned so far in this run."""

    def __init__(self, operation: Operation[Any], orders: int) -> None:
        self.operation = operation
        self.orders = orders
        self._calls = 0
        self._returned = 0
        self._seconds = 0.0
        self._free_since: float | None = None

    def add_call(self, orders: int, now: float, *, free: bool) -> None:
        """A call returned ``orders`` orders; ``free``: the next call need not wait for quota."""
        self._calls += 1
        self._returned += orders
        if self._free_since is not None:
            last = now - self._free_since
            self._seconds = min(last, self._seconds or last)  # the least: it may have been idle
        self._free_since = now if free else None

    def supply(self, seller: HasForecast) -> Supply:
        """The expected supply."""
        each = (self._returned + _FULL_PAGES * self.orders) / (self._calls + _FULL_PAGES)
        return supply_of(seller, self.operation, orders=each, seconds=self._seconds)


class _Reports:
    """When the last order report of a history will be available."""

    def __init__(self, seller: HasForecast) -> None:
        from spapi_async.api.reports_2021_06_30 import CREATE_REPORT

        self._seller = seller
        self._create = CREATE_REPORT
        self._began_at: float | None = None
        self._turnaround: float | None = None
        self._done = 0  # reports
        self._left = 0
        self._last_asked_at = -math.inf

    def begin(self, now: float) -> None:
        """The first report is about to be requested."""
        if self._began_at is None:
            self._began_at = now

    def listed(self, to: datetime, upper_bound: datetime, now: float) -> None:
        """Another report has been stored."""
        self._done += 1
        self._left = math.ceil((upper_bound - to) / MONTH)
        if self._turnaround is None and self._began_at is not None:
            self._turnaround = now - self._began_at
        if self._done % REPORTS_AT_ONCE == 0:
            self._look(now, asked=0)

    def seconds_left(self, now: float) -> float | None:
        """Seconds until all reports are stored; None before the first report has shown the turnaround."""
        if self._turnaround is None:
            return None
        if self._left == 0:
            return 0.0
        if self._done % REPORTS_AT_ONCE:
            self._look(now, asked=REPORTS_AT_ONCE - self._done % REPORTS_AT_ONCE)
        else:
            self._look(now, asked=REPORTS_AT_ONCE)
        return max(self._last_asked_at + self._turnaround - now, 0.0)

    def _look(self, now: float, *, asked: int) -> None:
        """Predict when the last report will be requested; ``asked``: the reports of this round already requested."""
        tokens, rate = bucket_of(self._seller, self._create)
        ahead = max(self._left - asked, 0)
        if tokens < 0 or ahead:
            self._last_asked_at = now + max(ahead - tokens, 0.0) / rate
        elif self._last_asked_at == -math.inf:
            self._last_asked_at = now

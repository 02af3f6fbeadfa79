"""The forecast of a sync's remaining time, made while it runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from virtual_hours import Hourglass, in_virtual_hours

from spapi_async import Application
from spapi_async._core.operation import Operation
from spapi_async.emulator.server import Emulator
from spapi_async.workflows.orders import (
    OrdersForecast,
    OrdersListed,
    PageStored,
    SellerStarted,
    Source,
    SourceDropped,
    SyncEvent,
    sync_orders,
)
from spapi_async.workflows.orders._forecast import (
    Forecaster,
    Supply,
    history_left,
    operations_of,
    seconds_left,
    supply_of,
)

SEARCH, BY_ID, ITEMS = "orders_2026_01_01.search_orders", "orders_2026_01_01.get_order", "orders_v0.get_order_items"
REPORTS = "reports_2021_06_30.create_report"
END = datetime(2026, 1, 1, tzinfo=UTC)


class Moving:
    """A clock that a test sets, and a seller whose buckets the test defines."""

    name = "one@na"

    def __init__(self, **tokens: float) -> None:
        self.now = 0.0
        self.tokens = tokens

    def monotonic(self) -> float:
        """The time that was set."""
        return self.now

    def time(self) -> float:
        """The same time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Return at once."""
        self.now += seconds

    def forecast(
        self, operation: Operation[Any], arguments: Mapping[str, Any] | None = None, *, count: int = 1
    ) -> float:
        """The wait at a bucket that holds so many tokens."""
        plan = operation.usage_plan
        tokens = self.tokens.get(operation.name.rpartition(".")[2], plan.burst)
        return max(0.0, (count - tokens) / plan.rate)


def page(operation: str, orders: int) -> PageStored:
    """A page of orders that are whole now."""
    return PageStored(
        seller="one@na", orders=orders, items=0, total=0, violations=0, latest=None, upper_bound=None,
        operation=operation, completed=orders,
    )  # fmt: skip


def forecasts(seller: Moving, sources: Sequence[Source], *events: SyncEvent, left: int) -> list[OrdersForecast]:
    """The forecasts while these events come, a minute apart."""
    heard: list[SyncEvent] = []
    forecaster = Forecaster(seller, sources, tell=heard.append, clock=seller)
    forecaster.expect(left, by=[operation.name for operation in operations_of(sources)])
    for event in events:
        forecaster(event)
        seller.now += 60
    assert [event for event in heard if not isinstance(event, OrdersForecast)] == list(events)
    return [event for event in heard if isinstance(event, OrdersForecast)]


@pytest.mark.parametrize(
    ("left", "supplies", "seconds"),
    [
        (0, [], 0),
        (1, [], math.inf),
        (500, [Supply(5, 0.01, 100)], 0),
        (501, [Supply(5, 0.01, 100)], 100),
        (700, [Supply(5, 0.01, 100)], 200),
        (1000, [Supply(0, 0.01, 100), Supply(0, 1, 1)], 500),
        (101, [Supply(0.5, 0.01, 100)], 150),
        (50, [Supply(100, 1, 1, seconds=0.5)], 25),
        (50, [Supply(100, 0, 1)], math.inf),
    ],
)
def test_the_end_is_when_all_sources_together_have_fetched_the_rest(
    left: float, supplies: list[Supply], seconds: float
) -> None:
    """Calls are whole, waiting ones count, and none is faster than the reply to its predecessor."""
    assert seconds_left(left, supplies) == pytest.approx(seconds, abs=0.02)


@pytest.mark.parametrize(
    ("left", "search", "others", "seconds"),
    [
        (0, Supply(0.5, 0.01, 100), [], 50),  # the newest end alone
        (0, Supply(5.5, 0.01, 100), [Supply(0, 1, 1)], 0),
        (200, Supply(0, 0.01, 100), [], 300),  # two pages, and the newest end
        (150, Supply(0, 0.01, 100), [Supply(0, 1, 1)], 150),  # few enough for the other source, with a call to spare
        (199, Supply(0, 0.01, 100), [Supply(0, 1, 1)], 199),  # still before quota allows two searches
        (210, Supply(0, 0.01, 100), [Supply(0, 1, 1)], 200),  # one page, 110 by the other, and the newest end
        (150, Supply(0, 0.01, 100, waiting=1), [Supply(0, 1, 1)], 200),  # that page is requested already
        (550, Supply(0, 0.01, 100, waiting=1), [Supply(0, 1, 1)], 350),  # decided at 100 and 200: too many, few enough
        (1200, Supply(1, 0.01, 100), [Supply(0, 1, 1)] * 2, 400),
    ],
)
def test_a_history_ends_with_one_search_more(left: float, search: Supply, others: list[Supply], seconds: float) -> None:
    """A call is kept for it while others fetch the last orders."""
    assert history_left(left, search, others) == pytest.approx(seconds, abs=0.02)


def test_a_supply_is_the_limiters_forecast() -> None:
    """It has tokens and a rate; a call that waits for half a token has taken half a one."""
    ((search, each), *_) = operations_of(()).items()
    for tokens, at_hand, waiting in ((7.25, 7.25, 0), (0.0, 0.0, 0), (-0.5, 0.5, 1), (-1.5, 0.5, 2), (-2.0, 0.0, 2)):
        found = supply_of(Moving(search_orders=tokens), search, orders=each)
        assert found == pytest.approx(Supply(at_hand, 0.0056, 100, waiting=waiting), abs=1e-9)


def test_what_is_left_shrinks_with_what_was_completed() -> None:
    """The end stays the same while everything goes as predicted."""
    seller = Moving(search_orders=0.0)
    first, second = forecasts(seller, ["search"], page(SEARCH, 100), page(SEARCH, 100), left=1100)
    assert (first.left, second.left) == (1000, 900)
    assert first.seconds == pytest.approx(10 / 0.0056, rel=0.001)
    assert second.seconds == pytest.approx(9 / 0.0056, rel=0.001)
    assert first.limited_by == SEARCH


def test_pages_that_are_not_full_move_the_end() -> None:
    """The next searches are expected to return as many orders as the previous ones."""
    seller = Moving(search_orders=0.0)
    pages = [page(SEARCH, 50)] * 20
    last = forecasts(seller, ["search"], *pages, left=2000)[-1]
    each = (20 * 50 + 5 * 100) / 25
    assert last.seconds == pytest.approx(math.ceil(1000 / each) / 0.0056, rel=0.001)


def test_calls_that_do_not_wait_for_quota_set_the_pace() -> None:
    """A burst is not fetched at once, either."""
    seller = Moving(search_orders=1000.0)
    last = forecasts(seller, ["search"], *[page(SEARCH, 100)] * 3, left=1300)[-1]
    assert last.seconds == pytest.approx(10 * 60, rel=0.001)
    assert forecasts(Moving(), ["search"], page(SEARCH, 100), left=100)[-1].limited_by is None


def test_pauses_for_other_reasons_do_not_set_the_pace() -> None:
    """A source that had nothing to do, or no quota, is as fast again as before."""
    idle, poor = Moving(search_orders=1000.0), Moving(search_orders=0.0)
    for seller, pauses, seconds in ((idle, (60, 600, 0), 60 * 10), (poor, (3600, 3600, 0), 10 / 0.0056)):
        heard: list[SyncEvent] = []
        forecaster = Forecaster(seller, [], tell=heard.append, clock=seller)
        forecaster.expect(1300, by=[SEARCH])
        for wait in pauses:
            forecaster(page(SEARCH, 100))
            seller.now += wait
        last = heard[-1]
        assert isinstance(last, OrdersForecast)
        assert last.seconds == pytest.approx(seconds, rel=0.001)


def test_the_end_is_reported_at_once() -> None:
    """It comes less than a second after the last forecast; others wait for a second."""
    seller, heard = Moving(search_orders=0.0), list[SyncEvent]()
    forecaster = Forecaster(seller, [], tell=heard.append, clock=seller)
    forecaster.expect(300, by=[SEARCH])
    for _ in range(3):
        forecaster(page(SEARCH, 100))
    assert [event.left for event in heard if isinstance(event, OrdersForecast)] == [200, 0]


def test_only_sources_of_the_plan_are_expected_to_fetch_orders() -> None:
    """Once the history is read, only searches are left."""
    seller, heard = Moving(search_orders=0.0, get_order=0.0), list[SyncEvent]()
    forecaster = Forecaster(seller, ["ids", "reports"], tell=heard.append, clock=seller)
    forecaster.expect(200, by=[SEARCH])
    forecaster(page(SEARCH, 100))
    last = heard[-1]
    assert isinstance(last, OrdersForecast)
    assert last.seconds == pytest.approx(2 / 0.0056, rel=0.001)


def test_a_dropped_source_is_expected_to_fetch_nothing_more() -> None:
    """Without a list there are no ids to fetch, either."""
    for source in (BY_ID, REPORTS):
        seller = Moving(search_orders=0.0, get_order=0.0)
        gone = SourceDropped(seller="one@na", source=source, reason="403")
        before, after = forecasts(seller, ["ids", "reports"], page(SEARCH, 100), gone, page(SEARCH, 100), left=5200)
        assert before.seconds < 5100 / (0.56 + 0.49) + 1 / 0.0056
        assert after.seconds == pytest.approx((50 + 1) / 0.0056, rel=0.001)


def listed(months: int) -> OrdersListed:
    """The state with so many of 25 months listed."""
    return OrdersListed(
        seller="one@na", operation=REPORTS, upper_bound=END, listed_to=END - timedelta(days=30) * (25 - months),
        left=9000 if months == 25 else None,
    )  # fmt: skip


def test_a_history_is_listed_one_turnaround_after_its_last_request() -> None:
    """Fifteen months are not requested yet: with seven tokens available, the last request is in eight minutes."""
    seller = Moving(create_report=7.0)
    begun = SellerStarted(seller="one@na", last_updated_after=END, resumed=False)
    (first,) = forecasts(seller, ["ids", "reports"], begun, listed(1), left=10_000)
    assert first.listed_in == pytest.approx((15 - 7) / 0.0167 + 60, rel=0.001)


def test_what_is_left_is_counted_when_all_is_listed() -> None:
    """Before, it is Amazon's own count, by purchase."""
    seller = Moving(create_report=7.0)
    begun = SellerStarted(seller="one@na", last_updated_after=END, resumed=False)
    events = [begun, *map(listed, range(1, 26))]
    *_, before, after = forecasts(seller, ["ids", "reports"], *events, left=10_000)
    assert (before.left, after.left) == (10_000, 9000)
    assert after.listed_in == 0


def test_the_newest_end_is_read_again_after_a_history() -> None:
    """It waits for a search and is the last step; without a history it is read once."""
    started = SellerStarted(seller="one@na", last_updated_after=END, resumed=False)
    events = [started, page(SEARCH, 100), page(BY_ID, 100), started, page(SEARCH, 0)]
    seller = Moving(search_orders=0.5, get_order=0.0)
    *_, before, after = forecasts(seller, ["ids", "reports"], *events, left=200)
    assert before.seconds == pytest.approx((1 - 0.5) / 0.0056, rel=0.001)
    assert after.seconds == 0
    assert forecasts(seller, ["search"], started, page(SEARCH, 100), left=100)[-1].seconds == 0


def test_there_is_no_forecast_for_an_unknown_number() -> None:
    """Events are passed on nevertheless."""
    heard: list[SyncEvent] = []
    seller = Moving()
    forecaster = Forecaster(seller, ["ids", "reports"], tell=heard.append, clock=seller)
    forecaster(page(SEARCH, 100))
    assert heard == [page(SEARCH, 100)]


@in_virtual_hours
async def foreseen(
    folder: Path, sources: list[Source], *, orders: int, page_size: int, coarse: bool
) -> tuple[list[tuple[float, float]], float]:
    """Run a sync in virtual time: the predicted ends from a tenth of it on, and the real one."""
    clock, done, found = Hourglass(), 0, []
    scope = anyio.CancelScope()

    def heard(event: SyncEvent) -> None:
        nonlocal done
        if isinstance(event, PageStored):
            done += event.orders if coarse else event.completed
        elif isinstance(event, OrdersForecast) and done >= orders / 10:
            left = event.listed_in if coarse else event.seconds
            if left is not None:
                found.append((clock.monotonic(), clock.monotonic() + left))
        elif isinstance(event, OrdersListed) and coarse and event.left is not None:
            scope.cancel()

    days = 600 if coarse else 60
    async with (
        Emulator(orders=orders, days=days, processing=30, clock=clock) as emulator,
        Application("app", "secret", endpoint=emulator.url, clock=clock) as app,
    ):
        seller = app.selling_partner("Atzr|one", region="NA", seller_id="one")
        since = datetime.fromtimestamp(clock.time(), UTC) - timedelta(days=days + 10)
        with scope:
            report = await sync_orders(
                [seller], f"sqlite:///{folder}/orders.db", since=since, sources=sources, progress=heard,
                forecast=True, page_size=page_size, clock=clock,
            )  # fmt: skip
            assert report.failed == ()
    return found, clock.monotonic()


@pytest.mark.parametrize(
    ("sources", "orders", "page_size", "coarse"),
    [(["search"], 120, 5, False), (["ids", "orders_v0"], 120, 1, False), (["ids", "reports"], 60, 3, True)],
)
def test_the_end_is_foreseen_from_a_tenth_of_the_work_on(
    tmp_path: Path, sources: list[Source], orders: int, page_size: int, coarse: bool
) -> None:
    """The error is at most a tenth of the whole time, for any sources."""
    found, end = foreseen(tmp_path, sources, orders=orders, page_size=page_size, coarse=coarse)
    assert len(found) > 5
    assert max(abs(at / end - 1) for _, at in found) < 0.1

"""Windows of several pages, read from a list whose tokens are numbers of orders to skip."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

import pytest

from spapi_async.workflows.orders._walk import Answer, Ask, Sorted, Sorting, Walk

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 20
END = BEGIN + timedelta(days=DAYS)
NOW = END + timedelta(days=1)
PAGE = 10

Order = tuple[str, datetime]
Key = Callable[[Order], Any]
BY_UPDATE: Key = lambda order: (order[1], order[0])  # noqa: E731
BY_ID: Key = lambda order: order[0]  # noqa: E731
NEWEST_FIRST: Key = lambda order: -order[1].timestamp()  # noqa: E731


class Amazon:
    """A list of orders that are updated while it is read, whose pages have some order."""

    def __init__(self, count: int, key: Key, *, seed: int = 1, crowd: int = 0) -> None:
        self.rng = random.Random(seed)
        self.orders = {f"{n:05d}": BEGIN + timedelta(seconds=self.rng.randrange(DAYS * 86_400)) for n in range(count)}
        moment = BEGIN + timedelta(days=3, seconds=7)
        self.orders |= {f"c{n:04d}": moment for n in range(crowd)}
        self._by_date = sorted((date, name) for name, date in self.orders.items())
        self.key = key
        self.now = NOW
        self.requests = 0

    def update(self, count: int) -> None:
        """Move some orders to the end."""
        self.now += timedelta(seconds=1)
        self.move(self.rng.sample(list(self.orders), count), self.now)

    def move(self, names: Iterable[str], date: datetime) -> None:
        """Update these orders at this time."""
        for name in names:
            del self._by_date[bisect_left(self._by_date, (self.orders[name], name))]
            insort(self._by_date, (date, name))
            self.orders[name] = date

    def answer(self, ask: Ask, before: datetime | None) -> Answer:
        """A page; half of it unsorted."""
        self.requests += 1
        end = ask.before or before or self.now
        first = bisect_left(self._by_date, ask.after, key=itemgetter(0))
        last = bisect_right(self._by_date, end, key=itemgetter(0))
        found = sorted(((name, date) for date, name in self._by_date[first:last]), key=self.key)
        skipped = int(ask.token or 0)
        page = found[skipped : skipped + PAGE]
        self.rng.shuffle(page)
        token = str(skipped + PAGE) if len(found) > skipped + PAGE else None
        return Answer(page, token, end, settled=self.now - timedelta(minutes=10))

    def read(self, walk: Walk, before: datetime | None, *, updates: int = 0) -> dict[str, datetime]:
        """Read a window to its end, and return the ids that were found."""
        found: dict[str, datetime] = {}
        for _ in range(5000):
            answer = self.answer(walk.ask, before)
            found.update((order_id, date) for order_id, date in answer.updates if date)
            walk.take(answer)
            if walk.is_complete:
                return found
            self.update(updates)
        raise AssertionError(f"no end: {walk!r}")


def stayed(amazon: Amazon) -> dict[str, datetime]:
    """The orders that are still in the window."""
    return {name: date for name, date in amazon.orders.items() if date <= END}


@pytest.mark.parametrize("key", [BY_UPDATE, BY_ID, NEWEST_FIRST], ids=["by update", "by id", "newest first"])
@pytest.mark.parametrize("before", [END, None], ids=["closed", "open"])
@pytest.mark.parametrize("crowd", [0, 60])
def test_no_order_is_lost_that_stays(key: Key, before: datetime | None, crowd: int) -> None:
    """Pages may have any order, and two orders leave between any two requests."""
    for seed in range(8):
        amazon = Amazon(300, key, seed=seed, crowd=crowd)
        found = amazon.read(Walk(BEGIN, before, Sorting()), before, updates=2 if before else 0)
        assert stayed(amazon).items() <= found.items()


def test_a_crowded_second_is_read_until_nothing_leaves_it() -> None:
    """The same order moves onto a page that was read twice, and the second round finds nothing new."""
    amazon = Amazon(0, BY_UPDATE, crowd=25)
    walk = Walk(BEGIN, END, Sorting())
    leaving = {6: ["c0000"], 8: [f"c{n:04d}" for n in range(1, 11)]}  # in two rounds
    found: set[str] = set()
    for number in range(1, 100):
        answer = amazon.answer(walk.ask, END)
        found |= {order_id for order_id, _ in answer.updates}
        walk.take(answer)
        if walk.is_complete:
            break
        amazon.now += timedelta(seconds=1)
        amazon.move(leaving.get(number, ()), amazon.now)
    assert stayed(amazon).keys() <= found


def test_a_second_that_is_not_over_is_read_by_its_tokens() -> None:
    """Amazon has looked up to the second with which the window begins, and it has more than a page."""
    amazon = Amazon(0, BY_UPDATE, crowd=35)
    now = next(iter(amazon.orders.values()))
    amazon.now = now
    walk, found, left = Walk(now, None, Sorting()), set[str](), iter(["c0000", "c0001"])
    for _ in range(100):
        answer = amazon.answer(walk.ask, None)
        found |= {order_id for order_id, _ in answer.updates}
        walk.take(answer)
        if walk.is_complete:
            break
        amazon.move([next(left, "c0034")], now + timedelta(seconds=2))
    assert {name for name, date in amazon.orders.items() if date == now} <= found


def test_an_open_window_ends_with_every_order() -> None:
    """Orders that left while it was read are at its end."""
    for seed in range(8):
        amazon = Amazon(200, BY_UPDATE, seed=seed)
        walk = Walk(BEGIN, None, Sorting())
        assert amazon.read(walk, None, updates=1) == amazon.orders
        assert walk.read_to == amazon.now


def test_sorted_pages_cost_one_request_each_and_one_to_verify_it() -> None:
    """Each page also has one order of the page before, where the next window begins."""
    sorting = Sorting()
    amazon = Amazon(300, BY_UPDATE)
    amazon.read(Walk(BEGIN, END, sorting), END)
    assert sorting.state is Sorted.YES
    assert amazon.requests <= 300 // (PAGE - 1) + 2
    before = amazon.requests
    amazon.read(Walk(BEGIN, END, sorting), END)
    assert amazon.requests - before <= 300 // (PAGE - 1) + 1


@pytest.mark.parametrize("key", [BY_ID, NEWEST_FIRST], ids=["by id", "newest first"])
def test_unsorted_pages_are_recognised_by_the_second_request(key: Key) -> None:
    """Windows are then halved, which costs a bounded multiple of the requests."""
    sorting = Sorting()
    amazon = Amazon(300, key)
    walk = Walk(BEGIN, END, sorting)
    for _ in range(2):
        walk.take(amazon.answer(walk.ask, END))
    assert sorting.state is Sorted.NO
    amazon.read(walk, END)
    assert amazon.requests < 4 * 300 // PAGE


def test_an_order_missing_from_a_trusted_page_restarts_the_walk() -> None:
    """Everything that was assumed to be sorted is read again."""
    sorting = Sorting()
    amazon = Amazon(300, BY_UPDATE)
    walk = Walk(BEGIN, END, sorting)
    for _ in range(4):
        walk.take(amazon.answer(walk.ask, END))
    reached = walk.read_to
    assert sorting.state is Sorted.YES
    stranger = ("stranger", reached - timedelta(seconds=1))
    answer = amazon.answer(walk.ask, END)
    walk.take(answer._replace(updates=[*answer.updates[1:], stranger]))
    assert (sorting.state, walk.has_gone_back, walk.read_to) == (Sorted.NO, True, BEGIN)
    found = amazon.read(walk, END, updates=1)
    assert stayed(amazon).items() <= found.items()


def test_recent_orders_do_not_show_whether_pages_are_sorted() -> None:
    """In the last minutes an order may be missing from a sorted page."""
    sorting = Sorting()
    amazon = Amazon(40, BY_UPDATE)
    walk = Walk(BEGIN, END, sorting)
    for _ in range(6):
        walk.take(amazon.answer(walk.ask, END)._replace(settled=BEGIN))
    assert sorting.state is Sorted.UNKNOWN
    assert walk.read_to > BEGIN


@pytest.mark.parametrize("date", [BEGIN - timedelta(days=9), END + timedelta(days=9)])
def test_a_walk_does_not_continue_from_a_date_outside_the_window(date: datetime) -> None:
    """An order of the year 2099 would hide all others."""
    amazon = Amazon(60, BY_UPDATE)
    walk = Walk(BEGIN, END, Sorting())
    answer = amazon.answer(walk.ask, END)
    walk.take(answer._replace(updates=[*answer.updates, ("odd", date)]))
    assert stayed(amazon).items() <= amazon.read(walk, END).items()


def test_pages_without_dates_are_followed_by_their_tokens() -> None:
    """An empty page does not show where the others are."""
    walk = Walk(BEGIN, END, Sorting())
    walk.take(Answer([], "t", END, NOW))
    assert walk.ask == Ask(BEGIN, None, "t")
    walk.take(Answer([("a", None)], "u", END, NOW))
    assert walk.ask == Ask(BEGIN, None, "u")
    walk.take(Answer([("b", BEGIN)], None, END, NOW))
    assert (walk.is_complete, walk.read_to) == (True, END)


def test_a_walk_continues_where_an_earlier_run_ended() -> None:
    """Its first request begins there."""
    amazon = Amazon(200, BY_UPDATE)
    walk = Walk(BEGIN, END, Sorting())
    found: dict[str, Any] = {}
    for _ in range(5):
        answer = amazon.answer(walk.ask, END)
        found.update(answer.updates)
        walk.take(answer)
    found.update(amazon.read(Walk(walk.read_to, END, Sorting()), END))
    assert found == amazon.orders


@pytest.mark.parametrize(("bound", "read_to"), [(None, BEGIN), (BEGIN - timedelta(days=9), BEGIN), (END, END)])
def test_an_open_window_ends_where_amazon_says(bound: datetime | None, read_to: datetime) -> None:
    """Without a bound nothing is skipped, and if Amazon's clock jumps nothing is read again."""
    walk = Walk(BEGIN, None, Sorting())
    walk.take(Answer([("a", None)], None, bound, NOW))
    assert (walk.is_complete, walk.read_to) == (True, read_to)


def test_a_request_for_part_of_an_open_window_does_not_show_its_end() -> None:
    """Amazon states the end of the part, which is asked for to see whether pages are sorted."""
    amazon = Amazon(60, BY_UPDATE)
    walk = Walk(BEGIN, None, Sorting())
    walk.take(amazon.answer(walk.ask, None))
    answer = amazon.answer(walk.ask, None)
    walk.take(answer)
    assert answer.bound is not None
    assert answer.bound < NOW
    assert walk.bound == NOW

"""The list of Orders v0: which window is requested, and how far its pages are followed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from spapi_async._core.clock import SystemClock
from spapi_async.api.orders_v0 import GET_ORDERS
from spapi_async.workflows.orders._v0_lister import OrdersV0Lister


class Noon(SystemClock):
    """A clock on which it is always noon."""

    def time(self) -> float:
        return NOON.timestamp()


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def page(*ids: Any, token: str | None = None, bound: datetime | None = NOON) -> Any:
    """A reply of getOrders."""
    orders = [SimpleNamespace(amazon_order_id=each, last_update_date="2026-03-01T11:50:00Z") for each in ids]
    return SimpleNamespace(orders=orders, next_token=token, last_updated_before=bound)


class Amazon:
    """Answers with these pages in turn, and records the requests."""

    def __init__(self, *pages: Any) -> None:
        self.pages = list(pages)
        self.asked: list[dict[str, Any]] = []

    async def fetch(self, operation: Any, /, **arguments: Any) -> Any:
        assert operation is GET_ORDERS
        self.asked.append(arguments)
        return self.pages.pop(0)


def lister(*pages: Any) -> tuple[OrdersV0Lister, Amazon]:
    """A lister that begins at noon."""
    amazon: Any = Amazon(*pages)
    return OrdersV0Lister(amazon, marketplaces=["A"], clock=Noon()), amazon


async def test_a_window_begins_five_minutes_before_the_end_of_the_one_before_it() -> None:
    """The end is Amazon's own bound; the first window begins a quarter of an hour ago."""
    listing, amazon = lister(page("1", bound=NOON + timedelta(minutes=10)), page(bound=None), page())
    for _ in range(3):
        await listing.hints()
    moments = [each["last_updated_after"] for each in amazon.asked]
    after = NOON + timedelta(minutes=5)
    assert moments == [NOON - timedelta(minutes=15), after, after]  # a reply without a bound does not move the window


async def test_a_window_never_moves_back() -> None:
    """Amazon may state any bound."""
    listing, amazon = lister(page(bound=NOON - timedelta(days=1)), page())
    await listing.hints()
    await listing.hints()
    assert amazon.asked[1]["last_updated_after"] == NOON - timedelta(minutes=15)


async def test_pages_are_followed_and_ids_are_text() -> None:
    """The earliest page's bound counts, since orders that changed between two pages are on neither."""
    later = NOON + timedelta(minutes=30)
    listing, amazon = lister(page("1", None, token="t"), page("2", 3, bound=later), page())
    hints = await listing.hints()
    assert [(hint.order_id, hint.source) for hint in hints] == [("1", "orders_v0"), ("2", "orders_v0")]
    assert hints[0].event_time == datetime(2026, 3, 1, 11, 50, tzinfo=UTC)
    assert [each["next_token"] for each in amazon.asked] == [None, "t"]
    await listing.hints()
    assert amazon.asked[2]["last_updated_after"] == NOON - timedelta(minutes=5)


async def test_a_repeated_token_or_an_endless_list_ends_the_walk() -> None:
    """Searches find the orders that are left out."""
    listing, amazon = lister(page("1", token="t"), page("2", token="t"))
    assert len(await listing.hints()) == 2
    listing, amazon = lister(*(page(str(n), token=f"t{n}") for n in range(9)))
    assert len(await listing.hints()) == len(amazon.asked) == 5

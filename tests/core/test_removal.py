"""A call of an operation that Amazon takes away warns once, at the line of the caller."""

import asyncio
import inspect
import linecache
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from spapi_async import Application, Event, SellingPartner, SPAPIDeprecationWarning
from spapi_async._core import removal
from spapi_async._core.events import Observers
from spapi_async.api.finances_v0 import LIST_FINANCIAL_EVENT_GROUPS
from spapi_async.api.orders_v0 import GET_ORDER, GET_ORDERS, OrdersV0
from spapi_async.emulator import Emulator
from spapi_async.workflows.orders import sync_orders

SEARCH = {"marketplace_ids": ["ATVPDKIKX0DER"], "created_after": "2020-01-01T00:00:00Z"}


@pytest.fixture
async def seller(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SellingPartner]:
    """A process that has called nothing yet, an emulator, and a seller on it."""
    monkeypatch.setattr(removal, "warned", set())
    async with (
        Emulator(orders=3, anchor=datetime.now(UTC).timestamp() - 3600) as emulator,
        Application("id", "secret", endpoint=emulator.url) as app,
    ):
        yield app.selling_partner("Atzr|1", region="na")


@contextmanager
def recorded() -> Iterator[list[warnings.WarningMessage]]:
    """All warnings of a block, repeated ones included."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield found


async def id_of_an_order(seller: SellingPartner) -> str:
    """An order id, found without a warning."""
    page = await seller.orders_2026_01_01.search_orders(created_after="2020-01-01T00:00:00Z")
    return page.orders[0].order_id


async def by_await(seller: SellingPartner, order_id: str) -> None:
    await seller.orders_v0.get_order(order_id)  # here


async def by_task(seller: SellingPartner, order_id: str) -> None:
    task = asyncio.create_task(seller.orders_v0.get_order(order_id))  # here
    await task


async def by_gather(seller: SellingPartner, order_id: str) -> None:
    await asyncio.gather(*(seller.orders_v0.get_order(order_id) for _ in range(3)))  # here


async def by_call(seller: SellingPartner, order_id: str) -> None:
    await seller.call(GET_ORDER, order_id=order_id)  # here


async def by_call_in_a_task(seller: SellingPartner, order_id: str) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(seller.call(GET_ORDER, order_id=order_id))  # here


async def by_fetch_in_a_task(seller: SellingPartner, order_id: str) -> None:
    task = asyncio.ensure_future(seller.fetch(GET_ORDER, order_id=order_id))  # here
    await task


async def by_iterator(seller: SellingPartner, order_id: str) -> None:
    orders = seller.orders_v0.iter_orders(**SEARCH)  # type: ignore[arg-type]  # here
    assert [order async for order in orders]


async def by_iterate(seller: SellingPartner, order_id: str) -> None:
    orders = seller.iterate(GET_ORDERS, **SEARCH)  # type: ignore[arg-type]  # here
    assert [order async for order in orders]


WAYS = (by_await, by_task, by_gather, by_call, by_call_in_a_task, by_fetch_in_a_task, by_iterator, by_iterate)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_the_warning_points_at_the_call(
    seller: SellingPartner, way: Callable[[SellingPartner, str], Awaitable[None]]
) -> None:
    """It names the line that calls the method or makes the iterator, whatever runs the coroutine, once."""
    order_id = await id_of_an_order(seller)
    with recorded() as found:
        await way(seller, order_id)
        await way(seller, order_id)
    (warning,) = found
    assert warning.category is SPAPIDeprecationWarning
    assert Path(warning.filename).name == Path(__file__).name
    assert "# here" in linecache.getline(warning.filename, warning.lineno)
    name = "get_orders" if way in (by_iterator, by_iterate) else "get_order"
    successor = "search_orders" if name == "get_orders" else "get_order"
    assert str(warning.message) == (
        f"Amazon removes orders_v0.{name} on 2027-03-27; use orders_2026_01_01.{successor} instead"
    )


async def test_each_operation_warns_for_itself(seller: SellingPartner) -> None:
    """Operations that stay do not warn."""
    with recorded() as found:
        for _ in range(2):
            await seller.orders_v0.get_orders(**SEARCH)  # type: ignore[arg-type]
            await seller.finances_v0.list_financial_events()
            await seller.call(LIST_FINANCIAL_EVENT_GROUPS)
    assert [str(warning.message).split()[2] for warning in found] == [
        "orders_v0.get_orders",
        "finances_v0.list_financial_events",
    ]


async def test_a_warning_made_an_error_is_raised_by_the_call(seller: SellingPartner) -> None:
    """It is raised before there is a coroutine or a task, so nothing is unawaited and nothing is sent."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for call in (
            lambda: seller.orders_v0.get_order("1"),
            lambda: seller.call(GET_ORDERS, **SEARCH),
            seller.finances_v0.iter_financial_events,
        ):
            with pytest.raises(SPAPIDeprecationWarning):
                call()


async def test_the_librarys_own_workflows_do_not_warn(seller: SellingPartner, tmp_path: Path) -> None:
    """Their calls do not use up the warning of the application's own calls."""
    with recorded() as found:
        report = await sync_orders([seller], f"sqlite:///{tmp_path / 'orders.db'}", api="orders_v0")
        assert report.sellers[0].orders == 3
        assert found == []
        await seller.orders_v0.get_orders(**SEARCH)  # type: ignore[arg-type]
    assert len(found) == 1


async def test_a_call_by_an_observer_warns(seller: SellingPartner) -> None:
    """An observer is the application's code, though the library calls it."""
    with recorded() as found:
        Observers([lambda _: seller.orders_v0.get_order("1").close()]).emit(Event(operation="", account=""))
    assert len(found) == 1


async def test_a_removed_operation_says_what_may_happen(seller: SellingPartner) -> None:
    """It may still work for some time."""
    with pytest.warns(SPAPIDeprecationWarning, match=r"removed feeds_2020_09_04\.get_feeds; it may answer 404 or 410$"):
        seller.feeds_2020_09_04.get_feeds(feed_types=["A"]).close()


def test_methods_that_warn_look_like_others() -> None:
    """They have the same signature and docstring, and are recognised as coroutine functions."""
    assert list(inspect.signature(OrdersV0.get_order).parameters) == ["self", "order_id", "data_elements"]
    assert (OrdersV0.get_order.__name__, OrdersV0.get_order.__qualname__) == ("get_order", "OrdersV0.get_order")
    assert "2027-03-27: use ``orders_2026_01_01.get_order``" in (inspect.getdoc(OrdersV0.get_order) or "")
    assert inspect.iscoroutinefunction(OrdersV0.get_order)
    assert inspect.iscoroutinefunction(OrdersV0(None).get_order)  # type: ignore[arg-type]
    assert not inspect.iscoroutinefunction(OrdersV0.iter_orders)
    assert list(inspect.signature(OrdersV0(None).get_order).parameters) == ["order_id", "data_elements"]  # type: ignore[arg-type]
    # Before 3.12 only asyncio can be told that a plain function makes coroutines; from 3.14 on it points to inspect.
    checker = inspect if sys.version_info >= (3, 12) else asyncio
    assert checker.iscoroutinefunction(SellingPartner.call)


def test_a_package_whose_name_begins_alike_is_not_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third party's extension is warned."""
    monkeypatch.setattr(removal, "warned", set())
    for module, warned in (("spapi_async_extras.jobs", 1), ("spapi_async.workflows.orders", 0), ("spapi_async", 0)):
        removal.warned.clear()
        caller: dict[str, object] = {"__name__": module, "warn": removal.warn_of_removal, "operation": GET_ORDER}
        exec("def method(): warn(operation)\ndef call(): method()", caller)
        with recorded() as found:
            caller["call"]()  # type: ignore[operator]
        assert len(found) == warned

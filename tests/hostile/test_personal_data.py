"""Personal data is stored in ``order_personal`` and nowhere else, wherever and however it came."""

from __future__ import annotations

import json
import logging
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from damaged_orders import damaged, examples, seed_of_this_run
from hypothesis import given
from hypothesis import strategies as st
from insides import database_engine
from planted_orders import MARK, doubled, planted_2026, planted_lines, planted_v0

from spapi_async._codec.first_reader import decode_first, read_first
from spapi_async._codec.response import decode
from spapi_async.api.orders_2026_01_01 import SEARCH_ORDERS
from spapi_async.api.orders_v0 import GET_ORDER_ITEMS, GET_ORDERS
from spapi_async.errors import DecodeError
from spapi_async.models import orders_2026_01_01
from spapi_async.workflows.orders import OrderDatabase, OrderPage, OrderRow, PersonalKeys, Unreadable
from spapi_async.workflows.orders import _column_types as column_types
from spapi_async.workflows.orders._columns import PAGE, quick_row
from spapi_async.workflows.orders._personal import cut, holds_personal, is_personal
from spapi_async.workflows.orders._reading import read_pieces
from spapi_async.workflows.orders._report_rows import order_rows
from spapi_async.workflows.orders._rows import V0
from spapi_async.workflows.orders._source import Page, page_of, rows_of

pytest_plugins = ("sync_fixtures",)

NOW = datetime(2026, 2, 1, tzinfo=UTC)


def by_both(order: Any, *, broken: bytes = b"") -> Iterator[Page]:
    """The page of an order read by its columns, and by its model; ``broken`` adds a violation for the latter."""
    body = b'{"orders":[%b]%b}' % (order if isinstance(order, bytes) else json.dumps(order).encode(), broken)
    with read_first(SEARCH_ORDERS, PAGE):
        yield page_of(
            decode_first(SEARCH_ORDERS, 200, {}, body, attempts=1, rate_limit=None)
            or decode(SEARCH_ORDERS, 200, {}, body)
        )
    yield page_of(decode(SEARCH_ORDERS, 200, {}, body))


def of_v0(order: dict[str, Any], item: dict[str, Any]) -> list[OrderRow]:
    """The rows of an order of v0, as its source makes them."""
    page = decode(GET_ORDERS, 200, {}, json.dumps({"payload": {"Orders": [order]}}).encode())
    items = decode(GET_ORDER_ITEMS, 200, {}, json.dumps({"payload": {"OrderItems": [item]}}).encode())
    found = list(zip(read_pieces(page, GET_ORDERS), [read_pieces(items, GET_ORDER_ITEMS)], strict=True))
    return list(rows_of(V0, page, found)[0])


def kept(row: OrderRow) -> str:
    """Everything in a row except its personal data."""
    return repr(msgspec.to_builtins(msgspec.structs.replace(row, personal={})))


def holds(row: OrderRow) -> bool:
    """Whether the marker was moved and not lost."""
    return MARK in msgspec.json.encode(row.personal).decode()


def test_a_marker_at_any_personal_place_is_cut_out_of_an_order() -> None:
    """Its name may have any case, and it may be in a list, in text instead of an object, or beside unknown members."""
    seed = seed_of_this_run()
    rng = random.Random(seed)
    for number in range(examples(200)):
        order = planted_2026(rng)
        for page in by_both(order, broken=rng.choice([b"", b"", b',"lastUpdatedBefore":"soon"'])):
            for row in page.rows:
                assert MARK not in kept(row), f"seed {seed}, order {number}: {order}"
                assert holds(row), f"seed {seed}, order {number}: {order}"
            assert MARK not in repr([entry.reason for entry in page.unreadable])


def test_a_member_that_comes_twice_hides_no_marker() -> None:
    """A reader takes the last copy; the stored text and the items have no first copy with a marker."""
    seed = seed_of_this_run()
    rng = random.Random(seed)
    for number in range(examples(200)):
        order = doubled(planted_2026(rng), rng)
        for page in by_both(order.encode(), broken=rng.choice([b"", b"", b',"lastUpdatedBefore":"soon"'])):
            for row in page.rows:
                assert MARK not in kept(row), f"seed {seed}, order {number}: {order}"


@pytest.mark.parametrize(
    "twice",
    [
        '"buyer":{"buyerName":"MARK"},"buyer":null',
        '"new":{"buyerName":"MARK"},"new":1',
        r'"new":"{\"a\":{\"buyerName\":\"MARK\"},\"a\":1}"',
        '"orderItems":[{"orderItemId":"7","quantityOrdered":1,"product":{"customization":"MARK"}}],"orderItems":[]',
        '"orderItems":[{"orderItemId":"7","quantityOrdered":1,"product":{"customization":"MARK"},"product":{}}]',
        r'"orderItems":[{"orderItemId":"7","quantityOrdered":1,"product":{"\u0063ustomization":"MARK"},"product":{}}]',
        '"orderItems":[{"orderItemId":"7","quantityOrdered":1,"product":"MARK","product":{}}]',
    ],
)
@pytest.mark.parametrize("broken", [b"", b',"lastUpdatedBefore":"soon"'])
def test_each_copy_of_a_member_is_cut(twice: str, broken: bytes) -> None:
    """Its name may be written with an escape, or the copy be in text instead of an object."""
    start = (
        '{"orderId":"1","createdTime":"2026-01-01T10:00:00Z","lastUpdatedTime":"2026-01-20T10:00:00Z","orderItems":[],'
        '"salesChannel":{"channelName":"AMAZON"},'
    )
    for page in by_both(f"{start}{twice}}}".replace("MARK", MARK).encode(), broken=broken):
        (row,) = page.rows
        assert MARK not in kept(row)


def test_a_marker_at_any_personal_place_is_cut_out_of_an_order_of_v0() -> None:
    """It is also cut out of its items, which come separately."""
    seed = seed_of_this_run()
    rng = random.Random(seed)
    for number in range(examples(200)):
        order, item = planted_v0(rng)
        for row in of_v0(order, item):
            assert MARK not in kept(row), f"seed {seed}, order {number}: {order} {item}"
            assert holds(row), f"seed {seed}, order {number}: {order} {item}"


def test_damage_exposes_no_marker() -> None:
    """Values, names and bytes of the pages are damaged after the marker was planted."""
    seed = seed_of_this_run()
    rng, said = random.Random(seed), list[str]()
    for _ in range(examples(200)):
        order = planted_2026(rng)
        body = damaged({"orders": [order], "lastUpdatedBefore": "2026-01-21T00:00:00Z"}, rng)
        try:
            page = page_of(decode(SEARCH_ORDERS, 200, {}, body))
        except DecodeError as error:
            said.append(f"{error} {error!r}")
            continue
        said += [f"{entry} {entry.reason}" for entry in page.unreadable]
    assert len(said) > 10
    assert MARK not in "".join(said), f"seed {seed}"


def test_a_marker_in_any_column_but_the_known_is_cut_out_of_a_report() -> None:
    """Headings may be in any language and spelling; the harmless ones are recognised in any spelling."""
    seed = seed_of_this_run()
    rng = random.Random(seed)
    for number in range(examples(200)):
        lines = planted_lines(rng)
        (row,) = order_rows(lines)
        assert MARK not in kept(row), f"seed {seed}, report {number}: {lines}"
        assert holds(row), f"seed {seed}, report {number}: {lines}"
        assert (row.status, row.total_currency) == ("UNSHIPPED", "USD")


PERSONAL = (
    "buyer BUYER Buyer_Info itemBuyerInfo recipient payment tax TAX gift-message giftMessageText customization"
    " customized-url shippingAddress ship_to_address postalCode Buyer\u200bEmail \uff22\uff35\uff39\uff25\uff32"
)
NOT_PERSONAL = (
    "IsBuyerRequestedCancel BuyerRequestedCancel ItemTax taxCollections MarketplaceTaxInfo giftWrapLevel requester"
    " shipFromAddress DefaultShipFromLocationAddress recipientAgeVerification IsAccessPointOrder"
)


@pytest.mark.parametrize("name", PERSONAL.split())
def test_these_names_are_personal(name: str) -> None:
    """Their spelling does not matter."""
    assert is_personal(name)


@pytest.mark.parametrize("name", NOT_PERSONAL.split())
def test_these_names_are_not_personal(name: str) -> None:
    """They say what was sold, or are the seller's own."""
    assert not is_personal(name)


KEYS = st.sampled_from(
    ["buyer", "tax", "product", "customization", "giftOption", "giftMessage", "orderItems", "orderItemId", "x"]
)
JSON = st.recursive(
    st.none() | st.integers(0, 3) | st.text(max_size=2) | st.sampled_from(['{"buyer":1}', "[]", '{"buyer']),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_an_order_is_changed_exactly_if_a_personal_name_is_found(content: Any) -> None:
    """The quick search and the cutting agree."""
    there = holds_personal(content)
    _, taken = cut(content, ids="orderItemId")
    assert bool(taken) == there
    assert not holds_personal(content)


def test_nothing_is_lost_where_two_places_have_one_name() -> None:
    """Two items with the same id have a gift message each."""
    items = [{"orderItemId": "7", "giftMessage": each} for each in "ab"]
    _, taken = cut({"orderItems": items}, ids="orderItemId")
    assert sorted(taken.values()) == ["a", "b"]


def test_json_without_end_is_searched_without_recursion() -> None:
    """It may be as deep as any reader goes."""
    content: Any = {"buyer": MARK}
    for _ in range(50_000):
        content = [content]
    assert holds_personal(content)


def test_every_name_of_the_model_is_known_to_the_columns() -> None:
    """An order with an unknown member is searched by every name, which costs more."""
    order = full(orders_2026_01_01.Order)
    known = quick_row(msgspec.json.encode(order | {"orderItems": [full(orders_2026_01_01.OrderItem)]}))
    assert known is not None
    column_types.KNOWN_ORDER.decode(msgspec.json.encode(order | {"orderItems": []}))
    column_types.KNOWN_ITEM.decode(msgspec.json.encode(full(orders_2026_01_01.OrderItem)))


def full(model: Any) -> Any:
    """JSON with every member of a model."""
    return {
        field.encode_name: _sample(msgspec.inspect.type_info(field.type)) for field in msgspec.structs.fields(model)
    }


def _sample(kind: Any) -> Any:
    inspect = msgspec.inspect
    if isinstance(kind, inspect.UnionType):
        return _sample(next(each for each in kind.types if not isinstance(each, inspect.NoneType)))
    if isinstance(kind, inspect.ListType):
        return [_sample(kind.item_type)]
    if isinstance(kind, inspect.StructType):
        return full(kind.cls)
    simple: dict[Any, Any] = {inspect.DateTimeType: "2026-01-01T00:00:00Z", inspect.IntType: 1, inspect.BoolType: True}
    return simple.get(type(kind), "1")


async def test_no_table_log_or_error_holds_a_marker(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Orders come from every source in several versions, some unreadable; only one table has the markers, encrypted."""
    caplog.set_level(logging.DEBUG)
    rng = random.Random(seed_of_this_run())
    keys = PersonalKeys([PersonalKeys.new()])
    async with OrderDatabase(sqlite_url, personal=keys) as database:
        for version in range(examples(40)):
            rows, unreadable = list[OrderRow](), list[Unreadable]()
            for number in range(5):
                names = {"orderId": f"o{number}", "lastUpdatedTime": f"2026-01-{version % 28 + 1:02}T00:00:00Z"}
                page = next(by_both(planted_2026(rng) | names))
                rows += page.rows
                unreadable += page.unreadable
            unreadable += next(by_both(json.dumps([MARK]).encode())).unreadable
            rows += of_v0(*planted_v0(rng)) + order_rows(planted_lines(rng))
            await database.store(OrderPage(seller="s", rows=rows, checkpoint=None, at=NOW, unreadable=unreadable))
        await database.rebuild()
        assert MARK in repr(await database.personal_data("s", "o1"))
        assert [change async for change in database.changes(limit=None)]
        async with database_engine(database).begin() as connection:
            await connection.exec_driver_sql("DROP TABLE order_changes")
        with pytest.raises(Exception, match="order_changes") as failure:
            await database.store(OrderPage(seller="t", rows=rows, checkpoint=None, at=NOW))
    assert MARK not in f"{failure.value} {failure.value!r} {caplog.text}"
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        assert MARK not in "\n".join(connection.iterdump())
        assert connection.execute("SELECT count(raw) FROM unreadable").fetchone() != (0,)

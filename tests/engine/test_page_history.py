"""Absent lists, repeated pages and endless empty pages: each is an error, neither the end nor an endless loop."""

import json
from typing import Any

import pytest
from raw_server import RawServer, raw_server, reply

from spapi_async import Application, SellingPartner
from spapi_async._codec.response import decode
from spapi_async._core.operation import Operation
from spapi_async._engine.page_history import MOST_EMPTY, PageHistory
from spapi_async._engine.paging import PageIterator
from spapi_async.api.finances_2024_06_19 import LIST_TRANSACTIONS
from spapi_async.api.finances_v0 import LIST_FINANCIAL_EVENTS
from spapi_async.api.orders_v0 import GET_ORDERS
from spapi_async.errors import DecodeError


class Pages:
    """Answers page requests with bodies by token, decoded as in the pipeline."""

    def __init__(self, *bodies: Any, strict: bool = False) -> None:
        self.bodies = {(f"t{n}" if n else None): body for n, body in enumerate(bodies)}
        self.strict = strict
        self.asked: list[Any] = []

    async def __call__(self, operation: Operation[Any], /, **arguments: Any) -> Any:
        token = arguments.get("next_token")
        self.asked.append(token)
        body = self.bodies[token]
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        return decode(operation, 200, {}, body, strict=self.strict).body


DATE = "2026-01-01T00:00:00Z"


def a_page(number: int, *, last: bool = False) -> dict[str, Any]:
    orders = [
        {"AmazonOrderId": f"{number}-{n}", "PurchaseDate": DATE, "LastUpdateDate": DATE, "OrderStatus": "Shipped"}
        for n in range(5)
    ]
    return {"payload": {"Orders": orders, **({} if last else {"NextToken": f"t{number + 1}"})}}


ODD: list[Any] = [
    b"", b" ", b"null", b"[]", b'"x"', b"5", {}, {"payload": None}, {"payload": {}}, {"payload": []},
    {"payload": {"Orders": None}}, {"payload": {"Orders": "x"}}, {"message": "Internal failure"},
    {"Message": "x"}, {"errors": []},
]  # fmt: skip


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("odd", ODD, ids=str)
async def test_an_odd_page_in_the_middle_is_an_error_that_names_it(odd: Any, strict: bool) -> None:
    """The same iterator, or the cursor of the error, fetches that page again."""
    pages = Pages(a_page(0), odd, a_page(2), a_page(3, last=True), strict=strict)
    iterator = PageIterator[Any](pages, GET_ORDERS, {"marketplace_ids": ["A"]})
    found = [await anext(iterator) for _ in range(5)]
    with pytest.raises(DecodeError) as caught:
        await anext(iterator)
    assert "page 2" in str(caught.value) or strict
    assert caught.value.cursor == iterator.cursor is not None
    pages.bodies["t1"] = a_page(1)
    rest = [order async for order in iterator]
    assert pages.asked.count("t1") == 2
    resumed = [order async for order in PageIterator[Any](pages, GET_ORDERS, {}, cursor=caught.value.cursor)]
    assert [order.amazon_order_id for order in found + rest] == [f"{p}-{n}" for p in range(4) for n in range(5)]
    assert resumed == rest


@pytest.mark.parametrize("body", [{}, {"payload": None}, {"payload": {}}, {"payload": {"Orders": []}}])
async def test_a_first_page_may_be_empty(body: Any) -> None:
    """Vendor APIs leave the list out when there is nothing; the absent list is a violation."""
    assert [item async for item in PageIterator[Any](Pages(body), GET_ORDERS, {})] == []
    response = decode(GET_ORDERS, 200, {}, json.dumps(body).encode())
    absent = "Orders" not in (body.get("payload") or {})
    assert any(violation.path == "$.payload.Orders" for violation in response.violations) == absent


@pytest.mark.parametrize("body", [b"", b" ", b"null", b"[]", b'"x"', b'{"message": "x"}', b'{"a": 1}'])
async def test_a_first_reply_that_is_not_a_page_is_an_error(body: bytes) -> None:
    """A gateway's message is not taken for an empty list."""
    with pytest.raises(DecodeError, match="not a page"):
        await anext(PageIterator[Any](Pages(body), GET_ORDERS, {}))


async def test_the_same_page_under_new_tokens_is_an_error() -> None:
    """In amzn/selling-partner-api-docs#2090 each page had a new token and the same orders."""
    orders = a_page(0)["payload"]["Orders"]
    pages = Pages(*({"payload": {"Orders": orders, "NextToken": f"t{n + 1}"}} for n in range(30)))
    iterator, found = PageIterator[Any](pages, GET_ORDERS, {}), []
    with pytest.raises(DecodeError, match="same items as an earlier page") as caught:  # noqa: PT012
        async for order in iterator:
            found.append(order)  # noqa: PERF401 - kept when it raises
    assert len(found) == 5
    assert caught.value.cursor
    pages.bodies["t1"] = a_page(1, last=True)
    assert len([order async for order in iterator]) == 5


@pytest.mark.parametrize("lead", [0, 1, 9])
@pytest.mark.parametrize("length", [1, 2, 3, 7, 50])
async def test_a_cycle_of_pages_of_any_length_is_found(length: int, lead: int) -> None:
    """One page is kept for comparison; a cycle is found before it has been repeated four times."""
    contents = [a_page(n)["payload"]["Orders"] for n in range(lead + length)]
    order = [*range(lead), *(lead + n % length for n in range(4 * length + 2 * lead + 4))]
    bodies = ({"payload": {"Orders": contents[n], "NextToken": f"t{at + 1}"}} for at, n in enumerate(order))
    with pytest.raises(DecodeError, match="same items as an earlier page"):
        async for _ in PageIterator[Any](Pages(*bodies), GET_ORDERS, {}):
            pass


async def test_empty_pages_are_an_error_from_the_fiftieth_in_a_row() -> None:
    """The iterator continues from the same page when it is asked again."""
    bodies = [{"payload": {"Orders": [], "NextToken": f"t{n + 1}"}} for n in range(3 * MOST_EMPTY)]
    iterator = PageIterator[Any](Pages(*bodies), GET_ORDERS, {})
    with pytest.raises(DecodeError, match="empty page in a row") as caught:
        await anext(iterator)
    assert caught.value.cursor == iterator.cursor
    iterator = PageIterator[Any](Pages(*bodies[: MOST_EMPTY - 2], a_page(MOST_EMPTY, last=True)), GET_ORDERS, {})
    assert len([order async for order in iterator]) == 5


async def test_empty_financial_events_are_empty_pages() -> None:
    """A page that is one object of empty lists counts as empty, not as a page that was seen before."""
    empty: dict[str, Any] = {"FinancialEvents": {"ShipmentEventList": [], "RefundEventList": None}}
    bodies = [{"payload": {**empty, "NextToken": f"t{n + 1}"}} for n in range(9)]
    pages = Pages(*bodies, {"payload": empty})
    assert len([events async for events in PageIterator[Any](pages, LIST_FINANCIAL_EVENTS, {})]) == 10


async def test_a_last_page_may_equal_the_one_before() -> None:
    """Without a further token there is no cycle."""
    body = {"payload": {"transactions": [{"transactionId": "1"}]}}
    pages = Pages({"payload": {**body["payload"], "nextToken": "t1"}}, body)
    assert len([item async for item in PageIterator[Any](pages, LIST_TRANSACTIONS, {})]) == 2


def test_empty_pages_are_counted_in_a_row() -> None:
    """A page with items starts the count again, and so does the error after fifty."""
    history = PageHistory(None)

    def empty(count: int) -> list[str | None]:
        return [history.problem([], empty=True, by_token=True, last=False) for _ in range(count)]

    for number in range(3):
        assert not any(empty(MOST_EMPTY - 1))
        assert history.problem([number], empty=False, by_token=True, last=False) is None
    for _ in range(2):
        assert not any(empty(MOST_EMPTY - 1))
        assert "50th empty page" in (empty(1)[0] or "")


def test_many_pages_take_no_more_memory_than_a_few() -> None:
    """One page is kept, and a bounded number of tokens."""
    history = PageHistory(None)
    for number in range(10_000):
        history.follow(f"t{number}")
        assert history.problem([number], empty=False, by_token=True, last=False) is None
    assert len(history.followed) <= 4096
    assert len(history.anchor) == 1
    assert history.was_followed("t9999")


async def answered(server_says: bytes) -> tuple[RawServer, Any]:
    async def answer(request: bytes, writer: Any) -> None:
        token = b'{"access_token":"t","expires_in":3600}'
        writer.write(reply(token if b"/auth/" in request else server_says))

    async with raw_server(answer) as server, Application("app", "s", endpoint=server.url) as app:
        seller: SellingPartner = app.selling_partner("Atzr|a", region="na")
        try:
            return server, await seller.orders_v0.get_orders(
                marketplace_ids=["ATVPDKIKX0DER"], created_after="2026-01-01T00:00:00Z"
            )
        except DecodeError as error:
            return server, error


async def test_an_error_message_instead_of_a_page_is_an_error() -> None:
    """The plain call raises as well, not only the iterator."""
    _, outcome = await answered(b'{"message": "Internal failure"}')
    assert isinstance(outcome, DecodeError)
    assert outcome.operation == "orders_v0.get_orders"

"""The sync stores exactly the orders that the plain call reads, however damaged the page."""

import random
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from damaged_orders import damaged, examples, seed_of_this_run

from spapi_async._codec.response import Response, decode
from spapi_async._core.operation import Operation
from spapi_async._engine.page_history import PageHistory
from spapi_async.api.orders_2026_01_01 import SEARCH_ORDERS
from spapi_async.api.orders_v0 import GET_ORDERS
from spapi_async.errors import DecodeError, SPAPIError
from spapi_async.marketplaces import Region
from spapi_async.workflows.orders._checkpoint import resume
from spapi_async.workflows.orders._reading import read_pieces, read_token
from spapi_async.workflows.orders._rows import V0, V2026, OrderRow, OrderShape, read_time
from spapi_async.workflows.orders._source import Orders2026Source, OrdersV0Source, Page, check_progress, rows_of

NOW = datetime(2026, 2, 1, tzinfo=UTC)
PAGE_2026: dict[str, Any] = {
    "orders": [
        {
            "orderId": f"902-{number:07}-0000000",
            "createdTime": "2026-01-01T10:00:00Z",
            "lastUpdatedTime": f"2026-01-02T10:00:{number:02}Z",
            "salesChannel": {"channelName": "AMAZON", "marketplaceId": "ATVPDKIKX0DER"},
            "fulfillment": {"fulfillmentStatus": "SHIPPED", "fulfilledBy": "AMAZON"},
            "proceeds": {"grandTotal": {"amount": "19.990", "currencyCode": "USD"}},
            "orderItems": [{"orderItemId": "7", "quantityOrdered": 2, "product": {"asin": "B01", "title": "Tee"}}],
        }
        for number in range(2)
    ],
    "pagination": {"nextToken": "t"},
    "lastUpdatedBefore": "2026-01-03T00:00:00Z",
}
PAGE_V0: dict[str, Any] = {
    "payload": {
        "Orders": [
            {
                "AmazonOrderId": f"902-{number:07}-0000000",
                "PurchaseDate": "2026-01-01T10:00:00Z",
                "LastUpdateDate": f"2026-01-02T10:00:{number:02}Z",
                "OrderStatus": "Shipped",
                "OrderTotal": {"CurrencyCode": "USD", "Amount": "19.99"},
            }
            for number in range(2)
        ],
        "NextToken": "t",
        "LastUpdatedBefore": "2026-01-03T00:00:00Z",
    }
}
CASES: list[tuple[Operation[Any], OrderShape, dict[str, Any], tuple[str, str]]] = [
    (SEARCH_ORDERS, V2026, PAGE_2026, ("order_id", "last_updated_time")),
    (GET_ORDERS, V0, PAGE_V0, ("amazon_order_id", "last_update_date")),
]


def read_by_both(
    operation: Operation[Any], shape: OrderShape, body: bytes
) -> tuple[Sequence[Any], tuple[OrderRow, ...], int] | None:
    """The plain call's orders, the sync's rows, and how many entries it set aside; None where neither reads it."""
    try:
        response = decode(operation, 200, {}, body)
    except DecodeError:
        return None
    plain = getattr(response.body, "orders", None)
    parts: list[Any] | None = [] if shape is V0 else None
    try:
        rows, aside = rows_of(shape, response, [(piece, parts) for piece in read_pieces(response, operation)])
    except DecodeError:
        assert not isinstance(plain, list)  # there is no list, and iter_orders finds none either
        return None
    assert isinstance(plain, list)
    return plain, rows, len(aside)


@pytest.mark.parametrize("case", CASES, ids=["2026-01-01", "v0"])
def test_plain_call_and_sync_agree_on_every_order(case: Any) -> None:
    """From eight hundred damaged bodies both read the same orders, ids and times; none is lost or made up."""
    operation, shape, page, (id_field, time_field) = case
    seed = seed_of_this_run()
    rng, read = random.Random(seed), 0
    for number in range(examples(400)):
        body = damaged(page, rng)
        both = read_by_both(operation, shape, body)
        if both is None:
            continue
        read += 1
        plain, rows, aside = both
        where = f"seed {seed}, body {number}: {body[:400]!r}"
        assert len(rows) + aside == len(plain), where
        orders = [order for order in plain if isinstance(order, msgspec.Struct)]
        ids = [getattr(order, id_field) for order in orders]
        fit = [found for found in ids if not (isinstance(found, str) and len(found) > 255)]
        assert len(rows) == len(fit), where
        for row, order in zip(rows, [o for o, i in zip(orders, ids, strict=True) if i in fit], strict=True):
            found = getattr(order, id_field)
            shown = str(found).replace("\0", "") if isinstance(found, str | int) and found is not True else ""
            assert row.identified == bool(shown), where
            assert not row.identified or row.order_id == shown, where
            assert row.last_updated_at == read_time(getattr(order, time_field)), where
            msgspec.json.decode(row.payload, type=msgspec.Raw)
    assert read > 0.6 * examples(400)


# --- the rows of the table of cases ----------------------------------------------------------------------------------


class Seller:
    """Answers every call with this body."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    name = key = payer = "A1@na"
    region = Region.NA
    marketplace = seller_id = None

    def forecast(self, operation: Operation[Any], arguments: Any = None, *, count: int = 1) -> float:
        return 0.0

    async def fetch(self, operation: Operation[Any], /, **arguments: Any) -> Any:
        return (await self.call(operation, **arguments)).body

    async def call(self, operation: Operation[Any], /, **arguments: Any) -> Response[Any]:
        items = b'{"payload":{"OrderItems":[]}}'
        return decode(operation, 200, {}, items if operation.name.endswith("items") else self.body)


async def page_of(body: bytes, *, v0: bool = False) -> Page:
    seller = Seller(body)
    source: Any = OrdersV0Source(seller, marketplaces=["A"]) if v0 else Orders2026Source(seller)
    now = read_time("2026-01-01T00:00:00Z")
    assert now is not None
    page: Page = await source.page(resume(None, seller="s", stream=source.stream, since=now))
    return page


BLEMISHES = [rb'"Tee \ud83d"', b'"a\tb"', b'"a\nb"', b'"\xff"', b"1e999999999999999999999", b"7" * 5000]


@pytest.mark.parametrize("blemish", BLEMISHES)
@pytest.mark.parametrize("v0", [False, True])
async def test_a_violation_in_one_order_costs_no_page(blemish: bytes, v0: bool) -> None:
    """The order is stored whole, the violation is counted, and the next page follows."""
    body = (
        b'{"payload":{"Orders":[{"AmazonOrderId":"1","Title":%b},{"AmazonOrderId":"2"}],"NextToken":"t"}}'
        if v0
        else b'{"orders":[{"orderId":"1","orderItems":[{"product":{"title":%b}}]},{"orderId":"2"}],'
        b'"pagination":{"nextToken":"t"}}'
    ) % blemish
    page = await page_of(body, v0=v0)
    assert [row.order_id for row in page.rows] == ["1", "2"]
    assert (page.cursor, page.unreadable) == ("t", ())
    assert page.violations > 0


@pytest.mark.parametrize("pagination", [b"[]", b"null", b"{}", b'""', b'{"nextToken":null}', b'{"nextToken":""}'])
async def test_every_form_of_an_absent_token_ends_the_list(pagination: bytes) -> None:
    """An empty list instead of the pagination means the same as its absence."""
    page = await page_of(b'{"orders":[{"orderId":"1"}],"pagination":%b}' % pagination)
    assert (len(page.rows), page.cursor) == (1, None)


@pytest.mark.parametrize("pagination", [b'{"nextToken":{"a":1}}', b'{"nextToken":5}', b'"x"', b"[1]"])
async def test_an_invalid_token_does_not_end_the_list(pagination: bytes) -> None:
    """Amazon did not say that this was the last page."""
    with pytest.raises(DecodeError):
        await page_of(b'{"orders":[{"orderId":"1"}],"pagination":%b}' % pagination)


UNREADABLE = [
    b"null",
    b"5",
    b'"x"',
    b"[]",
    b'{"orderId":undefined}',
    b'{"orderId":NaN}',
    b'{"orderId":"%b"}' % (b"9" * 300),
]


@pytest.mark.parametrize("entry", UNREADABLE)
async def test_an_entry_that_is_not_an_order_is_set_aside(entry: bytes) -> None:
    """The reason is kept; the others are stored and the window continues."""
    page = await page_of(b'{"orders":[{"orderId":"1"},%b,{"orderId":"3"}],"pagination":{"nextToken":"t"}}' % entry)
    assert [row.order_id for row in page.rows] == ["1", "3"]
    assert page.cursor == "t"
    (aside,) = page.unreadable
    assert aside.reason
    assert b"9" * 20 not in repr(page).encode() + repr(aside).encode()


@pytest.mark.parametrize("orders", [b"5,null", b'{"orderId":"1"}'], ids=["unreadable", "readable"])
async def test_the_same_page_under_another_token_is_an_error(orders: bytes) -> None:
    """It may have rows or only entries that are set aside."""
    start = resume(None, seller="s", stream="o", since=NOW)
    history = PageHistory(None)
    check_progress(await page_of(b'{"orders":[%b],"pagination":{"nextToken":"t"}}' % orders), start, "o", history)
    again = await page_of(b'{"orders":[%b],"pagination":{"nextToken":"u"}}' % orders)
    with pytest.raises(DecodeError, match="cannot continue after this page"):
        check_progress(again, start, "o", history)


async def test_an_order_nested_without_end_costs_no_page() -> None:
    """What is too deep is kept as text."""
    deep = b"[" * 100_000 + b"]" * 100_000
    page = await page_of(b'{"orders":[{"orderId":"1","x":%b},{"orderId":"2"}]}' % deep)
    assert [row.order_id for row in page.rows] == ["1", "2"]


async def test_any_answer_to_a_source_raises_only_errors_of_the_library() -> None:
    """It may be any bytes."""
    rng = random.Random(seed_of_this_run())
    for _ in range(examples(300)):
        body = bytes(rng.choices(b'{}[]",:orders\\ud8\xff01 \t', k=rng.randrange(60)))
        with suppress(SPAPIError):
            assert isinstance(await page_of(body), Page)


def test_the_token_is_read_from_the_path_of_the_operation() -> None:
    """It has the same path for either version."""
    assert read_token(decode(GET_ORDERS, 200, {}, b'{"payload":{"Orders":[],"NextToken":"t"}}'), GET_ORDERS) == "t"

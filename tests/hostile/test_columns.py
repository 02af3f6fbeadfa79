"""Reading a page only for its columns makes the same rows as reading all of it."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any, Literal

import msgspec
import pytest
from damaged_orders import damaged, examples, seed_of_this_run

from spapi_async import Application
from spapi_async._codec import json
from spapi_async._codec.first_reader import decode_first, read_first
from spapi_async._codec.response import Response, decode
from spapi_async.api.orders_2026_01_01 import SEARCH_ORDERS
from spapi_async.emulator import Emulator
from spapi_async.errors import DecodeError
from spapi_async.workflows.orders import _source
from spapi_async.workflows.orders._columns import PAGE, ColumnsPage, quick_row
from spapi_async.workflows.orders._page import Unreadable
from spapi_async.workflows.orders._rows import V2026, OrderRow
from spapi_async.workflows.orders._source import Page, page_of

ORDER: dict[str, Any] = {
    "orderId": "902-0000001-0000000",
    "createdTime": "2026-01-01T10:00:00+02:00",
    "lastUpdatedTime": "2026-01-02T10:00:00Z",
    "salesChannel": {"channelName": "AMAZON", "marketplaceId": "ATVPDKIKX0DER"},
    "fulfillment": {"fulfillmentStatus": "SHIPPED", "fulfilledBy": "AMAZON"},
    "proceeds": {"grandTotal": {"amount": "19.990", "currencyCode": "USD"}},
    "packages": [
        {"packageReferenceId": "1", "shipTime": "2026-01-03T10:00:00Z"},
        {"packageReferenceId": "2", "shipTime": "2026-01-02T09:00:00Z"},
        {"packageReferenceId": "3"},
    ],
    "orderItems": [
        {
            "orderItemId": "7",
            "quantityOrdered": 2,
            "product": {
                "asin": "B01",
                "sellerSku": "S",
                "title": "Tee é",
                "price": {"unitPrice": {"amount": 9.95, "currencyCode": "USD"}},
            },
            "fulfillment": {"quantityFulfilled": 1, "packing": {"giftOption": {"giftWrapLevel": "x"}}},
        },
        {"orderItemId": "8", "quantityOrdered": 1, "product": {}},
    ],
}
PERSONAL = [
    {"buyer": {"buyerName": "Ann"}},
    {"recipient": None},
    {"payment": {}},
    {"tax": [1]},
    {"orderItems": [{"orderItemId": "7", "quantityOrdered": 1, "product": {}, "tax": {}}]},
    {
        "orderItems": [
            {"orderItemId": "7", "quantityOrdered": 1, "product": {"asin": "B", "customization": {"text": "for Ann"}}}
        ]
    },
    {
        "orderItems": [
            {
                "orderItemId": "7",
                "quantityOrdered": 1,
                "product": {},
                "fulfillment": {"packing": {"giftOption": {"giftMessage": "Hi"}}},
            }
        ]
    },
]
ODD = [
    {"orderId": ""},
    {"orderId": "\0"},
    {"orderId": "9" * 256},
    {"orderId": 5},
    {"createdTime": "2026-01-01"},
    {"createdTime": "2026-01-01T10:00:00"},
    {"lastUpdatedTime": ""},
    {"salesChannel": {"channelName": "", "marketplaceId": 7}},
    {"salesChannel": {"channelName": "nul \0 inside"}},
    {"fulfillment": {"fulfillmentStatus": "Unshipped", "fulfilledBy": "MFN"}},
    {"proceeds": {"grandTotal": {"amount": "1e40", "currencyCode": ""}}},
    {"proceeds": {"grandTotal": {"amount": "NaN"}}},
    {"proceeds": {"grandTotal": {"amount": 12.50}}},
    {"proceeds": None, "packages": None, "fulfillment": None},
    {"orderItems": None},
    {"salesChannel": None},
    {"orderItems": [{"orderItemId": "7"}, {"orderItemId": "7", "quantityOrdered": 3}]},
    {"orderItems": [{"orderItemId": "7", "quantityOrdered": 2**31}, {"quantityOrdered": "4"}, {"orderItemId": ""}]},
    {
        "orderItems": [
            {"orderItemId": "7", "product": {"sellerSku": "s" * 300, "title": "", "price": {"unitPrice": {}}}}
        ]
    },
    {"orderItems": [{"orderItemId": "7", "quantityOrdered": 2.0}]},
    {"orderItems": {"orderItemId": "7"}},
    {"packages": [{"shipTime": "soon"}]},
    {"added": {"buyer": {"buyerName": "Ann"}}},
]


def both(body: bytes) -> tuple[Page, Page] | None:
    """The page by its columns first, and by its model alone; None where it is not a page."""
    pages: list[Page | None] = []
    with read_first(SEARCH_ORDERS, PAGE):
        quick = decode_first(SEARCH_ORDERS, 200, {}, body, attempts=1, rate_limit=None)
    for response in (quick, None):
        try:
            pages.append(page_of(response or decode(SEARCH_ORDERS, 200, {}, body)))
        except DecodeError:
            pages.append(None)
    quick_page, page = pages
    assert (quick_page is None) == (page is None)
    return (quick_page, page) if quick_page and page else None


def content(page: Page) -> tuple[list[OrderRow], list[Unreadable], Any, Any]:
    """What is compared of a page, with payloads decoded."""
    rows = [
        msgspec.structs.replace(row, payload=json.plain(row.payload.encode()), items=_items(row)) for row in page.rows
    ]
    return rows, [*page.unreadable], page.cursor, page.upper_bound


def required(page: Page) -> Any:
    """The fields that the model requires of each order."""
    return [(row.order_id, row.created_at, row.last_updated_at, len(row.items)) for row in page.rows], page.cursor


def _items(row: OrderRow) -> Any:
    return [msgspec.structs.replace(item, payload=json.plain(item.payload.encode())) for item in row.items]


def page_with(*orders: Any) -> bytes:
    return msgspec.json.encode({"orders": orders, "pagination": {"nextToken": "t"}})


@pytest.mark.parametrize("change", [{}, *PERSONAL], ids=repr)
def test_valid_pages_are_read_by_columns(change: dict[str, Any]) -> None:
    """Personal data goes apart, as by the other way."""
    order = msgspec.json.encode({**ORDER, **change})
    quick = quick_row(order)
    assert quick is not None
    assert quick == V2026.row(order)
    assert bool(quick.personal) == bool(change)


@pytest.mark.parametrize("change", ODD, ids=lambda change: repr(change)[:60])
def test_an_order_that_does_not_fit_is_read_by_the_model(change: dict[str, Any]) -> None:
    """It is beside an order that fits, and both ways make the same rows."""
    pages = both(page_with(ORDER, {**ORDER, "orderId": "902-0000002-0000000", **change}))
    assert pages is not None
    assert content(pages[0]) == content(pages[1])


def test_only_the_order_that_does_not_fit_is_read_by_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order beside it is not read twice."""
    read: list[OrderRow | None] = []

    def reading(raw: bytes) -> OrderRow | None:
        read.append(quick_row(raw))
        return read[-1]

    monkeypatch.setattr(_source, "quick_row", reading)
    pages = both(page_with(ORDER, {**ORDER, "orderId": "902-0000002-0000000", "salesChannel": None}))
    assert pages is not None
    assert read[1] is None
    assert pages[0].rows[0] is read[0]


def test_damaged_pages_make_the_same_rows() -> None:
    """Of four hundred pages damaged at random, most orders are read by columns."""
    page = {
        "orders": [{**ORDER, "orderId": f"902-{number:07}-0000000"} for number in range(3)],
        "pagination": {"nextToken": "t"},
        "lastUpdatedBefore": "2026-01-03T00:00:00Z",
    }
    seed = seed_of_this_run()
    rng, quick, compared = random.Random(seed), 0, 0
    for number in range(examples(400)):
        body = damaged(page, rng)
        pages = both(body)
        if pages is not None:
            where = f"seed {seed}, body {number}: {body!r}"
            assert required(pages[0]) == required(pages[1]), where
            # The model's reader accepts a misspelt optional member, if something else in the order is broken.
            if not pages[1].violations:
                assert content(pages[0]) == content(pages[1]), where
                compared += 1
        with suppress(ValueError, RecursionError):
            quick += sum(quick_row(bytes(raw)) is not None for raw in PAGE.decode(body).orders)
    assert quick > 0.3 * 3 * examples(400)
    assert compared > 0.05 * examples(400)


async def test_a_call_tries_the_chosen_decoder_on_its_operation_alone() -> None:
    """It does so in its block. A strict or observed application decodes everything, because of violations."""
    modes: tuple[tuple[Literal["lenient", "strict"], list[Any]], ...] = (
        ("lenient", []),
        ("strict", []),
        ("lenient", [[].append]),
    )
    for decoding, observers in modes:
        async with (
            Emulator(orders=3) as emulator,
            Application("a", "s", endpoint=emulator.url, decoding=decoding, observers=observers) as app,
        ):
            seller = app.selling_partner("Atzr|x", region="NA")

            async def search() -> Response[Any]:
                return await seller.call(SEARCH_ORDERS, created_after="2020-01-01")  # noqa: B023

            with read_first(SEARCH_ORDERS, PAGE):
                inside = await search()
                await seller.sellers_v1.get_marketplace_participations()
            assert isinstance(inside.body, ColumnsPage) is (decoding == "lenient" and not observers)
            assert inside.request_id
            assert inside.attempts == 1
            assert inside.raw
            assert not isinstance((await search()).body, ColumnsPage)

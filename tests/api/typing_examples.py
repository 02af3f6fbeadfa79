"""What editors and type checkers infer; `mypy` checks this file, which does not run."""

from decimal import Decimal
from typing import assert_type

from spapi_async import (
    Application,
    Marketplace,
    PageIterator,
    Priority,
    Response,
    SellingPartner,
    call_options,
    connect,
)
from spapi_async.api.orders_v0 import GET_ORDER
from spapi_async.models import catalog_items_2022_04_01, orders_2026_01_01, orders_v0
from spapi_async.workflows.bulk import Done, Failed, fan_out
from spapi_async.workflows.documents import Document
from spapi_async.workflows.reports import REPORT_TYPES, ReportRun, ReportType


async def a_method_returns_its_payload(seller: SellingPartner) -> None:
    """Neither the envelope nor Any."""
    order = await seller.orders_v0.get_order("902-3159896-1390916")
    assert_type(order, orders_v0.Order)
    if order.order_total is not None:
        assert_type(order.order_total.amount, Decimal | None)


async def an_iterator_yields_its_items(seller: SellingPartner) -> None:
    """With the item's own type."""
    items = seller.orders_v0.iter_order_items("902-3159896-1390916")
    assert_type(items, PageIterator[orders_v0.OrderItem])
    async for item in items:
        assert_type(item, orders_v0.OrderItem)


async def a_marketplace_is_accepted_where_an_id_is(seller: SellingPartner) -> None:
    """In a list and by itself."""
    page = await seller.catalog_items_2022_04_01.search_catalog_items(
        marketplace_ids=[Marketplace.US], keywords=["tea"]
    )
    assert_type(page, catalog_items_2022_04_01.ItemSearchResults)


async def the_whole_reply_is_typed(seller: SellingPartner) -> None:
    """Its type is that of the operation."""
    response = await seller.call(GET_ORDER, order_id="902-3159896-1390916")
    assert_type(response, Response[orders_v0.Order])
    assert_type(response.body, orders_v0.Order)


async def context_managers_are_typed(app: Application) -> None:
    """They give an application and a seller."""
    async with app as same:
        assert_type(same, Application)
    async with connect() as seller:
        assert_type(seller, SellingPartner)
        page = await seller.orders_2026_01_01.search_orders(last_updated_after="2026-01-01T00:00:00Z")
        assert_type(page, orders_2026_01_01.SearchOrdersResponse)


async def a_document_is_read_in_typed_pieces(seller: SellingPartner) -> None:
    """Rows are text, values have the requested type, sizes are numbers."""
    async with seller.documents.report("id") as document:
        assert_type(document, Document)
        async for row in document.iter_rows():
            assert_type(row, dict[str, str])
        async for order in document.iter_json_lines(type=orders_v0.Order):
            assert_type(order, orders_v0.Order)
        async for row in document.iter_json_items("rows", type=dict[str, str]):
            assert_type(row, dict[str, str])
        assert_type(await document.json(list[int]), list[int])
        assert_type(await document.save("report.txt"), int)
    assert_type(await seller.documents.upload(b"{}"), str)


async def a_misspelt_name_is_reported(seller: SellingPartner) -> None:
    """A namespace, a method, an argument or an option is not Any."""
    seller.order_v0  # type: ignore[attr-defined] # noqa: B018
    seller.orders_v0.get_ordr  # type: ignore[attr-defined] # noqa: B018
    await seller.orders_v0.get_order(order="1")  # type: ignore[call-arg]
    with call_options(priority=Priority.BULK, max_waits=5):  # type: ignore[call-arg]
        pass
    with call_options(max_wait="5"):  # type: ignore[arg-type]
        pass


async def reports(seller: SellingPartner) -> None:
    """A run has its parts, a document is one, and types are suggested."""
    async with seller.reports.download(REPORT_TYPES.GET_MERCHANT_LISTINGS_ALL_DATA, marketplaces=["US"]) as document:
        assert_type(document, Document)
    run = await seller.reports.request("GET_ANY", marketplaces=[Marketplace.US])
    assert_type(run, ReportRun)
    assert_type(await run.wait(), ReportRun)
    async with run.document() as same:
        assert_type(same, Document)
    async for each in seller.reports.iter_available(REPORT_TYPES["GET_V2_SETTLEMENT_REPORT_DATA_XML"]):
        assert_type(each, ReportRun)
    assert_type(REPORT_TYPES.GET_AFN_INVENTORY_DATA, ReportType)
    seller.reports.download("GET_ANY")  # type: ignore[call-arg]


async def outcomes(seller: SellingPartner) -> None:
    """They have the types of the items and of the calls' results."""
    async with fan_out(seller.catalog.item, ["B07XJ8C8F5"]) as found:
        async for outcome in found:
            assert_type(outcome, Done[str, catalog_items_2022_04_01.Item] | Failed[str])

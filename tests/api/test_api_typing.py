"""What type checkers infer for the generated methods; mypy checks the functions below, which do not run."""

from __future__ import annotations

import datetime as dt
import inspect
from decimal import Decimal
from typing import assert_type

import pytest

from spapi_async import Marketplace
from spapi_async._core.caller import Caller
from spapi_async._core.journal import RunStore
from spapi_async._core.operation import Operation
from spapi_async._engine.paging import PageIterator
from spapi_async.api import Namespaces, operations
from spapi_async.api.orders_v0 import GET_ORDER
from spapi_async.models import (
    customer_feedback_2024_06_01,
    feeds_2021_06_30,
    fulfillment_outbound_2026_07_04,
    listings_items_2021_08_01,
    orders_v0,
    product_fees_v0,
    product_pricing_v0,
)


async def replies(seller: Namespaces) -> None:
    """The payload where the envelope holds nothing else, otherwise the whole body; None where Amazon sends none."""
    assert_type(await seller.orders_v0.get_order("1"), orders_v0.Order)
    assert_type(await seller.feeds_2021_06_30.cancel_feed("1"), None)
    assert_type(
        await seller.customer_feedback_2024_06_01.get_item_review_topics("1", marketplace_id="M", sort_by="MENTIONS"),
        customer_feedback_2024_06_01.ItemReviewTopicsResponse | None,
    )
    assert_type(await seller.product_fees_v0.get_my_fees_estimates(body=[]), list[product_fees_v0.FeesEstimateResult])


async def replies_of_several_types(seller: Namespaces) -> str:
    """A union that the status decides is narrowed by its type."""
    made = await seller.fulfillment_outbound_2026_07_04.create_order(body={})
    assert_type(
        made,
        fulfillment_outbound_2026_07_04.CreateOrderResponse
        | fulfillment_outbound_2026_07_04.CreateOrderAcceptedResponse,
    )
    match made:
        case fulfillment_outbound_2026_07_04.CreateOrderResponse(order=order):
            assert_type(order, fulfillment_outbound_2026_07_04.FulfillmentOrder)
            return order.order_id
        case fulfillment_outbound_2026_07_04.CreateOrderAcceptedResponse(order_id=order_id):
            return order_id


async def iterators(seller: Namespaces) -> None:
    """An iterator has its items' type."""
    items = seller.orders_v0.iter_order_items("1", data_elements=["buyerInfo"])
    assert_type(items, PageIterator[orders_v0.OrderItem])
    async for item in items:
        assert_type(item.asin, str | None)
        assert_type(item.quantity_ordered, int)


async def arguments(seller: Namespaces) -> None:
    """Enums and marketplaces may be given as such or as strings, bodies as structs or plain data."""
    search = seller.listings_items_2021_08_01.search_listings_items
    await search("A", marketplace_ids=[Marketplace.US, "ATVPDKIKX0DER"], created_after=dt.datetime.now(dt.UTC))
    await search("A", marketplace_ids=["M"], with_status=[listings_items_2021_08_01.WithStatus.BUYABLE, "DISCOVERABLE"])
    await search("A", marketplace_ids=["M"], page_size="20")  # type: ignore[arg-type]
    await search("A")  # type: ignore[call-arg]
    await seller.tokens_2021_03_01.create_restricted_data_token(body={"restrictedResources": []})
    feed = feeds_2021_06_30.CreateFeedSpecification(feed_type="F", marketplace_ids=["M"], input_feed_document_id="1")
    await seller.feeds_2021_06_30.create_feed(body=feed)


def values(operation: Operation[orders_v0.Order], price: product_pricing_v0.MoneyType) -> None:
    """Operations carry the type that their method returns; money is Decimal."""
    assert_type(GET_ORDER, Operation[orders_v0.Order])
    assert_type(price.amount, Decimal | None)
    assert operation in operations().values()


def test_every_namespace_is_annotated() -> None:
    """The attributes that type checkers know are those that exist."""
    assert set(inspect.get_annotations(Namespaces)) == {name.partition(".")[0] for name in operations()}


@pytest.mark.parametrize("protocol", [Caller, RunStore])
def test_objects_with_methods_that_return_coroutines_fit_a_protocol(protocol: type) -> None:
    """For pyright, and so in many editors, only an "async def" fits one; handles and the journal have other methods."""
    members = [member for name, member in vars(protocol).items() if not name.startswith("_")]
    assert not [member for member in members if inspect.iscoroutinefunction(member)]

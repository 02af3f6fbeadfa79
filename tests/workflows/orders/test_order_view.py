"""One order in one vocabulary, from either version of the Orders API."""

from __future__ import annotations

import pickle
import subprocess
import sys
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spapi_async import Application, NotFoundError, to_json
from spapi_async.emulator.server import Emulator
from spapi_async.errors import DecodeError
from spapi_async.workflows.orders import OrderView

COMMON = (
    "order_id",
    "marketplace_id",
    "status",
    "channel",
    "created_at",
    "last_updated_at",
    "total",
    "currency",
)
ALL = ("BUYER", "RECIPIENT", "PROCEEDS", "EXPENSE", "PROMOTION", "CANCELLATION", "FULFILLMENT", "PACKAGES", "TAX")


async def test_both_versions_of_an_order_give_the_same_view() -> None:
    """Status, channel, times, total and items have the words of 2026 in both."""
    async with (
        Emulator(orders=40, rate_scale=100_000, violations=False) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        seller = app.selling_partner("Atzr|one", region="NA")
        seen = set()
        async for order in seller.orders_v0.iter_orders(
            marketplace_ids=["US", "CA", "MX"], last_updated_after="2020-01-01T00:00:00Z"
        ):
            new = await seller.orders.get(order.amazon_order_id)
            old = OrderView.from_v0(order, [each async for each in seller.orders_v0.iter_order_items(new.order_id)])
            known = [name for name in COMMON if getattr(old, name) is not None]  # v0 has no total of unpaid orders
            assert [getattr(old, name) for name in known] == [getattr(new, name) for name in known]
            assert [(each.order_item_id, each.asin, each.seller_sku) for each in old.items] == [
                (each.order_item_id, each.asin, each.seller_sku) for each in new.items
            ]
            assert [each.quantity_shipped for each in old.items] == [each.quantity_shipped for each in new.items]
            seen.add(new.status)
        assert len(seen) >= 2


async def test_an_order_of_2026_reads_as_v0_has_it() -> None:
    """Every member in the migration guide has v0's value, so that a program written for v0 finds it."""
    async with (
        Emulator(orders=60, rate_scale=100_000, violations=False) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        seller = app.selling_partner("Atzr|one", region="NA")
        compared: dict[str, int] = {}
        async for order in seller.orders_v0.iter_orders(
            marketplace_ids=["US", "CA", "MX"],
            last_updated_after="2020-01-01T00:00:00Z",
            data_elements=["buyerInfo", "shippingAddress"],
        ):
            mapped = (await seller.orders.get(order.amazon_order_id, datasets=ALL)).to_v0()
            expected = msgspec.json.decode(to_json(order))
            given_ = msgspec.json.decode(to_json(mapped.order))
            for name in given_.keys() & expected.keys() - {"ShipmentServiceLevelCategory", "BuyerInfo"}:
                assert given_[name] == expected[name], name
                compared[name] = compared.get(name, 0) + 1
            items = [each async for each in seller.orders_v0.iter_order_items(order.amazon_order_id)]
            assert [each.order_item_id for each in mapped.items] == [each.order_item_id for each in items]
            for theirs, ours in zip(items, mapped.items, strict=True):
                for name in (
                    "asin",
                    "seller_sku",
                    "quantity_ordered",
                    "quantity_shipped",
                    "title",
                    "item_price",
                    "is_gift",
                ):
                    assert getattr(theirs, name) in (None, getattr(ours, name)), name
        assert {"OrderTotal", "ShippingAddress", "OrderStatus", "FulfillmentChannel", "IsPrime"} <= compared.keys()


ORDER = {
    "orderId": "902-0000001-0000001",
    "orderAliases": [{"aliasId": "mine-1", "aliasType": "SELLER_ORDER_ID"}],
    "createdTime": "2026-01-01T00:00:00Z",
    "lastUpdatedTime": "2026-01-02T00:00:00Z",
    "programs": ["PREORDER", "PRIME", "IN_STORE_PICK_UP", "FBM_SHIP_PLUS"],
    "associatedOrders": [{"orderId": "902-0-1", "associationType": "EXCHANGE_ORIGINAL_ID"}],
    "salesChannel": {"marketplaceId": "ATVPDKIKX0DER", "marketplaceName": "Amazon.com"},
    "buyer": {"buyerName": "Planted Name", "buyerEmail": "planted@example.com", "buyerPurchaseOrderNumber": "PO-1"},
    "recipient": {"deliveryAddress": {"name": "Planted Name", "city": "Berlin", "addressType": "PICKUP_POINT"}},
    "proceeds": {"grandTotal": {"amount": "12.50", "currencyCode": "USD"}},
    "fulfillment": {
        "fulfillmentStatus": "CANCELLED",
        "fulfilledBy": "MERCHANT",
        "fulfillmentServiceLevel": "SECOND_DAY",
    },
    "tax": {
        "taxRegistrations": [
            {
                "entityType": "BUYER",
                "legalName": "Planted GmbH",
                "taxRegistrationNumber": "DE1",
                "taxRegistrationAddress": {"addressLine1": "Street 1", "city": "Berlin"},
                "taxRegistrationAttributes": [{"key": "TAX_OFFICE", "value": "Mitte"}],
            },
            {"entityType": "MARKETPLACE", "taxRegistrationType": "VAT", "taxRegistrationNumber": "LU1"},
            {"entityType": "MERCHANT", "legalName": "Shop"},
        ],
        "taxInvoicing": {"buyerInvoicePreference": "BUSINESS", "invoiceStatus": "Accepted"},
    },
    "payment": {
        "paymentExecutions": [{"paymentMethod": "COD", "paymentAmount": {"amount": "1", "currencyCode": "USD"}}]
    },
    "orderItems": [
        {
            "orderItemId": "1",
            "quantityOrdered": 2,
            "programs": ["TRANSPARENCY", "SUBSCRIBE_AND_SAVE"],
            "measurement": {"unit": "POUNDS", "value": 1.5},
            "product": {
                "asin": "B000000001",
                "condition": {"conditionType": "NEW", "conditionSubtype": "LIKE_NEW"},
                "customization": {"customizedUrl": "https://planted.example.com"},
                "serialNumbers": ["S1"],
            },
            "proceeds": {
                "breakdowns": [
                    {"type": "ITEM", "subtotal": {"amount": "10.00", "currencyCode": "USD"}},
                    {
                        "type": "TAX",
                        "subtotal": {"amount": "3.00", "currencyCode": "USD"},
                        "detailedBreakdowns": [
                            {"subtype": "ITEM", "value": {"amount": "2.00", "currencyCode": "USD"}},
                            {"subtype": "GIFT_WRAP", "value": {"amount": "0.50", "currencyCode": "USD"}},
                            {"subtype": "DISCOUNT", "value": {"amount": "0.25", "currencyCode": "USD"}},
                        ],
                    },
                    {
                        "type": "DISCOUNT",
                        "subtotal": {"amount": "1.00", "currencyCode": "USD"},
                        "detailedBreakdowns": [
                            {"subtype": "SHIPPING", "value": {"amount": "0.75", "currencyCode": "USD"}}
                        ],
                    },
                ]
            },
            "expense": {
                "pointsCost": {
                    "pointsGranted": {
                        "pointsNumber": 5,
                        "pointsMonetaryValue": {"amount": "0.05", "currencyCode": "JPY"},
                    }
                }
            },
            "cancellation": {"cancellationRequest": {"requester": "BUYER", "cancelReason": "Planted reason"}},
            "fulfillment": {
                "quantityFulfilled": 1,
                "packing": {"giftOption": {"giftMessage": "Planted message", "giftWrapLevel": "Classic"}},
                "shipping": {"internationalShipping": {"iossNumber": "IM1"}},
                "picking": {"substitutionPreference": {"substitutionType": "AMAZON_RECOMMENDED"}},
            },
            "tax": {
                "taxCollections": [{"model": "MARKETPLACE_FACILITATOR", "responsibleParty": "Amazon"}],
                "taxCalculationBreakdowns": [{"reportingScheme": "IOSS"}],
            },
            "associatedOrderItems": [
                {"orderId": "902-0-2", "orderItemId": "9", "associationType": "VALUE_ADD_SERVICE"}
            ],
        }
    ],
}


def test_every_mapped_member_of_an_order_arrives_in_v0() -> None:
    """Members are those of Amazon's migration guide."""
    order = OrderView.from_2026(ORDER).to_v0().order
    assert order.seller_order_id == "mine-1"
    assert (order.order_type, order.order_status, order.fulfillment_channel) == ("Preorder", "Canceled", "MFN")
    assert (order.is_prime, order.is_ispu, order.is_business_order, order.is_access_point_order) == (
        True,
        True,
        False,
        True,
    )
    assert (order.is_replacement_order, order.replaced_order_id) == (True, "902-0-1")
    assert order.shipment_service_level_category == "SecondDay"
    assert order.order_total is not None
    assert order.order_total.amount in ("12.50", Decimal("12.50"))
    assert order.buyer_info is not None
    assert order.buyer_info.purchase_order_number == "PO-1"
    assert order.buyer_tax_information is not None
    assert order.buyer_tax_information.buyer_tax_office == "Mitte"
    assert order.buyer_tax_information.buyer_business_address == "Street 1, Berlin"
    assert order.marketplace_tax_info is not None
    assert order.seller_display_name == "Shop"
    assert order.payment_method == "COD"
    assert order.payment_method_details == ["COD"]
    assert order.electronic_invoice_status == "Accepted"


def test_every_mapped_member_of_an_item_arrives_in_v0() -> None:
    """Members are those of Amazon's migration guide."""
    (item,) = OrderView.from_2026(ORDER).to_v0().items
    amounts = {
        name: getattr(item, name) and str(getattr(item, name).amount)
        for name in ("item_price", "item_tax", "promotion_discount", "promotion_discount_tax", "shipping_discount")
    }
    assert amounts == {
        "item_price": "10.00",
        "item_tax": "2.00",
        "promotion_discount": "1.00",
        "promotion_discount_tax": "0.25",
        "shipping_discount": "0.75",
    }
    assert (item.is_gift, item.is_transparency, item.ioss_number) == ("true", True, "IM1")
    assert (item.condition_id, item.condition_subtype_id) == ("New", "LikeNew")
    assert item.buyer_info is not None
    assert item.buyer_info.gift_message_text == "Planted message"
    assert item.buyer_info.gift_wrap_tax is not None
    assert str(item.buyer_info.gift_wrap_tax.amount) == "0.50"
    assert item.buyer_info.buyer_customized_info is not None
    assert item.buyer_requested_cancel is not None
    assert item.buyer_requested_cancel.is_buyer_requested_cancel == "true"
    assert item.points_granted is not None
    assert item.points_granted.points_number == 5
    assert item.tax_collection is not None
    assert item.tax_collection.model == "MarketplaceFacilitator"
    assert item.deemed_reseller_category == "IOSS"
    assert item.serial_numbers == ["S1"]
    assert item.amazon_programs is not None
    assert sorted(item.amazon_programs.programs or ()) == ["FBM_SHIP_PLUS", "SUBSCRIBE_AND_SAVE"]
    assert item.associated_items is not None
    assert item.associated_items[0].order_item_id == "9"
    assert item.substitution_preferences is not None
    assert item.measurement is not None


def test_tax_without_a_breakdown_is_the_items() -> None:
    """v0 has no other member for it."""
    tax = {"type": "TAX", "subtotal": {"amount": "3.00", "currencyCode": "USD"}}
    _, (item,) = OrderView.from_2026({"orderId": "1", "orderItems": [{"proceeds": {"breakdowns": [tax]}}]}).to_v0()
    assert item.item_tax is not None
    assert str(item.item_tax.amount) == "3.00"


def test_an_order_of_v0_comes_back_as_it_was() -> None:
    """Members that the model lacks are in ``order``; numbers stay exact."""
    order = {"AmazonOrderId": "902-1", "OrderStatus": "Shipped", "Novel": {"a": 1}, "OrderTotal": {"Amount": "1.10"}}
    item = {"OrderItemId": "1", "QuantityOrdered": 4, "ItemPrice": {"Amount": "10.00", "CurrencyCode": "USD"}}
    view = OrderView.from_v0(order, [item])
    assert view.order == order
    assert view.v0_items == (item,)
    assert (view.status, view.amazon_status) == ("SHIPPED", "Shipped")
    assert view.items[0].unit_price == Decimal("2.5")
    back = view.to_v0()
    assert back.order.amazon_order_id == "902-1"
    assert back.items[0].quantity_ordered == 4


def test_no_personal_data_is_shown() -> None:
    """Neither the view's repr nor v0's has it."""
    view = OrderView.from_2026(ORDER)
    assert "lanted" not in repr(view)
    assert "lanted" not in repr(view.to_v0())
    assert "lanted" not in str(view)
    assert pickle.loads(pickle.dumps(view)) == view


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(ORDER)), inner, max_size=4),
        max_leaves=20,
    )
)
def test_an_order_of_any_form_is_a_view_or_a_clear_error(content: Any) -> None:
    """Every member may have any type; only DecodeError is raised."""
    try:
        view = OrderView.from_2026(content)
    except DecodeError:
        assert not isinstance(content, dict) or len(str(content.get("orderId"))) > 255
    else:
        view.to_v0()


@pytest.mark.parametrize("body", [b"[]", b"nonsense", b'"text"'])
def test_an_invalid_order_is_refused(body: bytes) -> None:
    """The error is the library's own."""
    with pytest.raises(DecodeError, match="JSON object"):
        OrderView.from_2026(body)


async def test_an_unknown_order_is_not_found() -> None:
    """The error is that of every look-up."""
    async with (
        Emulator(orders=1, rate_scale=1000) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        with pytest.raises(NotFoundError):
            await app.selling_partner("Atzr|one", region="NA").orders.get("902-0000000-0000000")


def test_looking_at_an_order_needs_no_database() -> None:
    """``seller.orders`` works without the extra ``sync``."""
    program = """
import sys
sys.modules.update({name: None for name in ("sqlalchemy", "alembic", "aiosqlite")})
from spapi_async import Application
print(Application("app", "secret").selling_partner("Atzr|one", region="NA").orders)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("<Orders of ")


async def test_a_reply_without_an_order_says_which_call_it_answered() -> None:
    """As every error does."""
    async with Emulator(orders=1) as emulator, Application("app", "secret", endpoint=emulator.url) as app:
        emulator.faults({"operation": "orders_2026_01_01.get_order", "status": 200, "body": "{}"})
        with pytest.raises(DecodeError, match=r"orders_2026_01_01.get_order.*contains no order") as caught:
            await app.selling_partner("Atzr|one", region="NA").orders.get("902-3159896-1390916")
        assert caught.value.operation == "orders_2026_01_01.get_order"

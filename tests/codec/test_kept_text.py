"""Text that Amazon sends instead of an object: it is kept, and shown in no repr."""

from __future__ import annotations

import copy
import pickle

import msgspec

from spapi_async._codec.response import decode
from spapi_async.api.merchant_fulfillment_v0 import GET_SHIPMENT
from spapi_async.api.orders_v0 import GET_ORDER
from spapi_async.models.orders_v0 import Order

ADDRESS = "Jane Roe, 1 Main Street"


def order_with_text_for_an_address() -> Order:
    """An order whose shipping address is one line."""
    body = msgspec.json.encode({"payload": {"AmazonOrderId": "1", "ShippingAddress": ADDRESS}})
    order = decode(GET_ORDER, 200, {}, body).body
    assert isinstance(order, Order)
    return order


def test_text_instead_of_an_object_is_in_no_repr() -> None:
    """An address in one line is still an address, in the model that holds it and by itself."""
    order = order_with_text_for_an_address()
    address: object = order.shipping_address
    assert address == ADDRESS
    assert "Roe" not in repr(order) + repr(address) + repr([address])


def test_text_instead_of_an_object_is_a_string() -> None:
    """It has the methods of a string, pickles, copies, and is encoded as Amazon sent it."""
    order = order_with_text_for_an_address()
    address: object = order.shipping_address
    assert isinstance(address, str)
    assert address.partition(",")[0] == "Jane Roe"
    assert pickle.loads(pickle.dumps(order)) == copy.deepcopy(order) == order
    assert msgspec.json.decode(msgspec.json.encode(order))["ShippingAddress"] == ADDRESS


def test_text_instead_of_any_object_is_hidden() -> None:
    """The reply breaks its model, so the model cannot tell whether it is personal."""
    body = msgspec.json.encode({"payload": {"ShipmentId": "1", "Insurance": ADDRESS, "Label": [ADDRESS]}})
    assert "Roe" not in repr(decode(GET_SHIPMENT, 200, {}, body).body)

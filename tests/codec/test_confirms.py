"""Whether a 2xx reply to a write contains the result of the write."""

from __future__ import annotations

from typing import Any

import pytest

from spapi_async._codec.response import confirms, decode
from spapi_async._core.operation import Operation
from spapi_async.api.customer_feedback_2024_06_01 import GET_ITEM_BROWSE_NODE
from spapi_async.api.feeds_2021_06_30 import CANCEL_FEED, CREATE_FEED
from spapi_async.api.notifications_v1 import CREATE_SUBSCRIPTION
from spapi_async.api.orders_v0 import CONFIRM_SHIPMENT
from spapi_async.api.vendor_orders_v1 import SUBMIT_ACKNOWLEDGEMENT


@pytest.mark.parametrize(
    ("operation", "status", "body", "confirmed"),
    [
        (CREATE_FEED, 202, b'{"feedId":"1"}', True),
        (CREATE_FEED, 202, b'{"feedId":1}', True),
        (CREATE_FEED, 202, b"{}", False),
        (CREATE_FEED, 202, b'{"feedId":null}', False),
        (CREATE_FEED, 202, b"null", False),
        (CREATE_FEED, 202, b"[]", False),
        (CREATE_FEED, 202, b"", False),
        (CREATE_FEED, 204, b"", False),
        (CREATE_SUBSCRIPTION, 204, b"", False),
        (CANCEL_FEED, 204, b"", True),
        (CREATE_SUBSCRIPTION, 200, b'{"payload":{"subscriptionId":"1"}}', True),
        (CREATE_SUBSCRIPTION, 200, b"{}", False),
        (CREATE_SUBSCRIPTION, 200, b'{"payload":null}', False),
        (SUBMIT_ACKNOWLEDGEMENT, 200, b'{"payload":{}}', True),
        (SUBMIT_ACKNOWLEDGEMENT, 200, b'{"payload":null}', False),
        (SUBMIT_ACKNOWLEDGEMENT, 200, b"{}", False),
        (CANCEL_FEED, 200, b"{}", True),
        (CANCEL_FEED, 200, b"", True),
        (CONFIRM_SHIPMENT, 204, b"", True),
    ],
    ids=str,
)
def test_a_write_is_confirmed_by_any_result_of_its_model(
    operation: Operation[Any], status: int, body: bytes, confirmed: bool
) -> None:
    """Where the model has no result, any 2xx confirms it."""
    assert confirms(operation, decode(operation, status, {}, body)) is confirmed


@pytest.mark.parametrize(("status", "confirmed"), [(204, True), (200, False), (202, False)])
def test_a_204_is_a_result_where_the_operation_declares_one(status: int, confirmed: bool) -> None:
    """Its model has required members, but Amazon announces that there may be no body."""
    assert confirms(GET_ITEM_BROWSE_NODE, decode(GET_ITEM_BROWSE_NODE, status, {}, b"")) is confirmed

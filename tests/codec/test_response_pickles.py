"""A reply can be passed to another process and put into a cache."""

from __future__ import annotations

import copy
import pickle

from multidict import CIMultiDict, CIMultiDictProxy

from spapi_async._codec.response import Response, decode
from spapi_async.api.orders_v0 import GET_ORDER
from spapi_async.models.orders_v0 import Order

HEADERS = CIMultiDictProxy(CIMultiDict([("X-Amzn-RequestId", "r-1"), ("Vary", "a"), ("Vary", "b")]))


def reply() -> Response[Order]:
    """A reply with headers as aiohttp gives them."""
    return decode(GET_ORDER, 200, HEADERS, b'{"payload": {"AmazonOrderId": "1"}}', attempts=2)


def test_a_reply_pickles() -> None:
    """Body, facts and every header arrive; header names stay case-insensitive."""
    sent, received = reply(), pickle.loads(pickle.dumps(reply()))
    assert (received.body, received.violations, received.attempts) == (sent.body, sent.violations, 2)
    assert received.headers["x-amzn-requestid"] == received.request_id == "r-1"
    assert received.headers.getall("vary") == ["a", "b"]


def test_a_reply_copies() -> None:
    """``copy.deepcopy`` gives another body that is equal."""
    sent = reply()
    made = copy.deepcopy(sent)
    assert made.body == sent.body
    assert made.body is not sent.body

"""Errors carry what Amazon's support asks for, and no secrets or personal data."""

import pickle

import pytest
from insides import token_endpoint
from raw_server import answering, raw_server, reply

from spapi_async import Application, NotFoundError, SPAPIError

NOT_FOUND = reply(
    b'{"errors": [{"code": "NotFound", "message": "no such order"}], "access_token": "Atza|a", "expires_in": 3600}',
    "404 Not Found",
    "x-amzn-RequestId: R-1",
    "x-amzn-RateLimit-Limit: 0.5",
    "Date: Thu, 26 Nov 2026 06:00:00 GMT",
    "Set-Cookie: session=MARK",
    "x-echo: Atza|MARK",
)


async def the_error() -> SPAPIError:
    async with raw_server(answering(NOT_FOUND)) as server, Application("app", "secret", endpoint=server.url) as app:
        token_endpoint(app).issue = granted
        with pytest.raises(NotFoundError) as caught:
            await app.selling_partner("Atzr|a", region="na").orders_v0.get_order_items("MARK-1", next_token="MARK")
        return caught.value


async def granted(form: object) -> object:
    from spapi_async.auth._lwa import IssuedTokens
    from spapi_async.auth._token import Token

    return IssuedTokens(access_token=Token("Atza|a", issued_at=0.0, expires_at=1e12))


async def test_an_error_has_the_headers_of_its_reply() -> None:
    """Their names have any case, secrets are left out, and pickling keeps them."""
    error = await the_error()
    for each in (error, pickle.loads(pickle.dumps(error))):
        assert each.headers["X-AMZN-REQUESTID"] == each.request_id == "R-1"
        assert each.rate_limit == 0.5
        assert "MARK" not in repr(dict(each.headers))


async def test_a_support_case_says_what_amazon_asks_for() -> None:
    """It has operation, request without values, request id and time, but no order id and no token."""
    text = (await the_error()).support_case()
    assert "Operation: orders_v0.get_order_items" in text
    assert "Request: GET /orders/v0/orders/{orderId}/orderItems?NextToken=…" in text
    assert "Request id: R-1" in text
    assert "HTTP status: 404" in text
    assert "Date header: Thu, 26 Nov 2026 06:00:00 GMT" in text
    assert "\nTime: 20" in text
    assert "MARK" not in text


def test_a_support_case_without_a_request_names_the_error() -> None:
    """Outside of a call there is no request."""
    assert SPAPIError("what happened").support_case() == "Error: SPAPIError: what happened"

"""What is refused before any handler: paths, verbs, arguments, bodies."""

from __future__ import annotations

import pytest
from direct import US, running

from spapi_async.api.feeds_2021_06_30 import CREATE_FEED
from spapi_async.api.orders_v0 import GET_ORDER_ADDRESS
from spapi_async.emulator.gateway.arguments import read_body
from spapi_async.emulator.gateway.pages import page_of
from spapi_async.emulator.identity.tokens import Covers

SEARCH = "/catalog/2022-04-01/items"


async def test_unknown_path_is_a_bare_403() -> None:
    """It is 403 Unauthorized without content type, request id or gateway id."""
    async with running() as api:
        answer = await api.get("/no/such/path")
        assert (answer.status, answer.error["code"]) == (403, "Unauthorized")
        assert answer.error["details"] == "no operation GET /no/such/path"
        for name in ("Content-Type", "x-amzn-RequestId", "x-amz-apigw-id"):
            assert name not in answer.headers
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert (await api.send("DELETE", "/sellers/v1/account")).status == 403


async def test_the_root_answers_with_the_time() -> None:
    """``GET /`` is the only path outside of the operations that answers 200."""
    async with running() as api:
        assert "timestamp" in (await api.send("GET", "/", token="")).json


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "marketplaceIds is missing."),
        (f"marketplaceIds={US},A2EUQ1WTGCTBG2&keywords=x", "marketplaceIds has 2 values."),
        (f"marketplaceIds={US}&keywords=x&includedData=weather", "includedData: 'weather' is not a valid value."),
        (f"marketplaceIds={US}&keywords=x&pageSize=21", "pageSize: 21 is too large."),
        (f"marketplaceIds={US}&keywords=x&pageSize=ten", "pageSize: 'ten' is not a number."),
        (f"marketplaceIds={US}&keywords=x&pageSize=5&pageSize=6", "pageSize is given 2 times."),
    ],
)
async def test_arguments_are_checked(query: str, message: str) -> None:
    """A wrong argument gets 400 InvalidInput with its name."""
    async with running() as api:
        answer = await api.send("GET", f"{SEARCH}?{query}")
        assert (answer.status, answer.error["code"], answer.error["message"]) == (400, "InvalidInput", message)


async def test_an_unencoded_query_has_a_null_message() -> None:
    """A raw ``=`` in a value is the gateway's InvalidQueryStringException; a raw ``+`` is a space."""
    async with running() as api:
        answer = await api.send("GET", "/orders/v0/orders?MarketplaceIds=A1&NextToken=abc==")
        assert (answer.status, answer.error["message"]) == (400, None)
        assert answer.headers["X-Amzn-ErrorType"] == "InvalidQueryStringException"
        payload = (
            await api.get(
                "/orders/v0/orders",
                MarketplaceIds=f"{US},A1AM78C64UM0Y8",
                LastUpdatedAfter="2020-01-01",
                MaxResultsPerPage=2,
            )
        ).json["payload"]
        mangled = payload["NextToken"].replace("=", "%3D").replace("/", "%2F")
        again = await api.send(
            "GET", f"/orders/v0/orders?MarketplaceIds={US}&LastUpdatedAfter=2020-01-01&NextToken={mangled}"
        )
        assert again.error["message"].startswith("We could not decode your NextToken")


async def test_a_get_with_a_body_is_refused() -> None:
    """Amazon answers 400 to a GET that carries a body or a Content-Length."""
    async with running() as api:
        for headers, body in (({}, b"{}"), ({"Content-Length": "0"}, None)):
            answer = await api.send("GET", "/sellers/v1/account", body=body, headers=headers)
            assert (answer.status, answer.error["code"]) == (400, "InvalidInput")


async def test_bodies_are_checked_against_their_model() -> None:
    """A missing field is named; a body that is not JSON, or not sent as JSON, is refused."""
    async with running() as api:
        path = "/reports/2021-06-30/reports"
        missing = await api.send("POST", path, body={"marketplaceIds": [US]})
        assert (missing.status, missing.error["code"]) == (400, "InvalidInput")
        assert "reportType" in missing.error["message"]
        assert (await api.send("POST", path)).error["message"] == "The request body is missing."
        odd = await api.send("POST", path, body=b"{", headers={"Content-Type": "application/json"})
        assert odd.error["message"] == "The request body is not JSON."
        assert (await api.send("POST", path, body=b"{}", headers={"Content-Type": "text/xml"})).status == 415


async def test_path_values_are_decoded_once() -> None:
    """A SKU with a slash stays one segment, and its percent signs are decoded exactly once."""
    async with running() as api:
        answer = await api.send("GET", f"/listings/2021-08-01/items/SELLER/a%2Fb%2525?marketplaceIds={US}")
        assert (answer.status, answer.error["message"]) == (404, "SKU 'a/b%25' not found in marketplace.")


async def test_doubly_encoded_lists_are_decoded_twice() -> None:
    """The two ``mskus`` parameters undo Amazon's double encoding: the echo has the SKUs themselves."""
    async with running(synthetic=True) as api:
        query = f"mskus=test%252Cmsku&marketplaceId={US}"
        answer = await api.send("GET", f"/inbound/fba/2024-03-20/items/prepDetails?{query}")
        assert answer.status == 200
        assert answer.json["mskuPrepDetails"][0]["msku"]


async def test_unknown_parameters_are_ignored_but_counted() -> None:
    """Amazon ignores them; the statistics list them, since they are often misspellings."""
    async with running() as api:
        assert (await api.get("/sellers/v1/account", marketplaceId=US)).status == 200
        assert api.emulator.stats()["unknown_parameters"] == {"sellers_v1.get_account marketplaceId": 1}


async def test_a_long_user_agent_is_rejected() -> None:
    """It may have 500 characters."""
    async with running() as api:
        answer = await api.send("GET", "/sellers/v1/account", headers={"User-Agent": "x" * 501})
        assert answer.status == 400


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=UTF-8", ""])
def test_a_content_type_is_json_in_any_case(content_type: str) -> None:
    """Amazon's gateway accepts any case."""
    body = b'{"feedType":"JSON_LISTINGS_FEED","marketplaceIds":["A"],"inputFeedDocumentId":"d"}'
    assert read_body(CREATE_FEED, body, content_type)["feedType"] == "JSON_LISTINGS_FEED"


@pytest.mark.parametrize("count", range(1, 9))
def test_the_last_page_has_no_token(count: int) -> None:
    """The number of items does not matter, even if they fill their pages."""
    items, pages, token = list(range(count)), [], None
    while True:
        page, token = page_of(items, 4, token, {"a": 1}, 0.0)
        pages.append(page)
        if token is None:
            break
    assert [each for page in pages for each in page] == items
    assert all(pages)


def test_a_restricted_token_covers_a_path_however_it_is_encoded() -> None:
    """The path in the token's request and that of the call may be encoded differently."""
    covers = Covers([("GET", "/orders/v0/orders/a%2Db/address", frozenset({"x"}))])
    assert covers.elements(GET_ORDER_ADDRESS, "/orders/v0/orders/a%2db/address") == frozenset({"x"})
    assert covers.elements(GET_ORDER_ADDRESS, "/orders/v0/orders/c/address") is None

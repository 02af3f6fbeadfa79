"""Replies that break their model: valid parts are read, and only SPAPIError is raised."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from spapi_async import Operation, SPAPIError
from spapi_async._codec.response import decode
from spapi_async.workflows.catalog import _catalog
from spapi_async.workflows.fees import _fees
from spapi_async.workflows.inventory import _inventory
from spapi_async.workflows.listings import _listings
from spapi_async.workflows.lookups._fetch import fetch_batch
from spapi_async.workflows.lookups._rule import Rule
from spapi_async.workflows.pricing import _rules as pricing

ODD: tuple[Any, ...] = (None, 5, 1.5, True, "", "text", "9" * 5000, [], [None], [5], [[]], {}, {"a": {}})
ERRORS = {"errors": [{"code": "InvalidInput", "message": "no"}]}
OFFERS = [
    {"status": {"statusCode": 200}, "request": {"Asin": "K", "SellerSKU": "K"}, "body": {"payload": {"ASIN": "K"}}},
    {"status": {"statusCode": 400}, "request": {"Asin": "L", "SellerSKU": "L"}, "body": ERRORS},
]
IDENTIFIERS = [{"marketplaceId": "ATVPDKIKX0DER", "identifiers": [{"identifierType": "EAN", "identifier": "K"}]}]
FEES = {"Status": "Success", "FeesEstimateIdentifier": {"SellerInputIdentifier": "0"}, "Error": {"Code": "x"}}
BODIES: list[tuple[Rule[Any, Any], Any]] = [
    (_catalog.ITEM, {"items": [{"asin": "K"}], "pagination": {}}),
    (_catalog.BY_BARCODE, {"items": [{"asin": "B", "identifiers": IDENTIFIERS}]}),
    (_listings.ITEM, {"items": [{"sku": "K"}], "pagination": {}}),
    (_inventory.SUMMARY, {"payload": {"inventorySummaries": [{"sellerSku": "K"}]}, "pagination": {}}),
    (_fees.ESTIMATE, [FEES, {**FEES, "Status": "ClientError"}]),
    (pricing.OFFERS, {"responses": OFFERS}),
    (pricing.LISTING_OFFERS, {"responses": OFFERS}),
    (pricing.PRICE, {"payload": [{"status": "Success", "ASIN": "K", "Product": {}}]}),
    (pricing.COMPETITIVE_SUMMARY, {"responses": [{"status": {"statusCode": 200}, "body": {"asin": "K"}}]}),
    (pricing.EXPECTED_PRICE, {"responses": [{"status": {"statusCode": 200}, "request": {"sku": "K"}, "body": {}}]}),
]


class Answering:
    """A caller that gets this body, and empty pages after it."""

    def __init__(self, body: bytes) -> None:
        self.bodies = [body]

    async def call(self, operation: Operation[Any], /, **_arguments: Any) -> Any:
        return decode(operation, 200, {}, self.bodies.pop() if self.bodies else b"null")


def spoilt(content: Any) -> Iterator[Any]:
    """The content with each value replaced by each odd value."""

    def places(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        yield path
        inside = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
        for key, each in inside:
            yield from places(each, (*path, key))

    for path in places(content, ()):
        for odd in ODD:
            if not path:
                yield odd
                continue
            whole = copy.deepcopy(content)
            parent = whole
            for key in path[:-1]:
                parent = parent[key]
            parent[path[-1]] = odd
            yield whole


async def look_up(rule: Rule[Any, Any], body: bytes, *, raw: bool) -> dict[Any, Any]:
    """The result of a request for two keys."""
    unasked = msgspec.structs.replace(rule, arguments=lambda *_: {})
    return (await fetch_batch(unasked, None, ["K", "L"], Answering(body), raw=raw)).found  # type: ignore[arg-type]


@pytest.mark.parametrize("raw", [False, True], ids=["values", "bytes"])
@pytest.mark.parametrize(("rule", "body"), BODIES, ids=[rule.name for rule, _ in BODIES])
async def test_an_odd_reply_is_read_or_an_error_of_the_library(rule: Rule[Any, Any], body: Any, raw: bool) -> None:
    """Any one value may be odd; the good reply gives its answer."""
    assert "K" in await look_up(rule, json.dumps(body).encode(), raw=raw)
    for content in spoilt(body):
        with suppress(SPAPIError):
            await look_up(rule, json.dumps(content).encode(), raw=raw)


@pytest.mark.parametrize(
    "odd",
    [b'"\xff": 1', b'"x": "\xff"', b'"x": ' + 3_000 * b"[" + 3_000 * b"]", b'"\\ud800": 1', b'"x": 1e999'],
    ids=["key", "text", "deep", "surrogate", "number"],
)
@pytest.mark.parametrize("place", ["body", "entry"])
async def test_bytes_that_are_kept_are_json_in_utf8(odd: bytes, place: str) -> None:
    """They are written to files and databases; where Amazon's own are invalid, the decoded value is encoded anew."""
    whole, entry = (odd + b"," if place == name else b"" for name in ("body", "entry"))
    found = await look_up(_catalog.ITEM, b'{%s"items": [{%s"asin": "K"}]}' % (whole, entry), raw=True)
    found["K"].decode()
    assert bytes(msgspec.json.decode(found["K"], type=dict[str, msgspec.Raw])["asin"]) == b'"K"'


async def test_the_error_of_an_entry_quotes_no_token() -> None:
    """It is on one line, like the error of a whole reply."""
    errors = {"errors": [{"code": "x", "message": "Atza|very-secret\n\x1b[2J"}]}
    body = {"responses": [{"status": {"statusCode": 400}, "request": {"Asin": "K"}, "body": errors}]}
    error = (await look_up(pricing.OFFERS, json.dumps(body).encode(), raw=False))["K"]
    assert "x: Atza|…" in str(error)
    assert str(error).isprintable()

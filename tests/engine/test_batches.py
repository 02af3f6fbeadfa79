"""A batch reply is a 200 whose items may have status 429: these count for their bucket and are requested again."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from raw_server import raw_server, reply

from spapi_async import Application, SellingPartner, SPAPIError, call_options
from spapi_async._codec.known_limits import BATCHES
from spapi_async._codec.response import decode
from spapi_async._core.clock import SystemClock
from spapi_async._core.events import Event
from spapi_async._core.options import current_options
from spapi_async._engine.batches import only, send_whole, spliced, throttled
from spapi_async.api.product_pricing_v0 import GET_ITEM_OFFERS_BATCH

OFFERS = "product_pricing_v0.get_item_offers_batch"
FEES = "product_fees_v0.get_my_fees_estimates"
TOKEN = reply(b'{"access_token": "Atza|a", "expires_in": 3600, "token_type": "bearer"}')


def answer(asin: str, status: int = 200) -> dict[str, Any]:
    return {"request": {"Asin": asin}, "status": {"statusCode": status, "reasonPhrase": ""}, "headers": {}, "body": {}}


def test_throttled_items_are_found_by_their_status() -> None:
    """The status of an offer and the code of a fee count; the number 429 elsewhere in an item does not."""
    offers = json.dumps({"responses": [answer("a"), answer("429"), answer("c", 429)]}).encode()
    assert throttled(BATCHES[OFFERS], offers) == (2,)
    codes = ("QuotaExceeded", "InvalidParameterValue")
    fees: list[Any] = [{"Status": "ServiceError", "Error": {"Code": code}} for code in codes]
    assert throttled(BATCHES[FEES], json.dumps([*fees, {"Status": "Success"}]).encode()) == (0,)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"429",
        b"null",
        b'{"responses": 429}',
        b'{"responses": [429, "429", null]}',
        b"[429",
        b'[{"Error": {"Code": ["QuotaExceeded"]}}]',
    ],
)
@pytest.mark.parametrize("name", [OFFERS, FEES])
def test_a_reply_of_another_shape_has_no_throttled_items(name: str, raw: bytes) -> None:
    """Looking for throttled items raises nothing; the decoder reports what is wrong with the reply."""
    assert throttled(BATCHES[name], raw) == ()


def test_new_answers_replace_the_throttled_items() -> None:
    """The bytes of the other items stay: a price keeps its digits, and keys that no model knows are kept."""
    raw = b'{"new":1.10,"responses":[{"a":1.0},{"status":{"statusCode":429}},{"b":2.50}]}'
    whole = spliced(BATCHES[OFFERS], raw, (1,), b'{"responses":[{"price":9.990}]}')
    assert whole == b'{"new":1.10,"responses":[{"a":1.0},{"price":9.990},{"b":2.50}]}'
    assert spliced(BATCHES[OFFERS], raw, (1,), b'{"responses":[]}') is None


def test_the_next_request_holds_only_the_throttled_items() -> None:
    """The other members of the body stay; a position that the body does not have gives no request."""
    body = {"requests": ["a", "b", "c"], "other": 1}
    assert only(BATCHES[OFFERS], body, (0, 2)) == {"requests": ["a", "c"], "other": 1}
    assert only(BATCHES[FEES], ["a", "b"], (1,)) == ["b"]
    assert only(BATCHES[OFFERS], body, (3,)) is None


class Amazon:
    """Answers token requests, and each batch from ``script``: the status of each ASIN, 200 where it names none."""

    def __init__(self, *script: dict[str, int]) -> None:
        self.script = list(script)
        self.asked: list[list[str]] = []

    async def __call__(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        if b"/auth/o2/token" in request:
            writer.write(TOKEN)
        else:
            asins = [part["uri"].split("/")[-2] for part in json.loads(request.partition(b"\r\n\r\n")[2])["requests"]]
            self.asked.append(asins)
            statuses = self.script.pop(0) if self.script else {}
            answers = [answer(asin, statuses.get(asin, 200)) for asin in asins]
            number = f"x-amzn-RequestId: {len(self.asked)}"
            writer.write(reply(json.dumps({"responses": answers}).encode(), "200 OK", number))
        await writer.drain()


@asynccontextmanager
async def seller_on(amazon: Amazon, events: list[Event] | None = None) -> AsyncIterator[SellingPartner]:
    """A seller whose limiter never makes a call wait."""
    observers = [] if events is None else [events.append]
    async with (
        raw_server(amazon) as server,
        Application("app", "secret", endpoint=server.url, observers=observers, limiter=NeverWaiting()) as app,
    ):
        yield app.selling_partner("Atzr|a", region="na")


class NeverWaiting:
    """A limiter that admits every call at once and records the statuses it observes."""

    def __init__(self) -> None:
        self.heard: list[int | None] = []
        self.waited = 0.0

    def bind(self, **application: Any) -> None: ...

    async def acquire(self, operation: Any, account: Any, **options: Any) -> Any:
        return self

    def forecast(self, operation: Any, account: Any, arguments: Any = None, **options: Any) -> float:
        return 0.0

    def throttled(self, operation: Any, account: Any, arguments: Any = None) -> None: ...

    def observe(self, status: int | None, rate: float | None, refusal: bytes = b"") -> None:
        self.heard.append(status)

    def release(self) -> None: ...

    def limits(self) -> tuple[()]:
        return ()

    async def aclose(self) -> None: ...


def body(*asins: str) -> dict[str, Any]:
    uri = "/products/pricing/v0/items/{}/offers"
    return {
        "requests": [
            {"uri": uri.format(asin), "method": "GET", "MarketplaceId": "ATVPDKIKX0DER", "ItemCondition": "New"}
            for asin in asins
        ]
    }


def statuses(response: Any) -> dict[str, int]:
    return {each.request.asin: each.status.status_code for each in response.body.responses}


async def test_each_request_of_a_batch_gets_the_rest_of_the_deadline() -> None:
    """A repetition does not get the whole deadline anew."""
    batch, deadlines, left = BATCHES[OFFERS], [], [10.0, 6.0, 1.0, 0.0]

    class Clock(SystemClock):
        def monotonic(self) -> float:
            return 10.0 - left[0]

    async def send(arguments: Any) -> Any:
        deadlines.append(current_options().deadline)
        left.pop(0)
        raw = json.dumps({"responses": [answer("a", 429)]}).encode()
        return decode(GET_ITEM_OFFERS_BATCH, 200, {}, raw)

    with call_options(deadline=10.0):
        await send_whole(
            send, batch, GET_ITEM_OFFERS_BATCH, {"body": body("a")}, attempts=9, clock=Clock(), strict=False
        )
    assert deadlines == [10.0, 6.0, 1.0]


async def sent_whole(*replies: bytes) -> tuple[bytes, list[list[str]]]:
    """Send a batch of a, b and c that gets these replies in turn; returns its final reply and what was requested."""
    asked: list[list[str]] = []

    async def send(arguments: Any) -> Any:
        asked.append([part["uri"].split("/")[-2] for part in arguments["body"]["requests"]])
        return decode(GET_ITEM_OFFERS_BATCH, 200, {}, replies[len(asked) - 1])

    arguments = {"body": body(*"abc")}
    whole = send_whole(
        send, BATCHES[OFFERS], GET_ITEM_OFFERS_BATCH, arguments, attempts=2, clock=SystemClock(), strict=False
    )
    return (await whole).raw, asked


@pytest.mark.parametrize("broken", [b"", b"null", b"[]", b'{"responses": null}', b'{"responses": {"b": 1}}'])
async def test_answers_are_kept_when_the_reply_to_the_others_is_broken(broken: bytes) -> None:
    """As with any other failure of a repetition, the items that were throttled still say so."""
    first = json.dumps({"responses": [answer("a"), answer("b", 429), answer("c")]}).encode()
    assert await sent_whole(first, broken) == (first, [["a", "b", "c"], ["b"]])


async def test_no_item_is_requested_again_when_a_reply_lacks_one() -> None:
    """Here the third request is throttled; sent again by its place in the reply, the second would take its place."""
    first = json.dumps({"responses": [answer("a"), answer("c", 429)]}).encode()
    assert await sent_whole(first) == (first, [["a", "b", "c"]])


async def test_a_throttled_item_is_requested_again_alone() -> None:
    """It is requested until it is answered.

    The reply is whole, in the order of the requests, and states the attempts and the id of the last request.
    """
    amazon = Amazon({"b": 429, "d": 429}, {"d": 429})
    async with seller_on(amazon) as seller:
        response = await seller.call(GET_ITEM_OFFERS_BATCH, body=body(*"abcd"))
    assert amazon.asked == [["a", "b", "c", "d"], ["b", "d"], ["d"]]
    assert statuses(response) == dict.fromkeys("abcd", 200)
    assert (response.attempts, response.request_id) == (3, "3")


async def test_a_throttled_item_counts_for_its_bucket() -> None:
    """The limiter observes a 429, though the reply was a 200."""
    amazon = Amazon({"a": 429})
    async with seller_on(amazon) as seller:
        await seller.call(GET_ITEM_OFFERS_BATCH, body=body("a", "b"))
        assert seller.application.limiter.heard == [429, 200]  # type: ignore[attr-defined]


async def test_answered_items_are_kept_when_the_others_stay_throttled() -> None:
    """After the last attempt the reply has the answered items, and 429 as the status of the others."""
    amazon = Amazon(*[{"b": 429}] * 50)
    async with seller_on(amazon) as seller:
        response = await seller.call(GET_ITEM_OFFERS_BATCH, body=body("a", "b"))
    assert statuses(response) == {"a": 200, "b": 429}
    assert len(amazon.asked) == 20


async def test_a_deadline_bounds_the_repetitions() -> None:
    """A deadline that has passed is an error; with time left, the answered items are returned."""
    amazon = Amazon(*[{"b": 429}] * 50)
    async with seller_on(amazon) as seller:
        with call_options(deadline=0.000_001), pytest.raises(SPAPIError):
            await seller.call(GET_ITEM_OFFERS_BATCH, body=body("a", "b"))
        with call_options(deadline=30):
            assert statuses(await seller.call(GET_ITEM_OFFERS_BATCH, body=body("a", "b")))["a"] == 200


async def test_an_item_with_another_error_is_not_requested_again() -> None:
    """A 400 is the item's answer."""
    amazon = Amazon({"b": 400})
    async with seller_on(amazon) as seller:
        response = await seller.call(GET_ITEM_OFFERS_BATCH, body=body("a", "b"))
    assert (len(amazon.asked), statuses(response)) == (1, {"a": 200, "b": 400})


async def test_a_batch_under_way_ends_during_the_grace_period() -> None:
    """Its throttled items are still requested again after the application has begun to close."""
    amazon = Amazon({"b": 429}, {"b": 429})
    closing: list[asyncio.Task[None]] = []

    async def closing_meanwhile(request: bytes, writer: asyncio.StreamWriter) -> None:
        if b"/auth/o2/token" not in request and not closing:
            closing.append(asyncio.create_task(app.aclose(grace=30)))
        await amazon(request, writer)

    async with raw_server(closing_meanwhile) as server:
        app = Application("app", "secret", endpoint=server.url, limiter=NeverWaiting())
        response = await app.selling_partner("Atzr|a", region="na").call(GET_ITEM_OFFERS_BATCH, body=body("a", "b"))
        await closing[0]
    assert statuses(response) == {"a": 200, "b": 200}

"""Exception reporters print local variables: those of this library's frames hold no secret and no body."""

import asyncio
import json
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from exception_reporters import MARK, REPORTERS, assert_no_secret, error_of
from hostile_campaign import CLIENT_SECRET, REFRESH_TOKEN, hostile_application, locals_shown
from hostile_faults import FAULTS
from hostile_http import BELOW_JSON
from hostile_server import HostileServer, order_id
from insides import page_writer, token_endpoint

from spapi_async import Application, RetryPolicy, SellingPartner, SPAPIError, call_options, connect
from spapi_async._engine.transport import SessionPool
from spapi_async.auth import parse_secret_notification
from spapi_async.credentials import Secret
from spapi_async.emulator import Emulator


def calls(seller: SellingPartner) -> dict[str, Callable[[], Awaitable[Any]]]:
    return {
        "get_order": lambda: seller.orders_v0.get_order(order_id(1)),
        "address": lambda: seller.orders_v0.get_order_address(order_id(1)),
        "feed": lambda: seller.feeds_2021_06_30.create_feed(
            body={"feedType": "MARK-in-a-body", "marketplaceIds": [], "inputFeedDocumentId": "d"}
        ),
        "batch": lambda: seller.product_pricing_v0.get_item_offers_batch(
            body={"requests": [{"uri": "/products/pricing/v0/items/MARK-in-a-body/offers", "method": "GET"}]}
        ),
        "orders": lambda: anext(seller.orders_2026_01_01.iter_orders(last_updated_after="2026-01-01T00:00:00Z")),
    }


SERVERS = 20  # concurrently, since most of a fault's time is waiting


@pytest.mark.long
@pytest.mark.parametrize("decoding", ["lenient", "strict"])
async def test_no_fault_of_the_api_shows_a_secret(decoding: Any) -> None:
    """Tokens, the client secret and buyers are not in the frames of any error, whatever the API answers.

    Strict decoding makes a difference only to replies that arrive, and the same one to each call: two are enough.
    """
    strict = decoding == "strict"
    kinds = sorted(FAULTS.keys() - BELOW_JSON if strict else FAULTS)
    names = ("address", "orders") if strict else ("get_order", "address", "feed", "batch", "orders")
    seen: set[object] = set()
    each_server = (check_faults(kinds[each::SERVERS], names, decoding, seen) for each in range(SERVERS))
    assert sum(await asyncio.gather(*each_server)) > 0.4 * len(names) * len(kinds)


def reporters_of(error: BaseException, seen: set[object]) -> list[Callable[[BaseException], str]]:
    """Every reporter for the first error that came on its way, and the one that shows most for those after it."""
    way = way_of(error)
    if way in seen:
        return [locals_shown]
    seen.add(way)
    return REPORTERS


def way_of(error: BaseException) -> tuple[object, ...]:
    """The kinds of an error and its causes, and the frames through which they came."""
    frames = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    cause = error.__cause__ or error.__context__
    return (type(error), *frames, *(way_of(cause) if cause else ()))


async def check_faults(kinds: list[str], names: Sequence[str], decoding: Any, seen: set[object]) -> int:
    """Meet each fault in each of these calls, and return how many of them failed."""
    failed = 0
    async with (
        HostileServer(1, share=0.0) as server,
        hostile_application(server, decoding=decoding, retry=RetryPolicy(attempts=1)) as app,
    ):
        seller = app.selling_partner(REFRESH_TOKEN, region="na")
        endpoint = token_endpoint(app)
        endpoint.timeout, usual = 30.0, endpoint.timeout  # a busy machine may take longer for its first exchange
        await seller.orders_v0.get_order_address(order_id(1))  # tokens are in the cache
        endpoint.timeout = usual
        for kind in kinds:
            server.kinds, server.share = [kind], 1.0
            for name in names:
                with call_options(timeout=0.1, deadline=3.0):
                    error = await error_of(calls(seller)[name]())
                if error is not None and not isinstance(error, StopAsyncIteration):
                    assert isinstance(error, SPAPIError), (kind, name, error)
                    assert_no_secret(error, f"{kind}, {name}", reporters_of(error, seen))
                    failed += 1
    return failed


async def test_no_fault_of_the_token_endpoint_shows_a_secret() -> None:
    """A lost, refused or broken token reply shows neither the request's form nor the reply."""
    seen: set[object] = set()
    async with HostileServer(1, share=0.0) as server:
        for kind in FAULTS:
            server.kinds, server.share = [kind], 1.0
            async with hostile_application(server) as app:
                token_endpoint(app).retry_delays = (0.001,)
                seller = app.selling_partner(REFRESH_TOKEN, region="na")
                with call_options(timeout=0.1, deadline=3.0):
                    error = await error_of(seller.orders_v0.get_order(order_id(1)))
            if error is not None:
                assert isinstance(error, SPAPIError), (kind, error)
                assert_no_secret(error, kind, reporters_of(error, seen))


async def test_a_cancelled_call_shows_no_secret() -> None:
    """A caller's own timeout passes through the frames of aiohttp, which hold the headers."""
    async with HostileServer(1, share=0.0) as server, hostile_application(server) as app:
        seller = app.selling_partner(REFRESH_TOKEN, region="na")
        await seller.orders_v0.get_order(order_id(1))
        server.kinds, server.share = ["silence"], 1.0
        for name, call in calls(seller).items():
            error = await error_of(asyncio.wait_for(call(), 0.1))
            assert isinstance(error, TimeoutError)
            assert_no_secret(error, name)


async def test_an_unreachable_host_shows_no_secret() -> None:
    """The headers and the form of the unsent request are not shown."""
    async with Application("app", CLIENT_SECRET, endpoint="http://127.0.0.1:1") as app:
        token_endpoint(app).retry_delays = ()
        error = await error_of(app.selling_partner(REFRESH_TOKEN, region="na").orders_v0.get_order("1"))
        assert error is not None
        assert_no_secret(error, "unreachable")


URL = "http://127.0.0.1:1/doc?X-Amz-Signature=MARK-signature"


@pytest.mark.parametrize(
    "url", [URL, "http://[::1/MARK-x", "http://127.0.0.1:99999/MARK-x", "//MARK-x", "http://é\u200d/MARK-"]
)
async def test_a_presigned_url_is_not_shown(url: str) -> None:
    """Anyone who reads it can open the document."""
    pool = SessionPool(user_agent="test/1")

    async def fetch() -> None:
        async with pool.stream("GET", Secret(url), headers={}, session_key="documents"):
            pass

    error = await error_of(fetch())
    assert isinstance(error, SPAPIError)
    assert MARK not in str(error)
    assert MARK not in locals_shown_of_library(error)
    await pool.aclose()


async def _from_env() -> None:
    async with connect({"LWA_CLIENT_SECRET": CLIENT_SECRET, "SP_API_REFRESH_TOKEN": REFRESH_TOKEN}):
        pass


MADE: dict[str, Callable[[], Any]] = {
    "region": lambda: Application("app", CLIENT_SECRET).selling_partner(REFRESH_TOKEN, region="xx"),
    "spaces": lambda: Application("app", CLIENT_SECRET).selling_partner(REFRESH_TOKEN + " ", region="na"),
    "connections": lambda: Application("app", CLIENT_SECRET, connections=0),
    "no client id": lambda: Application("", CLIENT_SECRET),
    "delegated": lambda: Application("app", CLIENT_SECRET).delegated(REFRESH_TOKEN, region="xx"),
    "environment": lambda: Application.from_env({"LWA_CLIENT_SECRET": CLIENT_SECRET}),
    "connect": lambda: asyncio.run(_from_env()),
    "notification": lambda: parse_secret_notification(
        json.dumps({"payload": {"x": {"newClientSecret": CLIENT_SECRET}}})
    ),
    "notification lacks its client": lambda: parse_secret_notification(
        {"payload": {"applicationOAuthClientNewSecret": {"newClientSecret": CLIENT_SECRET}}}
    ),
    "notification is none": lambda: parse_secret_notification(CLIENT_SECRET),
}


@pytest.mark.parametrize("what", MADE)
def test_a_request_refused_locally_is_not_shown(what: str) -> None:
    """It was not sent, but the frames held it."""
    try:
        MADE[what]()
    except SPAPIError as error:
        shown = locals_shown_of_library(error)
    assert MARK not in shown


def locals_shown_of_library(error: BaseException) -> str:
    """The locals of the library's own frames; those of the caller are its own."""
    return "".join(
        with_safe_reprs(frame.f_locals)
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if frame.f_globals["__name__"].startswith("spapi_async")
    )


def with_safe_reprs(variables: dict[str, Any]) -> str:
    """Objects that were not finished have no repr."""
    shown = []
    for value in variables.values():
        with suppress(AttributeError):
            shown.append(repr(value))
    return "".join(shown)


async def test_a_failed_sync_shows_no_buyer() -> None:
    """The report keeps the error of each seller, and the error its frames."""
    from spapi_async.workflows.orders import OrderDatabase, sync_orders

    async with HostileServer(1, share=0.0) as server, hostile_application(server) as app:
        seller = app.selling_partner(REFRESH_TOKEN, region="na")
        async with OrderDatabase("sqlite:///:memory:") as database:
            page_writer(database).put = broken
            (result,) = (await sync_orders([seller], database)).sellers
    assert isinstance(result.error, LookupError)
    assert_no_secret(result.error, "sync", [locals_shown])


def broken(*rows: Any) -> Any:
    del rows
    raise LookupError


async def test_an_emulated_404_shows_no_token() -> None:
    """It is the most common failure."""
    async with Emulator(orders=1) as emulator, Application("app", CLIENT_SECRET, endpoint=emulator.url) as app:
        error = await error_of(
            app.selling_partner(REFRESH_TOKEN, region="na").orders_v0.get_order("902-0000000-0000000")
        )
    assert error is not None
    shown = locals_shown(error)
    assert "Atza|" not in shown
    assert MARK not in shown
    with suppress(SPAPIError):
        raise error

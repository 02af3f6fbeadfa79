"""Applications and their handles: what they consist of, what they share, and what they refuse."""

import asyncio
import gc
import pickle
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from insides import token_endpoint
from raw_server import hang_up, raw_server

from spapi_async import (
    Application,
    ConfigurationError,
    DecodeError,
    ForbiddenError,
    LWAError,
    Marketplace,
    NotFoundError,
    Region,
    RequestTimeoutError,
    RetryPolicy,
    SPAPIError,
    call_options,
    connect,
)
from spapi_async.api import NAMESPACES
from spapi_async.api.notifications_v1 import GET_DESTINATIONS
from spapi_async.api.orders_v0 import GET_ORDER_ADDRESS, GET_ORDERS
from spapi_async.api.sellers_v1 import GET_MARKETPLACE_PARTICIPATIONS
from spapi_async.auth import restricted_resource
from spapi_async.emulator import Emulator

ENVIRONMENT = {
    "LWA_APP_ID": "app",
    "LWA_CLIENT_SECRET": "secret",
    "SP_API_REFRESH_TOKEN": "Atzr|a",
    "SP_API_MARKETPLACE": "DE",
}
ORDERS: dict[str, Any] = {"marketplace_ids": [Marketplace.US], "created_after": "2020-01-01T00:00:00Z"}


@asynccontextmanager
async def running(
    options: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[tuple[Emulator, Application]]:
    """An emulator, and an application that talks to it."""
    async with (
        Emulator(**{"orders": 20, "rate_scale": 1000, **settings}) as emulator,
        Application("app", "secret", endpoint=emulator.url, **options or {}) as app,
    ):
        yield emulator, app


@pytest.fixture
def app() -> Application:
    """An application that never opens a connection."""
    return Application("app", "secret")


@pytest.mark.parametrize("name", ["LWA_APP_ID", "LWA_CLIENT_SECRET", "SP_API_REFRESH_TOKEN"])
async def test_a_missing_variable_is_named(name: str) -> None:
    """A blank variable counts as missing."""
    for environ in ({**ENVIRONMENT, name: " "}, {key: ENVIRONMENT[key] for key in ENVIRONMENT if key != name}):
        with pytest.raises(ConfigurationError, match=f"^environment variable {name} is not set$"):
            async with connect(environ):
                pass


async def test_a_missing_region_is_named() -> None:
    """The error names both variables that would do."""
    environ = {key: ENVIRONMENT[key] for key in ENVIRONMENT if key != "SP_API_MARKETPLACE"}
    with pytest.raises(ConfigurationError, match="set SP_API_REGION or SP_API_MARKETPLACE"):
        async with connect(environ):
            pass
    async with connect({**environ, "SP_API_REGION": "fe"}) as seller:
        assert seller.region is Region.FE


async def test_connecting_takes_everything_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process's own environment is the default; the application is closed with the block."""
    async with Emulator(orders=3) as emulator:
        for name, value in {**ENVIRONMENT, "SP_API_ENDPOINT": emulator.url}.items():
            monkeypatch.setenv(name, value)
        async with connect(timeout=5) as seller:
            assert seller.region is Region.EU
            assert await seller.sellers_v1.get_marketplace_participations()
    with pytest.raises(SPAPIError, match="closed"):
        await seller.sellers_v1.get_marketplace_participations()


def test_an_option_beats_the_environment() -> None:
    """A given endpoint replaces the variable."""
    environ = {**ENVIRONMENT, "SP_API_ENDPOINT": "not a url"}
    assert repr(Application.from_env(environ, endpoint="http://127.0.0.1:1")) == "<Application app>"
    with pytest.raises(ConfigurationError):
        Application.from_env(environ)


@pytest.mark.parametrize(
    "options",
    [
        {"client_id": ""},
        {"client_secret": " "},
        {"client_secret": None},
        {"decoding": "loose"},
        {"endpoint": "ftp://x"},
    ],
    ids=str,
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    """The error comes at once, not at the first call."""
    with pytest.raises(ConfigurationError):
        Application(**{"client_id": "app", "client_secret": "secret", **options})


@pytest.mark.parametrize(
    ("place", "region"),
    [
        ({"region": "eu"}, Region.EU),
        ({"region": Region.FE}, Region.FE),
        ({"marketplace": "US"}, Region.NA),
        ({"marketplace": Marketplace.DE}, Region.EU),
        ({"marketplace": "A1VC38T7YXB528"}, Region.FE),
        ({"region": "EU", "marketplace": "GB"}, Region.EU),
    ],
    ids=str,
)
def test_a_region_is_given_by_name_or_marketplace(app: Application, place: dict[str, Any], region: Region) -> None:
    """Both arguments lead to the same region."""
    assert app.selling_partner("Atzr|a", **place).region is region


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ({}, "give a region or a marketplace"),
        ({"region": "mars"}, "unknown region 'mars'"),
        ({"marketplace": "XX"}, "unknown marketplace 'XX'"),
        ({"region": "na", "marketplace": "DE"}, "marketplace DE belongs to region EU, not NA"),
    ],
    ids=str,
)
def test_an_invalid_region_is_refused(app: Application, place: dict[str, Any], says: str) -> None:
    """The error says what is wrong with it."""
    with pytest.raises(ConfigurationError, match=says):
        app.selling_partner("Atzr|a", **place)


def test_an_unknown_namespace_is_an_attribute_error(app: Application) -> None:
    """``hasattr`` and ``getattr`` with a default work; a known namespace is made once."""
    seller = app.selling_partner("Atzr|a", region="na")
    assert not hasattr(seller, "orders_v9")
    assert seller.orders_v0 is seller.orders_v0
    with pytest.raises(AttributeError, match="'SellingPartner' object has no attribute 'orders_v9'"):
        seller.orders_v9  # type: ignore[attr-defined] # noqa: B018


def test_dir_names_every_namespace(app: Application) -> None:
    """A shell can complete them, with the handle's own methods."""
    names = dir(app.selling_partner("Atzr|a", region="na"))
    assert {*NAMESPACES, "call", "region", "seller_id"} <= set(names)


def test_a_handle_takes_less_than_two_kilobytes(app: Application) -> None:
    """A used namespace is included."""
    assert app.selling_partner("Atzr|warm", region="na").orders_v0
    gc.collect()
    tracemalloc.start()
    handles = [app.selling_partner(f"Atzr|{number:0200}", region="na") for number in range(500)]
    assert all(handle.orders_v0 for handle in handles)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size / len(handles) < 2048


def test_reprs_show_no_secret_and_nothing_with_a_secret_pickles(app: Application) -> None:
    """They show the seller's id where it is known, and a key otherwise."""
    anonymous = app.selling_partner("Atzr|MARK", region="na")
    named = app.selling_partner("Atzr|MARK", region="na", seller_id="A1")
    assert repr(named) == "<SellingPartner A1@na>"
    assert repr(named.orders_v0) == "<OrdersV0 of <SellingPartner A1@na>>"
    assert repr(anonymous) == f"<SellingPartner {anonymous.key}>"
    assert anonymous.application is app
    for thing in (app, named):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(thing)


def test_limits_can_be_shown_outside_a_loop(app: Application) -> None:
    """They can be shown before and after ``asyncio.run``."""
    assert app.limits() == ()


async def test_a_grantless_handle_refuses_sellers_operations() -> None:
    """It calls those that need no seller, with a token of their scope."""
    async with running() as (emulator, app):
        nobody = app.grantless(region="na")
        await nobody.call(GET_DESTINATIONS)
        with pytest.raises(ConfigurationError, match=r"^orders_v0\.get_orders: .*selling_partner"):
            await nobody.call(GET_ORDERS, **ORDERS)
        assert list(emulator.stats()["operations"]) == ["notifications_v1.get_destinations"]


async def test_a_delegated_handle_sends_the_token_it_was_given() -> None:
    """No token is fetched, and none is replaced when it is refused."""
    async with running() as (emulator, app), Application("other", "s", endpoint=emulator.url) as other:
        seller = app.selling_partner("Atzr|a", region="na")
        order_id = (await seller.orders_v0.get_orders(**ORDERS)).orders[0].amazon_order_id
        resource = restricted_resource(GET_ORDER_ADDRESS)
        delegated = await app.delegate(seller, [resource], target_application="other")
        issued = emulator.stats()["tokens"]
        handle = other.delegated(delegated.token.reveal(), region="na")
        assert (await handle.orders_v0.get_order_address(order_id)).amazon_order_id == order_id
        with pytest.raises(ForbiddenError):
            await other.delegated("Atz.sprdt|forged", region="na").orders_v0.get_order_address(order_id)
        assert emulator.stats()["tokens"] == issued


async def test_two_handles_of_one_seller_share_bucket_and_token() -> None:
    """They also share connections, over all API versions."""
    async with running() as (emulator, app):
        one, two = (app.selling_partner("Atzr|a", marketplace=place) for place in ("US", "CA"))
        for seller in (one, two):
            await seller.sellers_v1.get_marketplace_participations()
            await seller.orders_v0.get_orders(**ORDERS)
        buckets = {limit.operation: limit.admitted for limit in app.limits()}
        stats = emulator.stats()
    assert one.key == two.key
    assert buckets == {"sellers_v1.get_marketplace_participations": 2, "orders_v0.get_orders": 2}
    assert (stats["tokens"]["lwa"], stats["open_connections"]) == (1, 2)  # one for tokens, one for the region


async def test_two_sellers_share_neither_bucket_nor_token() -> None:
    """A call with another seller's token would be the worst bug of a client."""
    async with running() as (emulator, app):
        sellers = [app.selling_partner(f"Atzr|{name}", region="na") for name in "ab"]
        await asyncio.gather(*(seller.sellers_v1.get_marketplace_participations() for seller in sellers))
        limits = app.limits()
        assert emulator.stats()["tokens"]["lwa"] == 2
    assert {limit.account for limit in limits} == {seller.key for seller in sellers}
    assert [limit.admitted for limit in limits] == [1, 1]


async def test_limits_say_what_the_header_announced() -> None:
    """A raised plan shows after one call."""
    async with running() as (_, app):
        await app.selling_partner("Atzr|a", region="na").orders_v0.get_orders(**ORDERS)
        (limit,) = app.limits()
    assert limit.announced_rate == pytest.approx(16.7)
    assert (limit.application, limit.region, limit.burst, limit.waiting) == ("app", "na", 20, 0)


async def test_closing_twice_is_closing_once() -> None:
    """It leaves no connection open; later calls raise ClosedError."""
    async with running() as (emulator, app):
        seller = app.selling_partner("Atzr|a", region="na")
        await seller.sellers_v1.get_marketplace_participations()
        await app.aclose()
        await app.aclose()
        with pytest.raises(SPAPIError, match="closed"):
            await seller.sellers_v1.get_marketplace_participations()
        while emulator.stats()["open_connections"]:
            await asyncio.sleep(0.001)


async def test_closing_during_calls_ends_every_one_of_them() -> None:
    """Each gets an error of the library, whatever it was waiting for."""
    async with running(rate_scale=1) as (emulator, app):
        emulator.faults({"delay": 30, "times": None})
        sellers = [app.selling_partner(f"Atzr|{number}", region="na") for number in range(3)]
        calls = [asyncio.create_task(seller.orders_v0.get_orders(**ORDERS)) for seller in sellers for _ in range(40)]
        while emulator.stats()["open_connections"] < 20:
            await asyncio.sleep(0.001)
        await app.aclose()
        ends = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 60)
    assert {isinstance(end, SPAPIError) for end in ends} == {True}


def test_a_sandbox_application_calls_the_sandbox() -> None:
    """It calls that of the handle's region; tokens come from the usual endpoint."""
    endpoints = Application("app", "secret", sandbox=True)._pipeline._endpoints
    assert endpoints.api(Region.EU) == "https://sandbox.sellingpartnerapi-eu.amazon.com"
    assert endpoints.lwa == "https://api.amazon.com/auth/o2/token"


@pytest.mark.parametrize("decoding", ["lenient", "strict"])
async def test_decoding_is_lenient_or_strict(decoding: str) -> None:
    """A field that breaks its model is a violation, or an error that names it."""
    async with running({"decoding": decoding}) as (emulator, app):
        seller = app.selling_partner("Atzr|a", region="na")
        emulator.faults({"operation": "orders_v0.get_orders", "body": {"payload": {"Orders": [{"AmazonOrderId": 5}]}}})
        if decoding == "strict":
            with pytest.raises(DecodeError, match=r"orders_v0\.get_orders") as caught:
                await seller.call(GET_ORDERS, **ORDERS)
            assert caught.value.path.startswith("$.payload.Orders[0]")
        else:
            response = await seller.call(GET_ORDERS, **ORDERS)
            assert response.body.orders[0].amazon_order_id == "5"
            assert "$.payload.Orders[0].AmazonOrderId" in [violation.path for violation in response.violations]


def test_the_consent_page_is_the_endpoints_where_one_is_given() -> None:
    """Without an endpoint it is Amazon's."""
    arguments: Any = {"application_id": "amzn1.sp.solution.x", "marketplace": "DE", "state": "s" * 32}
    local = Application("app", "secret", endpoint="http://127.0.0.1:9")
    assert local.authorization_url(**arguments).startswith("http://127.0.0.1:9/")
    amazon = Application("app", "secret").authorization_url(**arguments)
    assert amazon.startswith("https://sellercentral-europe.amazon.com/apps/authorize/consent?")


async def test_a_replaced_client_secret_is_used_at_once() -> None:
    """Amazon no longer accepts the old one."""
    async with (
        Emulator(orders=1, applications={"app": "new"}) as emulator,
        Application("app", "old", endpoint=emulator.url) as app,
    ):
        seller = app.selling_partner("Atzr|a", region="na")
        with pytest.raises(LWAError, match="invalid_client"):
            await seller.sellers_v1.get_marketplace_participations()
        app.replace_client_secret("new")
        assert await seller.sellers_v1.get_marketplace_participations()


async def test_the_applications_timeout_bounds_a_call() -> None:
    """A plain number is the total timeout."""
    # On a busy machine, the answered exchange may also time out and be repeated.
    patient = RetryPolicy(attempts=1000, base=0.001, cap=0.001)
    async with running({"timeout": 0.2, "retry": patient}, throttle=False) as (emulator, app):
        emulator.faults({"operation": "sellers_v1.get_marketplace_participations", "delay": 300, "times": 1})
        seller = app.selling_partner("Atzr|a", region="na")
        async with asyncio.timeout(60):
            assert (await seller.call(GET_MARKETPLACE_PARTICIPATIONS)).attempts >= 2


async def test_an_observer_that_raises_breaks_no_call() -> None:
    """It may raise at any event."""

    def broken(_: object) -> None:
        raise RuntimeError("observer")

    async with running({"observers": [broken]}) as (emulator, app):
        seller = app.selling_partner("Atzr|a", region="na")
        with pytest.raises(NotFoundError):
            await seller.orders_v0.get_order("902-0000000-0000000")  # announces the emulator's faster plan
        emulator.faults({"operation": "orders_v0.get_order", "status": 429}, {"status": 503})
        with pytest.raises(NotFoundError) as caught:
            await seller.orders_v0.get_order("902-0000000-0000000")
    assert caught.value.attempts == 3


async def test_errors_pickle() -> None:
    """They reach another process with their facts."""
    async with raw_server(hang_up) as server, Application("app", "secret", endpoint=server.url, timeout=1) as app:
        token_endpoint(app).retry_delays = ()
        with pytest.raises(SPAPIError) as caught:
            await app.selling_partner("Atzr|a", region="na").sellers_v1.get_marketplace_participations()
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), str(copy), copy.attempts) == (type(caught.value), str(caught.value), 0)


async def test_the_deadline_bounds_the_wait_for_a_hanging_token_endpoint() -> None:
    """The call gets its error within the deadline."""
    async with running() as (emulator, app):
        emulator.faults({"operation": "lwa", "delay": 30, "times": None})
        with call_options(deadline=0.1), pytest.raises(RequestTimeoutError, match="deadline"):
            await app.selling_partner("Atzr|a", region="na").sellers_v1.get_marketplace_participations()


class AsyncObserver:
    """An observer that would have to be awaited."""

    async def __call__(self, event: object) -> None:
        raise AssertionError


async def later(event: object) -> None:
    raise AssertionError


@pytest.mark.parametrize("observer", [later, partial(later), AsyncObserver(), None])
def test_an_asynchronous_observer_is_refused(observer: Any) -> None:
    """It would be called, but never run."""
    with pytest.raises(ConfigurationError, match="must be a plain function"):
        Application("app", "secret", observers=[observer])

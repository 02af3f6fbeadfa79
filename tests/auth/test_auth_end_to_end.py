"""Tokens over real HTTP: the whole client against the emulator."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from raw_server import answering, raw_server, reply

from spapi_async._client.application import Application
from spapi_async._core.options import call_options
from spapi_async.auth import (
    ClientSecretExpiry,
    new_state,
    parse_secret_notification,
    read_redirect,
    restricted_resource,
)
from spapi_async.emulator import Emulator
from spapi_async.errors import ForbiddenError, LWAError
from spapi_async.marketplaces import Marketplace

RATE = 10_000


@asynccontextmanager
async def running(secret: str = "secret", **options: Any) -> AsyncIterator[tuple[Emulator, Application]]:
    """An emulator in this loop, fast enough not to throttle, and an application that talks to it."""
    async with (
        Emulator(orders=20, rate_scale=RATE, **options) as emulator,
        Application("app", secret, endpoint=emulator.url) as app,
    ):
        yield emulator, app


async def order_ids(seller: Any) -> list[str]:
    """The ids of the seller's orders in the emulator."""
    page = await seller.orders_v0.get_orders(
        marketplace_ids=[Marketplace.US], created_after="2020-01-01T00:00:00Z", max_results_per_page=5
    )
    return [order.amazon_order_id for order in page.orders]


def tokens(emulator: Emulator) -> tuple[int, int]:
    """How many access tokens and restricted tokens the emulator issued."""
    counted = emulator.stats()["tokens"]
    return counted["lwa"], counted["rdt"]


async def test_many_addresses_cost_one_restricted_token() -> None:
    """They are requested at once, through two handles of the same seller."""
    async with running() as (emulator, app):
        handles = [app.selling_partner("Atzr|a", marketplace="US") for _ in range(2)]
        ids = await order_ids(handles[0])
        calls = (handle.orders_v0.get_order_address(order) for handle in handles for order in ids for _ in range(2))
        assert len(await asyncio.gather(*calls)) == 4 * len(ids)
        assert tokens(emulator) == (1, 1)


async def test_personal_data_needs_data_elements() -> None:
    """It is blank without them and filled with them; two sets of elements need two tokens."""
    async with running() as (emulator, app):
        seller = app.selling_partner("Atzr|a", marketplace="US")
        order = (await order_ids(seller))[0]
        blank = await seller.orders_v0.get_order(order)
        full = await seller.orders_v0.get_order(order, data_elements=["buyerInfo"])
        assert not (blank.buyer_info and blank.buyer_info.buyer_email)
        assert full.buyer_info
        assert full.buyer_info.buyer_email
        assert tokens(emulator) == (1, 1)


@pytest.mark.parametrize("command", ["expire_tokens", "revoke_tokens"])
async def test_expired_and_revoked_tokens_are_renewed_without_an_error(command: str) -> None:
    """Fifty callers with access or restricted tokens notice nothing, and each token is renewed once."""
    async with running() as (emulator, app):
        seller = app.selling_partner("Atzr|a", marketplace="US")
        order = (await order_ids(seller))[0]
        await seller.orders_v0.get_order_address(order)
        emulator.faults({command: True})
        addresses = (seller.orders_v0.get_order_address(order) for _ in range(25))
        orders = (seller.orders_v0.get_order(order) for _ in range(25))
        await asyncio.gather(*addresses, *orders)
        assert tokens(emulator) == (2, 2)


async def test_a_withdrawn_authorisation_fails_at_once() -> None:
    """The access token is refused, then the refresh token, and nothing else is sent."""
    async with running() as (emulator, app):
        seller = app.selling_partner("Atzr|a", marketplace="US")
        order = (await order_ids(seller))[0]
        emulator.faults({"revoke_refresh_token": "Atzr|a"})
        with pytest.raises(LWAError, match="authorise the application again") as caught:
            await seller.orders_v0.get_order(order)
        assert caught.value.code == "invalid_grant"
        assert caught.value.operation == "orders_v0.get_order"
        assert emulator.stats()["tokens"]["lwa_requests"] == 2


async def test_a_path_that_the_restricted_token_does_not_cover_is_denied() -> None:
    """The emulator checks it: the token for addresses gives no buyer info."""
    async with running() as (emulator, app):
        seller = app.selling_partner("Atzr|a", marketplace="US")
        order = (await order_ids(seller))[0]
        from spapi_async.api.orders_v0 import GET_ORDER_ADDRESS

        delegated = await app.delegate(seller, [restricted_resource(GET_ORDER_ADDRESS)], target_application="amzn1.x")
        headers = {"x-amz-access-token": delegated.token.reveal()}
        statuses = {}
        async with aiohttp.ClientSession(emulator.url, headers=headers) as session:
            for what in ("address", "buyerInfo"):
                async with session.get(f"/orders/v0/orders/{order}/{what}") as answer:
                    statuses[what] = answer.status
        assert statuses == {"address": 200, "buyerInfo": 403}


async def make_report(seller: Any, report_type: str) -> str:
    """Request a report, wait until it is done, and return its document's id."""
    reports = seller.reports_2021_06_30
    made = await reports.create_report(
        body={"reportType": report_type, "marketplaceIds": [Marketplace.US], "dataStartTime": "2025-01-01T00:00:00Z"}
    )
    for _ in range(200):
        report = await reports.get_report(made.report_id)
        if report.report_document_id:
            return str(report.report_document_id)
        await asyncio.sleep(0.01)
    raise AssertionError("the report was never done")


@pytest.mark.parametrize(
    ("report_type", "restricted"),
    [("GET_FLAT_FILE_ORDER_REPORT_DATA_SHIPPING", 1), ("GET_MERCHANT_LISTINGS_ALL_DATA", 0)],
)
async def test_report_documents_get_a_restricted_token_exactly_when_they_need_one(
    report_type: str, restricted: int
) -> None:
    """A client that saw the report knows; another one learns it from the denial; neither requests a needless token."""
    async with running(processing=0.02) as (emulator, app):
        seller = app.selling_partner("Atzr|a", marketplace="US")
        document = await make_report(seller, report_type)
        assert (await seller.reports_2021_06_30.get_report_document(document)).url
        assert tokens(emulator) == (1, restricted)
        errors = emulator.stats()["operations"]["reports_2021_06_30.get_report_document"]["errors"]
        assert errors == 0
        async with Application("app", "secret", endpoint=emulator.url) as stranger:
            reports = stranger.selling_partner("Atzr|a", marketplace="US").reports_2021_06_30
            assert (await reports.get_report_document(document)).url
        assert tokens(emulator) == (2, 2 * restricted)


async def test_the_caller_can_forbid_a_restricted_token() -> None:
    """The denial is then final."""
    async with running(processing=0.02) as (emulator, app):
        seller = app.selling_partner("Atzr|a", marketplace="US")
        document = await make_report(seller, "GET_FLAT_FILE_ORDER_REPORT_DATA_SHIPPING")
        with call_options(restricted=False), pytest.raises(ForbiddenError):
            await seller.reports_2021_06_30.get_report_document(document)
        assert tokens(emulator) == (1, 0)


async def test_the_consent_workflow_ends_with_a_seller() -> None:
    """The browser goes to the page and comes back with a code, which gives a refresh token, which makes a call."""
    async with running() as (_, app):
        state, back = new_state(), "http://localhost:9/back?x=1"
        page = app.authorization_url("amzn1.sp.solution.1", Marketplace.US, state=state, redirect_uri=back, beta=True)
        async with aiohttp.ClientSession() as browser, browser.get(page, allow_redirects=False) as answer:
            consent = read_redirect(answer.headers["Location"], expected_state=state)
        granted = await app.exchange_code(consent.code, back)
        seller = app.selling_partner(granted.refresh_token.reveal(), marketplace="US")
        assert await order_ids(seller)
        with pytest.raises(LWAError, match="invalid_grant"):
            await app.exchange_code(consent.code, back)


async def test_a_secret_is_rotated_without_dropping_a_call() -> None:
    """Calls go on during the rotation, the notification and the replacement, and after the old secret has ended."""
    async with running(applications={"app": "secret"}, latency=0.005) as (emulator, app):

        async def keep_calling(name: str) -> None:
            for number in range(15):
                seller = app.selling_partner(f"Atzr|{name}-{number}", marketplace="US")
                await seller.sellers_v1.get_marketplace_participations()

        calls = asyncio.gather(*(keep_calling(str(number)) for number in range(5)))
        await app.grantless(region="na").application_management_2023_11_30.rotate_application_client_secret()
        news = parse_secret_notification(emulator.notifications[-1])
        assert not isinstance(news, ClientSecretExpiry)
        await asyncio.sleep(0.05)
        emulator.faults({"retire_old_secrets": True})
        app.replace_client_secret(news)
        await calls


async def test_a_token_is_not_sent_after_a_redirect() -> None:
    """A redirect to another host or to the same is an error, and only one request is made."""
    async with raw_server(answering(reply(b"{}"))) as other:
        redirect = reply(b"", "307 Temporary Redirect", f"Location: {other.url}/elsewhere")
        async with raw_server(answering(redirect)) as server, Application("app", "secret", endpoint=server.url) as app:
            with pytest.raises(LWAError, match="redirects"):
                await app.selling_partner("Atzr|a", region="na").sellers_v1.get_marketplace_participations()
            assert len(server.requests) == 1
        assert other.requests == []

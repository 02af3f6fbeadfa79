"""The emulator's notifications: sent when a subscribed event happens; late, lost or twice on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from kiosk_queries import QUERY
from sqs_server import client

from spapi_async import Application, SellingPartner
from spapi_async.emulator import Emulator
from spapi_async.errors import BadRequestError, NotFoundError
from spapi_async.workflows.notifications import SqsQueue, parse

ARN = "arn:aws:sqs:us-east-1:123456789012:orders"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(orders=20, processing=0.0, rate_scale=1000) as emulator:
        yield emulator


@pytest.fixture
async def seller(emulator: Emulator) -> AsyncIterator[SellingPartner]:
    async with Application("app", "secret", endpoint=emulator.url) as app:
        yield app.selling_partner("Atzr|one", region="na")


def kinds(emulator: Emulator) -> list[str]:
    """The types of the notifications that have arrived."""
    return [parse(message).type for message in emulator.notifications]


async def test_changed_orders_are_notified_to_their_seller(emulator: Emulator, seller: SellingPartner) -> None:
    """The payload shows the order at that moment, in the casing of the type, and fits its schema."""
    await seller.notifications.subscribe("ORDER_CHANGE", ARN)
    changed = emulator.change_orders(update=3, add=2)
    found = [parse(message) for message in emulator.notifications]
    assert sorted(each.content.amazon_order_id for each in found) == sorted(changed["updated"] + changed["added"])
    assert not any(each.violations for each in found)
    assert {each.seller_id for each in found} == {each.id for each in emulator.world.sellers}
    assert "Payload" in emulator.notifications[0]


async def test_finished_jobs_are_notified_with_their_documents(emulator: Emulator, seller: SellingPartner) -> None:
    """Jobs are reports, feeds and queries."""
    for kind in ("REPORT", "FEED", "DATA_KIOSK_QUERY"):
        await seller.notifications.subscribe(f"{kind}_PROCESSING_FINISHED", ARN)
    body = {"reportType": "GET_MERCHANT_LISTINGS_ALL_DATA", "marketplaceIds": ["ATVPDKIKX0DER"]}
    report = await seller.reports_2021_06_30.create_report(body=body)
    await seller.data_kiosk_2023_11_15.create_query(body={"query": QUERY})
    feed_document = await seller.documents.upload(b'{"messages": []}', "application/json; charset=UTF-8")
    feed = {"feedType": "JSON_LISTINGS_FEED", "marketplaceIds": ["ATVPDKIKX0DER"], "inputFeedDocumentId": feed_document}
    await seller.feeds_2021_06_30.create_feed(body=feed)
    found = {each.type: each for each in map(parse, emulator.notifications)}
    notified = found["REPORT_PROCESSING_FINISHED"].content
    assert notified.report_id == report.report_id
    stored = await seller.reports_2021_06_30.get_report(report.report_id)
    assert notified.report_document_id == stored.report_document_id
    assert found["FEED_PROCESSING_FINISHED"].content.result_feed_document_id
    assert found["DATA_KIOSK_QUERY_PROCESSING_FINISHED"].content.processing_status == "DONE"
    assert not any(each.violations for each in found.values())


async def test_changed_offers_are_notified(emulator: Emulator, seller: SellingPartner) -> None:
    """The method returns the products for which they are sent."""
    await seller.notifications.subscribe("ANY_OFFER_CHANGED", ARN)
    asins = emulator.change_offers(3)
    found = [parse(message) for message in emulator.notifications]
    assert [each.content.offer_change_trigger.asin for each in found] == asins
    assert not any(each.violations for each in found)


async def test_events_without_a_subscription_are_not_notified(emulator: Emulator, seller: SellingPartner) -> None:
    """They are of another type, another seller, or a marketplace that the filter excludes."""
    await seller.notifications.subscribe("ANY_OFFER_CHANGED", ARN)
    emulator.change_orders(update=5)
    assert kinds(emulator) == []
    await seller.notifications.subscribe("ORDER_CHANGE", ARN, marketplaces=["MX"])
    emulator.change_orders(update=20)
    places = {parse(message).content.summary.marketplace_id for message in emulator.notifications}
    assert places == {"A1AM78C64UM0Y8"}


async def test_notifications_may_be_lost_or_arrive_twice(emulator: Emulator, seller: SellingPartner) -> None:
    """The copies of one have the same key."""
    await seller.notifications.subscribe("ORDER_CHANGE", ARN)
    emulator.faults({"notifications": {"loss": 1.0}})
    emulator.change_orders(update=5)
    assert kinds(emulator) == []
    emulator.faults({"notifications": {"duplication": 1.0}})
    emulator.change_orders(update=5)
    keys = [parse(message).key for message in emulator.notifications]
    assert (len(keys), len(set(keys))) == (10, 5)


async def test_notifications_that_are_late_overtake_one_another() -> None:
    """They arrive at their times, in another order than they were sent."""
    moment = [1_770_000_000.0]

    class Stopped:
        def time(self) -> float:
            return moment[0]

        monotonic = time

        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(0)

    async with (
        Emulator(orders=50, notification_lag=60.0, throttle=False, clock=Stopped()) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        await app.selling_partner("Atzr|one", region="na").notifications.subscribe("ORDER_CHANGE", ARN)
        sent = emulator.change_orders(update=20)["updated"]
        moment[0] += 30
        early = len(emulator.notifications)
        moment[0] += 30
        arrived = [parse(message).content.amazon_order_id for message in emulator.notifications]
        assert 0 < early < 20
        assert sorted(arrived) == sorted(sent)
        assert arrived != sent


async def test_notifications_go_to_the_queue_of_an_sqs_endpoint(sqs_queue: str, sqs_endpoint: str) -> None:
    """They are sent only to the queue whose ARN was subscribed."""
    queue = SqsQueue(sqs_queue, wait=1)
    async with (
        Emulator(orders=20, sqs_endpoint=sqs_endpoint) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        await app.selling_partner("Atzr|one", region="na").notifications.subscribe("ORDER_CHANGE", queue)
        wanted = set(emulator.change_orders(update=3)["updated"])
        async with queue as messages:
            async for message in messages:
                wanted.discard(message.content.amazon_order_id)
                if not wanted:
                    break
        assert emulator.notifications == ()


async def test_a_queue_that_is_missing_gets_its_notifications_later(sqs_queue: str, sqs_endpoint: str) -> None:
    """Until then they wait in the emulator."""
    async with (
        Emulator(orders=20, sqs_endpoint=sqs_endpoint) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        url = f"{sqs_queue}-later"
        await app.selling_partner("Atzr|one", region="na").notifications.subscribe("ORDER_CHANGE", url)
        emulator.change_orders(update=1)
        await asyncio.sleep(0.3)
        async with client(sqs_endpoint) as sqs:
            await sqs.create_queue(QueueName=url.rpartition("/")[2])
        async with SqsQueue(url, wait=1) as messages:
            assert (await anext(aiter(messages))).type == "ORDER_CHANGE"


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("ORDER_CHANGE", {"processingDirective": {}}),
        ("ORDER_CHANGE", {"payloadVersion": "2.0"}),
        ("ORDER_CHANGE", {"destinationId": "none"}),
        ("FEE_PROMOTION", {}),
        (
            "ORDER_CHANGE",
            {"processingDirective": {"filterExpression": "a", "eventFilter": {"eventFilterType": "ORDER_CHANGE"}}},
        ),
    ],
)
async def test_subscriptions_that_amazon_refuses_are_refused(seller: SellingPartner, kind: str, change: Any) -> None:
    """The status is 400."""
    specification = {"sqs": {"arn": ARN}}
    made = await seller.notifications_v1.create_destination(body={"name": "n", "resourceSpecification": specification})
    directive = {"eventFilter": {"eventFilterType": "ORDER_CHANGE"}}
    body = {"payloadVersion": "1.0", "destinationId": made.destination_id, "processingDirective": directive} | change
    with pytest.raises(BadRequestError):
        await seller.notifications_v1.create_subscription(kind, body=body)


async def test_destinations_and_subscriptions_are_read_and_deleted(seller: SellingPartner) -> None:
    """They are found by their ids, and afterwards they are gone."""
    subscription = await seller.notifications.subscribe("FEE_PROMOTION", ARN)
    api = seller.notifications_v1
    assert await api.get_subscription("FEE_PROMOTION") == subscription
    assert await api.get_subscription_by_id("FEE_PROMOTION", subscription.subscription_id) == subscription
    destination = await api.get_destination(subscription.destination_id)
    assert destination.resource.sqs is not None
    assert destination.resource.sqs.arn == ARN
    await api.delete_subscription_by_id("FEE_PROMOTION", subscription.subscription_id)
    await api.delete_destination(destination.destination_id)
    with pytest.raises(NotFoundError):
        await api.get_subscription("FEE_PROMOTION")
    assert await api.get_destinations() == []


async def test_the_control_interface_changes_offers_and_delivery(emulator: Emulator, seller: SellingPartner) -> None:
    """It does what the methods do; an unknown setting is refused."""
    await seller.notifications.subscribe("ANY_OFFER_CHANGED", ARN)
    async with aiohttp.ClientSession(f"{emulator.url}/_emulator/") as control:
        reply = await control.post("offers", json={"count": 2})
        assert (reply.status, len((await reply.json())["changed"])) == (200, 2)
        assert (await control.post("faults", json={"notifications": {"delay": 1}})).status == 400
        assert len((await (await control.get("notifications")).json())["notifications"]) == 2

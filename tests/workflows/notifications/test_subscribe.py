"""Subscribing finds existing subscriptions, creates missing ones, and refuses what Amazon would refuse."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from spapi_async import Application, SellingPartner, to_json
from spapi_async.emulator import Emulator
from spapi_async.errors import ConfigurationError, ConflictError, DecodeError, OutcomeUnknownError, SPAPIError
from spapi_async.models.notifications_v1 import TrackingIdentifier, TrackingIdentifierCarrierTracking
from spapi_async.workflows.notifications import EventBridge, SqsQueue

URL = "https://sqs.us-east-1.amazonaws.com/123456789012/orders"
ARN = "arn:aws:sqs:us-east-1:123456789012:orders"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(orders=0, rate_scale=1000) as emulator:
        yield emulator


@pytest.fixture
async def seller(emulator: Emulator) -> AsyncIterator[SellingPartner]:
    async with Application("app", "secret", endpoint=emulator.url) as app:
        yield app.selling_partner("Atzr|one", region="na")


async def test_a_subscription_is_made_once(emulator: Emulator, seller: SellingPartner) -> None:
    """The form of the queue's name and repetitions make no difference; the version is the newest known."""
    made = [await seller.notifications.subscribe("ORDER_CHANGE", each) for each in (URL, ARN, SqsQueue(URL))]
    made.append(await seller.notifications.subscribe("ORDER_CHANGE", made[0].destination_id))
    assert len({each.subscription_id for each in made}) == 1
    assert made[0].payload_version == "1.0"
    operations = emulator.stats()["operations"]
    assert operations["notifications_v1.create_destination"]["requests"] == 1
    assert operations["notifications_v1.create_subscription"]["requests"] == 1
    (destination,) = await seller.notifications.destinations()
    assert (destination.name, await seller.notifications.subscriptions("ORDER_CHANGE")) == ("orders", [made[0]])


async def test_sellers_share_the_destination(emulator: Emulator, seller: SellingPartner) -> None:
    """It belongs to the application; each seller has its own subscriptions."""
    other = seller.application.selling_partner("Atzr|two", region="na")
    both = [await each.notifications.subscribe("FEE_PROMOTION", URL) for each in (seller, other)]
    assert both[0].destination_id == both[1].destination_id
    assert both[0].subscription_id != both[1].subscription_id


async def test_another_filter_is_another_subscription(seller: SellingPartner) -> None:
    """The order of its lists does not matter."""
    subscribe = seller.notifications.subscribe
    plain = await subscribe("ORDER_CHANGE", URL)
    filtered = await subscribe("ORDER_CHANGE", URL, marketplaces=["US", "CA"], order_change_types=["OrderStatusChange"])
    again = await subscribe("ORDER_CHANGE", URL, marketplaces=["CA", "US"], order_change_types=["OrderStatusChange"])
    assert plain.subscription_id != filtered.subscription_id == again.subscription_id
    one = await subscribe("ORDER_CHANGE", URL, marketplaces="US", order_change_types="OrderStatusChange")
    many = await subscribe("ORDER_CHANGE", URL, marketplaces=["US"], order_change_types=["OrderStatusChange"])
    assert one == many  # one by itself is one, not its letters
    assert filtered.processing_directive is not None
    event_filter = filtered.processing_directive.event_filter
    assert event_filter is not None
    assert event_filter.marketplace_ids == ["ATVPDKIKX0DER", "A2EUQ1WTGCTBG2"]


async def test_event_buses_and_aggregation(seller: SellingPartner) -> None:
    """An account is a separate destination; offers may be aggregated."""
    bus = EventBridge(account_id="123456789012", region="us-east-1")
    made = await seller.notifications.subscribe("ANY_OFFER_CHANGED", bus, aggregation="FiveMinutes")
    again = await seller.notifications.subscribe("ANY_OFFER_CHANGED", bus, aggregation="FiveMinutes")
    assert made == again
    expression = await seller.notifications.subscribe("ANY_OFFER_CHANGED", bus, filter_expression="a == 'b'")
    assert expression.destination_id == made.destination_id


async def test_one_shipment_can_be_tracked(seller: SellingPartner) -> None:
    """Another shipment is another subscription."""
    kind, made = "SHIPMENT_TRACKING_MILESTONE_CHANGED", []
    for number in ("1Z1", "1Z2", "1Z1"):
        carrier = TrackingIdentifierCarrierTracking(tracking_number=number, carrier_code="UPS")
        shipment = TrackingIdentifier(carrier_tracking=carrier)
        made.append(await seller.notifications.subscribe(kind, URL, tracking=shipment))
    assert made[0] == made[2] != made[1]
    assert json.loads(to_json(made[1].processing_directive))["eventFilter"] == {
        "eventFilterType": kind,
        "trackingIdentifier": {"carrierTracking": {"trackingNumber": "1Z2", "carrierCode": "UPS"}},
    }


async def test_processes_that_subscribe_at_once_get_one_subscription(emulator: Emulator) -> None:
    """The later ones adopt it."""
    async with Application("app", "secret", endpoint=emulator.url) as app:
        sellers = [app.selling_partner("Atzr|one", region="na") for _ in range(5)]
        made = await asyncio.gather(*(each.notifications.subscribe("ORDER_CHANGE", URL) for each in sellers))
    assert len({each.subscription_id for each in made}) == 1


async def test_a_conflict_without_an_equal_subscription_is_raised(emulator: Emulator, seller: SellingPartner) -> None:
    """A different subscription exists."""
    emulator.faults({"operation": "notifications_v1.create_subscription", "status": 409})
    with pytest.raises(ConflictError):
        await seller.notifications.subscribe("ORDER_CHANGE", URL)


async def test_all_pages_of_subscriptions_are_searched(seller: SellingPartner) -> None:
    """The one looked for is not on the first."""
    made = await seller.notifications.subscribe("FEE_PROMOTION", URL)
    for number in range(35):
        await seller.notifications.subscribe("FEE_PROMOTION", URL, filter_expression=f"a == {number}")
    assert len(await seller.notifications.subscriptions("FEE_PROMOTION")) == 36
    assert await seller.notifications.subscribe("FEE_PROMOTION", URL) == made


@pytest.mark.parametrize(
    ("kind", "options", "problem"),
    [
        ("FEE_PROMOTION", {"marketplaces": ["US"]}, "FEE_PROMOTION does not accept marketplaces"),
        ("ANY_OFFER_CHANGED", {"order_change_types": ["OrderStatusChange"]}, "does not accept order_change_types"),
        ("ORDER_CHANGE", {"aggregation": "FiveMinutes"}, "does not accept aggregation"),
        ("ORDER_CHANGE", {"tracking": TrackingIdentifier(id="1")}, "does not accept tracking"),
        ("ORDER_CHANGE", {"filter_expression": "a", "marketplaces": ["US"]}, "not both"),
        ("LISTINGS_ITEM_STATUS_CHANGE", {"filter_expression": "a"}, "does not accept filter_expression"),
    ],
)
async def test_filters_that_a_type_does_not_take_are_refused(
    emulator: Emulator, seller: SellingPartner, kind: str, options: Any, problem: str
) -> None:
    """Nothing is sent."""
    with pytest.raises(ConfigurationError, match=problem):
        await seller.notifications.subscribe(kind, URL, **options)
    assert emulator.stats()["operations"] == {}


@pytest.mark.parametrize("destination", ["", "arn:aws:sns:us-east-1:1:topic", "https://example.com"])
async def test_an_invalid_destination_is_refused(seller: SellingPartner, destination: str) -> None:
    """The error lists valid forms."""
    with pytest.raises(ConfigurationError, match=r"queue"):
        await seller.notifications.subscribe("ORDER_CHANGE", destination)


async def test_unsubscribing_ends_what_was_subscribed(emulator: Emulator, seller: SellingPartner) -> None:
    """It ends the subscription of that type and seller; the destination stays. Repeating it does nothing."""
    notifications = seller.notifications
    made = [await notifications.subscribe("ORDER_CHANGE", URL, marketplaces=places) for places in ((), ("US",))]
    kept = await notifications.subscribe("FEE_PROMOTION", URL)
    theirs = seller.application.selling_partner("Atzr|two", region="na").notifications
    other = await theirs.subscribe("ORDER_CHANGE", URL)
    assert await notifications.unsubscribe("ORDER_CHANGE") == made
    assert await notifications.unsubscribe("ORDER_CHANGE") == []
    assert await notifications.subscriptions("ORDER_CHANGE") == []
    assert await notifications.subscriptions("FEE_PROMOTION") == [kept]
    assert await theirs.subscriptions("ORDER_CHANGE") == [other]
    assert [each.destination_id for each in await notifications.destinations()] == [kept.destination_id]


async def test_a_subscription_without_a_destination_is_not_ended(emulator: Emulator, seller: SellingPartner) -> None:
    """The application has no such destination, and a reply leaves one out: the two are not the same."""
    made = await seller.notifications.subscribe("ORDER_CHANGE", URL)
    body = {"payload": {"subscriptions": [{"subscriptionId": made.subscription_id, "payloadVersion": "1.0"}]}}
    emulator.faults({"operation": "notifications_v1.get_subscriptions", "body": json.dumps(body)})
    assert await seller.notifications.unsubscribe("ORDER_CHANGE", f"{URL}-elsewhere") == []
    assert "notifications_v1.delete_subscription_by_id" not in emulator.stats()["operations"]


async def test_one_of_several_subscriptions_is_ended(seller: SellingPartner) -> None:
    """Its destination, in any form, or its id chooses it; an unknown destination ends none."""
    notifications = seller.notifications
    one, two = [await notifications.subscribe("ORDER_CHANGE", URL, marketplaces=places) for places in ((), ("US",))]
    three = await notifications.subscribe("ORDER_CHANGE", f"{URL}-two")
    for elsewhere in (f"{URL}-three", "an-unknown-id"):
        assert await notifications.unsubscribe("ORDER_CHANGE", elsewhere) == []
    assert await notifications.unsubscribe("ORDER_CHANGE", subscription_id="an-unknown-id") == []
    assert await notifications.unsubscribe("ORDER_CHANGE", subscription_id=one.subscription_id) == [one]
    assert await notifications.unsubscribe("ORDER_CHANGE", three.destination_id) == [three]
    assert await notifications.unsubscribe("ORDER_CHANGE", SqsQueue(URL)) == [two]


async def test_a_destination_is_deleted_on_request(seller: SellingPartner) -> None:
    """It is that of the ended subscription, once, and no other."""
    notifications = seller.notifications
    for places in ((), ("US",)):
        await notifications.subscribe("ORDER_CHANGE", URL, marketplaces=places)
    kept = await notifications.subscribe("FEE_PROMOTION", f"{URL}-two")
    assert len(await notifications.unsubscribe("ORDER_CHANGE", delete_destination=True)) == 2
    assert [each.destination_id for each in await notifications.destinations()] == [kept.destination_id]


async def test_a_subscription_ended_by_another_process_is_ended(emulator: Emulator, seller: SellingPartner) -> None:
    """After a lost reply, too, the repetition finds nothing to delete."""
    await seller.notifications.subscribe("ORDER_CHANGE", URL)
    emulator.faults({"operation": "notifications_v1.delete_subscription_by_id", "disconnect": "after"})
    assert len(await seller.notifications.unsubscribe("ORDER_CHANGE", delete_destination=True)) == 1
    assert await seller.notifications.subscriptions("ORDER_CHANGE") == []
    assert await seller.notifications.destinations() == []


DESTINATION = {"destinationId": "d", "name": "n", "resource": {"sqs": {"arn": ARN}}}
ODD_DESTINATIONS: list[Any] = [
    None,
    "x",
    {},
    {**DESTINATION, "resource": None},
    {**DESTINATION, "resource": 5},
    {**DESTINATION, "resource": {"sqs": "x", "eventBridge": 5}},
    {**DESTINATION, "destinationId": None},
]


@pytest.mark.parametrize("odd", ODD_DESTINATIONS)
async def test_an_invalid_destination_in_the_list_is_skipped(
    emulator: Emulator, seller: SellingPartner, odd: Any
) -> None:
    """The next one is found, or one is created."""
    for items in ([odd], [odd, DESTINATION]):
        emulator.faults({"operation": "notifications_v1.get_destinations", "body": {"payload": items}})
        assert await seller.notifications.unsubscribe("ORDER_CHANGE", URL) == []
    emulator.faults({"operation": "notifications_v1.get_destinations", "body": {"payload": [odd]}})
    assert (await seller.notifications.subscribe("ORDER_CHANGE", URL)).subscription_id


async def test_an_invalid_list_of_destinations_is_an_error(emulator: Emulator, seller: SellingPartner) -> None:
    """It is not read as an empty one."""
    emulator.faults({"operation": "notifications_v1.get_destinations", "body": {"payload": 5}})
    with pytest.raises(DecodeError, match="no list of destinations"):
        await seller.notifications.unsubscribe("ORDER_CHANGE", URL)


async def test_a_subscription_without_an_id_cannot_be_ended(emulator: Emulator, seller: SellingPartner) -> None:
    """No subscription is then ended; invalid entries are skipped."""
    made = await seller.notifications.subscribe("ORDER_CHANGE", URL)
    for items, error in (([{"destinationId": "d", "payloadVersion": "1.0"}], True), ([None, "x", 5], False)):
        body = {"payload": {"subscriptions": items}}
        emulator.faults({"operation": "notifications_v1.get_subscriptions", "body": body})
        if error:
            with pytest.raises(DecodeError, match="no id"):
                await seller.notifications.unsubscribe("ORDER_CHANGE")
        else:
            assert await seller.notifications.unsubscribe("ORDER_CHANGE") == []
    assert await seller.notifications.subscriptions("ORDER_CHANGE") == [made]


async def test_a_repeated_page_token_is_an_error(emulator: Emulator, seller: SellingPartner) -> None:
    """The page may have entries or be empty."""
    for items in ([], [{"subscriptionId": "s", "payloadVersion": "1.0", "destinationId": "d"}]):
        page = {"payload": {"subscriptions": items, "nextToken": "again"}}
        emulator.faults({"operation": "notifications_v1.get_subscriptions", "status": 200, "body": page, "times": 9})
        with pytest.raises(SPAPIError, match="page 2"):
            await seller.notifications.subscriptions("ORDER_CHANGE")
        emulator.faults({"clear": True})


async def test_a_deletion_with_errors_is_checked_in_the_list(emulator: Emulator, seller: SellingPartner) -> None:
    """The list shows whether it succeeded."""
    await seller.notifications.subscribe("ORDER_CHANGE", URL)
    body = {"errors": [{"code": "InternalFailure", "message": "no"}]}
    emulator.faults({"operation": "notifications_v1.delete_subscription_by_id", "status": 200, "body": body})
    with pytest.raises(OutcomeUnknownError):
        await seller.notifications.unsubscribe("ORDER_CHANGE")
    assert len(await seller.notifications.subscriptions("ORDER_CHANGE")) == 1

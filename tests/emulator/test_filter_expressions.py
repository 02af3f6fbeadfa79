"""Filter expressions of subscriptions: which events they let through, and which are refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from spapi_async import Application, BadRequestError, SellingPartner
from spapi_async.emulator import Emulator
from spapi_async.emulator.data.cel import CelError, parse_expression
from spapi_async.models import notifications_v1 as m
from spapi_async.models.notifications import MODULES
from spapi_async.workflows.notifications import parse

ARN = "arn:aws:sqs:us-east-1:123456789012:orders"
PAYLOAD = {
    "N": {"Status": "SHIPPED", "Count": 3, "Price": 1.5, "Gift": True, "Note": None, "Flag": 1},
    "Items": [{"SKU": "A-1", "Quantity": 1}, {"SKU": "B-2", "Quantity": 5}],
}
TRUE = [
    'N.Status == "SHIPPED"',
    "N.Status != 'CANCELLED' && N.Count >= 3",
    'N.Status in ["SHIPPED", "DELIVERED"]',
    "N.Missing == 1 || N.Count == 3",
    "N.Count == 3 || N.Missing == 1",
    "!(N.Count < 3) && !!N.Gift",
    "N.Gift ? N.Price > 1 : N.Missing",
    "false ? N.Missing == 1 : true ? N.Count == 3.0 : false",
    "has(N.Status) && !has(N.Missing) && !has(X.Y.Z) && !has(N.Note)",
    "Items.exists(i, i.SKU == 'B-2' && i.Quantity > 1)",
    "Items.all(i, i.Quantity > 0) && Items.exists_one(i, i.Quantity == 5)",
    "Items.all(i, N.Count == 3)",
    "Items.size() == 2 && N.Status.size() == 7",
    'N.Status.startsWith("SH") && N.Status.endsWith("ED") && N.Status.contains("IPP")',
    "N.Note == null",
    "N.Flag != N.Gift",
    "true || false && false",
    "'it\\'s' == \"it's\"",
]
FALSE = [
    'N.Status == "CANCELLED"',
    "N.Status in []",
    "N.Count > 3",
    "N.Missing == 1 && N.Count == 4",
    "Items.all(i, i.Quantity > 1)",
    "Items.exists_one(i, i.Quantity > 0)",
    "N.Gift == 1",
]
WITHOUT_VALUE = [
    "N.Missing == 1",
    "N.Status < 3",
    "N.Gift < true",
    "N.Count",
    "N.Count && true",
    "N.Status.x",
    "N.all(i, i)",
]
NONE = [
    "",
    "N.",
    "N.Status ==",
    "== 3",
    "(N.Gift",
    "N.Gift)",
    "N.Count + 1 == 4",
    "N.Count == -3",
    "Items[0].SKU == 'A'",
    "N.Status.matches('S.*')",
    "size(Items) == 2",
    "N.Status = 'A'",
    "N.Gift & true",
    "'open",
    r"'\x' == 'a'",
    "0123 == 1",
    "a ? b",
    "Items.exists(i)",
    "(" * 3000,
    "a" + ".b" * 2000,
    "a" + " == a" * 700,
    "!" * 3000 + "(",
    "a == b c",
    "[1, 2",
    "true" + " " * 5000,
]


@pytest.mark.parametrize("text", TRUE)
def test_expressions_that_are_true(text: str) -> None:
    """A part that decides takes precedence over one without a value."""
    assert parse_expression(text)(PAYLOAD) is True


@pytest.mark.parametrize("text", FALSE)
def test_expressions_that_are_false(text: str) -> None:
    """They have the value false, not no value."""
    assert parse_expression(text)(PAYLOAD) is False


@pytest.mark.parametrize("text", WITHOUT_VALUE)
def test_an_expression_may_have_no_value_for_a_payload(text: str) -> None:
    """Reasons are a missing member, a comparison without an order, or a value that is not a condition."""
    with suppress(CelError):
        assert parse_expression(text)(PAYLOAD) is not True


@pytest.mark.parametrize("text", NONE)
def test_invalid_expressions_are_refused(text: str) -> None:
    """Arithmetic and indexing, which Amazon leaves out, are invalid as well."""
    with pytest.raises(CelError):
        parse_expression(text)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(orders=40, rate_scale=1000) as emulator:
        yield emulator


@pytest.fixture
async def seller(emulator: Emulator) -> AsyncIterator[SellingPartner]:
    async with Application("app", "secret", endpoint=emulator.url) as app:
        yield app.selling_partner("Atzr|one", region="na")


async def test_events_that_the_filter_excludes_are_not_sent(emulator: Emulator, seller: SellingPartner) -> None:
    """Another subscription gets them; one whose expression has no value gets none."""
    wanted = "OrderChangeNotification.Summary.MarketplaceId == 'A1AM78C64UM0Y8'"
    subscribe = seller.notifications.subscribe
    some = await subscribe("ORDER_CHANGE", ARN, filter_expression=wanted)
    none = await subscribe("ORDER_CHANGE", ARN, filter_expression="OrderChangeNotification.Missing == 1")
    every = await subscribe("ORDER_CHANGE", ARN)
    emulator.change_orders(update=30)
    places: dict[str | None, list[Any]] = {each.subscription_id: [] for each in (some, none, every)}
    for message in map(parse, emulator.notifications):
        places[message.subscription_id].append(message.content.summary.marketplace_id)
    assert len(places[every.subscription_id]) == 30
    assert places[none.subscription_id] == []
    assert places[some.subscription_id] == [each for each in places[every.subscription_id] if each == "A1AM78C64UM0Y8"]
    assert 0 < len(places[some.subscription_id]) < 30


@pytest.mark.parametrize("kind", ["LISTINGS_ITEM_STATUS_CHANGE", "DATA_KIOSK_QUERY_PROCESSING_FINISHED"])
async def test_other_types_take_no_expression(seller: SellingPartner, kind: str) -> None:
    """Amazon answers 400, and does so for a bad expression."""
    destination = (await seller.notifications.subscribe("FEE_PROMOTION", ARN)).destination_id

    async def create(kind: str, expression: str) -> None:
        directive = m.ProcessingDirective(filter_expression=expression)
        version = list(MODULES[kind])[-1]
        body = m.CreateSubscriptionRequest(
            payload_version=version, destination_id=destination, processing_directive=directive
        )
        await seller.notifications_v1.create_subscription(kind, body=body)

    with pytest.raises(BadRequestError, match="does not take one"):
        await create(kind, "true")
    with pytest.raises(BadRequestError, match="unexpected '\\+'"):
        await create("FEE_PROMOTION", "1 + 1 == 2")

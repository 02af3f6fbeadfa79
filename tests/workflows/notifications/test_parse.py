"""A message of any kind becomes a notification or an error of the library, which shows nothing of it."""

from __future__ import annotations

import importlib
import json
import pickle
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spapi_async._codec.json import to_json
from spapi_async.auth import ClientSecretExpiry, NewClientSecret
from spapi_async.emulator.data.paging import type_info
from spapi_async.emulator.data.products import rng_for
from spapi_async.emulator.data.synthesis import Maker
from spapi_async.errors import DecodeError
from spapi_async.models.notifications import MODULES, order_change
from spapi_async.workflows.notifications import Notification, iter_notifications, parse

ORDER = {
    "OrderChangeNotification": {
        "NotificationLevel": "OrderLevel",
        "SellerId": "A1EXAMPLE",
        "AmazonOrderId": "902-3159896-1390916",
        "OrderChangeType": "OrderStatusChange",
        "OrderChangeTrigger": {"TimeOfOrderChange": "2026-01-02T03:04:05.678Z", "ChangeReason": "x"},
        "Summary": {
            "MarketplaceId": "ATVPDKIKX0DER",
            "OrderStatus": "Unshipped",
            "PurchaseDate": None,
            "DestinationPostalCode": "MARK-48110",
            "FulfillmentType": "MFN",
            "OrderType": "StandardOrder",
            "OrderItems": [],
        },
    }
}
WHOLE = {
    "NotificationVersion": "1.0",
    "NotificationType": "ORDER_CHANGE",
    "PayloadVersion": "1.0",
    "EventTime": "2026-01-02T03:04:05.678Z",
    "Payload": ORDER,
    "NotificationMetadata": {
        "ApplicationId": "app",
        "SubscriptionId": "sub",
        "PublishTime": "2026-01-02T03:05:00Z",
        "NotificationId": "d0e9e693-c3ad-4373-979f-ed4ec98dd746",
    },
}
SECRET = {
    "notificationType": "APPLICATION_OAUTH_CLIENT_NEW_SECRET",
    "payload": {"applicationOAuthClientNewSecret": {"clientId": "c", "newClientSecret": "MARK"}},
}


def camel(value: Any) -> Any:
    """The same value with every key in lower camel case."""
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: camel(item) for key, item in value.items()}
    return [camel(item) for item in value] if isinstance(value, list) else value


def pascal(value: Any) -> Any:
    """The same value with every key in Pascal case."""
    if isinstance(value, dict):
        return {key[0].upper() + key[1:]: pascal(item) for key, item in value.items()}
    return [pascal(item) for item in value] if isinstance(value, list) else value


def sns(message: Any) -> dict[str, Any]:
    """The message as a topic wraps it."""
    return {"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:x", "Message": json.dumps(message)}


WRAPPINGS: dict[str, Callable[[Any], Any]] = {
    "mapping": lambda message: message,
    "text": json.dumps,
    "bytes": lambda message: json.dumps(message).encode(),
    "bytearray": lambda message: bytearray(json.dumps(message).encode()),
    "text with a byte order mark": lambda message: "\ufeff" + json.dumps(message),
    "lower camel": camel,
    "sqs message": lambda message: {"MessageId": "1", "ReceiptHandle": "r", "Body": json.dumps(message)},
    "lambda record of sqs": lambda message: {"messageId": "1", "body": json.dumps(message), "eventSource": "aws:sqs"},
    "sns": sns,
    "sns in sqs": lambda message: {"Body": json.dumps(sns(message))},
    "lambda record of sns": lambda message: {"EventSource": "aws:sns", "Sns": sns(message)},
    "eventbridge": lambda message: {"detail-type": "ORDER_CHANGE", "source": "aws.partner/x", "detail": message},
    "eventbridge in sqs": lambda message: {"Body": json.dumps({"detail-type": "ORDER_CHANGE", "detail": message})},
    "eventbridge, type outside": lambda message: {
        "detail-type": "ORDER_CHANGE",
        "detail": {name: value for name, value in message.items() if name != "NotificationType"},
    },
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_notification_is_read_in_any_wrapping(wrapping: str) -> None:
    """Casing, envelope, and text, bytes or mapping make no difference."""
    found = parse(WRAPPINGS[wrapping](WHOLE))
    assert found.type == "ORDER_CHANGE"
    assert found.key == "d0e9e693-c3ad-4373-979f-ed4ec98dd746"
    assert found.event_time == datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    assert found.publish_time == datetime(2026, 1, 2, 3, 5, tzinfo=UTC)
    assert (found.seller_id, found.payload_version) == ("A1EXAMPLE", "1.0")
    assert (found.application_id, found.subscription_id, found.violations) == ("app", "sub", ())
    assert isinstance(found.payload, order_change.Payload)
    assert found.content.summary.order_status is order_change.SummaryOrderStatus.UNSHIPPED


@pytest.mark.parametrize("kind", MODULES)
def test_every_type_decodes_strictly(kind: str) -> None:
    """A notification made from each schema is decoded in either casing, and encoded as it came."""
    for version, module in MODULES[kind].items():
        declared = importlib.import_module(f"spapi_async.models.notifications.{module}").Notification
        whole = Maker(rng_for(kind, version)).make(type_info(declared), "")
        typed = msgspec.json.decode(json.dumps(whole), type=declared)
        assert json.loads(to_json(typed)) == whole
        fields = {name.lower(): name for name in whole}
        whole |= {fields["notificationtype"]: kind, fields["payloadversion"]: version}
        for message in (whole, camel(whole), pascal(whole)):
            found = parse(message)
            assert (found.type, found.violations) == (kind, ())
            assert found.payload == typed.payload


def test_the_version_of_the_payload_chooses_the_schema() -> None:
    """An unknown version is decoded with the newest."""
    payload = {"SellerId": "A1", "Sku": "s", "Severities": ["NONE"], "EnforcementActions": ["SEARCH_SUPPRESSED"]}
    message = {"NotificationType": "LISTINGS_ITEM_ISSUES_CHANGE", "Payload": payload}
    modules = {
        version: type(parse(message | {"PayloadVersion": version}).payload).__module__.rpartition(".")[2]
        for version in ("1.0", "2023-12-13", "2099-01-01")
    }
    assert modules["1.0"] == "listings_item_issues_change"
    assert modules["2023-12-13"] == modules["2099-01-01"] == "listings_item_issues_change_2023_12_13"


def test_a_payload_that_breaks_its_schema_is_read_leniently() -> None:
    """Valid values are typed, each violation is recorded, and the bytes are kept."""
    broken = json.loads(json.dumps(WHOLE).replace('"2026-01-02T03:04:05.678Z", "ChangeReason": "x"', '""'))
    broken["Payload"]["OrderChangeNotification"]["NewKey"] = 1
    found = parse(broken)
    assert found.content.amazon_order_id == "902-3159896-1390916"
    assert [violation.operation for violation in found.violations] == ["notifications.ORDER_CHANGE"] * 2
    assert b"NewKey" in found.raw


def test_an_unknown_type_is_kept() -> None:
    """It has its name and plain data, which its repr hides."""
    found = parse({"NotificationType": "BRAND_NEW", "Payload": {"brandNewNotification": {"sellerId": "A1", "a": [1]}}})
    assert (found.type, found.seller_id) == ("BRAND_NEW", "A1")
    assert found.payload == {"brandNewNotification": {"sellerId": "A1", "a": [1]}}
    assert found.content["a"] == [1]


def test_a_notification_without_an_id_has_a_key_of_its_content() -> None:
    """FBA_INVENTORY_AVAILABILITY_CHANGES has no metadata; the content counts, and the order of keys does not."""
    kind = "FBA_INVENTORY_AVAILABILITY_CHANGES"
    keys = [
        parse({"NotificationType": kind, "EventTime": "2026-01-01T00:00:00Z", "Payload": payload}).key
        for payload in ({"SKU": "a", "ASIN": "b"}, {"ASIN": "b", "SKU": "a"}, {"ASIN": "b", "SKU": "c"})
    ]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("payload", "seller"),
    [
        ({"sellerId": "A1"}, "A1"),
        ({"thing": {"MerchantId": "A1"}}, "A1"),
        ({"thing": {"sellingPartnerMetadata": {"sellingPartnerId": "A1"}}}, "A1"),
        ({"accountId": "amzn1.merchant.o.A1"}, "A1"),
        ({"accountId": "A1"}, "A1"),
        ({"accountId": "amzn1.vg.6213651"}, None),
        ({"events": [{"accountId": "amzn1.merchant.o.A1"}]}, "A1"),
        ({"offers": {"list": [{"sellerId": "SOMEBODY"}]}}, None),
        ({}, None),
        ([], None),
    ],
)
def test_the_seller_is_found_where_the_types_name_it(payload: Any, seller: str | None) -> None:
    """A vendor group is not a seller, and neither is a competitor."""
    assert parse({"notificationType": "X", "payload": payload}).seller_id == seller


def test_a_client_secrets_notification_goes_through_the_same_parser() -> None:
    """``replace_client_secret`` takes its payload; the secret is neither in a repr nor in ``raw``."""
    found = parse({"Body": json.dumps(SECRET)})
    assert isinstance(found.payload, NewClientSecret)
    assert found.payload.client_secret.reveal() == "MARK"
    assert "MARK" not in f"{found!r} {found.payload!r} {found.raw!r}"
    expiry = {"Payload": {"ApplicationOAuthClientSecretExpiry": {"ClientId": "c"}}}
    assert isinstance(parse(expiry).payload, ClientSecretExpiry)


def test_no_repr_shows_personal_data() -> None:
    """It is hidden in the repr of the notification, of its payload and of an unknown type."""
    found = parse(WHOLE)
    unknown = parse(WHOLE | {"NotificationType": "NEW"})
    assert "MARK" not in f"{found!r} {found.payload!r} {unknown!r} {unknown.payload!r} {unknown.content!r}"
    assert found.content.summary.destination_postal_code == "MARK-48110"


def test_a_notification_pickles_and_parses_as_itself() -> None:
    """Parsing a parsed one returns it."""
    found = parse(WHOLE)
    assert pickle.loads(pickle.dumps(found)) == found
    assert parse(found) is found


@pytest.mark.parametrize(
    "message",
    [
        "",
        "MARK",
        b"\xff\xfe",
        "[]",
        "null",
        '"MARK"',
        {},
        {"Body": "MARK"},
        {"Body": None},
        None,
        17,
        {"Records": [WHOLE]},
        {"Message": {"Message": {"Message": {"Message": {"Message": WHOLE}}}}},
        {"payload": object()},
        {"payload": {"applicationOAuthClientNewSecret": {"newClientSecret": "MARK"}}},
        '{"a":' * 100_000 + "1" + "}" * 100_000,
        '{"payload":' * 100_000 + "1" + "}" * 100_000,
        '{"notificationType":"ORDER_CHANGE","payload":' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
)
def test_an_invalid_message_is_an_error_that_does_not_show_it(message: Any) -> None:
    """It may contain anything, at any depth."""
    with pytest.raises(DecodeError, match="notification") as caught:
        parse(message)
    assert "MARK" not in str(caught.value)
    assert caught.value.__cause__ is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.sampled_from(["Payload", "NotificationMetadata", "EventTime", "PayloadVersion", "NotificationType"]), JSON)
def test_any_member_may_be_anything(name: str, value: Any) -> None:
    """The result is a notification with a key, or an error of the library; a known type has its content."""
    try:
        found = parse(json.dumps(WHOLE | {name: value}))
    except DecodeError:
        assert name == "Payload"
        return
    assert isinstance(found, Notification)
    assert found.key
    if found.type == "ORDER_CHANGE":
        assert isinstance(found.content, order_change.OrderChangeNotification)


@pytest.mark.parametrize(
    "payload", [None, 5, "x", True, [], [{}], {}, {"OrderChangeNotification": None}, {"Other": {}}]
)
def test_a_known_type_without_its_content_is_an_error(payload: Any) -> None:
    """``content.amazon_order_id`` would fail in the reader; a queue sets the message aside."""
    for casing in ("Payload", "payload"):
        message = {name: value for name, value in WHOLE.items() if name != "Payload"} | {casing: payload}
        for wrapped in (message, {"Body": json.dumps({"Type": "Notification", "Message": json.dumps(message)})}):
            with pytest.raises(DecodeError, match="payload of ORDER_CHANGE"):
                parse(wrapped)


def test_an_unknown_type_has_any_payload_but_null() -> None:
    """Its reader decides what it means."""
    assert [parse({"notificationType": "NEW", "payload": each}).payload for each in (5, "x", [1])] == [5, "x", [1]]
    with pytest.raises(DecodeError, match="its payload is null"):
        parse({"notificationType": "NEW", "payload": None})


@given(st.binary() | st.text())
def test_any_bytes_give_a_notification_or_the_librarys_error(message: bytes | str) -> None:
    """The parser raises no other error."""
    with pytest.raises(DecodeError):
        parse(message)


async def test_any_async_iterable_is_a_source(caplog: pytest.LogCaptureFixture) -> None:
    """Invalid messages are skipped and logged, without their content."""

    async def source() -> AsyncIterator[Any]:
        for message in (WHOLE, "MARK", {"Body": json.dumps(WHOLE)}):
            yield message

    assert [found.type async for found in iter_notifications(source())] == ["ORDER_CHANGE"] * 2
    assert "left out" in caplog.text
    assert "MARK" not in caplog.text

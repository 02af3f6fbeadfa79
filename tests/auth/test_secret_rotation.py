"""The notifications that carry a new client secret, or warn that the old one ends."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from spapi_async.auth import ClientSecretExpiry, NewClientSecret, parse_secret_notification
from spapi_async.errors import AuthError

NEW: dict[str, Any] = {
    "notificationVersion": "1.0",
    "notificationType": "APPLICATION_OAUTH_CLIENT_NEW_SECRET",
    "payload": {
        "applicationOAuthClientNewSecret": {
            "clientId": "amzn1.application-oa2-client.1",
            "newClientSecret": "MARK",
            "newClientSecretExpiryTime": "2026-06-01T00:00:00.000Z",
            "oldClientSecretExpiryTime": "2025-12-10T12:00:00+02:00",
        }
    },
    "notificationMetadata": {"applicationId": "amzn1.sellerapps.app.1"},
}
EXPIRY: dict[str, Any] = {
    "notificationType": "APPLICATION_OAUTH_CLIENT_SECRET_EXPIRY",
    "payload": {
        "applicationOAuthClientSecretExpiry": {
            "clientId": "c",
            "clientSecretExpiryTime": "2026-06-01T00:00:00",
            "clientSecretExpiryReason": "PERIODIC_ROTATION",
        }
    },
}


def pascal(value: Any) -> Any:
    """The same value with every key in Pascal case."""
    if isinstance(value, dict):
        return {key[0].upper() + key[1:]: pascal(item) for key, item in value.items()}
    return value


WRAPPINGS: dict[str, Callable[[Any], Any]] = {
    "plain": lambda message: message,
    "text": json.dumps,
    "bytes": lambda message: json.dumps(message).encode(),
    "pascal": pascal,
    "sqs": lambda message: {"MessageId": "1", "Body": json.dumps(message)},
    "sns in sqs": lambda message: json.dumps({"Body": json.dumps({"Message": json.dumps(message)})}),
    "eventbridge": lambda message: {"detail-type": "x", "detail": message},
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_the_new_secret_is_read_in_any_wrapping(wrapping: str) -> None:
    """Keys may be in lower camel or Pascal case, inside a message of a queue, a topic or a bus."""
    news = parse_secret_notification(WRAPPINGS[wrapping](NEW))
    assert isinstance(news, NewClientSecret)
    assert news.client_id == "amzn1.application-oa2-client.1"
    assert news.client_secret.reveal() == "MARK"
    assert news.expires_at == datetime(2026, 6, 1, tzinfo=UTC)
    assert news.old_expires_at == datetime(2025, 12, 10, 10, tzinfo=UTC)
    assert "MARK" not in repr(news)


def test_the_warning_is_read() -> None:
    """A time without a zone is UTC."""
    assert parse_secret_notification(EXPIRY) == ClientSecretExpiry(
        client_id="c", expires_at=datetime(2026, 6, 1, tzinfo=UTC), reason="PERIODIC_ROTATION"
    )


def test_an_invalid_time_does_not_lose_the_secret() -> None:
    """The time is then unknown."""
    broken = json.loads(json.dumps(NEW).replace("2026-06-01T00:00:00.000Z", "soon"))
    news = parse_secret_notification(broken)
    assert isinstance(news, NewClientSecret)
    assert news.expires_at is None


@pytest.mark.parametrize(
    "message",
    [
        "",
        "MARK",
        b"\xff",
        "[]",
        "null",
        {},
        {"payload": {}},
        {"payload": {"orderChange": {}}},
        {"Body": "MARK"},
        {"Body": {"Body": {"Body": {"Body": {"Body": {"Body": NEW}}}}}},
        {"payload": {"applicationOAuthClientNewSecret": {"clientId": "c"}}},
        {"payload": {"applicationOAuthClientNewSecret": {"newClientSecret": "MARK"}}},
    ],
)
def test_any_other_message_is_an_error_that_does_not_show_it(message: Any) -> None:
    """It may hold a secret too."""
    with pytest.raises(AuthError, match="notification") as caught:
        parse_secret_notification(message)
    assert "MARK" not in str(caught.value)
    assert caught.value.__cause__ is None

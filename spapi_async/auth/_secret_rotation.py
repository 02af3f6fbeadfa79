"""The two notifications about an application's client secret, read into structs.

The reply of ``rotateApplicationClientSecret`` has no content: Amazon sends the new secret to the queue registered for
the application, and sends a warning there before the current secret expires.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from spapi_async._codec import json
from spapi_async._codec.messages import folded, unwrapped
from spapi_async.credentials import Secret
from spapi_async.errors import AuthError

__all__ = ["ClientSecretExpiry", "NewClientSecret", "parse_secret_notification"]


class NewClientSecret(msgspec.Struct, frozen=True, kw_only=True):
    """APPLICATION_OAUTH_CLIENT_NEW_SECRET: the secret to use now; the old one works until ``old_expires_at``."""

    client_id: str
    client_secret: Secret
    expires_at: datetime | None
    old_expires_at: datetime | None


class ClientSecretExpiry(msgspec.Struct, frozen=True, kw_only=True):
    """APPLICATION_OAUTH_CLIENT_SECRET_EXPIRY: the current secret expires at ``expires_at``; rotate it before."""

    client_id: str
    expires_at: datetime | None
    reason: str | None


def parse_secret_notification(message: str | bytes | Mapping[str, Any]) -> NewClientSecret | ClientSecretExpiry:
    """Read a message of the queue: the notification itself, or wrapped by SQS, SNS or EventBridge.

    Keys may be in lower camel case or in Pascal case.

    Raises:
        AuthError: it is neither of the two notifications. The error does not show the message, which may be secret.
    """
    # Raised here, where no local variable contains the message.
    notification = _read(message)
    del message
    if isinstance(notification, AuthError):
        raise notification
    return notification


def _read(message: Any) -> NewClientSecret | ClientSecretExpiry | AuthError:
    try:
        return _notification(message)
    except AuthError as error:
        return error.with_traceback(None)


def _notification(message: Any) -> NewClientSecret | ClientSecretExpiry:
    try:
        payload = _lowered(json.parse(bytes(folded(unwrapped(message))["payload"])))
    except (ValueError, RecursionError) as error:
        raise AuthError(f"not a notification: {error}" if type(error) is ValueError else "not a notification") from None
    if "applicationoauthclientnewsecret" in payload:
        facts = _lowered(payload["applicationoauthclientnewsecret"])
        return NewClientSecret(
            client_id=_text(facts, "clientid"),
            client_secret=Secret(_text(facts, "newclientsecret")),
            expires_at=_time(facts, "newclientsecretexpirytime"),
            old_expires_at=_time(facts, "oldclientsecretexpirytime"),
        )
    if "applicationoauthclientsecretexpiry" in payload:
        facts = _lowered(payload["applicationoauthclientsecretexpiry"])
        reason = facts.get("clientsecretexpiryreason")
        return ClientSecretExpiry(
            client_id=_text(facts, "clientid"),
            expires_at=_time(facts, "clientsecretexpirytime"),
            reason=reason if isinstance(reason, str) else None,
        )
    raise AuthError("not a notification about a client secret")


def _lowered(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {}
    return {str(key).lower(): item for key, item in value.items()}


def _text(facts: Mapping[str, Any], name: str) -> str:
    value = facts.get(name)
    if not isinstance(value, str) or not value:
        raise AuthError(f"the notification lacks {name}")
    return value


def _time(facts: Mapping[str, Any], name: str) -> datetime | None:
    value = facts.get(name)
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time

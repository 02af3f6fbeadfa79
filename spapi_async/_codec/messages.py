"""Takes a notification out of the message in which a queue, a topic or an event bus has wrapped it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from spapi_async._codec import json
from spapi_async._codec.mending import mend

__all__ = ["folded", "unwrapped"]

# Members that contain the inner message: of an SQS message or record, of SNS, of SNS as a Lambda function receives it,
# of EventBridge.
_WRAPPERS = ("body", "message", "sns", "detail")
_LIST_MEMBERS = ("messages", "records")
_MOST_WRAPPERS = 5

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def unwrapped(message: Any) -> dict[str, msgspec.Raw]:
    """The members of the notification, each still JSON, with their names unchanged.

    Args:
        message: text, bytes or a mapping; wrapped or not.

    Raises:
        ValueError: it contains no notification. Its content is not shown, because it may be a secret.
    """
    kind = ""
    for _ in range(_MOST_WRAPPERS):
        members = _opened(message)
        facts = folded(members)
        if "payload" in facts:
            if kind and "notificationtype" not in facts:  # then EventBridge's detail-type is the type
                members["notificationType"] = kind
            return {name: _raw(value) for name, value in members.items()}
        kind = facts.get("detail-type") or kind
        name = next((name for name in _WRAPPERS if name in facts), None)
        if name is None:
            if several := next((name for name in _LIST_MEMBERS if name in facts), None):
                raise ValueError(f"it is a list of messages: take each entry of its {several!r}")
            raise ValueError("it has no payload")
        message = facts[name]
    raise ValueError(f"it is wrapped more than {_MOST_WRAPPERS} times")


def folded(members: Mapping[Any, Any]) -> dict[str, Any]:
    """The same with keys in lower case: Amazon uses camelCase for some types and PascalCase for others."""
    return {str(name).lower(): value for name, value in members.items()}


def _opened(message: Any) -> dict[str, Any]:
    if isinstance(message, Mapping):
        return {str(name): value for name, value in message.items()}
    if isinstance(message, bytearray | memoryview):
        message = bytes(message)
    if isinstance(message, msgspec.Raw):
        message = _text(message)
    if not isinstance(message, str | bytes):
        raise ValueError(f"it is neither text nor a mapping but {type(message).__name__}")  # noqa: TRY004
    body = message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message
    try:
        try:
            return _MEMBERS.decode(body)
        except ValueError:
            return _MEMBERS.decode(mend(body)[0])
    except (ValueError, RecursionError):
        raise ValueError("it is not a JSON object") from None  # the cause could show the content


def _text(raw: msgspec.Raw) -> str | bytes:
    """The message in a JSON string; some wrappers contain the object itself instead."""
    try:
        return msgspec.json.decode(raw, type=str)
    except ValueError:
        return bytes(raw)


def _raw(value: Any) -> msgspec.Raw:
    try:
        return value if isinstance(value, msgspec.Raw) else msgspec.Raw(json.encode(value))
    except (TypeError, ValueError, RecursionError):
        raise ValueError("it has a value that cannot be written as JSON") from None

"""The notification inside a message: out of what a queue, a topic or an event bus wraps round it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from spapi_async._codec import json
from spapi_async._codec.mending import mend

__all__ = ["folded", "unwrapped"]

# Members that hold a message inside a message: an SQS message or record, SNS, SNS as a function gets it, EventBridge.
_WRAPPERS = ("body", "message", "sns", "detail")
_LISTS = ("messages", "records")
_DEPTH = 5

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def unwrapped(message: Any) -> dict[str, msgspec.Raw]:
    """The members of the notification as they are spelt there, each still JSON.

    Args:
        message: text, bytes or a mapping, in any of the wrappings or none.

    Raises:
        ValueError: there is no notification in it. What it holds is not shown: it may be a secret.
    """
    kind = ""
    for _ in range(_DEPTH):
        members = _opened(message)
        facts = folded(members)
        if "payload" in facts:
            if kind and "notificationtype" not in facts:  # EventBridge says it too
                members["notificationType"] = kind
            return {name: _raw(value) for name, value in members.items()}
        kind = facts.get("detail-type") or kind
        name = next((name for name in _WRAPPERS if name in facts), None)
        if name is None:
            if several := next((name for name in _LISTS if name in facts), None):
                raise ValueError(f"a list of messages: take each entry of its {several!r}")
            raise ValueError("it has no payload")
        message = facts[name]
    raise ValueError(f"it is wrapped more than {_DEPTH} times")


def folded(members: Mapping[Any, Any]) -> dict[str, Any]:
    """The same with keys in lower case: Amazon writes some types in lower camel and others in Pascal case."""
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
        raise ValueError("it is not a JSON object") from None  # the cause could show the text


def _text(raw: msgspec.Raw) -> str | bytes:
    """The message in a JSON string, or the object itself where others have its text."""
    try:
        return msgspec.json.decode(raw, type=str)
    except ValueError:
        return bytes(raw)


def _raw(value: Any) -> msgspec.Raw:
    try:
        return value if isinstance(value, msgspec.Raw) else msgspec.Raw(json.encode(value))
    except (TypeError, ValueError, RecursionError):
        raise ValueError("it holds what is not JSON") from None

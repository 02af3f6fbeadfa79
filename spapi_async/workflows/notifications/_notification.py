"""A notification as a value, and how it is read from a message of any kind."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from importlib import import_module
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from spapi_async._codec import json, lenient
from spapi_async._codec.messages import folded, unwrapped
from spapi_async._codec.response import Violation
from spapi_async._core.wire import Model, Timestamp, kept
from spapi_async.auth import ClientSecretExpiry, NewClientSecret, parse_secret_notification
from spapi_async.errors import AuthError, DecodeError
from spapi_async.models.notifications import MODULES

__all__ = ["Message", "Notification", "iter_notifications", "parse", "payload_versions"]

_log = logging.getLogger("spapi_async.workflows.notifications")

_SECRETS = {"applicationoauthclientnewsecret", "applicationoauthclientsecretexpiry"}
_MERCHANT = "amzn1.merchant.o."


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One notification; its repr does not show the payload.

    Attributes:
        type: such as ``"ORDER_CHANGE"``; may be a type that this library does not know.
        payload: the ``Payload`` of that type in :mod:`spapi_async.models.notifications`, decoded as leniently as
            replies; plain dicts and lists for an unknown type; a ``NewClientSecret`` or ``ClientSecretExpiry`` for the
            two notifications about an application's client secret.
        key: the same for every delivery of a notification, so that duplicates can be recognised: Amazon's
            ``notificationId``, or a hash of the content for types that have none.
        event_time: when it happened; None if the message gives no time.
        publish_time: when Amazon published it; it may arrive hours later, and out of order.
        seller_id: the seller that it is about, if the payload names one.
        payload_version: the version of the payload.
        subscription_id, application_id: from the metadata, if there is any.
        violations: the places at which the payload breaks its schema; nearly always empty.
        raw: the payload's JSON as received, including unknown keys; empty for a client secret.
    """

    type: str
    payload: Any
    key: str
    event_time: datetime | None = None
    publish_time: datetime | None = None
    seller_id: str | None = None
    payload_version: str | None = None
    subscription_id: str | None = None
    application_id: str | None = None
    violations: tuple[Violation, ...] = ()
    raw: bytes = b""

    @property
    def content(self) -> Any:
        """The single object that most types have in their payload, such as ``payload.order_change_notification``."""
        return _content(self.payload)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.type} {self.key}>"

    def __rich_repr__(self) -> Any:
        yield self.type
        yield self.key


Message = str | bytes | bytearray | memoryview | Mapping[str, Any] | Notification
"""The forms of a message in which a notification can arrive."""


def parse(message: Message) -> Notification:
    """The notification in a message.

    The message may be the notification itself, the body of an SQS message, an entry of ``Messages`` (SQS) or
    ``Records`` (a Lambda function's event), an SNS envelope or an EventBridge event, or several of them nested; as
    text, bytes or a mapping. Keys may be in lower camel case or in Pascal case, whichever the schema uses.

    Raises:
        DecodeError: it contains no notification, or one of a known type without its content. The error does not show
            the message.
    """
    if isinstance(message, Notification):
        return message
    try:
        members = unwrapped(message)
    except ValueError as error:
        raise DecodeError(f"not a notification: {error}") from None
    facts = folded(members)
    metadata = _object(facts.get("notificationmetadata"))
    kind = _text(facts.get("notificationtype")) or ""
    raw = bytes(facts["payload"])
    violations: tuple[Violation, ...] = ()
    if secret := not _SECRETS.isdisjoint(_object(facts["payload"])):
        payload = _secret(members)
    else:
        spelt = next(name for name in members if name.lower() == "payload")
        payload, violations = _payload(kind, _text(facts.get("payloadversion")), raw, spelt)
    return Notification(
        type=kind,
        payload=payload,
        key=_text(metadata.get("notificationid")) or _digest(kind, facts),
        event_time=_time(facts.get("eventtime")),
        publish_time=_time(metadata.get("publishtime")),
        seller_id=_seller_id(payload),
        payload_version=_text(facts.get("payloadversion")),
        subscription_id=_text(metadata.get("subscriptionid")),
        application_id=_text(metadata.get("applicationid")),
        violations=violations,
        raw=b"" if secret else raw,
    )


async def iter_notifications(source: AsyncIterable[Message]) -> AsyncIterator[Notification]:
    """The notifications in an async iterable of messages; other messages are logged and left out."""
    async for message in source:
        try:
            found = parse(message)
        except DecodeError as error:
            _log.error("a message was left out: %s", error.message)
            continue
        yield found


def payload_versions(kind: str) -> tuple[str, ...]:
    """The versions of a type's payload that have a schema, oldest first."""
    return tuple(version for version in MODULES.get(kind, ()) if version)


# --- the payload -----------------------------------------------------------------------------------------------------


def _secret(members: Mapping[str, msgspec.Raw]) -> NewClientSecret | ClientSecretExpiry:
    """The payload of a notification about a client secret, in types that hide the secret."""
    try:
        return parse_secret_notification(members)
    except AuthError as error:
        raise DecodeError(error.message) from None


def _payload(kind: str, version: str | None, raw: bytes, spelt: str) -> tuple[Any, tuple[Violation, ...]]:
    """The typed payload and its violations; ``spelt`` is the payload's key, which shows the case of all keys."""
    schema = _schema(kind, version or "")
    if schema is None:
        if raw == b"null":
            raise DecodeError("not a notification: its payload is null")
        return kept(_plain(raw), text=True), ()
    declared, member, decoder = schema
    if spelt == member:
        try:
            return _filled(decoder.decode(raw), kind), ()
        except (ValueError, RecursionError):
            pass
    try:
        value, found = lenient.build(declared, _EXACT_ENCODER.encode(_respelt(_EXACT_DECODER.decode(raw), declared)))
    except (ValueError, RecursionError):
        raise DecodeError("not a notification: its payload cannot be read as JSON") from None
    return _filled(value, kind), tuple([Violation(f"notifications.{kind}", *facts) for facts in found])


def _filled(payload: Any, kind: str) -> Any:
    """The payload of a known type, checked for its content.

    Raises:
        DecodeError: it is not an object, or lacks the single object that its type contains.
    """
    if not isinstance(payload, Model):
        raise DecodeError(f"not a notification: the payload of {kind} is not an object")
    (only, *others) = msgspec.structs.fields(payload)
    wraps = not others and any(isinstance(each, type) and issubclass(each, Model) for each in _alternatives(only.type))
    if wraps and not isinstance(getattr(payload, only.name), Model):
        raise DecodeError(f"not a notification: the payload of {kind} has no {only.encode_name}")
    return payload


def _alternatives(declared: Any) -> tuple[Any, ...]:
    return get_args(declared) if get_origin(declared) in (UnionType, Union) else (declared,)


_EXACT_DECODER = msgspec.json.Decoder(float_hook=Decimal)  # floats would change the digits of numbers
_EXACT_ENCODER = msgspec.json.Encoder(decimal_format="number")


@lru_cache(maxsize=256)
def _schema(kind: str, version: str) -> tuple[type[Model], str, msgspec.json.Decoder[Any]] | None:
    """The payload's class, its key in the schema, and its decoder; for an unknown version those of the newest."""
    versions = MODULES.get(kind)
    if versions is None:
        return None
    name = versions.get(version) or list(versions.values())[-1]
    module = import_module(f"spapi_async.models.notifications.{name}")
    member = next(field.encode_name for field in msgspec.structs.fields(module.Notification) if field.name == "payload")
    return module.Payload, member, msgspec.json.Decoder(module.Payload)


def _respelt(value: Any, declared: Any) -> Any:
    """Plain JSON whose keys have the case that the type expects."""
    if get_origin(declared) is list and isinstance(value, list):
        return [_respelt(item, get_args(declared)[0]) for item in value]
    if isinstance(declared, type) and issubclass(declared, Model):
        if isinstance(value, list):
            return [_respelt(item, declared) for item in value]
        if isinstance(value, dict):
            known = _fields(declared)
            made = {}
            for name, item in value.items():
                spelt, inner = known.get(name.lower(), (name, Any))
                made[spelt] = _respelt(item, inner)
            return made
    optional = [each for each in get_args(declared) if each is not type(None)]
    return _respelt(value, optional[0]) if get_origin(declared) not in (None, list, dict) and optional else value


@lru_cache(maxsize=1024)
def _fields(declared: type[Model]) -> dict[str, tuple[str, Any]]:
    return {field.encode_name.lower(): (field.encode_name, field.type) for field in msgspec.structs.fields(declared)}


def _content(payload: Any) -> Any:
    if isinstance(payload, Model):
        names = payload.__struct_fields__
        inner = getattr(payload, names[0]) if len(names) == 1 else None
        return inner if isinstance(inner, Model) else payload
    if isinstance(payload, dict) and len(payload) == 1:
        inner = next(iter(payload.values()))
        return kept(inner, text=True) if isinstance(inner, dict) else payload
    return payload


def _seller_id(payload: Any) -> str | None:
    """The seller that it is about; None for an account that is not a seller's, such as a vendor group's."""
    content = _content(payload)
    for name in ("sellerid", "merchantid", "sellingpartnerid"):
        if isinstance(found := _member(content, name), str) and found:
            return found
    if (inner := _member(content, "sellingpartnermetadata")) is not None:
        return _seller_id(inner)
    account = _member(content, "accountid")
    if account is None and isinstance(events := _only_list(content), list):  # by the schema, all belong to one account
        account = next((_member(event, "accountid") for event in events), None)
    if not isinstance(account, str) or not account:
        return None
    return account.removeprefix(_MERCHANT) if not account.startswith("amzn1.") or _MERCHANT in account else None


def _member(value: Any, name: str) -> Any:
    if isinstance(value, Model):
        found = next((each for each in value.__struct_fields__ if each.replace("_", "") == name), None)
        return getattr(value, found) if found else None
    return folded(value).get(name) if isinstance(value, Mapping) else None


def _only_list(content: Any) -> Any:
    if isinstance(content, Model) and len(content.__struct_fields__) == 1:
        return getattr(content, content.__struct_fields__[0])
    return next(iter(content.values())) if isinstance(content, dict) and len(content) == 1 else None


# --- the rest --------------------------------------------------------------------------------------------------------


def _digest(kind: str, facts: Mapping[str, msgspec.Raw]) -> str:
    """The key of a notification without an id: equal for equal content, in whatever order its keys are."""
    content = [kind, _plain(facts.get("eventtime")), _plain(facts["payload"])]
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()[:40]


def _object(raw: msgspec.Raw | None) -> dict[str, msgspec.Raw]:
    try:
        return folded(msgspec.json.decode(raw, type=dict[str, msgspec.Raw])) if raw is not None else {}
    except ValueError:
        return {}


def _text(raw: msgspec.Raw | None) -> str | None:
    value = _plain(raw)
    return value if isinstance(value, str) and value else None


def _time(raw: msgspec.Raw | None) -> datetime | None:
    if raw is None:
        return None
    value, _ = lenient.build(Timestamp | None, bytes(raw))
    return value if isinstance(value, datetime) else None


def _plain(raw: msgspec.Raw | bytes | None) -> Any:
    """Plain JSON."""
    if raw is None:
        return None
    try:
        return json.parse(bytes(raw))
    except (ValueError, RecursionError):
        raise DecodeError("not a notification: it cannot be read as JSON") from None

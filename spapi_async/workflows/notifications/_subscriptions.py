"""``seller.notifications``: subscriptions, and the destinations to which Amazon sends notifications."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from spapi_async._core.arguments import one_or_more
from spapi_async._core.caller import Caller
from spapi_async._core.operation import Operation
from spapi_async._core.resources import Resources
from spapi_async.api.notifications_v1 import (
    CREATE_DESTINATION,
    CREATE_SUBSCRIPTION,
    DELETE_DESTINATION,
    DELETE_SUBSCRIPTION_BY_ID,
    GET_DESTINATIONS,
    GET_SUBSCRIPTIONS,
    NotificationsV1,
)
from spapi_async.errors import ConfigurationError, ConflictError, DecodeError, NotFoundError, OutcomeUnknownError
from spapi_async.marketplaces import Marketplace
from spapi_async.models import notifications_v1 as m
from spapi_async.workflows.notifications._notification import payload_versions
from spapi_async.workflows.notifications._sqs import SqsQueue, queue_arn

__all__ = ["Destination", "EventBridge", "Notifications", "processing_directive"]


class EventBridge(msgspec.Struct, frozen=True):
    """Amazon EventBridge in an AWS account, in which the partner event source must then be accepted."""

    account_id: str
    region: str


Destination = str | SqsQueue | EventBridge
"""A queue, as object, URL or ARN; an event bus; or the id of an existing destination."""


class Notifications:
    """The notifications of one selling partner."""

    __slots__ = ("_caller",)

    def __init__(self, caller: Caller, resources: Resources) -> None:  # noqa: ARG002 - as every workflow is made
        self._caller = caller

    async def subscribe(
        self,
        notification_type: str,
        destination: Destination,
        *,
        marketplaces: Sequence[Marketplace | str] = (),
        order_change_types: Sequence[str] = (),
        aggregation: str | None = None,
        tracking: m.TrackingIdentifier | None = None,
        filter_expression: str | None = None,
        payload_version: str | None = None,
        name: str | None = None,
    ) -> m.Subscription:
        """Have notifications of a type sent to a destination. It may be repeated: an equal subscription is kept.

        The queue's policy must allow Amazon's account 437568002678 to send to it. Destinations belong to the
        application, not to the seller.

        Args:
            notification_type: ``"ORDER_CHANGE"`` and the like.
            destination: a queue, its URL or ARN; an :class:`EventBridge`; the id of a destination.
            marketplaces: only notifications about these; for ORDER_CHANGE and ANY_OFFER_CHANGED.
            order_change_types: only ``OrderStatusChange``, ``BuyerRequestedChange`` or ``DeliveryTipChange``; for
                ORDER_CHANGE.
            aggregation: at most one notification per item in ``FiveMinutes`` or ``TenMinutes``; for ANY_OFFER_CHANGED.
            tracking: only notifications about this shipment; for SHIPMENT_TRACKING_MILESTONE_CHANGED.
            filter_expression: a condition on the payload, in CEL, instead of the filters above.
            payload_version: by default the newest that this library knows.
            name: the name of the destination, if it has to be created.

        Raises:
            ConfigurationError: the destination or a filter is not valid; nothing was sent.
            SPAPIError: see :mod:`spapi_async.errors`.
        """
        places = [Marketplace.parse(each).value for each in one_or_more(marketplaces)]
        directive = processing_directive(
            notification_type,
            places,
            one_or_more(order_change_types),
            aggregation,
            filter_expression,
            tracking=tracking,
        )
        version = payload_version or (payload_versions(notification_type) or ("1.0",))[-1]
        destination_id = await self._destination_id(destination, name)
        wanted = m.CreateSubscriptionRequest(
            payload_version=version, destination_id=destination_id, processing_directive=directive
        )
        if found := await self._find(notification_type, wanted):
            return found
        try:
            made = await self._caller.call(CREATE_SUBSCRIPTION, notification_type=notification_type, body=wanted)
        except ConflictError:  # another process has just created it, or a different one exists
            if found := await self._find(notification_type, wanted):
                return found
            raise
        return made.body

    async def unsubscribe(
        self,
        notification_type: str,
        destination: Destination | None = None,
        *,
        subscription_id: str | None = None,
        delete_destination: bool = False,
    ) -> list[m.Subscription]:
        """Delete the seller's subscriptions to a type, if there are any; returns them.

        Destinations are kept: they belong to the application, and subscriptions of other sellers may use them.

        Args:
            notification_type: ``"ORDER_CHANGE"`` and the like.
            destination: delete only subscriptions with this destination, whatever their filter and version.
            subscription_id: delete only this one.
            delete_destination: also delete the destinations of these subscriptions. Amazon does not show which other
                subscriptions use them: those of other sellers deliver nothing any more, either.

        Raises:
            ConfigurationError: the destination is not valid.
            SPAPIError: see :mod:`spapi_async.errors`.
        """
        wanted = None if destination is None else await self._existing(destination)
        if destination is not None and wanted is None:
            return []  # comparing with None would find subscriptions whose destination Amazon does not show
        ended = [
            each
            for each in await self.subscriptions(notification_type)
            if (destination is None or each.destination_id == wanted)
            and subscription_id in (None, each.subscription_id)
        ]
        if not all(_is_id(each.subscription_id) for each in ended):
            raise DecodeError(
                "a subscription in the reply has no id, so it cannot be deleted", operation=GET_SUBSCRIPTIONS.name
            )
        for each in ended:
            await self._delete(
                DELETE_SUBSCRIPTION_BY_ID, notification_type=notification_type, subscription_id=each.subscription_id
            )
        for destination_id in dict.fromkeys(each.destination_id for each in ended) if delete_destination else ():
            await self._delete(DELETE_DESTINATION, destination_id=destination_id)
        return ended

    async def subscriptions(self, notification_type: str) -> list[m.Subscription]:
        """The seller's subscriptions to a type of notification, through this application."""
        return [each async for each in self._subscriptions(notification_type)]

    async def destinations(self) -> list[m.Destination]:
        """The application's destinations; they serve all its sellers."""
        found = (await self._caller.call(GET_DESTINATIONS)).body
        if found is not None and not isinstance(found, list):
            raise DecodeError("the reply has no list of destinations", operation=GET_DESTINATIONS.name)
        return [each for each in found or () if isinstance(each, m.Destination) and _is_id(each.destination_id)]

    async def _delete(self, operation: Operation[Any], **arguments: str) -> None:
        with contextlib.suppress(NotFoundError):  # another process, or a retry of this request, has deleted it already
            reply = await self._caller.call(operation, **arguments)
            if getattr(reply.body, "errors", None):
                raise OutcomeUnknownError(
                    "Amazon answered a deletion with both success and errors, so its outcome is unknown: repeat "
                    "the call",
                    operation=operation.name,
                    request_id=reply.request_id,
                    status=reply.status,
                )

    async def _existing(self, destination: Destination) -> str | None:
        """The id of a destination; None if the application has no such destination."""
        wanted = _resource(destination)
        return wanted if isinstance(wanted, str) else _at(wanted, await self.destinations())

    async def _destination_id(self, destination: Destination, name: str | None) -> str:
        wanted = _resource(destination)
        if isinstance(wanted, str):
            return wanted
        if found := _at(wanted, await self.destinations()):
            return found
        body = m.CreateDestinationRequest(resource_specification=wanted, name=name or _default_name(wanted))
        try:
            return (await self._caller.call(CREATE_DESTINATION, body=body)).body.destination_id
        except ConflictError:  # another process has just created it
            if found := _at(wanted, await self.destinations()):
                return found
            raise

    async def _find(self, notification_type: str, wanted: m.CreateSubscriptionRequest) -> m.Subscription | None:
        async for each in self._subscriptions(notification_type):
            if (each.destination_id, each.payload_version) == (wanted.destination_id, wanted.payload_version) and (
                _same(each.processing_directive, wanted.processing_directive)
            ):
                return each
        return None

    async def _subscriptions(self, notification_type: str) -> AsyncIterator[m.Subscription]:
        with contextlib.suppress(NotFoundError):  # Amazon's answer if there is none
            async for each in NotificationsV1(self._caller).iter_subscriptions(notification_types=[notification_type]):
                if isinstance(each, m.Subscription):  # lenient decoding keeps other items as they are
                    yield each


def processing_directive(
    notification_type: str,
    marketplaces: Sequence[str],
    order_change_types: Sequence[str],
    aggregation: str | None,
    filter_expression: str | None,
    *,
    tracking: m.TrackingIdentifier | None = None,
) -> m.ProcessingDirective | None:
    """The filters of a subscription; None if there are none.

    Raises:
        ConfigurationError: the type does not accept such a filter, so Amazon would answer 400.
    """
    given = {
        "marketplaces": marketplaces,
        "order_change_types": order_change_types,
        "aggregation": aggregation,
        "tracking": tracking,
    }
    if filter_expression is not None:
        if any(given.values()):
            raise ConfigurationError("give filter_expression or the other filters, not both")
        if notification_type in _WITHOUT_EXPRESSION:
            raise ConfigurationError(f"{notification_type} does not accept filter_expression")
        return m.ProcessingDirective(filter_expression=filter_expression)
    refused = [name for name, value in given.items() if value and name not in _FILTERS.get(notification_type, ())]
    if refused:
        raise ConfigurationError(f"{notification_type} does not accept {' and '.join(refused)}")
    # Amazon refused ORDER_CHANGE subscriptions without a filter for some sellers, so one is always sent.
    if notification_type != "ORDER_CHANGE" and not any(given.values()):
        return None
    return m.ProcessingDirective(
        event_filter=m.EventFilter(
            event_filter_type=m.EventFilterType(notification_type),
            marketplace_ids=list(marketplaces) or None,
            order_change_types=[m.OrderChangeTypeEnum(each) for each in order_change_types] or None,
            aggregation_settings=(
                m.AggregationSettings(aggregation_time_period=m.AggregationTimePeriod(aggregation))
                if aggregation
                else None
            ),
            tracking_identifier=tracking,
        )
    )


_FILTERS = {
    "ANY_OFFER_CHANGED": ("marketplaces", "aggregation"),
    "ORDER_CHANGE": ("marketplaces", "order_change_types"),
    "SHIPMENT_TRACKING_MILESTONE_CHANGED": ("tracking",),
}
# Types about listings and the catalogue, and types that none of Amazon's lists of such types mentions.
_WITHOUT_EXPRESSION = {
    "DATA_KIOSK_QUERY_PROCESSING_FINISHED", "SHIPMENT_TRACKING_MILESTONE_CHANGED", "TAX_INVOICE_EXPORT_STATUS_CHANGE",
    "TAX_INVOICE_ISSUANCE_ELIGIBILITY_STATUS_CHANGE", "TAX_INVOICE_ISSUANCE_STATUS",
    "BRANDED_ITEM_CONTENT_CHANGE", "ITEM_PRODUCT_TYPE_CHANGE", "LISTINGS_ITEM_ISSUES_CHANGE",
    "LISTINGS_ITEM_MFN_QUANTITY_CHANGE", "LISTINGS_ITEM_STATUS_CHANGE", "PRODUCT_TYPE_DEFINITIONS_CHANGE",
}  # fmt: skip


def _resource(destination: Destination) -> m.DestinationResourceSpecification | str:
    """The specification of a destination, or its id."""
    if isinstance(destination, EventBridge):
        bus = m.EventBridgeResourceSpecification(region=destination.region, account_id=destination.account_id)
        return m.DestinationResourceSpecification(event_bridge=bus)
    text = destination.arn if isinstance(destination, SqsQueue) else destination
    if text.startswith(("http://", "https://")):
        text = queue_arn(text)
    if re.match(r"arn:aws[\w-]*:sqs:\S+:\S+:\S+", text):
        return m.DestinationResourceSpecification(sqs=m.SqsResource(arn=text))
    if not text or text.startswith("arn:"):
        raise ConfigurationError(f"a destination must be an SQS queue, an EventBridge or an id, not {text!r}")
    return text


def _at(wanted: m.DestinationResourceSpecification, destinations: Sequence[m.Destination]) -> str | None:
    """The id of an existing destination; None if there is none."""
    for each in destinations:
        # After lenient decoding, these may be anything.
        queue, bus = getattr(each.resource, "sqs", None), getattr(each.resource, "event_bridge", None)
        if isinstance(queue, m.SqsResource) and wanted.sqs and queue.arn == wanted.sqs.arn:
            return each.destination_id
        target = wanted.event_bridge
        if (
            isinstance(bus, m.EventBridgeResource)
            and target
            and (bus.account_id, bus.region) == (target.account_id, target.region)
        ):
            return each.destination_id
    return None


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _default_name(wanted: m.DestinationResourceSpecification) -> str:
    if wanted.sqs is not None:
        return wanted.sqs.arn.rpartition(":")[2][:256]
    assert wanted.event_bridge is not None
    return f"{wanted.event_bridge.account_id}-{wanted.event_bridge.region}"


def _same(one: m.ProcessingDirective | None, other: m.ProcessingDirective | None) -> bool:
    """Whether two directives are equal, in whatever order their lists are."""
    return bool(_comparable(one) == _comparable(other))


def _comparable(directive: m.ProcessingDirective | None) -> Any:
    def sorted_within(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: sorted_within(each) for key, each in value.items() if each not in (None, [], {})}
        return sorted(value) if isinstance(value, list) else value

    return sorted_within(msgspec.to_builtins(directive)) if directive is not None else {}

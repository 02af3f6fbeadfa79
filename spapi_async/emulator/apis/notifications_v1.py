"""Notifications v1: destinations belong to the application, subscriptions to a seller."""

from __future__ import annotations

from typing import Any

from spapi_async.emulator.data.cel import CelError, parse_expression
from spapi_async.emulator.data.world import Call, Handler
from spapi_async.emulator.gateway.pages import next_token, read_token
from spapi_async.emulator.gateway.replies import Refusal, Reply, bad_input, not_found
from spapi_async.models.notifications import MODULES

__all__ = ["HANDLERS"]

_FILTERED = ("ANY_OFFER_CHANGED", "ORDER_CHANGE", "SHIPMENT_TRACKING_MILESTONE_CHANGED")
# The types that take a filterExpression (Amazon's guide to filtered subscriptions).
_WITH_EXPRESSION = {
    "ACCOUNT_STATUS_CHANGED", "ANY_OFFER_CHANGED", "B2B_ANY_OFFER_CHANGED", "DETAIL_PAGE_TRAFFIC_EVENT",
    "EXTERNAL_FULFILLMENT_SHIPMENT_STATUS_CHANGE", "FBA_INVENTORY_AVAILABILITY_CHANGES",
    "FBA_OUTBOUND_SHIPMENT_STATUS", "FEED_PROCESSING_FINISHED", "FEE_PROMOTION", "FULFILLMENT_ORDER_STATUS",
    "ITEM_INVENTORY_EVENT_CHANGE", "ITEM_SALES_EVENT_CHANGE", "ORDER_CHANGE", "PRICING_HEALTH",
    "REPORT_PROCESSING_FINISHED", "TRANSACTION_UPDATE",
}  # fmt: skip


def _create_destination(call: Call) -> Reply:
    wanted = call.body["resourceSpecification"]
    if ("sqs" in wanted) == ("eventBridge" in wanted):
        raise bad_input("The resourceSpecification must have one of sqs and eventBridge.")
    if "sqs" in wanted and not str(wanted["sqs"]["arn"]).startswith("arn:aws"):
        raise bad_input("The ARN is not valid.", f"{wanted['sqs']['arn']} is not a queue's ARN")
    if "eventBridge" in wanted:
        bus = wanted["eventBridge"]
        source = f"aws.partner/sellingpartnerapi.amazon.com/{bus['accountId']}/{call.token.application}"
        wanted = {"eventBridge": bus | {"name": source}}
    notification_service = call.world.notification_service
    if any(each["resource"] == wanted for each in _own(call)):
        raise Refusal(409, "Conflict", "A destination with this resource exists already.")
    made = {"destinationId": notification_service.new_id(), "name": call.body["name"], "resource": wanted}
    notification_service.destinations[made["destinationId"]] = made | {"application": call.token.application}
    return Reply.json({"payload": made})


def _own(call: Call) -> list[dict[str, Any]]:
    """The application's destinations."""
    return [
        each
        for each in call.world.notification_service.destinations.values()
        if each["application"] == call.token.application
    ]


def _shown(stored: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in stored.items() if key not in ("application", "seller", "type")}


def _destination(call: Call) -> dict[str, Any]:
    wanted = call.arguments["destinationId"]
    found = next((each for each in _own(call) if each["destinationId"] == wanted), None)
    if found is None:
        raise not_found("The destination does not exist.", f"no destination {wanted} of this application")
    return found


def _get_destination(call: Call) -> Reply:
    return Reply.json({"payload": _shown(_destination(call))})


def _get_destinations(call: Call) -> Reply:
    return Reply.json({"payload": [_shown(each) for each in _own(call)]})


def _delete_destination(call: Call) -> Reply:
    del call.world.notification_service.destinations[_destination(call)["destinationId"]]
    return Reply.json({})


def _create_subscription(call: Call) -> Reply:
    kind, body = call.arguments["notificationType"], call.body
    _check_directive(kind, body.get("processingDirective") or {})
    versions = [version for version in MODULES.get(kind, ()) if version]
    if versions and body["payloadVersion"] not in versions:
        raise bad_input("The payloadVersion is not valid.", f"{kind} has {', '.join(versions)}")
    if all(each["destinationId"] != body["destinationId"] for each in _own(call)):
        raise bad_input("The destinationId does not exist.", "no destination of this application has it")
    same = ("destinationId", "payloadVersion", "processingDirective")
    if any(all(each.get(name) == body.get(name) for name in same) for each in _subscriptions(call, kind)):
        raise Refusal(409, "Conflict", "The subscription exists already.")
    made = {"subscriptionId": call.world.notification_service.new_id(), **body}
    stored = made | {"application": call.token.application, "seller": call.seller.id, "type": kind}
    call.world.notification_service.subscriptions[made["subscriptionId"]] = stored
    return Reply.json({"payload": made})


def _check_directive(kind: str, directive: dict[str, Any]) -> None:
    event_filter = directive.get("eventFilter")
    if event_filter and "filterExpression" in directive:
        raise bad_input("eventFilter and filterExpression are mutually exclusive.")
    if event_filter and (kind not in _FILTERED or event_filter["eventFilterType"] != kind):
        raise bad_input("The eventFilter is not supported.", f"{kind} does not take {event_filter['eventFilterType']}")
    if "filterExpression" in directive:
        if kind not in _WITH_EXPRESSION:
            raise bad_input("The filterExpression is not supported.", f"{kind} does not take one")
        try:
            parse_expression(directive["filterExpression"])
        except CelError as error:
            raise bad_input("The filterExpression is not valid.", str(error)) from None
    if kind == "ORDER_CHANGE" and not directive:
        raise bad_input("The processingDirective is missing.", "ORDER_CHANGE needs an eventFilter of its type")


def _subscriptions(call: Call, kind: str) -> list[dict[str, Any]]:
    """The seller's subscriptions to a type, through this application."""
    owner = (call.token.application, call.seller.id, kind)
    stored = call.world.notification_service.subscriptions.values()
    return [each for each in stored if (each["application"], each["seller"], each["type"]) == owner]


def _get_subscription(call: Call) -> Reply:
    kind, version = call.arguments["notificationType"], call.arguments.get("payloadVersion")
    found = [each for each in _subscriptions(call, kind) if version in (None, each["payloadVersion"])]
    if not found:
        raise not_found("The subscription does not exist.", f"this seller has none to {kind}")
    return Reply.json({"payload": _shown(found[-1])})


def _get_subscriptions(call: Call) -> Reply:
    (kind,), version = call.arguments["notificationTypes"], call.arguments.get("payloadVersion")
    found = [each for each in _subscriptions(call, kind) if version in (None, each["payloadVersion"])]
    token, size = call.arguments.get("nextToken"), call.arguments.get("pageSize", 30)
    facts = {"kind": kind, "version": version}
    start = read_token(token, facts, call.now) if token else 0
    page: dict[str, Any] = {"subscriptions": [_shown(each) for each in found[start : start + size]]}
    if start + size < len(found):
        page["nextToken"] = next_token(facts, call.now, start + size)
    return Reply.json({"payload": page})


def _by_id(call: Call) -> dict[str, Any]:
    """A subscription of any seller; these operations are grantless."""
    wanted = call.arguments["subscriptionId"]
    found = call.world.notification_service.subscriptions.get(wanted)
    facts = (call.token.application, call.arguments["notificationType"])
    if found is None or (found["application"], found["type"]) != facts:
        raise not_found("The subscription does not exist.", f"no subscription {wanted} of this application and type")
    return found


def _get_subscription_by_id(call: Call) -> Reply:
    return Reply.json({"payload": _shown(_by_id(call))})


def _delete_subscription_by_id(call: Call) -> Reply:
    del call.world.notification_service.subscriptions[_by_id(call)["subscriptionId"]]
    return Reply.json({})


HANDLERS: dict[str, Handler] = {
    "notifications_v1.create_destination": _create_destination,
    "notifications_v1.get_destination": _get_destination,
    "notifications_v1.get_destinations": _get_destinations,
    "notifications_v1.delete_destination": _delete_destination,
    "notifications_v1.create_subscription": _create_subscription,
    "notifications_v1.get_subscription": _get_subscription,
    "notifications_v1.get_subscriptions": _get_subscriptions,
    "notifications_v1.get_subscription_by_id": _get_subscription_by_id,
    "notifications_v1.delete_subscription_by_id": _delete_subscription_by_id,
}

"""The contents of notifications, with each type's own spelling of keys; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from spapi_async.emulator.data.jobs import Job
from spapi_async.emulator.data.orders import StoredOrder
from spapi_async.emulator.gateway.times import iso

__all__ = ["Notice", "job_finished", "order_changed"]

_PASCAL = frozenset({"ANY_OFFER_CHANGED", "ORDER_CHANGE"})


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a seller: the type of its notification and the payload."""

    type: str
    version: str
    happened: float
    payload: Mapping[str, Any]
    marketplace: str | None = None
    change: str | None = None

    def message(self, *, notification_id: str, subscription_id: str, application: str, now: float) -> dict[str, Any]:
        """The whole notification."""
        metadata = {
            "applicationId": application,
            "subscriptionId": subscription_id,
            "publishTime": iso(now),
            "notificationId": notification_id,
        }
        whole = {
            "notificationVersion": "1.0",
            "notificationType": self.type,
            "payloadVersion": self.version,
            "eventTime": iso(self.happened),
            "payload": self.payload,
            "notificationMetadata": metadata,
        }
        if self.type not in _PASCAL:
            return whole
        return {**_pascal(whole), "NotificationMetadata": _pascal(metadata)}


def order_changed(seller: str, order: StoredOrder, now: float) -> Notice:
    """ORDER_CHANGE for a new status of an order."""
    shipped = order.shipped_quantities
    items = [
        {
            "OrderItemId": line.item_id,
            "SellerSKU": line.sku,
            "SupplySourceId": None,
            "Quantity": line.quantity,
            "QuantityShipped": sent,
        }
        for line, sent in zip(order.lines, shipped, strict=True)
    ]
    summary = {
        "MarketplaceId": str(order.marketplace),
        "OrderStatus": order.status,
        "PurchaseDate": iso(order.created),
        "DestinationPostalCode": order.address.postal_code,
        "FulfillmentType": "AFN" if order.fulfilled_by_amazon else "MFN",
        "OrderType": "StandardOrder",
        "NumberOfItemsShipped": sum(shipped),
        "NumberOfItemsUnshipped": sum(line.quantity for line in order.lines) - sum(shipped),
        "OrderItems": items,
    }
    facts = {
        "NotificationLevel": "OrderLevel",
        "SellerId": seller,
        "AmazonOrderId": order.order_id,
        "OrderChangeType": "OrderStatusChange",
        "OrderChangeTrigger": {"TimeOfOrderChange": iso(order.updated), "ChangeReason": "Order Status Change"},
        "Summary": summary,
    }
    return Notice(
        type="ORDER_CHANGE",
        version="1.0",
        happened=now,
        payload={"OrderChangeNotification": facts},
        marketplace=str(order.marketplace),
        change="OrderStatusChange",
    )


def job_finished(seller: str, job: Job, now: float) -> Notice:
    """The notification that a report, a feed or a query has ended."""
    document = job.document(now)
    facts = {"accountId": f"amzn1.merchant.o.{seller}", "processingStatus": job.status(now)}
    if job.kind == "query":
        facts |= {"queryId": job.id, "query": job.facts["query"]}
        if document is not None:
            facts["dataDocumentId" if facts["processingStatus"] == "DONE" else "errorDocumentId"] = document.id
        return Notice(
            type="DATA_KIOSK_QUERY_PROCESSING_FINISHED", version="2023-11-15", happened=job.ended, payload=facts
        )
    facts |= {"sellerId": seller, f"{job.kind}Id": job.id, f"{job.kind}Type": job.facts[f"{job.kind}Type"]}
    if document is not None:
        facts["reportDocumentId" if job.kind == "report" else "resultFeedDocumentId"] = document.id
    return Notice(
        type=f"{job.kind.upper()}_PROCESSING_FINISHED",
        version="2020-09-04",
        happened=job.ended,
        payload={f"{job.kind}ProcessingFinishedNotification": facts},
    )


def _pascal(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name[0].upper() + name[1:]: item for name, item in value.items()}

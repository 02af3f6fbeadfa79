"""Notifications: subscriptions, a queue of messages, and a typed value for each message.

::

    await seller.notifications.subscribe("ORDER_CHANGE", queue)
    async with queue as messages:
        async for message in messages:
            print(message.type, message.content.amazon_order_id)
"""

from spapi_async.workflows.notifications._messages import Messages, QueuedNotification
from spapi_async.workflows.notifications._notification import Notification, iter_notifications, parse
from spapi_async.workflows.notifications._sqs import SqsQueue
from spapi_async.workflows.notifications._subscriptions import EventBridge, Notifications

__all__ = [
    "EventBridge",
    "Messages",
    "Notification",
    "Notifications",
    "QueuedNotification",
    "SqsQueue",
    "iter_notifications",
    "parse",
]

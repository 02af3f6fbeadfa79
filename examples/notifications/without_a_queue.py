"""Notifications without AWS: the emulator keeps them in memory, and ``parse`` reads them like any other delivery.

Run it: ``python examples/notifications/without_a_queue.py``. It starts an emulator of its own
and contacts no other server.
"""

import asyncio

from spapi_async import Application
from spapi_async.emulator import Emulator
from spapi_async.workflows.notifications import parse

QUEUE = "arn:aws:sqs:us-east-1:123456789012:orders"  # made up: nothing is sent to it


async def main() -> None:
    """Subscribe, change three orders, and read the notifications."""
    async with (
        Emulator(orders=20) as emulator,
        Application("any", "any", endpoint=emulator.url) as app,
    ):
        seller = app.selling_partner("Atzr|one", marketplace="US")
        await seller.notifications.subscribe("ORDER_CHANGE", QUEUE)
        emulator.change_orders(add=2, update=1)
        for delivery in emulator.notifications:
            message = parse(delivery)
            print(message.type, message.content.amazon_order_id, message.content.summary.order_status)


if __name__ == "__main__":
    asyncio.run(main())

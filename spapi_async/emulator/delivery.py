"""Sends notifications to the queues of an SQS endpoint."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from spapi_async._core.clock import Clock
from spapi_async.emulator.data.notification_service import Delivery
from spapi_async.emulator.data.world import World

__all__ = ["deliver"]

logger = logging.getLogger("spapi_async.emulator")

_POLL_INTERVAL = 0.05  # seconds between two checks for due notifications
_RETRY_DELAY = 2.0  # seconds until a failed delivery is tried again


async def deliver(endpoint: str, world: Callable[[], World], clock: Clock) -> None:
    """Send due notifications to the queues at the endpoint until cancelled; drop those for an event bus."""
    from aiobotocore.session import get_session

    session = get_session()
    if await session.get_credentials() is None:  # a local SQS server accepts any
        session.set_credentials("emulator", "emulator")
    async with session.create_client("sqs", endpoint_url=endpoint, region_name="us-east-1") as client:
        while True:
            notification_service = world().notification_service
            for delivery in notification_service.due(clock.time()):
                if not await _sent(client, endpoint, delivery):
                    notification_service.put_back(delivery, clock.time() + _RETRY_DELAY)
            await clock.sleep(_POLL_INTERVAL)


async def _sent(client: Any, endpoint: str, delivery: Delivery) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    queue = delivery.resource.get("sqs")
    if queue is None:
        return True
    account, name = queue["arn"].split(":")[-2:]
    url = f"{endpoint.rstrip('/')}/{account}/{name}"
    try:
        await client.send_message(QueueUrl=url, MessageBody=json.dumps(delivery.message))
    except (BotoCoreError, ClientError) as error:
        logger.warning("a notification could not be sent to %s: %s; trying again in %g s", url, error, _RETRY_DELAY)
        return False
    return True

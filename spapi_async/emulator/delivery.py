"""Notifications on their way out of the emulator, to the queues of an SQS endpoint."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from spapi_async._core.clock import Clock
from spapi_async.emulator.data.mail import Letter
from spapi_async.emulator.data.world import World

__all__ = ["deliver"]

logger = logging.getLogger("spapi_async.emulator")

_INTERVAL = 0.05  # seconds between two looks at what is due
_PATIENCE = 2.0  # seconds until a queue that could not be reached is tried again


async def deliver(endpoint: str, world: Callable[[], World], clock: Clock) -> None:
    """Send what is due to the queues at the endpoint, until cancelled; what is meant for an event bus is dropped."""
    from aiobotocore.session import get_session

    session = get_session()
    if await session.get_credentials() is None:  # a local stand-in takes any
        session.set_credentials("emulator", "emulator")
    async with session.create_client("sqs", endpoint_url=endpoint, region_name="us-east-1") as client:
        while True:
            mail = world().mail
            for letter in mail.due(clock.time()):
                if not await _sent(client, endpoint, letter):
                    mail.put_back(letter, clock.time() + _PATIENCE)
            await clock.sleep(_INTERVAL)


async def _sent(client: Any, endpoint: str, letter: Letter) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    queue = letter.resource.get("sqs")
    if queue is None:
        return True
    account, name = queue["arn"].split(":")[-2:]
    url = f"{endpoint.rstrip('/')}/{account}/{name}"
    try:
        await client.send_message(QueueUrl=url, MessageBody=json.dumps(letter.message))
    except (BotoCoreError, ClientError) as error:
        logger.warning("a notification could not be sent to %s: %s", url, error)
        return False
    return True

"""An SQS queue in memory, in virtual time: messages are hidden, reappear and are deleted as in SQS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from virtual_time import VirtualClock

from spapi_async.workflows.notifications._messages import Handling, Messages

__all__ = ["FakeSqs"]


class OpenMessages(Messages):
    """Messages whose end the test controls."""

    async def close(self) -> None:
        """End them, as the end of ``async with queue as messages`` does."""
        await self._close()

    def hang(self) -> None:
        """Stop extending their visibility, as when the event loop is blocked."""
        self._extending.cancel()


class FakeSqs:
    """A queue as a client sees it.

    ``troubles`` are raised by the next requests for messages, ``deletion_troubles`` by the next requests to delete some
    (None: by none); ``refusals`` are the codes with which the next deletions fail, one each; ``received_at`` is when
    messages were requested. ``answers_after`` is how many seconds changes of visibility take, ``deletes_after``
    deletions, and moving a message waits for ``hold_aside``.
    """

    def __init__(self, bodies: Sequence[str] = ()) -> None:
        self.clock = VirtualClock()
        self.stored: list[dict[str, Any]] = [{"body": body, "visible_at": 0.0, "tries": 0} for body in bodies]
        self.deleted: list[str] = []
        self.aside: list[str] = []
        self.troubles: list[Exception] = []
        self.aside_troubles: list[Exception] = []
        self.deletion_troubles: list[Exception | None] = []
        self.refusals: list[dict[str, Any]] = []
        self.received_at: list[float] = []
        self.waits = True
        self.answers_after = 0.0
        self.deletes_after = 0.0
        self.hold_aside: asyncio.Event | None = None

    @asynccontextmanager
    async def messages(self, **handling: Any) -> AsyncIterator[OpenMessages]:
        """Open the queue."""
        how = {"url": "queue", "wait": 20, "visibility": 60, "tries": 5, "set_aside": None, **handling}
        messages = OpenMessages(self, Handling(**how), self.clock)
        try:
            yield messages
        finally:
            await messages.close()

    def hidden(self) -> int:
        """Return how many messages have been received and not yet deleted or shown again."""
        return sum(each["visible_at"] > self.clock.monotonic() for each in self.stored)

    async def receive_message(self, **arguments: Any) -> dict[str, Any]:
        self.received_at.append(self.clock.monotonic())
        if self.troubles:
            raise self.troubles.pop(0)
        await asyncio.sleep(0.01)
        deadline = self.clock.monotonic() + (arguments["WaitTimeSeconds"] if self.waits else 0)
        while not (found := self._visible()):
            if self.clock.monotonic() >= deadline:
                return {}
            await asyncio.sleep(1)
        for each in found:
            each["visible_at"] = self.clock.monotonic() + arguments["VisibilityTimeout"]
            each["tries"] += 1
            each["receipt"] = f"{each['tries']}|{each['body']}"
        return {
            "Messages": [
                {
                    "Body": each["body"],
                    "ReceiptHandle": each["receipt"],
                    "Attributes": {"ApproximateReceiveCount": str(each["tries"])},
                }
                for each in found
            ]
        }

    async def delete_message_batch(self, **arguments: Any) -> dict[str, Any]:
        await asyncio.sleep(self.deletes_after)
        if self.deletion_troubles and (trouble := self.deletion_troubles.pop(0)) is not None:
            raise trouble
        failed = []
        for entry in arguments["Entries"]:
            if self.refusals:
                failed.append({"Id": entry["Id"], **self.refusals.pop(0)})
                continue
            for each in [each for each in self.stored if each.get("receipt") == entry["ReceiptHandle"]]:
                self.stored.remove(each)
                self.deleted.append(each["body"])
        return {"Failed": failed} if failed else {}

    async def change_message_visibility_batch(self, **arguments: Any) -> dict[str, Any]:
        await asyncio.sleep(self.answers_after)
        for entry in arguments["Entries"]:
            for each in self.stored:
                if each.get("receipt") == entry["ReceiptHandle"]:
                    each["visible_at"] = self.clock.monotonic() + entry["VisibilityTimeout"]
        return {}

    async def send_message(self, **arguments: Any) -> None:
        if self.hold_aside is not None:
            await self.hold_aside.wait()
        if self.aside_troubles:
            raise self.aside_troubles.pop(0)
        self.aside.append(arguments["MessageBody"])

    def _visible(self) -> list[dict[str, Any]]:
        return [each for each in self.stored if each["visible_at"] <= self.clock.monotonic()][:10]

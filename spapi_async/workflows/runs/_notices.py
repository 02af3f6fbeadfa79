"""Reads from notifications which jobs have ended, and wakes the callers that wait for them."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from spapi_async.workflows.runs._poller import Announced, Poller

__all__ = ["Notices", "job_ids"]

logger = logging.getLogger("spapi_async")

# The id in either casing, however many times the notification was encoded as a string on its way (SQS, SNS).
# The pattern begins with letters and bounds every repetition, so that every text takes linear time.
_JOB_ID = re.compile(r'([rR]eport|[fF]eed|[qQ]uery)Id\\{0,16}"\s{0,8}:\s{0,8}\\{0,16}"([^"\\]{1,64})')
_LONGEST = 1024 * 1024  # characters of a message that are searched
_MOST_ANNOUNCED = 1000  # jobs whose notification came before a caller waited for them


class Notices:
    """Distributes notifications about jobs to all waiting callers of one application.

    A queue belongs to the application: it delivers notifications about reports, feeds and queries of all sellers, each
    to a single reader. So every reader wakes the callers of all kinds and sellers.
    """

    def __init__(self) -> None:
        self.announced: Announced = {}
        self._pollers: dict[str, list[Poller]] = {}

    def join(self, kind: str, poller: Poller) -> None:
        """Add a poller to be woken."""
        self._pollers.setdefault(kind, []).append(poller)

    def hear(self, message: Any) -> None:
        """Wake the callers that wait for the jobs in a notification, and remember the jobs for later callers."""
        for kind, job_id in job_ids(message):
            self.announced.pop((kind, job_id), None)
            self.announced[kind, job_id] = None
            if len(self.announced) > _MOST_ANNOUNCED:
                del self.announced[next(iter(self.announced))]
            for poller in self._pollers.get(kind, ()):
                poller.wake(job_id)

    @asynccontextmanager
    async def heard_from(self, messages: AsyncIterable[Any], poller: Poller) -> AsyncIterator[None]:
        """Read a source of notifications during the block; this poller then polls less often."""

        async def listen() -> None:
            with poller.notified():
                try:
                    async for message in messages:
                        self.hear(message)
                except Exception:
                    logger.exception(
                        "the source of notifications failed; Amazon is now polled as often as without notifications"
                    )

        listening = asyncio.create_task(listen())
        try:
            yield
        finally:
            listening.cancel()
            await asyncio.wait([listening])  # unlike awaiting the task, raises only if this task is cancelled


def job_ids(message: Any) -> list[tuple[str, str]]:
    """Kinds and ids of the jobs in a …_PROCESSING_FINISHED notification, however it is encoded; empty for others.

    A notification is only a hint that a job may have ended; Amazon is then asked.
    """
    message = getattr(message, "payload", message)
    if isinstance(message, bytes | bytearray | memoryview):
        message = bytes(message[:_LONGEST]).decode(errors="replace")
    if not isinstance(message, str):
        try:
            message = msgspec.json.encode(message).decode()
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
            return []
    return [(kind.lower(), job_id) for kind, job_id in _JOB_ID.findall(message[:_LONGEST])]

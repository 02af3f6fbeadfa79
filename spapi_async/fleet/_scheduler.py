"""The scheduler of a fleet: keeps the board like the directory and puts a slice of each due seller into the queue."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import Any

import anyio
import msgspec

from spapi_async import SellerDirectory
from spapi_async.errors import ConfigurationError
from spapi_async.fleet._board import Board
from spapi_async.fleet._leadership import LOOK, Leadership, TakenOverError
from spapi_async.fleet._queue import PAUSE, TASK

try:
    from redis.exceptions import RedisError
    from taskiq.exceptions import SendTaskError
    from taskiq.kicker import AsyncKicker
    from taskiq_redis import RedisStreamBroker
except ModuleNotFoundError as error:  # pragma: no cover - tested in a process of its own
    raise ModuleNotFoundError('a fleet needs an extra: pip install "spapi-async[fleet]"') from error

__all__ = ["Scheduler"]

logger = logging.getLogger("spapi_async.fleet")

_READ_AGAIN = 60.0  # seconds between two readings of the directory
_AT_ONCE = 100  # sellers marked at once: if this process is killed then, their marks have to expire


class Scheduler:
    """Schedules while it is the process that does.

    Args:
        board: the board.
        broker: the queue.
        directory: the sellers; one whose token cannot be used is queued, too, and its slice says so.
    """

    def __init__(self, board: Board, broker: RedisStreamBroker, directory: SellerDirectory) -> None:
        self._board = board
        self._broker = broker
        self._directory = directory
        self._leadership = Leadership(board)

    async def run(self) -> None:
        """Schedule until cancelled; an outage of Redis is waited out."""
        is_away = False
        try:
            while True:
                try:
                    await self._leadership.take()
                    if is_away:
                        logger.warning("Redis is back: scheduling again")
                        is_away = False
                    await self._schedule()
                except TakenOverError:
                    logger.warning("another process schedules now; this one stands by")
                except (RedisError, SendTaskError, OSError) as error:
                    if not is_away:
                        logger.warning("Redis cannot be used (%s): nothing is scheduled until it can", _kind(error))
                        is_away = True
                    await anyio.sleep(PAUSE)
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(PAUSE), contextlib.suppress(RedisError, OSError):
                await self._leadership.leave()

    async def _schedule(self) -> None:
        read_at = None  # Redis may have come back empty
        while True:
            if read_at is None or time.monotonic() - read_at >= _READ_AGAIN:
                read_at = time.monotonic()
                await self._list()
            await self._leadership.tick()
            await self._queue_due()
            await anyio.sleep(LOOK)

    async def _list(self) -> None:
        """Update the board from the directory; if the directory cannot be read, the board stays unchanged."""
        try:
            await self._directory.reload()
            names = await self._directory.names()
        except ConfigurationError as error:
            logger.warning("the directory of sellers cannot be read; the sellers read before stay in force: %s", error)
            return
        await self._leadership.keep()
        await self._board.keep(names, between=self._leadership.keep)
        for seller in await self._board.revoked():  # perhaps there is a new authorisation: a slice finds out
            await self._leadership.keep()
            await self._board.change(seller, lambda state: msgspec.structs.replace(state, revoked=False))

    async def _queue_due(self) -> None:
        """Queue a slice of each seller that is due, the longest due first."""
        leadership = self._leadership
        due = await self._board.due(leadership.now)
        for start in range(0, len(due), _AT_ONCE):
            await leadership.keep()
            due_at = dict(due[start : start + _AT_ONCE])
            left = await self._board.mark(due_at, leadership.now)
            try:
                while left:
                    kicker: Any = AsyncKicker(task_name=TASK, broker=self._broker, labels={})
                    await kicker.kiq(left[0], due_at[left[0]])
                    del left[0]
                    await leadership.keep()
            finally:
                if left:  # else these sellers would get no slice until their marks expire
                    with anyio.CancelScope(shield=True), anyio.move_on_after(PAUSE), contextlib.suppress(RedisError):
                        await self._board.unmark(left)


def _kind(error: BaseException) -> str:
    return type(error.__cause__ or error).__name__  # taskiq wraps what Redis said

"""The scheduler of a fleet: keeps the board like the directory and puts a slice of each due seller into the queue."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
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

__all__ = ["Scheduler", "reload"]

logger = logging.getLogger("spapi_async.fleet")

_READ_AGAIN = 60.0  # seconds between two readings of the directory, and the longest duration of one
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
        reading: asyncio.Task[list[str] | None] | None = None
        read_at = -math.inf  # at once, because Redis may have come back empty
        try:
            while True:
                if reading is None and anyio.current_time() - read_at >= _READ_AGAIN:
                    reading, read_at = asyncio.create_task(self._names()), anyio.current_time()
                if reading is not None:
                    await asyncio.wait([reading], timeout=LOOK)  # one that takes longer holds nobody up
                    if reading.done():
                        await self._list(reading.result())
                        reading = None
                await self._leadership.tick()
                await self._queue_due()
                await anyio.sleep(LOOK)
        finally:
            if reading is not None:
                reading.cancel()

    async def _names(self) -> list[str] | None:
        """The sellers that the directory lists now; None if it cannot be read."""
        try:
            await reload(self._directory)
            return await self._directory.names()
        except ConfigurationError as error:
            logger.warning("the directory of sellers cannot be read; the sellers read before stay in force: %s", error)
            return None

    async def _list(self, names: list[str] | None) -> None:
        """Update the board from the directory; if that cannot be read, the board stays unchanged."""
        if names is None:
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


async def reload(directory: SellerDirectory) -> None:
    """Read a directory anew; it may be a function of the user's, or a table behind a network.

    Raises:
        ConfigurationError: it cannot be read, or does not answer within a minute; the directory stays unchanged.
    """
    try:
        with anyio.fail_after(_READ_AGAIN):
            await directory.reload()
    except TimeoutError:  # never the function's own: the directory translates what it raises
        raise ConfigurationError(f"the directory of sellers does not answer within {_READ_AGAIN:g} s") from None


def _kind(error: BaseException) -> str:
    return type(error.__cause__ or error).__name__  # taskiq wraps what Redis said

"""The right to schedule, which one process of a fleet has at a time.

Whoever has it lets the board's time pass. A process that stands by watches that: when it has not passed for half a
minute, by a clock of the process's own, it takes over. So no clock that somebody sets decides about it.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio

from spapi_async.fleet._board import Board, Clock
from spapi_async.fleet._board_time import ticked, uptime
from spapi_async.workflows.orders._lease import is_gone, new_holder

__all__ = ["LOOK", "SILENCE", "Leadership", "TakenOverError"]

LOOK = 1.0
"""Seconds between two looks at the board."""

SILENCE = 30.0
"""Seconds without a sign of life after which another process takes over."""

_SIGN = SILENCE / 6  # seconds between two signs of life in the middle of long work


class TakenOverError(Exception):
    """Another process schedules."""


class Leadership:
    """The right to schedule, as one process wants it.

    Args:
        board: the board.
        uptime: seconds that pass evenly.
    """

    def __init__(self, board: Board, *, uptime: Callable[[], float] = uptime) -> None:
        self._board = board
        self._uptime = uptime
        self._me = new_holder()
        self._ticked_at: float | None = None
        self.now = 0.0
        """The board's time at the last sign of life."""

    async def take(self) -> None:
        """Wait until this process is the one that schedules."""
        watched, since = None, 0.0
        while True:
            found = await self._board.clock()
            if (sign := (found.scheduler, found.last)) != watched:
                watched, since = sign, self._uptime()
            silent = self._uptime() - since >= SILENCE
            if found.scheduler in ("", self._me) or silent or is_gone(found.scheduler):
                try:
                    await self._tick(found)
                except TakenOverError:
                    continue
                return
            await anyio.sleep(LOOK)

    async def tick(self) -> None:
        """Let the board's time pass.

        Raises:
            TakenOverError: another process schedules.
        """
        found = await self._board.clock()
        if found.scheduler != self._me:
            raise TakenOverError
        await self._tick(found)

    async def keep(self) -> None:
        """Give a sign of life in the middle of long work, if the last one is some seconds old.

        Raises:
            TakenOverError: another process schedules.
        """
        if self._ticked_at is None or self._uptime() - self._ticked_at >= _SIGN:
            await self.tick()

    async def leave(self) -> None:
        """Let another process take over at once."""
        found = await self._board.clock()
        if found.scheduler == self._me and found.last is not None:
            await self._board.tick(found, found.last, "")

    async def _tick(self, found: Clock) -> None:
        at = self._uptime()
        is_mine = found.scheduler == self._me and self._ticked_at is not None
        now = ticked(found.last, found.wall, at - (self._ticked_at or 0.0) if is_mine else None)
        if not await self._board.tick(found, now, self._me):
            raise TakenOverError
        self._ticked_at, self.now = at, now.at

"""The time of a board: one clock for all processes of a fleet, which does not jump when a machine's clock is set.

Due times, and the times at which marks expire, outlive the process that wrote them and are compared by processes on
other hosts. So none of them is of a host's own clock: the time is that of Redis, and the board knows by how much it is
*ahead* of it. When the clock of Redis is set back by an hour, the board is ahead by an hour more from then on, and what
is due in three minutes stays due in three minutes.

The process that schedules lets the board's time pass, once a second, and compares with what has passed by its own clock
that nobody sets. The others only read it, up to half a minute beyond what the scheduler has last seen.
"""

from __future__ import annotations

import time

import msgspec

__all__ = ["JUMP", "BoardTime", "read", "ticked", "uptime"]

JUMP = 30.0
"""Seconds by which two clocks may differ before one of them must have been set; slow replies do not take as long."""


class BoardTime(msgspec.Struct, frozen=True):
    """A moment of a board.

    Attributes:
        at: seconds since the epoch, as the board counts them.
        ahead: how many seconds that is ahead of the clock of Redis.
    """

    at: float
    ahead: float = 0.0


def ticked(before: BoardTime | None, wall: float, elapsed: float | None) -> BoardTime:
    """The board's next moment.

    Args:
        before: its last one; None if there is none yet.
        wall: the time by the clock of Redis.
        elapsed: seconds since ``before``, by a clock that nobody sets; None if another process made that.
    """
    if before is None:
        return BoardTime(wall)
    at = wall + before.ahead
    if elapsed is not None and abs(at - before.at - elapsed) > JUMP:
        at = before.at + elapsed
    at = max(at, before.at)
    return BoardTime(at, at - wall)


def read(before: BoardTime | None, wall: float) -> BoardTime:
    """The moment for processes that do not schedule, which cannot tell a clock set forward from a scheduler that ended.

    It stops half a minute after the scheduler's last look, which does no harm: something is due too early then.
    """
    now = ticked(before, wall, None)
    return now if before is None else BoardTime(min(now.at, before.at + JUMP), now.ahead)


def uptime() -> float:
    """Seconds that pass evenly, also while the machine sleeps where its system counts them (Linux)."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)

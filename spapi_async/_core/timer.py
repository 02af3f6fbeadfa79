"""A timer of the event loop that knows its time.

asyncio's handles have ``when()``. uvloop's give it to the nearest millisecond, and for a timer that is due within half
a millisecond uvloop returns a handle without it.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Handle
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Timer", "timer_at"]


class Timer(NamedTuple):
    """A callback that will be called at the time ``at`` of its loop's clock, unless it is cancelled."""

    at: float
    handle: Handle

    def cancel(self) -> None:
        """Do not call it."""
        self.handle.cancel()


def timer_at(loop: AbstractEventLoop, at: float, callback: Callable[..., object], *args: Any) -> Timer:
    """Have a loop call a function at a time."""
    return Timer(at, loop.call_at(at, callback, *args))

"""Injected time: all code that waits or needs the date uses a Clock, so that tests can control the time."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """A source of time."""

    def monotonic(self) -> float:
        """Seconds that never jump; comparable with the running loop's ``loop.time()``."""

    def time(self) -> float:
        """Seconds since the epoch (wall clock); for tokens' lifetimes and saved state."""

    async def sleep(self, seconds: float) -> None:
        """Wait; zero or less yields once."""


class SystemClock:
    """The event loop's clock and the machine's.

    ``monotonic`` is the running loop's time, so that timers set with ``loop.call_at`` agree with it; a test that runs
    on a loop with virtual time thereby controls every wait in the library.
    """

    __slots__ = ()

    def monotonic(self) -> float:
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:  # after asyncio.run(), when limits() is called or state is saved
            return time.monotonic()

    def time(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def __repr__(self) -> str:
        return "SystemClock()"

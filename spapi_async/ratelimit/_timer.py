"""The one timer of a bucket with a line."""

from __future__ import annotations

import asyncio

from spapi_async._core.clock import Clock

__all__ = ["SHORTEST_TIMER", "Timed"]

SHORTEST_TIMER = 1e-6
"""Seconds; a timer set for less could fire at the same reading of the clock for ever."""


class Timed:
    """At most one timer, which calls ``pump``."""

    __slots__ = ("_timer", "clock")

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._timer: asyncio.TimerHandle | None = None

    def pump(self, now: float) -> None:
        """Admit whom the tokens allow, and set the timer for the next."""
        raise NotImplementedError

    def _arm(self, now: float, delay: float) -> None:
        when = now + max(delay, SHORTEST_TIMER)
        timer = self._timer
        if timer is not None:
            if timer.when() == when:
                return
            timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(when, self._fire)

    def disarm(self) -> None:
        """Forget the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        self.pump(self.clock.monotonic())

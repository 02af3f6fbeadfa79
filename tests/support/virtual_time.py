"""An event loop whose clock jumps: simulated hours pass in milliseconds, and no test really sleeps.

Whenever nothing is ready to run, the clock goes straight to the next timer. Everything that waits through the loop
(``asyncio.sleep``, ``asyncio.timeout``, ``loop.call_at``, ``SystemClock``) is thereby under the test's control, and a
test takes as long as its Python code does.

    from virtual_time import VirtualClock, run, virtual_time

    @virtual_time
    async def test_a_day_passes() -> None:
        await asyncio.sleep(86_400)
        assert asyncio.get_running_loop().time() == 86_400

    def test_the_same_inside_a_plain_function() -> None:      # under hypothesis, or to look at the time that passed
        assert run(job()) == "done"

``@virtual_time`` makes a plain function of an ``async def`` test, so pytest-asyncio leaves it alone; ordinary
fixtures are passed through, *async* fixtures would live on another loop and must not be used with it.

The loop starts at 0.0. Real sockets and threads do work, but time does not wait for them: where both are needed, use
the emulator and real time, or ``StandingTimeLoop``. When no timer is left and nothing happens for a minute of real
time, the test is deadlocked and fails with ``Deadlock`` instead of hanging.
"""

from __future__ import annotations

import asyncio
import functools
import math
import selectors
from collections.abc import Callable, Coroutine, Mapping
from contextvars import Context
from typing import Any, ParamSpec, TypeVar, TypeVarTuple, cast

__all__ = ["Deadlock", "StandingTimeLoop", "VirtualClock", "VirtualTimeLoop", "run", "virtual_time"]

T = TypeVar("T")
P = ParamSpec("P")
Ts = TypeVarTuple("Ts")

EPOCH = 1_760_000_000.0
"""Wall clock of the moment at which a virtual loop starts."""

DEADLOCK_AFTER = 60.0
"""Real seconds without a timer or an event after which a test counts as deadlocked."""


class Deadlock(AssertionError):  # noqa: N818  # it is a verdict on the test, not an error in it
    """Every task waits, and nothing is left that could wake one."""


class _JumpingSelector(selectors.BaseSelector):
    """Polls the real selector without waiting, and lets the requested time pass at once."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.now = 0.0
        self._idle_turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            events = self._real.select(DEADLOCK_AFTER)
            if not events:
                raise Deadlock("no timer is set and nothing happens: a wake-up was lost")
            return events
        # Most loops watch only the pipe through which threads wake them, and asking it costs a tenth of a test. What a
        # thread has called is in the loop's queue already.
        events = self._real.select(0) if len(self._real.get_map()) > 1 else []
        if not events and timeout > 0:
            self.now += timeout
            self._idle_turns = 0
        elif not events:
            # After some months the loop's clock resolution is lost in rounding, and asyncio leaves a timer that is due
            # right now for the next iteration, for ever. The smallest possible step gets past it.
            self._idle_turns += 1
            if self._idle_turns % 64 == 0:
                self.now = math.nextafter(self.now, math.inf)
        return events

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class _BareTimer:
    """What every loop's timer can do."""

    def __init__(self, timer: asyncio.TimerHandle) -> None:
        self._timer = timer

    def cancel(self) -> None:
        self._timer.cancel()

    def cancelled(self) -> bool:
        return self._timer.cancelled()


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A selector loop with a clock of its own, which starts at 0."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds since the loop began."""
        return self._jumping.now

    @property
    def timers(self) -> int:
        """How many timers are set."""
        return len(self._scheduled)  # type: ignore[attr-defined]

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """A timer whose handle does not know its time, as uvloop's does not within half a millisecond."""
        return cast("asyncio.TimerHandle", _BareTimer(super().call_at(when, callback, *args, context=context)))

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """The same, from now."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for threads as long as it takes: from Python 3.12 on asyncio sets a timer, which would jump."""
        await super().shutdown_default_executor()


class StandingTimeLoop(asyncio.SelectorEventLoop):
    """A loop for real sockets whose clock moves only when a test sets it.

    No timer fires because the machine is slow.
    """

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__()

    def time(self) -> float:
        """Seconds, as many as ``now`` was set to."""
        return self.now


class VirtualClock:
    """The library's Clock on the running loop's time; its wall clock is ``EPOCH`` plus the loop's time."""

    def __init__(self, epoch: float = EPOCH) -> None:
        self.epoch = epoch

    def monotonic(self) -> float:
        """The loop's time."""
        return asyncio.get_running_loop().time()

    def time(self) -> float:
        """The wall clock that goes with it."""
        return self.epoch + asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(seconds)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a fresh loop with virtual time; tasks it left behind are cancelled."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


def virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Decorate an ``async def`` test to run on a loop with virtual time."""

    @functools.wraps(test)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        run(test(*args, **kwargs))

    return wrapper

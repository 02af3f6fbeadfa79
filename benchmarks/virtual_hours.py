"""An event loop on which hours of waiting for quota pass at once, with real sockets, SQLite and the emulator on it.

The clock stands while anything happens, and goes straight to the next timer when nothing does: neither a socket nor
SQLite's thread. So a run takes as long as its processor work, and shows the time that quota, latency and Amazon's
delays would make of it; processor time itself costs none of it, and is measured apart.
"""

from __future__ import annotations

import asyncio
import functools
import queue
import selectors
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import aiosqlite.core
import anyio.to_thread

__all__ = ["EPOCH", "Hourglass", "in_virtual_hours", "run"]

P = ParamSpec("P")
T = TypeVar("T")

_LOOK_AGAIN = 0.0005  # real seconds, while a thread is at work
EPOCH = 1_790_000_000.0
"""The wall clock's time at which such a loop starts."""


class Hourglass:
    """The library's and the emulator's Clock on the running loop's time."""

    def monotonic(self) -> float:
        """The loop's time."""
        return asyncio.get_running_loop().time()

    def time(self) -> float:
        """The wall clock that goes with it."""
        return EPOCH + asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on such a loop, which starts at 0."""
    with _watched_threads(), asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)


def in_virtual_hours(main: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Make a plain function of a coroutine function, such as a test, that runs on such a loop."""

    @functools.wraps(main)
    def running(*arguments: P.args, **options: P.kwargs) -> T:
        return run(main(*arguments, **options))

    return running


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


class _JumpingSelector(selectors.DefaultSelector):
    """Polls, and lets the time that was asked for pass at once when this process is idle."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        while _jobs.under_way and timeout > 0:
            if events := super().select(_LOOK_AGAIN):
                return events
        events = super().select(0)
        if not events:
            self.now += max(timeout, 0.0)
        return events


class _Jobs:
    """What other threads were given to do and have not done yet."""

    under_way = 0


_jobs = _Jobs()


class _WatchedQueue(queue.SimpleQueue[Any]):
    """What SQLite's thread takes its jobs from, each with the future that it answers."""

    def put_nowait(self, item: Any) -> None:
        future = item[0]
        if future is not None:
            _jobs.under_way += 1
            future.add_done_callback(_done)
        super().put_nowait(item)


def _done(_future: Any) -> None:
    _jobs.under_way -= 1


@contextmanager
def _watched_threads() -> Iterator[None]:
    threads: Any = anyio.to_thread
    sqlite: Any = aiosqlite.core
    plain, plain_queue = threads.run_sync, sqlite.SimpleQueue

    @functools.wraps(plain)
    async def run_sync(*args: Any, **options: Any) -> Any:
        _jobs.under_way += 1
        try:
            return await plain(*args, **options)
        finally:
            _jobs.under_way -= 1

    threads.run_sync, sqlite.SimpleQueue = run_sync, _WatchedQueue
    try:
        yield
    finally:
        threads.run_sync, sqlite.SimpleQueue = plain, plain_queue

"""An event loop with virtual time, on which hours of waiting take no real time, with real sockets, SQLite and emulator.

The clock stands still while sockets or SQLite's thread are active, and jumps to the next timer when they are idle. A
run therefore takes only as long as its processor work, and the virtual time is the time that quota, latency and
Amazon's delays would take. Processor time does not advance the clock; it is measured separately. Benchmarks measure it
with SQLite's thread, as in production; tests do without that thread.
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

_POLL_INTERVAL = 0.0005  # real seconds, while a thread works
EPOCH = 1_790_000_000.0
"""The time of the virtual wall clock when the loop starts."""


class Hourglass:
    """A clock for the library and the emulator that shows the running loop's time."""

    def monotonic(self) -> float:
        """The loop's time."""
        return asyncio.get_running_loop().time()

    def time(self) -> float:
        """The virtual wall clock."""
        return EPOCH + asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait in virtual time."""
        await asyncio.sleep(seconds)


def run(main: Coroutine[Any, Any, T], *, sqlite_thread: bool = True) -> T:
    """Run a coroutine on a loop with virtual time, which starts at 0.

    Without SQLite's thread its jobs run in the loop, which saves processor time; a job then must not wait for another.
    """
    with _watched_threads(sqlite_thread=sqlite_thread), asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)


def in_virtual_hours(main: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Decorate a coroutine function, such as a test, to run in virtual time when it is called."""

    @functools.wraps(main)
    def running(*arguments: P.args, **options: P.kwargs) -> T:
        return run(main(*arguments, **options), sqlite_thread=False)

    return running


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


class _JumpingSelector(selectors.DefaultSelector):
    """Polls; if this process is idle, advances the clock by the timeout at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        while _jobs.under_way and timeout > 0:
            if events := super().select(_POLL_INTERVAL):
                return events
        events = super().select(0)
        if not events:
            self.now += max(timeout, 0.0)
        return events


class _Jobs:
    """The number of jobs that other threads have not finished yet."""

    under_way = 0


_jobs = _Jobs()


class _WatchedQueue(queue.SimpleQueue[Any]):
    """The queue from which SQLite's thread takes its jobs, each with the future for its result."""

    def put_nowait(self, item: Any) -> None:
        future = item[0]
        if future is not None:
            _jobs.under_way += 1
            future.add_done_callback(_done)
        super().put_nowait(item)


def _done(_future: Any) -> None:
    _jobs.under_way -= 1


class _LoopQueue:
    """Runs each of SQLite's jobs when it is queued; whoever waits for the result goes on in the loop's next turn."""

    def put_nowait(self, item: Any) -> None:
        future, job = item
        try:
            settle = functools.partial(aiosqlite.core.set_result, future, job())
        except Exception as error:  # noqa: BLE001 - it is the job's result
            settle = functools.partial(aiosqlite.core.set_exception, future, error)
        if future is not None:
            future.get_loop().call_soon(settle)


class _NoThread:
    """Stands in for SQLite's thread when nothing is left for it to do."""

    def __init__(self, **_: Any) -> None:
        self.daemon = True

    def start(self) -> None:
        pass


@contextmanager
def _watched_threads(*, sqlite_thread: bool) -> Iterator[None]:
    threads: Any = anyio.to_thread
    sqlite: Any = aiosqlite.core
    plain, plain_queue, plain_thread = threads.run_sync, sqlite.SimpleQueue, sqlite.Thread

    @functools.wraps(plain)
    async def run_sync(*args: Any, **options: Any) -> Any:
        _jobs.under_way += 1
        try:
            return await plain(*args, **options)
        finally:
            _jobs.under_way -= 1

    threads.run_sync = run_sync
    sqlite.SimpleQueue, sqlite.Thread = (_WatchedQueue, plain_thread) if sqlite_thread else (_LoopQueue, _NoThread)
    try:
        yield
    finally:
        threads.run_sync, sqlite.SimpleQueue, sqlite.Thread = plain, plain_queue, plain_thread

"""The event loop in which an object's connections, tasks, timers and locks live, and what happens when it is another.

None of these works in a second loop, and asyncio says so in words that help nobody, or not at all. Whoever owns one has
a :class:`HomeLoop` and enters it first:

* The loop is over (``asyncio.run`` twice, a loop for each test): what lived in it is dropped, and the object begins
  afresh in the running one. What it has learned stays.
* The process was forked: the same, and nothing of the parent's is touched. Closing one of its connections here would
  reach into the selector that both share.
* The loop still runs (two threads): one ConfigurationError that says what to do.
* The loop ends while the object is open: what is open is closed there and then, within half a second. The loop is
  never kept waiting for longer, and nothing is left for the interpreter to complain about.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from spapi_async.errors import ConfigurationError

__all__ = ["HomeLoop", "Leftover", "background", "leave_to_parent"]

T = TypeVar("T")
Leftover = Callable[[], Coroutine[Any, Any, None]]

CLOSE_WITHIN = 0.5
"""Seconds that closing may take when a loop ends."""


def background(work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    """A task of the library's own that may die with its loop: where that is closed by hand, nobody is told."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 - as asyncio.gather() does
    return task


def _close_later(leftover: Leftover) -> None:
    background(leftover(), "spapi_async leftovers")


_inherited: list[object] = []
_open: weakref.WeakSet[HomeLoop] = weakref.WeakSet()


@atexit.register
def _close_idle_loops() -> None:
    """A notebook's loop never ends: what is open in it is closed when the program does."""
    for home in list(_open):
        home.close_at_exit()


def leave_to_parent(thing: object) -> None:
    """Keep, in a forked child, a connection of the parent's from being collected, which would close it in both."""
    _inherited.append(thing)


class HomeLoop:
    """Knows the loop in which its owner is at work; None before the first use and after the end of a loop.

    Args:
        what: names the owner in messages.
        drop: forgets whatever lives in a former loop, or with ``forked=True`` in the parent process, without touching
            it. What it returns, if anything, closes it, should that loop ever run again.
        close: closes it in its own loop, which is about to end; only for owners of connections.
    """

    __slots__ = ("__weakref__", "_close", "_drop", "_guard", "_moving", "_pid", "_stay", "_thread", "_what", "loop")

    def __init__(
        self, what: str, *, drop: Callable[[bool], Leftover | None], close: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self._what = what
        self._drop = drop
        self._close = close
        self._guard: AsyncGenerator[None] | None = None
        self._moving = threading.Lock()
        self._pid = os.getpid()
        self._thread = ""
        self._stay = 0
        if close is not None:
            _open.add(self)

    def enter(self) -> asyncio.AbstractEventLoop:
        """The running loop, in which the owner is at home from now on.

        Raises:
            ConfigurationError: another loop that still runs is its home.
        """
        loop = asyncio.get_running_loop()
        if loop is not self.loop:
            self._move_to(loop)
        return loop

    def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._moving:
            old, forked = self.loop, self._pid != os.getpid()
            # In a forked child the parent's loop looks as if it ran.
            if old is not None and old.is_running() and not forked:
                raise ConfigurationError(
                    f"{self._what} is at work in the event loop of thread {self._thread!r} and serves one loop at a "
                    "time: make an Application for each loop, or send the call to its loop with "
                    "asyncio.run_coroutine_threadsafe(call, loop)"
                )
            if old is not None or forked:
                leftover = self._drop(forked)
                if leftover is not None and old is not None and not (forked or old.is_closed()):
                    old.call_soon(_close_later, leftover)  # it stands still, as that of a notebook or a fixture does
            self._pid = os.getpid()
            self._thread = threading.current_thread().name
            self.loop = loop
            self._stay += 1
            if self._guard is not None:
                # Left to the collector it would be closed by its own loop, which may never run again and complains
                # then (Python 3.13). There is nothing to await in it any more.
                with contextlib.suppress(StopIteration):
                    self._guard.aclose().send(None)
            if self._close is not None:
                self._guard = self._until_the_loop_ends()
                # Its first step awaits nothing; it tells the loop to close this generator before it ends.
                with contextlib.suppress(StopIteration, ResourceWarning):
                    self._guard.asend(None).send(None)

    async def _until_the_loop_ends(self) -> AsyncGenerator[None]:
        """What ``asyncio.run`` and every other runner closes when the tasks have ended and the loop still runs."""
        home, stay = asyncio.get_running_loop(), self._stay
        try:
            yield
        finally:
            # Not when the owner has moved on: this generator is then collected some time or other.
            if self._stay == stay and self.loop is home and asyncio.get_running_loop() is home:
                await self._leave()

    def close_at_exit(self) -> None:
        """Close what is open in a loop that stands still, unless it is another thread's or a parent's."""
        loop, guard = self.loop, self._guard
        here = (os.getpid(), threading.current_thread().name) == (self._pid, self._thread)
        if here and loop is not None and guard is not None and not (loop.is_closed() or loop.is_running()):
            loop.run_until_complete(guard.aclose())

    async def _leave(self) -> None:
        assert self._close is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN):
                await self._close()
        self.loop = None

    async def aclose(self) -> None:
        """The owner has closed everything: there is nothing left to do at the end of the loop."""
        self.loop = None
        guard, self._guard = self._guard, None
        if guard is not None:
            await guard.aclose()

    def __repr__(self) -> str:
        return f"<HomeLoop of {self._what}: {'none' if self.loop is None else type(self.loop).__name__}>"

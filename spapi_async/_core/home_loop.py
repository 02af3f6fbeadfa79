"""The event loop to which an object's connections, tasks, timers and locks belong, and what happens in another loop.

None of these works in a second loop, and asyncio reports that unclearly or not at all. An object that owns such things
has a :class:`HomeLoop` and enters it first:

* The former loop has ended (``asyncio.run`` twice, a loop for each test): everything that belonged to it is dropped,
  and the object starts again in the running loop. It keeps what it has learned.
* The process was forked: the same, without touching anything of the parent's. Closing one of the parent's connections
  here would change the selector that both processes share.
* The former loop still runs (two threads): a ConfigurationError says what to do.
* The loop ends while the object is open: open connections are closed at once, within half a second. The loop never
  waits longer, and nothing is left for the interpreter to warn about.
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
    """An internal task that may end with its loop: if the loop is closed by hand, asyncio does not warn about it."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 - as asyncio.gather() does
    return task


def _close_later(leftover: Leftover) -> None:
    background(leftover(), "spapi_async leftovers")


_inherited: list[object] = []
_open: weakref.WeakSet[HomeLoop] = weakref.WeakSet()


@atexit.register
def _close_idle_loops() -> None:
    """The loop of a notebook never ends: what is open in it is closed when the program ends."""
    for home in list(_open):
        home.close_at_exit()


def leave_to_parent(thing: object) -> None:
    """In a forked child, keep a connection of the parent's alive: collecting it would close it in both processes."""
    _inherited.append(thing)


class HomeLoop:
    """Records the loop in which its owner works; None before the first use and after the loop has ended.

    Args:
        what: names the owner in messages.
        drop: forgets whatever belongs to a former loop or, with ``forked=True``, to the parent process, without
            touching it. It may return a function that closes these things, for the case that the loop runs again.
        close: closes these things in their own loop, which is about to end; only for owners of connections.
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
        """The running loop, to which the owner belongs from now on.

        Raises:
            ConfigurationError: the owner belongs to another loop, which is still running.
        """
        loop = asyncio.get_running_loop()
        if loop is not self.loop:
            self._move_to(loop)
        return loop

    def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._moving:
            old, forked = self.loop, self._pid != os.getpid()
            # In a forked child the parent's loop seems to be running.
            if old is not None and old.is_running() and not forked:
                raise ConfigurationError(
                    f"{self._what} is in use in the event loop of thread {self._thread!r} and serves one loop at a "
                    "time: make an Application for each loop, or send the call to its loop with "
                    "asyncio.run_coroutine_threadsafe(call, loop)"
                )
            if old is not None or forked:
                leftover = self._drop(forked)
                if leftover is not None and old is not None and not (forked or old.is_closed()):
                    old.call_soon(_close_later, leftover)  # the loop is paused, like that of a notebook or a fixture
            self._pid = os.getpid()
            self._thread = threading.current_thread().name
            self.loop = loop
            self._stay += 1
            if self._guard is not None:
                # The garbage collector would have its own loop close it, which may never run again, and
                # Python 3.13 would warn. There is nothing left to await in it.
                with contextlib.suppress(StopIteration):
                    self._guard.aclose().send(None)
            if self._close is not None:
                self._guard = self._until_the_loop_ends()
                # Its first step awaits nothing; it makes the loop close this generator before the loop ends.
                with contextlib.suppress(StopIteration, ResourceWarning):
                    self._guard.asend(None).send(None)

    async def _until_the_loop_ends(self) -> AsyncGenerator[None]:
        """A generator that ``asyncio.run`` and other runners close when tasks have ended but the loop still runs."""
        home, stay = asyncio.get_running_loop(), self._stay
        try:
            yield
        finally:
            # Not if the owner has moved to another loop: then this generator is collected at some later time.
            if self._stay == stay and self.loop is home and asyncio.get_running_loop() is home:
                await self._leave()

    def close_at_exit(self) -> None:
        """Close what is open in a paused loop, unless the loop belongs to another thread or the parent process."""
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
        """The owner has closed everything: nothing is left to do when the loop ends."""
        self.loop = None
        guard, self._guard = self._guard, None
        if guard is not None:
            await guard.aclose()

    def __repr__(self) -> str:
        return f"<HomeLoop of {self._what}: {'none' if self.loop is None else type(self.loop).__name__}>"

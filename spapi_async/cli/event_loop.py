"""Runs a command's coroutine, on uvloop if it is installed."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from spapi_async.cli.exit_codes import Interrupted

__all__ = ["run_async", "until_sigterm"]

T = TypeVar("T")


def run_async(work: Coroutine[Any, Any, T], *, leaves: str = "") -> T:
    """Run to the end.

    Raises:
        Interrupted: Ctrl-C; the work was cancelled and has cleaned up. ``leaves`` is its message.
    """
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(work)
    except KeyboardInterrupt:
        raise Interrupted(*[leaves] if leaves else []) from None
    finally:
        work.close()  # else Python warns that it was never awaited, if Ctrl-C came before its start


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    return uvloop.new_event_loop


@asynccontextmanager
async def until_sigterm() -> AsyncIterator[None]:
    """Cancel the block on SIGTERM, which service managers send, and suppress the cancellation after it."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    terminated = False

    def end() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()

    try:
        loop.add_signal_handler(signal.SIGTERM, end)
    except (NotImplementedError, RuntimeError, ValueError):  # Windows, or not the main thread
        yield
        return
    try:
        yield
    except asyncio.CancelledError:
        if not terminated:
            raise
        task.uncancel()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)

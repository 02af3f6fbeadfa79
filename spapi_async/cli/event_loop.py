"""How a command runs its coroutine: on uvloop where it is installed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from spapi_async.cli.exit_codes import Interrupted

__all__ = ["run_async"]

T = TypeVar("T")


def run_async(work: Coroutine[Any, Any, T], *, leaves: str = "") -> T:
    """Run to the end.

    Raises:
        Interrupted: Ctrl-C; the work was cancelled and has tidied up. ``leaves`` is its message.
    """
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(work)
    except KeyboardInterrupt:
        raise Interrupted(*[leaves] if leaves else []) from None
    finally:
        work.close()  # interrupted before it began, it would complain that nobody awaited it


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    return uvloop.new_event_loop

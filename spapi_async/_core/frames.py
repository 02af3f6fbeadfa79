"""Removes secrets from the local variables of an exception's frames.

Exception reporters (Sentry, rich, structlog, ``TracebackException`` with ``capture_locals``) print the local variables
of every frame that an exception passed through, its causes' included. The frames of aiohttp and of this library hold
headers with tokens, forms with client secrets, presigned URLs and bodies with buyers in them. Those of pyarrow and of
Python's codecs hold the rows and the text of a document. What the caller's own frames hold is the caller's business.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

__all__ = ["forget_locals", "forgetting_locals", "without_arguments"]

P = ParamSpec("P")
T = TypeVar("T")

_CLEARED_PACKAGES = frozenset({"spapi_async", "aiohttp", "asyncio", "codecs", "encodings", "pyarrow"})


def forget_locals(error: BaseException) -> None:
    """Drop the local variables of the frames of this library and of the packages above, here and in every cause.

    Call it where an exception leaves the library. Frames that are still running are left unchanged. The functions and
    lines in the traceback stay visible.
    """
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        each = pending.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        step = each.__traceback__
        while step is not None:
            if step.tb_frame.f_globals.get("__name__", "").partition(".")[0] in _CLEARED_PACKAGES:
                with contextlib.suppress(RuntimeError):  # the frame is still running
                    step.tb_frame.clear()
            step = step.tb_next
        pending += (each.__cause__, each.__context__)
        if isinstance(each, BaseExceptionGroup):
            pending += each.exceptions


def forgetting_locals(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Decorates a coroutine function: when an error leaves it, :func:`forget_locals` is called.

    The function's own frame has ended by then, so that its arguments and local variables are dropped, too.
    """

    @wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await function(*args, **kwargs)
        except BaseException as error:
            forget_locals(error)
            del args, kwargs  # the error shows the local variables of this frame, too
            raise

    return call


def without_arguments(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Callable[[], T]:
    """The call as a function without arguments, for a thread: the frames of anyio keep what they pass on."""
    return lambda: function(*args, **kwargs)

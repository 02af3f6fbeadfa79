"""Removes secrets from the local variables of an exception's frames.

Exception reporters (Sentry, rich, structlog, ``TracebackException`` with ``capture_locals``) print the local variables
of every frame that an exception passed through, its causes' included. The frames of aiohttp and of this library hold
headers with tokens, forms with client secrets, presigned URLs and bodies with buyers in them.
"""

from __future__ import annotations

import contextlib

__all__ = ["forget_locals"]

_CLEARED_PACKAGES = frozenset({"spapi_async", "aiohttp", "asyncio"})


def forget_locals(error: BaseException) -> None:
    """Drop the local variables of this library's, aiohttp's and asyncio's frames, here and in every cause.

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

"""Per-call options, carried by a context variable so that generated signatures stay Amazon's."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec

__all__ = ["CallOptions", "Priority", "call_options", "current_options"]


class Priority(enum.IntEnum):
    """Who goes first when quota is short; lower values first, with a share kept for the others."""

    INTERACTIVE = 0
    NORMAL = 1
    BULK = 2


class CallOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a call.

    Attributes:
        priority: place in the queue for quota.
        max_wait: longest acceptable wait for quota, in seconds; a longer one raises RateLimitWaitError at once. None
            waits as long as it takes.
        timeout: seconds for one HTTP exchange, from connecting to the last byte; None uses the application's.
        deadline: seconds for the whole call, waits and retries included; None sets no bound.
        restricted: fetch a report document with (True) or without (False) a restricted data token; None decides by the
            report type.
    """

    priority: Priority = Priority.NORMAL
    max_wait: float | None = None
    timeout: float | None = None
    deadline: float | None = None
    restricted: bool | None = None


_DEFAULT = CallOptions()
_options: ContextVar[CallOptions] = ContextVar("spapi_async_call_options", default=_DEFAULT)


def current_options() -> CallOptions:
    """The options in force here."""
    return _options.get()


@contextmanager
def call_options(**changes: Any) -> Iterator[CallOptions]:
    """Set options for every call made inside the block, tasks started in it included; blocks nest.

    ``with call_options(priority=Priority.BULK, max_wait=5.0): ...`` takes the fields of :class:`CallOptions`.
    """
    options = msgspec.structs.replace(_options.get(), **changes)
    token = _options.set(options)
    try:
        yield options
    finally:
        _options.reset(token)

"""Per-call options, carried by a context variable so that generated signatures stay Amazon's."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from typing import TypedDict, Unpack

import msgspec

from spapi_async.errors import ConfigurationError

__all__ = ["CallOptions", "Priority", "call_options", "context_of", "current_options"]


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


def context_of(options: CallOptions) -> Context:
    """An empty context in which these options are in force: for a task that is nobody's in particular."""
    context = Context()
    context.run(_options.set, options)
    return context


class _Changes(TypedDict, total=False):
    """The fields of CallOptions, for editors and type checkers."""

    priority: Priority
    max_wait: float | None
    timeout: float | None
    deadline: float | None
    restricted: bool | None


@contextmanager
def call_options(**changes: Unpack[_Changes]) -> Iterator[CallOptions]:
    """Set options for every call made inside the block, tasks started in it included; blocks nest.

    ``with call_options(priority=Priority.BULK, max_wait=5.0): ...`` takes the fields of :class:`CallOptions`.

    Raises:
        ConfigurationError: a value that no call could heed.
    """
    options = msgspec.structs.replace(_options.get(), **changes)
    _check(options)
    token = _options.set(options)
    try:
        yield options
    finally:
        _options.reset(token)


def _check(options: CallOptions) -> None:
    """Refuse here what would otherwise fail in the middle of a call, or not at all."""
    if not isinstance(options.priority, Priority):
        raise ConfigurationError(f"priority must be a Priority, not {options.priority!r}")
    if options.restricted not in (None, True, False):
        raise ConfigurationError(f"restricted must be True, False or None, not {options.restricted!r}")
    for name, least in (("max_wait", "zero or more"), ("deadline", "zero or more"), ("timeout", "more than zero")):
        seconds = getattr(options, name)
        if seconds is None:
            continue
        # Written so that NaN, which is neither above nor below anything, is refused too.
        fits = isinstance(seconds, int | float) and (seconds > 0 or (seconds == 0 and name != "timeout"))
        if not fits:
            raise ConfigurationError(f"{name} must be {least} seconds, or None, not {seconds!r}")

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
    """Which calls go first when quota is short: lower values first; each priority keeps a share of the quota."""

    INTERACTIVE = 0
    NORMAL = 1
    BULK = 2


class CallOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a call.

    Attributes:
        priority: place in the queue for quota.
        max_wait: longest acceptable wait for quota, in seconds; if the wait would be longer, RateLimitWaitError is
            raised at once. None waits as long as necessary.
        timeout: seconds for one HTTP exchange, from connecting to the last byte; None uses the application's.
        deadline: seconds for the whole call, including waits and retries; None sets no bound.
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
    """An empty context with these options: for a task that works for several callers."""
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
    """Set options for every call made inside the block and in tasks started in it; blocks nest.

    ``with call_options(priority=Priority.BULK, max_wait=5.0): ...`` takes the fields of :class:`CallOptions`.

    Raises:
        ConfigurationError: a value is invalid.
    """
    options = msgspec.structs.replace(_options.get(), **changes)
    _check(options)
    token = _options.set(options)
    try:
        yield options
    finally:
        _options.reset(token)


def _check(options: CallOptions) -> None:
    """Refuse invalid values here; otherwise they would fail in the middle of a call, or have no effect."""
    if not isinstance(options.priority, Priority):
        raise ConfigurationError(f"priority must be a Priority, not {options.priority!r}")
    if options.restricted not in (None, True, False):
        raise ConfigurationError(f"restricted must be True, False or None, not {options.restricted!r}")
    for name, least in (("max_wait", "zero or more"), ("deadline", "zero or more"), ("timeout", "more than zero")):
        seconds = getattr(options, name)
        if seconds is None:
            continue
        # Written so that NaN, for which every comparison is false, is refused, too.
        fits = isinstance(seconds, int | float) and (seconds > 0 or (seconds == 0 and name != "timeout"))
        if not fits:
            raise ConfigurationError(f"{name} must be {least} seconds, or None, not {seconds!r}")

"""Events with which observers are called: facts for graphs and alerts, never a token, a body or personal data."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable

import msgspec

from spapi_async.errors import ConfigurationError

__all__ = [
    "CallFinished",
    "DocumentFinished",
    "Event",
    "Observer",
    "Observers",
    "RateChanged",
    "RequestFinished",
    "Throttled",
    "TokenIssued",
    "ViolationsFound",
    "Waited",
]

logger = logging.getLogger("spapi_async")


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """Base of all events.

    ``operation`` is ``"orders_v0.get_order"``; ``account`` identifies seller and region without secrets.
    """

    operation: str
    account: str


class Waited(Event, frozen=True, kw_only=True):
    """A call waited ``seconds`` for quota."""

    seconds: float


class RequestFinished(Event, frozen=True, kw_only=True):
    """An HTTP exchange ended: ``status`` (None: no reply), duration in ``seconds``, ``attempt`` counted from 1."""

    status: int | None
    seconds: float
    attempt: int
    request_id: str | None = None


class CallFinished(Event, frozen=True, kw_only=True):
    """A call returned (``error`` is None) or raised (``error`` is the class name), after ``seconds`` in all."""

    seconds: float
    attempts: int
    error: str | None = None


class DocumentFinished(Event, frozen=True, kw_only=True):
    """A document was downloaded or uploaded, only in part if it is not ``complete``.

    ``operation`` is the operation that returned its presigned URL, ``size`` the number of bytes on the wire,
    ``requests`` the number of requests to the document's host, ``seconds`` the time from the first request to the end
    of reading. ``error`` is the class name of the error that ended it early; None if the reader stopped reading.
    """

    size: int
    requests: int
    seconds: float
    complete: bool
    error: str | None = None


class Throttled(Event, frozen=True, kw_only=True):
    """Amazon answered 429."""

    rate: float
    waiting: int


class RateChanged(Event, frozen=True, kw_only=True):
    """The limiter's rate for a usage plan changed; rates are in requests per second.

    ``reason`` is ``header``, ``throttled`` or ``recovery``.
    """

    old: float
    new: float
    reason: str


class ViolationsFound(Event, frozen=True, kw_only=True):
    """A body broke its model and was read leniently; ``paths`` are the places, without values."""

    paths: tuple[str, ...]
    request_id: str | None = None


class TokenIssued(Event, frozen=True, kw_only=True):
    """A token was fetched; ``kind`` is ``lwa`` or ``rdt``; ``lifetime`` in seconds."""

    kind: str
    lifetime: float


Observer = Callable[[Event], None]


class Observers:
    """The observers of an application; false if there are none, so that hot paths need not build events."""

    __slots__ = ("_observers",)

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        if not isinstance(observers, Iterable):
            raise ConfigurationError("observers must be a list of functions, even if there is only one")
        self._observers = tuple(observers)
        for observer in self._observers:
            called = (observer, getattr(observer, "__call__", None))  # noqa: B004 - an object's may be a coroutine function
            if not callable(observer) or any(map(inspect.iscoroutinefunction, called)):
                raise ConfigurationError(f"an observer must be a plain function, not {observer!r}")

    def joined(self, others: Observers) -> Observers:
        """These and others; an observer in both is called once."""
        return Observers(dict.fromkeys((*self._observers, *others._observers)))

    def __bool__(self) -> bool:
        return bool(self._observers)

    def emit(self, event: Event) -> None:
        """Call every observer. An exception in an observer is logged and does not break the observed call."""
        for observer in self._observers:
            try:
                observer(event)
            except Exception:
                logger.exception("observer %r failed on %s", observer, type(event).__name__)

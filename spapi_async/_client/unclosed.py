"""Warnings about unclosed applications, and about a second application with the same client id."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from typing import Protocol

from spapi_async._core.origin import Origin

__all__ = ["begin_work", "name_of", "when_forgotten"]

logger = logging.getLogger("spapi_async")


def name_of(client_id: str) -> str:
    """An application's name in messages."""
    return f"Application {client_id!r}"


def when_forgotten(client_id: str) -> Callable[[], None]:
    """A function that warns that the application was not closed; the warning shows the line that made it."""
    origin = Origin()
    message = (
        f"{name_of(client_id)} was not closed; its connections have been closed for it. Use `async with "
        "Application(...)` or `await app.aclose()` in the event loop in which it was used (asyncio.Runner keeps one "
        "loop for many runs)"
    )
    return lambda: origin.warn(message)


class _AtWork(Protocol):
    """The part of an application's pipeline that is used here."""

    @property
    def busy(self) -> bool: ...


_at_work: weakref.WeakValueDictionary[str, _AtWork] = weakref.WeakValueDictionary()
hinted: set[str] = set()


def begin_work(client_id: str, pipeline: _AtWork) -> None:
    """Record that an application is in use; log once if another one with the same client id is in use, too.

    If, for example, each of twelve tasks makes an application, twelve tokens are requested at once, of which Login with
    Amazon throttles eleven, and each application spends the whole quota of the sellers that they share.
    """
    first = _at_work.get(client_id)
    if first is None or not first.busy:
        _at_work[client_id] = pipeline
    elif first is not pipeline and client_id not in hinted:
        hinted.add(client_id)
        logger.warning(
            "a second Application with client id %s is in use in this process: they share neither tokens nor quota. "
            "Make one application, and pass it (or its sellers) to every task",
            client_id,
        )

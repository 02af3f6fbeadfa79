"""``--log-format json``: what the library logs, and every event of its calls, as lines of JSON on stderr."""

from __future__ import annotations

import enum
import logging
import sys
from typing import Any

from spapi_async import Observer

__all__ = ["LogFormat", "begin_logging", "end_logging", "is_logging", "log_observers"]


class LogFormat(enum.StrEnum):
    """How the log is written; without one only warnings are, as lines for people."""

    json = "json"


class _Handler(logging.StreamHandler[Any]):
    """Writes to whatever stderr is when it writes."""

    @property
    def stream(self) -> Any:
        return sys.stderr

    @stream.setter
    def stream(self, _: Any) -> None:
        pass


def begin_logging() -> None:
    """Write everything from INFO on."""
    from spapi_async.observe.logs import JsonFormatter

    handler = _Handler()
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("spapi_async")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def end_logging() -> None:
    """Take that back; commands may run in a process that goes on."""
    logger = logging.getLogger("spapi_async")
    for handler in [each for each in logger.handlers if isinstance(each, _Handler)]:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


def is_logging() -> bool:
    """Whether ``begin_logging`` is in force."""
    return any(isinstance(handler, _Handler) for handler in logging.getLogger("spapi_async").handlers)


def log_observers() -> list[Observer]:
    """What an application is to be observed with."""
    if not is_logging():
        return []
    from spapi_async.observe.logs import Logs

    return [Logs()]

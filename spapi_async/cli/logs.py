"""``--log-format json``: the library's log records and every event of its calls, as JSON lines on stderr."""

from __future__ import annotations

import enum
import logging
import sys
from typing import Any

from spapi_async import Observer

__all__ = ["LogFormat", "begin_logging", "end_logging", "is_logging", "log_observers"]


class LogFormat(enum.StrEnum):
    """The format of the log; without one, only warnings are printed, as plain lines."""

    json = "json"


class _Handler(logging.StreamHandler[Any]):
    """Writes to the current ``sys.stderr``, which may have been replaced since the handler was made."""

    @property
    def stream(self) -> Any:
        return sys.stderr

    @stream.setter
    def stream(self, _: Any) -> None:
        pass


def begin_logging() -> None:
    """Log everything from INFO on."""
    from spapi_async.observe.logs import JsonFormatter

    handler = _Handler()
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("spapi_async")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def end_logging() -> None:
    """Undo ``begin_logging``, because the process may continue after the command."""
    logger = logging.getLogger("spapi_async")
    for handler in [each for each in logger.handlers if isinstance(each, _Handler)]:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


def is_logging() -> bool:
    """Whether ``begin_logging`` is in force."""
    return any(isinstance(handler, _Handler) for handler in logging.getLogger("spapi_async").handlers)


def log_observers() -> list[Observer]:
    """The observers that an application needs for this log."""
    if not is_logging():
        return []
    from spapi_async.observe.logs import Logs

    return [Logs()]

"""Events as records of standard logging, and a formatter that writes any record as one line of JSON.

Records go to ``spapi_async.events``: calls that failed, 429s and violations as WARNING, calls as INFO, everything else
as DEBUG. Their fields are in ``record.spapi``, and in the JSON beside ``time``, ``level``, ``logger`` and ``message``.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import msgspec

from spapi_async._core.events import CallFinished, Event, Throttled, ViolationsFound

__all__ = ["JsonFormatter", "Logs"]

_PROGRESS = {
    "DatasetRefused": logging.WARNING,
    "FleetLag": logging.DEBUG,  # every five seconds
    "SellerFailed": logging.WARNING,
    "SourceDropped": logging.WARNING,
}


class Logs:
    """An observer that logs; give it to ``Application(observers=[Logs()])``.

    Args:
        logger: where records go.
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger("spapi_async.events")

    def __call__(self, event: Event) -> None:
        """Log an event."""
        self._log(_level(event), event)

    def progress(self, event: Any) -> None:
        """Log an event of an order sync: ``sync_orders(…, progress=logs.progress)``."""
        self._log(_PROGRESS.get(type(event).__name__, logging.INFO), event)

    def _log(self, level: int, event: msgspec.Struct) -> None:
        if self._logger.isEnabledFor(level):
            fields = msgspec.to_builtins(event)
            kind = fields.pop("type")
            shown = " ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
            self._logger.log(level, "%s %s", kind, shown, extra={"spapi": {"event": kind, **fields}})


def _level(event: Event) -> int:
    if isinstance(event, Throttled | ViolationsFound) or (isinstance(event, CallFinished) and event.error):
        return logging.WARNING
    return logging.INFO if isinstance(event, CallFinished) else logging.DEBUG


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time`` (ISO 8601, UTC), ``level``, ``logger``, ``message``, and an event's fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON; a traceback is in ``exception``."""
        facts: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields = getattr(record, "spapi", None)
        if isinstance(fields, dict):
            facts |= fields
        if record.exc_info:
            facts["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(facts, enc_hook=str).decode()

"""Times and spans on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from spapi_async.errors import ConfigurationError

__all__ = ["parse_moment", "parse_span", "show_span"]

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_moment(option: str, text: str | None) -> datetime | None:
    """Parse a time in ISO 8601; a date or time without a zone is UTC.

    Raises:
        ConfigurationError: the text is not ISO 8601; the message names the option.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{option} takes ISO 8601, such as 2026-01-31 or 2026-01-31T12:00:00Z, not {text!r}"
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def parse_span(option: str, text: str | None) -> timedelta | None:
    """Parse a span such as ``30m``, ``2h`` or ``1d``.

    Raises:
        ConfigurationError: the text has another format; the message names the option.
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip().lower())
    if found is None:
        raise ConfigurationError(f"{option} takes a number and s, m, h, d or w, such as 2h, not {text!r}")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def show_span(seconds: float) -> str:
    """A span in seconds, minutes or hours, with few digits."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 600:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"

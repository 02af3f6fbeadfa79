"""Arguments that a caller gives: names, one or several, and times."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeVar

from spapi_async.errors import ConfigurationError

__all__ = ["check_moment", "one_or_more"]

T = TypeVar("T")


def one_or_more(names: str | Iterable[T]) -> tuple[str | T, ...]:
    """Names as a tuple; a string is one name, not its letters."""
    return (names,) if isinstance(names, str) else tuple(names)


def check_moment(name: str, moment: datetime) -> None:
    """Refuse a time that could mean any of 24 hours, or that is not in the calendar of UTC.

    Raises:
        ConfigurationError: it has no time zone, is no datetime, or is beyond the year 1 or 9999 in UTC.
    """
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ConfigurationError(f"{name} must be a datetime with a time zone, such as tzinfo=UTC, not {moment!r}")
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise ConfigurationError(f"{name} is beyond the calendar in UTC: {moment.isoformat()}") from None

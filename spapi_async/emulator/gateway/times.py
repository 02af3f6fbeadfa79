"""Times in the formats that Amazon writes and accepts."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Literal

__all__ = ["iso", "parse_date"]

# ISO 8601 as Amazon accepts it: a date, optionally with hours and minutes, seconds, fractions and a zone.
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d))?(\.\d+)?(Z|[+-]\d\d:?\d\d)?)?\Z", re.IGNORECASE)


def iso(moment: float, timespec: Literal["minutes", "seconds", "milliseconds"] = "milliseconds") -> str:
    """A time in UTC, as most of Amazon's APIs write it; rounded down, so that an upper bound never becomes later."""
    if timespec != "milliseconds":
        moment = int(moment)
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def parse_date(text: str) -> float | None:
    """Seconds since the epoch, or None if the text is not an ISO 8601 date; a date without a zone is UTC."""
    match = _DATE.match(text.strip())
    if match is None:
        return None
    day, minutes, seconds, fraction, zone = match.groups()
    stamp = f"{day}T{minutes or '00:00'}:{seconds or '00'}{(fraction or '')[:7]}"
    try:
        moment = datetime.fromisoformat(stamp + ("+00:00" if (zone or "Z").upper() == "Z" else zone))
    except ValueError:
        return None
    return moment.astimezone(UTC).timestamp()

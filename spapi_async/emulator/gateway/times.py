"""Times as Amazon writes them, and as it reads them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Literal

__all__ = ["iso", "parse_date"]

# ISO 8601 as Amazon takes it: a date, a date and hours and minutes, seconds, fractions, a zone.
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d))?(\.\d+)?(Z|[+-]\d\d:?\d\d)?)?\Z", re.IGNORECASE)


def iso(moment: float, timespec: Literal["minutes", "seconds", "milliseconds"] = "milliseconds") -> str:
    """A moment in UTC, as most of Amazon's APIs write it; the rest is cut, so that no bound is later than it was."""
    if timespec != "milliseconds":
        moment = int(moment)
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def parse_date(text: str) -> float | None:
    """Seconds since the epoch, or None for what is no ISO 8601 date; a date without a zone is UTC."""
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

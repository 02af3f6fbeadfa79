"""Which reports a notification speaks of."""

from __future__ import annotations

import re
from typing import Any

import msgspec

__all__ = ["report_ids"]

# reportId in either casing, however often the notification was packed into a string on its way (SQS, SNS).
# It begins with letters and every repetition is bounded: no text takes more than linear time.
_REPORT_ID = re.compile(r'[rR]eportId\\{0,16}"\s{0,8}:\s{0,8}\\{0,16}"([^"\\]{1,64})')
_LONGEST = 1024 * 1024


def report_ids(message: Any) -> list[str]:
    """The ids in a REPORT_PROCESSING_FINISHED notification, however it is packed; other messages have none.

    It is a hint that a report may have ended: what is true is asked of Amazon.
    """
    message = getattr(message, "payload", message)
    if isinstance(message, bytes | bytearray):
        message = message.decode(errors="replace")
    if not isinstance(message, str):
        try:
            message = msgspec.json.encode(message).decode()
        except (TypeError, ValueError, msgspec.MsgspecError):
            return []
    return _REPORT_ID.findall(message[:_LONGEST])

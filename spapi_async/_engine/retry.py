"""Whether to send a request again: a pure decision, made in one place."""

from __future__ import annotations

import enum
import random
from collections.abc import Callable
from typing import Any

import msgspec

from spapi_async._core.operation import Operation

__all__ = ["Outcome", "RetryPolicy"]


class Outcome(enum.Enum):
    """How far a failed attempt progressed."""

    NOT_SENT = "not sent"
    NO_REPLY = "no reply"
    THROTTLED = "throttled"
    SERVER_ERROR = "server error"
    REFUSED = "refused"

    @classmethod
    def of_status(cls, status: int) -> Outcome:
        """The outcome of a reply that is not 2xx.

        408 (RequestTimedOut) counts as a server error: Amazon gave up on a request it had accepted.
        """
        if status == 429:
            return cls.THROTTLED
        return cls.SERVER_ERROR if status >= 500 or status == 408 else cls.REFUSED


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often and after how long a request is repeated.

    Repeating after a 429 or a failed connection is always safe. After a 5xx or a lost reply only idempotent operations
    are repeated: Amazon does not document which other calls may be sent twice, and ``purchaseShipment`` sent twice is
    charged twice.

    Attributes:
        attempts: the most requests for one failing call, including the first; with 1 only 429s are repeated.
        throttled_attempts: the most requests for one throttled call; the limiter paces them, so they cost little.
        base, cap: the delay before repetition n is random (full jitter): 0 to ``min(cap, base * 2**(n-1))`` seconds.
    """

    attempts: int = 4
    throttled_attempts: int = 20
    base: float = 0.5
    cap: float = 20.0

    def delay(
        self,
        operation: Operation[Any],
        outcome: Outcome,
        failures: int,
        *,
        rand: Callable[[], float] = random.random,
    ) -> float | None:
        """Seconds before the next attempt after ``failures`` failures of this kind; None: no further attempt."""
        if outcome is Outcome.THROTTLED:
            # No extra delay: the limiter has emptied the bucket and delays the next attempt itself.
            return 0.0 if failures < self.throttled_attempts else None
        if outcome is Outcome.REFUSED or failures >= self.attempts:
            return None
        if outcome is not Outcome.NOT_SENT and not operation.idempotent:
            return None
        ceiling: float = min(self.cap, self.base * 2.0 ** min(failures - 1, 60))
        return rand() * ceiling

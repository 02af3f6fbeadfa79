"""A seller's current quota for an operation, derived from the limiter's forecasts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from spapi_async._core.operation import Operation
from spapi_async._core.options import Priority, call_options

__all__ = ["BucketState", "HasForecast", "bucket_of"]

_MANY_CALLS = 1000
"""More calls than any burst, so that only the rate determines when further calls can be sent."""


class HasForecast(Protocol):
    """The part of a seller that this module uses: its name and the limiter's forecast."""

    @property
    def name(self) -> str:
        """Identifies the seller without secrets."""

    def forecast(
        self, operation: Operation[Any], arguments: Mapping[str, Any] | None = None, *, count: int = 1
    ) -> float:
        """Seconds until the last of ``count`` calls made now could be sent."""


class BucketState(NamedTuple):
    """The limits of an operation taken together.

    Attributes:
        tokens: calls that may be made now, after those that wait; negative if calls wait.
        rate: calls per second, according to Amazon's replies; before the first reply, the documented rate.
    """

    tokens: float
    rate: float


def bucket_of(seller: HasForecast, operation: Operation[Any]) -> BucketState:
    """The bucket as the seller's limiter sees it now."""
    with call_options(priority=Priority.BULK):  # after all waiting calls
        first = seller.forecast(operation, count=_MANY_CALLS)
        second = seller.forecast(operation, count=2 * _MANY_CALLS)
    rate = _MANY_CALLS / max(second - first, 1e-9)
    return BucketState(_MANY_CALLS - first * rate, rate)

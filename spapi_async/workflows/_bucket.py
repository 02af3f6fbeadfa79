"""A seller's current quota for an operation, derived from the limiter's forecasts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from spapi_async._core.operation import Operation
from spapi_async._core.options import Priority, call_options

__all__ = ["BucketState", "Foreseeing", "bucket_of"]

_MANY = 1000  # calls: more than any burst, so that further calls depend on the rate alone


class Foreseeing(Protocol):
    """The part of a seller that a forecast needs: its name and the limiter's forecast."""

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
        rate: calls a second, as Amazon's replies say; the documented rate before the first reply.
    """

    tokens: float
    rate: float


def bucket_of(seller: Foreseeing, operation: Operation[Any]) -> BucketState:
    """The bucket as the seller's limiter sees it now."""
    with call_options(priority=Priority.BULK):  # after all waiting calls
        first = seller.forecast(operation, count=_MANY)
        second = seller.forecast(operation, count=2 * _MANY)
    rate = _MANY / max(second - first, 1e-9)
    return BucketState(_MANY - first * rate, rate)

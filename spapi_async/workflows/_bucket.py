"""What a seller's quota for an operation is now, seen from outside the limiter: by forecasts alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from spapi_async._core.operation import Operation
from spapi_async._core.options import Priority, call_options

__all__ = ["BucketState", "Foreseeing", "bucket_of"]

_MANY = 1000  # calls: more than any burst, so that what a bucket lets through beyond is its rate


class Foreseeing(Protocol):
    """What a limiter says of calls to come: the part of a seller that a forecast needs."""

    @property
    def name(self) -> str:
        """Identifies the seller without secrets."""

    def forecast(
        self, operation: Operation[Any], arguments: Mapping[str, Any] | None = None, *, count: int = 1
    ) -> float:
        """Seconds until that many calls which come now could have left."""


class BucketState(NamedTuple):
    """The limits of an operation taken together.

    Attributes:
        tokens: calls that may leave now behind those that wait; below zero where some do.
        rate: calls a second, as learned from Amazon's replies, or the documented one before the first of them.
    """

    tokens: float
    rate: float


def bucket_of(seller: Foreseeing, operation: Operation[Any]) -> BucketState:
    """The bucket as the seller's limiter sees it now."""
    with call_options(priority=Priority.BULK):  # behind everything that waits
        first = seller.forecast(operation, count=_MANY)
        second = seller.forecast(operation, count=2 * _MANY)
    rate = _MANY / max(second - first, 1e-9)
    return BucketState(_MANY - first * rate, rate)

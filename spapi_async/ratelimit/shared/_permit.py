"""The right to send one request, as Redis granted it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spapi_async.ratelimit.shared._lane import Lane
    from spapi_async.ratelimit.shared._slot import Slot
    from spapi_async.ratelimit.shared.redis._limiter import RedisRateLimiter

__all__ = ["RedisPermit"]


class RedisPermit:
    """The right to send one request now."""

    __slots__ = ("_admitted_at", "_lane", "_limiter", "_open", "_slot", "waited")

    def __init__(self, limiter: RedisRateLimiter, lane: Lane, slot: Slot, admitted_at: float, waited: float) -> None:
        self._limiter = limiter
        self._lane = lane
        self._slot = slot
        self._open = True
        self._admitted_at = admitted_at
        self.waited = waited
        lane.in_flight += 1

    def observe(self, status: int | None, rate: float | None) -> None:
        """The request was sent: report the reply's status (None: no reply) and the rate header, if it was a number."""
        if self._settle():
            self._limiter.observed(self._lane, self._slot, status, rate, self._admitted_at)

    def release(self) -> None:
        """The request was never sent: the token goes to the next waiter or back to Redis."""
        if self._settle():
            self._limiter.returned(self._lane, self._slot)

    def _settle(self) -> bool:
        settled, self._open = self._open, False
        self._lane.in_flight -= settled
        return settled

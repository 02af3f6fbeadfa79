"""The right to send one request, which ends with what came of it."""

from __future__ import annotations

from typing import Protocol

from spapi_async.ratelimit.shared._lane import Lane
from spapi_async.ratelimit.shared._slot import Slot

__all__ = ["SharedPermit"]


class Admitting(Protocol):
    """Who gave the right, and hears what came of it."""

    def observed(self, permit: SharedPermit, status: int | None, rate: float | None, refusal: bytes) -> None:
        """The request was sent."""

    def released(self, permit: SharedPermit) -> None:
        """The request was never sent."""


class SharedPermit:
    """The right to send one request now."""

    __slots__ = ("_limiter", "admitted_at", "lane", "slot", "waited")

    def __init__(self, limiter: Admitting, lane: Lane, slot: Slot, admitted_at: float, waited: float) -> None:
        self._limiter: Admitting | None = limiter
        self.lane = lane
        self.slot = slot
        self.admitted_at = admitted_at
        self.waited = waited
        lane.in_flight += 1

    def observe(self, status: int | None, rate: float | None, refusal: bytes = b"") -> None:
        """The request was sent: what came back."""
        limiter, self._limiter = self._limiter, None
        if limiter is not None:
            self.lane.in_flight -= 1
            limiter.observed(self, status, rate, refusal)

    def release(self) -> None:
        """The request was never sent: the token goes to the next waiter or back to the store."""
        limiter, self._limiter = self._limiter, None
        if limiter is not None:
            self.lane.in_flight -= 1
            limiter.released(self)

    def __repr__(self) -> str:
        return f"<SharedPermit waited={self.waited:.3f} {'open' if self._limiter else 'closed'}>"

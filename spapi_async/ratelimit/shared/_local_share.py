"""One process's share of a limit while the store is away: a plain token bucket."""

from __future__ import annotations

from typing import Self

from spapi_async.ratelimit.shared._store import LimitSpec, LimitState

__all__ = ["LocalShare"]

_SAFETY = 0.95  # there may be more processes than those last seen
_CUT, _FLOOR, _RECOVERY = 0.8, 0.05, 0.01


class LocalShare:
    """A bucket with ``1/processes`` of a rate and a capacity; it begins with the same part of the level.

    The level may be negative: tokens that were already sold for later must flow in first.
    """

    __slots__ = ("_at", "_capacity", "_cut_at", "_full_rate", "_level", "_processes", "rate")

    def __init__(self, rate: float, capacity: float, processes: int, level: float, now: float) -> None:
        self._processes = max(1, processes)
        self._full_rate = rate * _SAFETY / self._processes
        self._capacity = max(1.0, capacity / self._processes)
        self._level = min(level / self._processes, self._capacity) if level < 0 else min(level, self._capacity)
        self._at = now
        self._cut_at = now
        self.rate = self._full_rate

    @classmethod
    def of(
        cls, spec: LimitSpec, state: LimitState | None, *, rate: float, processes: int, age: float, now: float
    ) -> Self:
        """The share of this process in a limit whose state is ``age`` seconds old; it starts without usable tokens.

        If nothing is known of a limit, it is assumed to have one token, or none if all sellers share it. A window
        becomes a bucket of one token: if each process sends evenly, all of them together observe the window.
        """
        if state is None:
            return cls(rate, 1.0 if spec.seconds else spec.burst, processes, 0.0 if spec.shared else 1.0, now)
        level = min(0.0, state.level + state.pace * age)
        return cls(state.pace, 1.0 if spec.seconds else state.capacity, processes, level, now)

    def level(self, now: float) -> float:
        """Available tokens; negative while a debt is paid off."""
        self._level = min(self._level + max(0.0, now - self._at) * self.rate, self._capacity)
        self._at = max(self._at, now)
        return self._level

    def delay(self, now: float, ahead: int = 0) -> float:
        """Seconds until there is a token for a call with ``ahead`` calls before it."""
        missing = ahead + 1 - self.level(now)
        # A timer set for this delay must not fire slightly too early and have to be set again.
        return missing / self.rate if missing > 1e-9 else 0.0

    def take(self, now: float) -> None:
        """Spend one token."""
        self._level = self.level(now) - 1
        if self.rate < self._full_rate:
            self.rate = min(self._full_rate, self.rate + _RECOVERY * self._full_rate)

    def put_back(self) -> None:
        """Return a token that was not spent."""
        self._level = min(self._level + 1, self._capacity)

    def announce(self, rate: float, now: float) -> None:
        """Use the rate in Amazon's header from now on."""
        full = rate * _SAFETY / self._processes
        self.level(now)
        self.rate *= full / self._full_rate
        self._full_rate = full

    def throttled(self, now: float, admitted_at: float) -> None:
        """A 429: no tokens are left; requests that were under way at the last 429 count with it."""
        if admitted_at <= self._cut_at:
            return
        self._level = min(self.level(now), 0.0)
        self.rate = max(self.rate * _CUT, self._full_rate * _FLOOR)
        self._cut_at = now

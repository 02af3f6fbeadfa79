"""When a batch leaves: pure decisions on times and counts."""

from __future__ import annotations

from collections import deque

__all__ = ["WINDOW", "Habit", "departs_at"]

WINDOW = 0.005
"""Seconds that a batch stays open for others when a token is at hand: little beside a round trip to Amazon."""

_REMEMBERED = 8


class Habit:
    """How many ask within one window, as far as the last windows tell; nobody waits for more than usually come."""

    __slots__ = ("_closed_at", "_counts")

    def __init__(self) -> None:
        self._counts: deque[int] = deque(maxlen=_REMEMBERED)
        self._closed_at = float("-inf")

    @property
    def expected(self) -> int | None:
        """As many as the fullest of the last windows had; None before the first."""
        return max(self._counts) if self._counts else None

    def asked(self, now: float) -> None:
        """Somebody asks: one who comes just after a window closed shows that it closed too early."""
        if now - self._closed_at < WINDOW and self._counts:
            self._counts[-1] += 1

    def closed(self, now: float, count: int) -> None:
        """A window closed with so many in it."""
        self._counts.append(count)
        self._closed_at = now


def departs_at(
    now: float,
    *,
    opened_at: float,
    waiting: int,
    maximum: int,
    expected: int | None,
    quiet: bool,
    token_in: float,
) -> float:
    """The moment at which a batch is to leave, if nothing changes.

    Args:
        now: this moment.
        opened_at: when the first of those who wait asked.
        waiting: how many wait.
        maximum: how many a batch holds.
        expected: how many usually come; None where that is not known.
        quiet: nobody has come since the event loop last went round.
        token_in: seconds until a request can leave.
    """
    full = waiting >= maximum
    complete = full or (quiet and expected is not None and waiting >= expected)
    return max(now + token_in, now if complete else opened_at + WINDOW)

"""When a batch is sent: pure decisions on times and counts."""

from __future__ import annotations

from collections import deque

__all__ = ["WINDOW", "Habit", "departs_at"]

WINDOW = 0.005
"""Seconds for which a batch stays open for more keys although a token is available: far less than a round trip."""

_REMEMBERED = 8  # windows


class Habit:
    """How many calls usually come within one window, so that a batch does not wait for more."""

    __slots__ = ("_closed_at", "_counts")

    def __init__(self) -> None:
        self._counts: deque[int] = deque(maxlen=_REMEMBERED)
        self._closed_at = float("-inf")

    @property
    def expected(self) -> int | None:
        """The most calls in one of the last windows; None before the first."""
        return max(self._counts) if self._counts else None

    def asked(self, now: float) -> None:
        """A call came; if a window has just closed, it closed too early, and the call counts for it."""
        if now - self._closed_at < WINDOW and self._counts:
            self._counts[-1] += 1

    def closed(self, now: float, count: int) -> None:
        """A window closed with so many calls in it."""
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
    """When to send a batch, if nothing changes.

    Args:
        now: the current time.
        opened_at: when the oldest waiting key was asked.
        waiting: how many keys wait.
        maximum: how many keys a batch can have.
        expected: how many usually come; None if unknown.
        quiet: whether no key was added since the last iteration of the event loop.
        token_in: seconds until a request can be sent.
    """
    full = waiting >= maximum
    complete = full or (quiet and expected is not None and waiting >= expected)
    return max(now + token_in, now if complete else opened_at + WINDOW)

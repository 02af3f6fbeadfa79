"""When to ask about the runs of a seller that wait, and with which operation: pure arithmetic on their ages.

A run is asked about again after a quarter of its age, so that a short one is noticed at once, a long one costs little,
and nobody learns of an end more than a quarter late. All waiting runs of a seller share one quota: with n of them none
is asked about more often than the plan allows n times.

``getReport`` (2 a second) beats one ``getReports`` (one in 45 seconds) for as long as going round them all takes less
than the list's turn: until about ninety wait. Feeds and queries have the same two plans.
"""

from __future__ import annotations

import msgspec

__all__ = ["Terms", "Waiting", "asks_for_list", "pause"]

LONGEST_PAUSE = 60.0
LEAST_PAUSE_WHEN_NOTIFIED = 30.0
LONGEST_PAUSE_WHEN_NOTIFIED = 300.0
"""Where notifications say when a run ends, polling is for those that are lost: they are delivered late, or never."""
SHARE_OF_AGE = 0.25


class Waiting(msgspec.Struct, frozen=True):
    """A run that waits: since when, and when it was last asked about (both monotonic)."""

    since: float
    asked_at: float


class Terms(msgspec.Struct, frozen=True):
    """What all waiting runs share.

    Attributes:
        among: how many requests it takes to ask about all of them.
        rate: requests a second that the plan allows.
        notified: whether notifications say when one ends.
    """

    among: int
    rate: float
    notified: bool = False


def asks_for_list(waiting: int, *, lists: int, get_rate: float, list_rate: float) -> bool:
    """Whether so many lists are sooner round than one request for each."""
    return waiting / get_rate > lists / list_rate


def pause(waiting: Waiting, terms: Terms) -> float:
    """Seconds between the last question about a run and the next."""
    age = waiting.asked_at - waiting.since
    if terms.notified:
        wished = min(max(age, LEAST_PAUSE_WHEN_NOTIFIED), LONGEST_PAUSE_WHEN_NOTIFIED)
    else:
        wished = min(age * SHARE_OF_AGE, LONGEST_PAUSE)
    return max(terms.among / terms.rate, wished)

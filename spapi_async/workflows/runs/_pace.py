"""When to poll for the waiting runs of a seller, and with which operation: pure arithmetic on their ages.

A run is polled again after a quarter of its age, so that the end of a short run is noticed at once, a long run costs
few requests, and no end is noticed more than a quarter late. All waiting runs of a seller share one quota: with n runs,
each is polled at most at an n-th of the plan's rate.

``getReport`` (2 a second) is better than ``getReports`` (one in 45 seconds) while one round over all runs takes less
time than a list: up to about ninety runs. Feeds and queries have the same two usage plans.
"""

from __future__ import annotations

import msgspec

__all__ = ["Terms", "Waiting", "asks_for_list", "pause"]

LONGEST_PAUSE = 60.0
LEAST_PAUSE_WHEN_NOTIFIED = 30.0
LONGEST_PAUSE_WHEN_NOTIFIED = 300.0
"""With notifications, polling is only for those that are lost or late."""
SHARE_OF_AGE = 0.25


class Waiting(msgspec.Struct, frozen=True):
    """A waiting run: since when it waits, and when it was last polled (both monotonic)."""

    since: float
    asked_at: float


class Terms(msgspec.Struct, frozen=True):
    """What all waiting runs share.

    Attributes:
        among: the number of requests for polling all of them.
        rate: requests per second of the usage plan.
        notified: whether notifications say when a run ends.
    """

    among: int
    rate: float
    notified: bool = False


def asks_for_list(waiting: int, *, lists: int, get_rate: float, list_rate: float) -> bool:
    """Whether the lists take less time than one request for each run."""
    return waiting / get_rate > lists / list_rate


def pause(waiting: Waiting, terms: Terms) -> float:
    """Seconds between two polls of a run."""
    age = waiting.asked_at - waiting.since
    if terms.notified:
        wished = min(max(age, LEAST_PAUSE_WHEN_NOTIFIED), LONGEST_PAUSE_WHEN_NOTIFIED)
    else:
        wished = min(age * SHARE_OF_AGE, LONGEST_PAUSE)
    return max(terms.among / terms.rate, wished)

"""When to poll for the waiting runs of a seller, and with which operation: pure arithmetic on their ages.

A run is polled again after a quarter of its age. So the end of a short run is noticed soon, a long run costs few
requests, and no end is noticed later than a quarter of the run's duration. All waiting runs of a seller share one
quota: with n runs, each is polled at most at one n-th of the plan's rate.

``getReport`` (2 a second) is better than ``getReports`` (one in 45 seconds) while one round over all runs takes less
time than a list: up to about ninety runs. Feeds and queries have the same two usage plans.
"""

from __future__ import annotations

import msgspec

__all__ = ["Terms", "Waiting", "asks_for_list", "pause"]

LONGEST_PAUSE = 60.0  # seconds, like the next two
LEAST_PAUSE_WHEN_NOTIFIED = 30.0
LONGEST_PAUSE_WHEN_NOTIFIED = 300.0
"""With notifications, polling only finds the runs whose notification is lost or late."""
SHARE_OF_AGE = 0.25


class Waiting(msgspec.Struct, frozen=True):
    """A waiting run: since when it waits, and when it was last polled (both monotonic)."""

    since: float
    asked_at: float


class Terms(msgspec.Struct, frozen=True):
    """What all waiting runs share.

    Attributes:
        requests: how many requests it takes to poll all of them.
        rate: requests per second of the usage plan.
        notified: whether notifications say when a run ends.
    """

    requests: int
    rate: float
    notified: bool = False


def asks_for_list(waiting: int, *, lists: int, get_rate: float, list_rate: float) -> bool:
    """Whether the lists take less time than one request for each run."""
    return waiting / get_rate > lists / list_rate


def pause(waiting: Waiting, terms: Terms) -> float:
    """Seconds between two polls of a run."""
    age = waiting.asked_at - waiting.since
    if terms.notified:
        wanted = min(max(age, LEAST_PAUSE_WHEN_NOTIFIED), LONGEST_PAUSE_WHEN_NOTIFIED)
    else:
        wanted = min(age * SHARE_OF_AGE, LONGEST_PAUSE)
    return max(terms.requests / terms.rate, wanted)

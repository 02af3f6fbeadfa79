"""Counts a command's requests, 429s, waits and violations from the library's events."""

from __future__ import annotations

from spapi_async import Event, RequestFinished, ViolationsFound, Waited

__all__ = ["Tally"]


class Tally:
    """An observer that adds up requests, 429s, seconds waited for quota, and violations tolerated."""

    __slots__ = ("requests", "throttled", "violations", "waited")

    def __init__(self) -> None:
        self.requests = 0
        self.throttled = 0
        self.violations = 0
        self.waited = 0.0

    def __call__(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, RequestFinished):
            self.requests += 1
            self.throttled += event.status == 429
        elif isinstance(event, Waited):
            self.waited += event.seconds
        elif isinstance(event, ViolationsFound):
            self.violations += len(event.paths)

    def facts(self) -> dict[str, float]:
        """The counts by name; ``waited`` in seconds."""
        return {
            "requests": self.requests,
            "throttled": self.throttled,
            "waited": round(self.waited, 3),
            "violations": self.violations,
        }

    def __repr__(self) -> str:
        return f"Tally({self.facts()})"

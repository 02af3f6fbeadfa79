"""Counts of requests and replies: the figures of ``GET /_emulator/stats``."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import msgspec

__all__ = ["Received", "Statistics"]


class OperationCount(msgspec.Struct):
    """Requests of one operation; ``errors`` counts dropped connections and replies from 400 up, except 429."""

    requests: int = 0
    throttled: int = 0
    errors: int = 0


class Received(msgspec.Struct, frozen=True):
    """One request, for tests that check what was sent; without headers and body, which may contain secrets."""

    operation: str
    method: str
    target: str
    status: int


class Statistics:
    """Counts since the start or the last reset. ``received`` keeps the last thousand requests."""

    def __init__(self) -> None:
        self.operations: dict[str, OperationCount] = {}
        self.unknown_parameters: Counter[str] = Counter()
        self.unknown_paths = 0
        self.tokens_rdt = 0
        self.received: deque[Received] = deque(maxlen=1000)

    def count(self, operation: str, method: str, target: str, status: int) -> None:
        """Count one request; status 0 is a dropped connection."""
        figures = self.operations.get(operation)
        if figures is None:
            figures = self.operations[operation] = OperationCount()
        figures.requests += 1
        if status == 429:
            figures.throttled += 1
        elif status >= 400 or status == 0:
            figures.errors += 1
        self.received.append(Received(operation, method, target, status))

    def report(self, **more: Any) -> dict[str, Any]:
        """The figures as plain values."""
        return {
            "operations": {name: msgspec.to_builtins(figures) for name, figures in self.operations.items()},
            "unknown_parameters": dict(self.unknown_parameters),
            "unknown_paths": self.unknown_paths,
            **more,
        }

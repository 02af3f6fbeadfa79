"""Who waits in this process: first come, first served within a priority, with a share for the lower ones."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from spapi_async._options import Priority

__all__ = ["WaitQueue"]

W = TypeVar("W")

_SHARES = {Priority.NORMAL: 4, Priority.BULK: 8}  # as in the script: after so many higher ones, one of these


class WaitQueue(Generic[W]):
    """Waiting calls; every operation takes constant time, whoever leaves and wherever it stood."""

    __slots__ = ("_lines", "_passed")

    def __init__(self) -> None:
        self._lines: dict[Priority, OrderedDict[W, None]] = {priority: OrderedDict() for priority in Priority}
        self._passed = dict.fromkeys(_SHARES, 0)

    def __len__(self) -> int:
        return sum(len(line) for line in self._lines.values())

    def __bool__(self) -> bool:
        return any(self._lines.values())

    def count(self, priority: Priority) -> int:
        """How many wait with this priority."""
        return len(self._lines[priority])

    def ahead_of(self, priority: Priority) -> int:
        """How many would be served before one that comes now with this priority."""
        return sum(len(line) for other, line in self._lines.items() if other <= priority)

    def push(self, waiter: W, priority: Priority) -> None:
        """Stand at the end of the line."""
        self._lines[priority][waiter] = None

    def pop(self) -> W:
        """Whose turn it is; leaves the queue."""
        chosen: Priority | None = None
        for priority, line in self._lines.items():
            if not line:
                continue
            if chosen is None:
                chosen = priority
                continue
            self._passed[priority] += 1
            if self._passed[priority] > _SHARES[priority]:
                chosen = priority
        assert chosen is not None
        if chosen in self._passed:
            self._passed[chosen] = 0
        waiter, _ = self._lines[chosen].popitem(last=False)
        return waiter

    def discard(self, waiter: W) -> None:
        """Leave the queue, if in it."""
        for line in self._lines.values():
            if waiter in line:
                del line[waiter]
                return

    def clear(self) -> list[W]:
        """Everyone leaves, in order."""
        waiters = [waiter for line in self._lines.values() for waiter in line]
        for line in self._lines.values():
            line.clear()
        return waiters

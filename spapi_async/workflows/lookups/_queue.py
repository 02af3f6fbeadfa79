"""The waiting asks by key and priority, and the parts into which a refused batch is divided. Nothing here awaits."""

from __future__ import annotations

import copy
from asyncio import Future
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from spapi_async._core.options import Priority
from spapi_async.errors import SPAPIError

__all__ = ["Ask", "Part", "Queue"]

K = TypeVar("K")

_KEPT_SHARE = 10
"""One in so many keys of a batch is reserved for lower priorities while they wait, as in the limiter."""


class Ask(msgspec.Struct, Generic[K], eq=False):
    """A key that at least one caller wants. It is a struct because one is created and dropped with each look-up.

    Attributes:
        key: the key.
        priority: the priority of the most urgent caller.
        asked_at: when the first caller asked.
        waiters: the future that each caller awaits.
        latest: until when each caller with a ``max_wait`` waits for quota; None if no caller has one.
        attempts: how many requests have contained it.
        flight: the request under way that contains it; None while it waits.
        merged: the ask for the same key that has taken over its callers.
    """

    key: K
    priority: int
    asked_at: float
    waiters: list[Future[Any]] = []
    latest: dict[Future[Any], float] | None = None
    attempts: int = 0
    flight: Any = None
    merged: Ask[K] | None = None

    def answer(self, value: Any) -> None:
        """Give the answer to every caller."""
        self.flight = None
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(value)

    def fail(self, error: Exception) -> None:
        """Raise a copy of the error in each caller: a shared one would collect the tracebacks and notes of all."""
        self.flight = None
        for waiter in self.waiters:
            if waiter.done():
                continue
            own = copy.copy(error) if isinstance(error, SPAPIError) else error
            own.__cause__ = error.__cause__
            waiter.set_exception(own)

    def dismiss_impatient(self, moment: float, error: SPAPIError) -> None:
        """Callers that do not wait for quota until that moment get the error; the others wait on."""
        for waiter, latest in list((self.latest or {}).items()):
            if latest < moment and not waiter.done():
                waiter.set_exception(copy.copy(error))
        self.waiters = [waiter for waiter in self.waiters if not waiter.done()]


class Part(NamedTuple):
    """Asks that form a request; if it succeeds, one of ``rest`` is bad."""

    asks: list[Ask[Any]]
    rest: list[Ask[Any]]


class Queue(Generic[K]):
    """The waiting asks of one group."""

    __slots__ = ("_asks", "_fits", "_lines", "_maximum", "parts", "unfit")

    def __init__(self, maximum: int, fits: Callable[[K], bool]) -> None:
        self._maximum = maximum
        self._fits = fits
        self._asks: dict[K, Ask[K]] = {}
        self._lines: tuple[dict[K, Ask[K]], ...] = tuple({} for _ in Priority)
        self.parts: deque[Part] = deque()
        """Requests whose asks are fixed: halves of a refused batch, and asks that are repeated alone."""
        self.unfit: dict[K, Ask[K]] = {}
        """Asks that do not fit into a batch."""

    def __len__(self) -> int:
        return len(self._asks)

    @property
    def waiting(self) -> int:
        """How many asks can go into the next batches."""
        urgent, normal, bulk = self._lines
        return len(urgent) + len(normal) + len(bulk)

    @property
    def opened_at(self) -> float:
        """When the oldest of these asks was made."""
        return min(next(iter(line.values())).asked_at for line in self._lines if line)

    def first(self) -> Ask[K]:
        """The most urgent of these asks; there must be one."""
        return next(ask for line in self._lines for ask in line.values())

    def ahead(self, priority: int) -> int:
        """How many asks go before a new one of this priority."""
        return sum(len(line) for line in self._lines[: priority + 1])

    def join(self, key: K, priority: int, now: float) -> Ask[K]:
        """The waiting ask for a key, raised to this priority if it is more urgent; or a new ask."""
        ask = self._asks.get(key)
        if ask is None:
            ask = self._asks[key] = Ask(key, priority, now)
            (self._lines[priority] if self._fits(key) else self.unfit)[key] = ask
        elif priority < ask.priority:
            if self._lines[ask.priority].pop(key, None) is not None:
                self._lines[priority][key] = ask
            ask.priority = priority
        return ask

    def drop(self, ask: Ask[K]) -> None:
        """Drop an ask without callers; :meth:`next_part` removes it from its part."""
        if self._asks.get(ask.key) is ask:
            self._forget(ask)

    def take(self, most: int) -> list[Ask[K]]:
        """Take the asks of the next request, the most urgent first, with a share for lower priorities."""
        room = min(most, self._maximum)
        kept = room // _KEPT_SHARE
        taken: list[Ask[K]] = []
        for place, line in enumerate(self._lines):
            below = sum(map(len, self._lines[place + 1 :]))
            taken += islice(line.values(), room - len(taken) - min(kept, below))
        asks, lines = self._asks, self._lines
        for ask in taken:
            key = ask.key
            del asks[key]
            del lines[ask.priority][key]
        return taken

    def take_unfit(self) -> list[Ask[K]]:
        """Take the most urgent ask that does not fit into a batch."""
        ask = min(self.unfit.values(), key=lambda each: each.priority)
        self._forget(ask)
        return [ask]

    def next_part(self) -> Part | None:
        """The first part that a caller still wants, without taking it; drops parts that no caller wants."""
        while self.parts:
            part = self.parts[0]
            wanted = [ask for ask in part.asks if self._asks.get(ask.key) is ask]
            if wanted:
                part = self.parts[0] = Part(wanted, part.rest)
                return part
            self.parts.popleft()
            self.put_back(part.rest, parted=True)
        return None

    def take_part(self) -> Part:
        """Take the part that :meth:`next_part` returned."""
        part = self.parts.popleft()
        for ask in part.asks:
            self._forget(ask)
        return part

    def put_back(self, asks: Iterable[Ask[K]], *, parted: bool = False) -> None:
        """Let asks wait again, at the front of their priority. ``parted``: they waited as members of a part."""
        lines: tuple[list[Ask[K]], ...] = tuple([] for _ in Priority)
        for ask in asks:
            if parted and self._asks.get(ask.key) is not ask:
                continue  # dropped or merged in the meantime
            if parted:
                del self._asks[ask.key]
            if not self._register(ask):
                continue
            if self._fits(ask.key):
                lines[ask.priority].append(ask)
            else:
                self.unfit = {ask.key: ask, **self.unfit}
        for line, first in zip(self._lines, lines, strict=True):
            if first:
                later = dict(line)
                line.clear()
                line.update({ask.key: ask for ask in first})
                line.update(later)

    def alone(self, ask: Ask[K]) -> None:
        """Let an ask wait for a request of its own."""
        if self._register(ask):
            self.parts.append(Part([ask], []))

    def halve(self, asks: list[Ask[K]], *, parted: bool = False) -> None:
        """Divide asks of which one is bad: request the first half; its result decides about the second."""
        if parted:
            asks = [ask for ask in asks if self._asks.get(ask.key) is ask]
        else:
            asks = [ask for ask in asks if self._register(ask)]
        middle = (len(asks) + 1) // 2
        if asks:
            self.parts.append(Part(asks[:middle], asks[middle:]))

    def everything(self) -> Iterator[Ask[K]]:
        """Empty the queue; returns every waiting ask."""
        asks = list(self._asks.values())
        self._asks.clear()
        self.unfit.clear()
        self.parts.clear()
        for line in self._lines:
            line.clear()
        return iter(asks)

    def _register(self, ask: Ask[K]) -> bool:
        """Count an ask as waiting; False if no caller wants it, or if it was merged into a waiting ask for its key."""
        ask.flight = None
        if not ask.waiters:
            return False
        if ask.key in self._asks:
            other = self.join(ask.key, ask.priority, ask.asked_at)
            other.waiters += ask.waiters
            if ask.latest:
                other.latest = {**(other.latest or {}), **ask.latest}
            ask.merged = other
            return False
        self._asks[ask.key] = ask
        return True

    def _forget(self, ask: Ask[K]) -> None:
        del self._asks[ask.key]
        self._lines[ask.priority].pop(ask.key, None)
        self.unfit.pop(ask.key, None)

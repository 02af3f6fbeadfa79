"""The exchanges of one lane with the store: numbers, feedback, and when to ask again. No I/O, no waiting.

The state is one of three phases (``phase``)::

    QUIET ── an exchange is requested ──> ASKED ── its reply comes, or is lost ──> QUIET
    QUIET or ASKED ── the store goes away ──> AWAY ── it is back ──> QUIET

There may be reasons to ask at once (``needs``), which the next request satisfies.
"""

from __future__ import annotations

import asyncio
import enum
import math
from collections import deque

from spapi_async.ratelimit.shared._outbox import Outbox
from spapi_async.ratelimit.shared._settings import LaneSettings
from spapi_async.ratelimit.shared._slot import Slot
from spapi_async.ratelimit.shared._store import Reply

__all__ = ["Exchange", "Need", "Phase"]


_OFFSETS = 32
"""Replies used to compare the clocks: enough to include a quick one, too few for the clocks to drift."""


class Phase(enum.Enum):
    """Whether a request is under way."""

    QUIET = enum.auto()
    ASKED = enum.auto()
    """An exchange is in the queue or under way."""
    AWAY = enum.auto()
    """There is no exchange before the store is back."""


class Need(enum.Flag):
    """Why to ask the store earlier than it said."""

    NONE = 0
    NEWS = enum.auto()
    """Something has happened since the request under way was composed: its reply does not say when to ask again."""
    HURRY = enum.auto()
    """There is an urgent call for which no token in stock is soon enough."""


class Exchange:
    """The state of a lane's exchanges.

    Attributes:
        outbox: feedback that the store has not confirmed yet.
        reply, reply_at: the last reply and when it came.
        poll_at: when to request tokens for waiting calls; minus infinity: as soon as there is a waiting call.
        asked_at, asked_ahead: when the last request was composed, and how many tokens for expected calls it requested.
        prefetch_at: before then no tokens for expected calls are requested, because the store had none to spare.
        unproven: whether tokens were granted by a guess of how late their requests may arrive.
    """

    __slots__ = (
        "_listeners",
        "_offsets",
        "asked_ahead",
        "asked_at",
        "needs",
        "outbox",
        "phase",
        "poll_at",
        "prefetch_at",
        "reply",
        "reply_at",
        "unproven",
    )

    def __init__(self, settings: LaneSettings) -> None:
        self.phase = Phase.QUIET
        self.needs = Need.NONE
        self.outbox = Outbox(settings.number)
        self.reply: Reply | None = None
        self.reply_at = 0.0
        self.poll_at = -math.inf
        self.asked_at = 0.0
        self.asked_ahead = 0
        self.prefetch_at = -math.inf
        self.unproven = False
        # Upper bounds of the store's lead over our clock, from each of the last replies: it was read after we asked.
        self._offsets: deque[float] = deque(maxlen=_OFFSETS)
        self._listeners: list[asyncio.Future[None]] = []

    # ---- transitions ------------------------------------------------------------------------------------------------

    def submitted(self) -> None:
        """An exchange was put into the queue."""
        if self.phase is Phase.QUIET:
            self.phase = Phase.ASKED

    def composed(self, now: float, ahead: int, *, unproven: bool) -> None:
        """The request is being sent; it satisfies all needs."""
        self.submitted()
        self.needs = Need.NONE
        self.asked_at = now
        self.asked_ahead = ahead
        self.unproven = unproven

    def received(self, reply: Reply, now: float, settings: LaneSettings) -> list[Slot]:
        """The reply came; returns the tokens that it grants."""
        self._over()
        self.outbox.confirmed()
        self.unproven = self.unproven and bool(reply.delays)
        if self.asked_ahead and not any(leased for _, leased in reply.delays):
            self.prefetch_at = now + settings.lease_seconds / 4  # do not ask at every call
        self.reply, self.reply_at = reply, now
        self._offsets.append(reply.now - self.asked_at)
        self.poll_at = now + reply.poll if reply.poll >= 0 and Need.NEWS not in self.needs else -math.inf
        slots = []
        for delay, leased in reply.delays:
            at = now + delay
            until = self.asked_at + reply.lease if leased else math.inf
            idle_at = at + settings.lease_seconds
            slots.append(Slot(at, until, leased=leased, booked=reply.now + delay, idle_at=idle_at))
        return slots

    def lost(self) -> None:
        """No reply came: the next request asks the store to undo this one, if it was carried out."""
        self._over()
        self.outbox.doubtful()

    def leave(self) -> None:
        """The store is away."""
        self._over()
        self.phase = Phase.AWAY

    def come_back(self) -> None:
        """The store is back: ask it again."""
        self.phase = Phase.QUIET
        self.poll_at = -math.inf

    def _over(self) -> None:
        if self.phase is Phase.ASKED:
            self.phase = Phase.QUIET
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            if not (listener.done() or listener.get_loop().is_closed()):
                listener.set_result(None)

    # ---- looking ----------------------------------------------------------------------------------------------------

    def ask_again(self, need: Need) -> None:
        """Ask again before the time that the store named."""
        self.needs |= need
        self.poll_at = -math.inf

    def next_over(self) -> asyncio.Future[None]:
        """A future that is done when the next exchange has ended, successfully or not."""
        future = asyncio.get_running_loop().create_future()
        self._listeners.append(future)
        return future

    def is_news_due(self, now: float) -> bool:
        """Whether the store must be told now what has happened."""
        outbox = self.outbox
        return outbox.is_urgent or (outbox.unsent is not None and now >= self.report_at)

    @property
    def report_at(self) -> float:
        """When to report the use of leased tokens, before the store considers the lease lost."""
        return self.reply_at + (self.reply.lease if self.reply else 0.0)

    def store_time(self, at: float) -> float:
        """A time of the loop's clock converted to the store's, rounded down; 0 if the offset is unknown."""
        return self.reply.now + (at - self.reply_at) if self.reply else 0.0

    def store_time_at_most(self, at: float) -> float:
        """The same, rounded up."""
        return at + min(self._offsets) if self._offsets else 0.0

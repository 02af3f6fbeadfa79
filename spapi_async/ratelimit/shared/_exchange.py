"""What one lane says to the store and hears from it: numbers, feedback, and when to ask again. No I/O, no waiting.

A conversation is in one of three phases (``phase``)::

    QUIET ── an exchange is asked for ──> ASKED ── its reply comes, or is lost ──> QUIET
    QUIET or ASKED ── the store goes away ──> AWAY ── it is back ──> QUIET

and may have reasons to ask at once (``needs``), which the next request takes along.
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
"""Replies from which the clocks are compared: enough for a quick one to be among them, too few for clocks to drift."""


class Phase(enum.Enum):
    """Whether a request is under way."""

    QUIET = enum.auto()
    ASKED = enum.auto()
    """An exchange is in the queue or under way."""
    AWAY = enum.auto()
    """No exchange will come before the store is back."""


class Need(enum.Flag):
    """Why the store should be asked sooner than it said."""

    NONE = 0
    NEWS = enum.auto()
    """Something happened since the request under way was composed: its reply says nothing about when to ask again."""
    HURRY = enum.auto()
    """An urgent call came for which no token in stock is soon enough."""


class Exchange:
    """A conversation.

    Attributes:
        outbox: what the store has yet to be told.
        reply, reply_at: the last reply and when it came.
        poll_at: when to ask for tokens that calls wait for; minus infinity: as soon as there are any such calls.
        asked_at, asked_ahead: when the last request was composed, and how many tokens it asked for on expectation.
        prefetch_at: before then no tokens are asked for on expectation: there were none to spare.
        unproven: whether tokens were given on a guess of how late their requests may arrive.
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
        # How far the store's clock is ahead of ours at most, by each of the last replies: it was read after we asked.
        self._offsets: deque[float] = deque(maxlen=_OFFSETS)
        self._listeners: list[asyncio.Future[None]] = []

    # ---- transitions ------------------------------------------------------------------------------------------------

    def submitted(self) -> None:
        """An exchange will happen soon."""
        if self.phase is Phase.QUIET:
            self.phase = Phase.ASKED

    def composed(self, now: float, ahead: int, *, unproven: bool) -> None:
        """The request is on its way; it took along every need there was."""
        self.submitted()
        self.needs = Need.NONE
        self.asked_at = now
        self.asked_ahead = ahead
        self.unproven = unproven

    def heard(self, reply: Reply, now: float, settings: LaneSettings) -> list[Slot]:
        """The reply came: the tokens that it grants."""
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
        """No reply came: ask for it to be undone, if it was carried out, in the next request."""
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
        """Do not wait for the moment that the store named."""
        self.needs |= need
        self.poll_at = -math.inf

    def next_over(self) -> asyncio.Future[None]:
        """Done when the next exchange is over, whatever came of it."""
        future = asyncio.get_running_loop().create_future()
        self._listeners.append(future)
        return future

    def is_news_due(self, now: float) -> bool:
        """Whether what happened must be told now."""
        outbox = self.outbox
        return outbox.is_urgent or (outbox.unsent is not None and now >= self.report_at)

    @property
    def report_at(self) -> float:
        """Use of leased tokens must be told before the store takes the lease for lost."""
        return self.reply_at + (self.reply.lease if self.reply else 0.0)

    def store_time(self, at: float) -> float:
        """A moment of the loop's clock on the store's, not later than it was; 0 while nothing is known of that."""
        return self.reply.now + (at - self.reply_at) if self.reply else 0.0

    def store_time_at_most(self, at: float) -> float:
        """The same, not earlier than it was."""
        return at + min(self._offsets) if self._offsets else 0.0

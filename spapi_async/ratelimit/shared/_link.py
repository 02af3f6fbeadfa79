"""The connection between one process and a store: combines exchanges into batches, detects outages, reconnects.

It is in one of four states (``state``)::

    IDLE ── the first exchange is requested ──> UP <── the store answers a probe ── DOWN
                                                 └── an exchange fails ──────────────┘
    any ── aclose() ──> CLOSED
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from spapi_async._core.clock import Clock
from spapi_async._core.home_loop import background
from spapi_async.ratelimit.shared._store import Outage, Reply, Request, Store

__all__ = ["Exchanger", "Link", "LinkState"]

logger = logging.getLogger("spapi_async.ratelimit")

_BATCH_SIZE = 128
_RESTART = 0.05  # seconds after which cancelled work is resumed
_FIRST_PROBE, _LONGEST_PROBE = 0.1, 1.0  # seconds between attempts to reach a store that is away


class LinkState(enum.Enum):
    """Whether exchanges are possible."""

    IDLE = "up"
    """No exchange has been requested yet: the store is assumed to be available."""
    UP = "up, in use"
    DOWN = "down"
    CLOSED = "closed"


class Exchanger(Protocol):
    """A participant in exchanges: one kind of a seller's calls within this process."""

    keys: tuple[str, ...]

    def request(self) -> Request:
        """The request, composed when it is sent."""

    def absorb(self, reply: Reply) -> None:
        """The reply came."""

    def lost(self) -> None:
        """No reply came: the request may or may not have been carried out."""


class Link:
    """Sends exchanges in batches, in order, one batch at a time.

    While one batch is under way, the next one is collected, so that ten thousand buckets need only one connection, and
    a slow store gets fewer requests, not more.

    A task exists only while there is work, so that an idle link has no task that could be lost with the loop.

    Args:
        meanwhile: what happens while the store is away, for the log.
        attend: called with the participants whose exchange has ended, to do what is next.
        on_down, on_up: called when the store becomes unavailable and when it is back.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        meanwhile: str,
        attend: Callable[[Exchanger], None],
        on_down: Callable[[], None],
        on_up: Callable[[], None],
    ) -> None:
        self.store = store
        self.clock = clock
        self.state = LinkState.IDLE
        self.reason = ""
        self._meanwhile = meanwhile
        self._attend, self._on_down, self._on_up = attend, on_down, on_up
        self._is_away = False  # as last logged
        self._pending: dict[Exchanger, None] = {}
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Link {self.store.label} {self.state.value}, {self.store.round_trips} round trips>"

    def renewed(self, me: str) -> Link:
        """Another link to the same store, for another loop or process; this one is not touched."""
        link = Link(
            self.store.renewed(me),
            clock=self.clock,
            meanwhile=self._meanwhile,
            attend=self._attend,
            on_down=self._on_down,
            on_up=self._on_up,
        )
        link._is_away = self._is_away  # so that an outage is logged once, whatever the number of loops
        return link

    @property
    def down(self) -> bool:
        """Whether the store is unavailable, so that there is no exchange."""
        return self.state is LinkState.DOWN

    def submit(self, exchanger: Exchanger) -> bool:
        """Queue an exchange; a bucket already in the queue is not queued twice. False if there will be no exchange."""
        if self.state in (LinkState.DOWN, LinkState.CLOSED):
            return False
        self._pending[exchanger] = None
        if self._task is None:
            self.state = LinkState.UP
            self._start()
        return True

    def _start(self) -> None:
        self._task = background(self._run(), "spapi_async shared limits")
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task is not self._task:
            return
        self._task = None
        if task.cancelled() or task.cancelling():
            # Usually because the loop ends and cancels all tasks: then this timer never fires.
            asyncio.get_running_loop().call_later(_RESTART, self._go_on)
        else:
            self._go_on()

    def _go_on(self) -> None:
        if self._task is None and self._has_work:
            self._start()

    @property
    def _has_work(self) -> bool:
        return self.state is LinkState.DOWN or (self.state is LinkState.UP and bool(self._pending))

    async def _run(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        # A store's client library can lose a cancellation (one that coincides with the end of a read).
        while self._has_work and not task.cancelling():
            if self.state is LinkState.DOWN:
                await self._wait_until_back(task)
                continue
            batch = list(self._pending)[:_BATCH_SIZE]
            for exchanger in batch:
                del self._pending[exchanger]
            try:
                await self._exchange(batch)
            except Exception as error:
                # A bug here must not leave callers waiting for a reply that is never fetched.
                logger.exception("exchange with %s failed", self.store.label)
                self._go_down(Outage(type(error).__name__))

    async def _exchange(self, batch: Sequence[Exchanger]) -> None:
        calls = [(exchanger.keys, exchanger.request()) for exchanger in batch]
        try:
            replies = await self.store.exchange(calls)
        except Outage as outage:
            for exchanger in batch:
                exchanger.lost()
            self._go_down(outage)
            return
        except BaseException:
            for exchanger in batch:
                exchanger.lost()
                self._pending[exchanger] = None  # for the task that resumes the work
            raise
        if self._is_away:
            self._say_back()
        for exchanger, reply in zip(batch, replies, strict=True):
            exchanger.absorb(reply)
            self._attend(exchanger)

    def _go_down(self, outage: Outage) -> None:
        if self.state is not LinkState.CLOSED:
            self.state = LinkState.DOWN
        self.reason = str(outage)
        self._pending.clear()
        if not self._is_away:
            self._is_away = True
            logger.warning("%s cannot be used (%s): until it can, %s", self.store.label, self.reason, self._meanwhile)
        self._on_down()

    def _say_back(self) -> None:
        self._is_away = False
        logger.warning("%s is back: rate limits are shared again", self.store.label)

    async def _wait_until_back(self, task: asyncio.Task[None]) -> None:
        await self.store.disconnect()
        pause = _FIRST_PROBE
        while not task.cancelling():
            await self.clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PROBE)
            try:
                await self.store.probe()
            except Outage as outage:
                self.reason = str(outage)
                continue
            self.state, self.reason = LinkState.UP, ""
            self._say_back()
            self._on_up()
            return

    async def aclose(
        self, final_request: Callable[[], Sequence[tuple[tuple[str, ...], Request]]], timeout: float
    ) -> None:
        """Stop, send the final requests, and close the connection."""
        task, self._task = self._task, None
        was, self.state = self.state, LinkState.CLOSED
        while task is not None and not task.done():
            task.cancel()
            await asyncio.wait((task,), timeout=timeout)
        try:
            calls = final_request() if was is LinkState.UP else []
            for start in range(0, len(calls), _BATCH_SIZE):
                await self.store.exchange(calls[start : start + _BATCH_SIZE])
        except Outage:
            pass  # leases expire by themselves
        finally:
            await self.store.disconnect()

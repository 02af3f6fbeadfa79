"""What all runs of one seller and kind share: the kind, the store of entries, the poller, and the turns to send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakValueDictionary

from spapi_async._core.clock import Clock
from spapi_async._core.journal import RunStore
from spapi_async._core.options import current_options
from spapi_async.errors import RateLimitWaitError
from spapi_async.workflows.runs._job import RunKind
from spapi_async.workflows.runs._notices import Notices
from spapi_async.workflows.runs._poller import Poller

__all__ = ["Shared", "Turn"]


class Shared:
    """Shared by every run of a seller and kind."""

    def __init__(self, kind: RunKind, store: RunStore, clock: Clock, notices: Notices) -> None:
        self.kind = kind
        self.store = store
        self.clock = clock
        self.poller = Poller(kind, clock, notices.announced)
        notices.join(kind.name, self.poller)
        self._turns: WeakValueDictionary[str, Turn] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, request: Mapping[str, Any]) -> AsyncIterator[Turn]:
        """Lets one run at a time send requests that wait for the same quota, in order of arrival.

        Raises:
            RateLimitWaitError: the turn comes later than ``max_wait`` or ``deadline`` allow; raised at once if known.
        """
        # The first value of a request is its type, and Amazon limits some types separately.
        key = str(next(iter(request.values()), ""))
        turn = self._turns.setdefault(key, Turn())
        await self._take(turn)
        try:
            yield turn
        finally:
            turn.quota_at = float("-inf")
            turn.lock.release()

    async def _take(self, turn: Turn) -> None:
        options = current_options()
        limits = {"max_wait": options.max_wait, "deadline": options.deadline}
        given = {name: limit for name, limit in limits.items() if limit is not None}
        if not given:
            await turn.lock.acquire()
            return
        name, longest = min(given.items(), key=lambda each: each[1])
        wait = turn.quota_at - self.clock.monotonic()
        behind = f"for quota, behind another {self.kind.name} of the same type"
        if wait > longest:
            raise RateLimitWaitError(
                f"would wait {wait:.1f} s {behind}, longer than {name}={longest:g} s", retry_after=wait
            )
        try:
            async with asyncio.timeout(longest):
                await turn.lock.acquire()
        except TimeoutError:
            raise RateLimitWaitError(f"waited {longest:g} s {behind}, as long as {name} allows") from None


class Turn:
    """The right to send requests of one type; ``quota_at`` is when the holder has quota to send (monotonic)."""

    __slots__ = ("__weakref__", "lock", "quota_at")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.quota_at = float("-inf")

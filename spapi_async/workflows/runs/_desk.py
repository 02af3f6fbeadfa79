"""Objects that all runs of one seller and kind share: the kind, the store of entries, one poller, and turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakValueDictionary

from spapi_async._core.clock import Clock
from spapi_async._core.journal import RunStore
from spapi_async.workflows.runs._job import RunKind
from spapi_async.workflows.runs._notices import Notices
from spapi_async.workflows.runs._poller import Poller

__all__ = ["Desk"]


class Desk:
    """Shared by every run of a seller and kind."""

    def __init__(self, kind: RunKind, store: RunStore, clock: Clock, notices: Notices) -> None:
        self.kind = kind
        self.store = store
        self.clock = clock
        self.poller = Poller(kind, clock, notices.announced)
        notices.join(kind.name, self.poller)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, request: Mapping[str, Any]) -> AsyncIterator[None]:
        """Lets one run at a time send requests that wait for the same quota, in order of arrival."""
        # The type is the first value of every request: limits may be set on it alone.
        key = str(next(iter(request.values()), ""))
        lock = self._turns.setdefault(key, asyncio.Lock())
        async with lock:
            yield

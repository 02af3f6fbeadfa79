"""What an application lends to its workflows: connections, observers, time."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol, runtime_checkable

import msgspec

from spapi_async._core.clock import Clock
from spapi_async._core.endpoints import Endpoints
from spapi_async._core.events import Observers
from spapi_async._core.journal import RunStore

__all__ = ["Closing", "Resources", "StreamPool", "StreamedReply"]


class StreamedReply(NamedTuple):
    """A reply whose body is still under way: chunks as they come, a content coding left in place."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class StreamPool(Protocol):
    """Where connections for documents come from."""

    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | AsyncIterable[bytes] | None = None,
        silence: float | None = None,
        session_key: str,
    ) -> AbstractAsyncContextManager[StreamedReply]:
        """Send one request and read its reply piecemeal; ``silence`` is how long nothing may come, in seconds."""


@runtime_checkable
class Closing(Protocol):
    """What a workflow keeps for a whole application, and what ends with it."""

    def close(self) -> None:
        """The application is closed: whoever waits gets a ClosedError."""


class Resources(msgspec.Struct, frozen=True):
    """Shared by all sellers of an application.

    Attributes:
        pool: connections for documents.
        endpoints: where calls go.
        journal: where runs are written down; None keeps them in memory.
        shared: what the workflows of one seller share whatever the handle, by seller and workflow; by "" and a name
            what all sellers share. What has a ``close`` is closed with the application.
    """

    pool: StreamPool
    observers: Observers
    clock: Clock
    endpoints: Endpoints = Endpoints(None)
    journal: RunStore | None = None
    shared: dict[tuple[str, str], Any] = {}

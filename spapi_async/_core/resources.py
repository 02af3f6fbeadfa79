"""The resources of an application that its workflows use: connections, observers, time."""

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
    """A reply whose body is still being received: chunks as they arrive, without undoing a content coding."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class StreamPool(Protocol):
    """The source of connections for documents."""

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
        """Send one request and stream its reply; ``silence`` is the longest time without a byte, in seconds."""


@runtime_checkable
class Closing(Protocol):
    """An object that a workflow keeps for a whole application and that is closed with it."""

    def close(self) -> None:
        """The application is closed: waiting callers get a ClosedError."""


class Resources(msgspec.Struct, frozen=True):
    """The resources that all sellers of an application share.

    Attributes:
        pool: connections for documents.
        endpoints: the hosts to which calls go.
        journal: where runs are recorded; None keeps them in memory.
        shared: objects that all handles on a seller share, by seller and workflow; objects that all sellers share, by
            "" and a name. An object with a ``close`` method is closed with the application.
    """

    pool: StreamPool
    observers: Observers
    clock: Clock
    endpoints: Endpoints = Endpoints(None)
    journal: RunStore | None = None
    shared: dict[tuple[str, str], Any] = {}

"""Makes one call for each item of a stream, several at a time, in bounded memory; all calls end with the block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Generic, NamedTuple, TypeVar

from spapi_async._core.closing import being_cancelled
from spapi_async.errors import ConfigurationError

__all__ = ["Done", "Failed", "Outcomes", "fan_out"]

I = TypeVar("I")  # noqa: E741  an item
V = TypeVar("V")


class Done(NamedTuple, Generic[I, V]):
    """The result of the call for an item."""

    item: I
    value: V


class Failed(NamedTuple, Generic[I]):
    """The exception of the call for an item."""

    item: I
    error: Exception


@asynccontextmanager
async def fan_out(
    call: Callable[[I], Awaitable[V]],
    items: Iterable[I] | AsyncIterable[I],
    concurrency: int = 8,
    *,
    ordered: bool = False,
) -> AsyncIterator[Outcomes[I, V]]:
    """Call a function for each item of a stream, several at a time.

    ``async with fan_out(call, items) as outcomes: async for outcome in outcomes: …``

    Outcomes are returned as they are ready, or with ``ordered`` in the order of the items. At most ``concurrency``
    calls are under way, and as many outcomes are waiting to be read, so the stream of items may be endless. When the
    block is left, calls under way are cancelled and ``items`` is closed. An exception of ``items`` is raised by the
    iteration.

    A look-up such as ``seller.catalog.item`` combines twenty calls into one request, so its concurrency should be
    several times twenty.
    """
    if concurrency < 1:
        raise ConfigurationError(f"concurrency must be 1 or more, not {concurrency!r}")
    source = _Source(items)
    outcomes: Outcomes[I, V] = Outcomes(call, source, concurrency, ordered=ordered)
    workers = [asyncio.ensure_future(outcomes.work()) for _ in range(concurrency)]
    try:
        yield outcomes
    finally:
        try:
            await _stop(workers)
        finally:
            await source.aclose()


async def _stop(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel the tasks and wait until they have ended, even if this task is cancelled meanwhile."""
    cancelled: asyncio.CancelledError | None = None
    for task in tasks:
        task.cancel()
    while pending := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


class _Source(Generic[I]):
    """Gives the items to several workers, one by one."""

    __slots__ = ("_items", "_lock", "_plain")

    def __init__(self, items: Iterable[I] | AsyncIterable[I]) -> None:
        self._plain: Iterator[I] | None = None
        if isinstance(items, AsyncIterable):
            self._items = aiter(items)
        else:
            self._plain = iter(items)
        self._lock = asyncio.Lock()

    async def take(self, then: Callable[[I], Awaitable[None]] | None = None) -> I:
        """The next item; ``then`` is called with it before another worker takes one. StopAsyncIteration at the end."""
        if self._plain is not None and then is None:
            for item in self._plain:
                return item
            raise StopAsyncIteration
        async with self._lock:
            item = await self._next()
            if then is not None:
                await then(item)
            return item

    async def _next(self) -> I:
        if self._plain is None:
            return await anext(self._items)
        for item in self._plain:
            return item
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Close the iterator if it can be closed: an iterator over pages may have a request under way."""
        close = getattr(self._items, "aclose", None) if self._plain is None else None
        if close is not None:
            await close()


class Outcomes(AsyncIterator[Done[I, V] | Failed[I]], Generic[I, V]):
    """The outcomes of the workers' calls, in a queue; while it is full, the workers wait."""

    def __init__(
        self, call: Callable[[I], Awaitable[V]], source: _Source[I], concurrency: int, *, ordered: bool
    ) -> None:
        self._call = call
        self._source = source
        self._ordered = ordered
        self._working = concurrency
        self._failure: Exception | None = None
        # Outcomes, or futures of outcomes (ordered); None after the last worker has ended.
        self._queue: asyncio.Queue[Any] = asyncio.Queue(concurrency)
        self._promise: asyncio.Future[Any] | None = None  # taken from the queue; its reader may have stopped waiting
        self._reading = asyncio.Lock()
        self._unqueued: list[Done[I, V] | Failed[I]] = []  # of workers that were cancelled while the queue was full

    async def work(self) -> None:
        """Make calls until there are no more items."""
        try:
            while self._failure is None:
                promise: asyncio.Future[Any] | None = None
                if self._ordered:
                    promise = asyncio.get_running_loop().create_future()
                    item = await self._source.take(lambda _, p=promise: self._queue.put(p))  # type: ignore[misc]
                else:
                    item = await self._source.take()
                outcome = await self._outcome(item)
                if promise is None:
                    await self._offer(outcome)
                else:
                    promise.set_result(outcome)
        except StopAsyncIteration:
            pass
        except Exception as error:  # noqa: BLE001 - an exception of ``items``; the iteration raises it
            self._failure = error
        finally:
            self._working -= 1
        if not self._working:
            await self._queue.put(None)

    async def _offer(self, outcome: Done[I, V] | Failed[I]) -> None:
        try:
            await self._queue.put(outcome)
        except asyncio.CancelledError:
            self._unqueued.append(outcome)
            raise

    def untaken(self) -> list[Done[I, V] | Failed[I]]:
        """Outcomes that were ready when the block was left but had not been read; without those of ordered calls."""
        found, self._unqueued = self._unqueued, []
        while not self._queue.empty():
            outcome = self._queue.get_nowait()
            if isinstance(outcome, Done | Failed):
                found.append(outcome)
        return found

    async def _outcome(self, item: I) -> Done[I, V] | Failed[I]:
        try:
            return Done(item, await self._call(item))
        except Exception as error:  # noqa: BLE001 - it is the outcome of the item
            return Failed(item, error)
        except asyncio.CancelledError as cause:
            if being_cancelled():
                raise
            # Not this worker was cancelled, but a task for which the call waited.
            failure = RuntimeError("the call was cancelled from within")
            failure.__cause__ = cause
            return Failed(item, failure)

    async def __anext__(self) -> Done[I, V] | Failed[I]:
        outcome = await (self._next_in_order() if self._ordered else self._queue.get())
        if outcome is None:
            self._queue.put_nowait(None)  # for the next call of this method
            if self._failure is not None:
                raise self._failure
            raise StopAsyncIteration
        return outcome  # type: ignore[no-any-return]

    async def _next_in_order(self) -> Any:
        """The outcome of the next item, or None at the end; a reader that is cancelled leaves it to the next call."""
        async with self._reading:
            if self._promise is None:
                self._promise = await self._queue.get()
            promise = self._promise
            if promise is None:
                return None
            await asyncio.wait([promise])  # a cancelled ``await promise`` would cancel the promise
            self._promise = None
            return promise.result()

"""Look up a stream of identifiers and write what is found, so that a kill at any moment costs a second's work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import msgspec

from spapi_async._core.options import Priority, call_options, current_options
from spapi_async.errors import (
    AuthError,
    ClosedError,
    ConfigurationError,
    ForbiddenError,
    NotFoundError,
    QuotaExceededError,
    RateLimitWaitError,
    ServerError,
    SPAPIError,
    TransportError,
)
from spapi_async.marketplaces import Marketplace
from spapi_async.workflows.bulk._fan_out import Done, Failed, Outcomes, fan_out
from spapi_async.workflows.bulk._journal import FAILED, FOUND, MISSING, Entry, Journal, Key
from spapi_async.workflows.bulk._kinds import LookUp, kind_named
from spapi_async.workflows.bulk._sink import Sink
from spapi_async.workflows.bulk._sinks import open_sink

if TYPE_CHECKING:
    from spapi_async._client.application import SellingPartner

__all__ = ["CrawlProgress", "CrawlReport", "crawl"]

_REQUESTS_AT_ONCE = 10
"""For each seller, as many batches' worth of look-ups are under way: a second of latency at ten requests a second."""

_FLUSH_SECONDS = 1.0
_FLUSH_BYTES = 16 * 2**20
_CHUNK = 500
_HOPELESS = 200
"""Failures in a row, with no success between, after which the service is down rather than the identifiers bad."""


class CrawlProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a crawl is.

    Attributes:
        found, missing, failed: what this run has looked up and written.
        skipped: what an earlier run, or an earlier line of the input, had done.
        rate: look-ups a second since the run began.
        seconds_left: until the quota has let through what is left; None where ``total`` is not known.
    """

    found: int
    missing: int
    failed: int
    skipped: int
    rate: float
    seconds_left: float | None

    @property
    def done(self) -> int:
        """All of them together."""
        return self.found + self.missing + self.failed + self.skipped


class CrawlReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did; counts as in :class:`CrawlProgress`, ``seconds`` by the clock."""

    found: int
    missing: int
    failed: int
    skipped: int
    seconds: float


async def crawl(
    kind: str,
    sellers: Sequence[SellingPartner],
    identifiers: Iterable[str] | AsyncIterable[str],
    sink: str | Path,
    *,
    marketplaces: Sequence[Marketplace | str] = (),
    retry_failed: bool = False,
    older_than: timedelta | None = None,
    concurrency: int | None = None,
    total: int | None = None,
    progress: Callable[[CrawlProgress], None] | None = None,
    **options: Any,
) -> CrawlReport:
    """Look up every identifier once, at the pace of the sellers' quota, and write what is found.

    Stop it at any moment, in any way, and call it again: it goes on. What was found, was not found or failed is not
    asked again, unless ``retry_failed``, or its answer is ``older_than`` that.

    Args:
        kind: ``catalog`` (ASINs, through any of the sellers), ``pricing`` (offers for ASINs), ``fees``
            (``ASIN,price``), ``listings`` or ``inventory`` (SKUs).
        sellers: one; for ``catalog`` as many as there are, see :func:`pool` for whom that is right. Those of one region
            look up what is in its marketplaces.
        identifiers: any iterable; one that occurs twice is asked once.
        sink: ``items.jsonl``, ``items.parquet`` (extra ``arrow``) or ``sqlite:///items.db``. Files have a journal
            beside them, and list what was not found or failed in ``items.not-found.jsonl`` and ``items.failed.jsonl``.
        marketplaces: where to look; the sellers' own by default.
        retry_failed: ask again for what failed in an earlier run.
        older_than: ask again for what was found, or was not, longer ago than that.
        concurrency: look-ups under way at once.
        total: how many identifiers there are, where that is known, for the progress.
        progress: called with the figures whenever something has been written.
        options: of the look-up, such as ``included_data=("summaries", "images")``.

    Calls have the priority BULK unless a ``call_options`` block chose one.

    Raises:
        ConfigurationError: an argument cannot work, or output and journal do not belong together.
        AuthError, ForbiddenError: nobody may ask; the rest can be asked by a later run.
        OSError, sqlite3.Error: the output could not be written, for want of space say; what was written holds.
    """
    chosen = kind_named(kind, sellers)
    places = _places(sellers, marketplaces)
    sellers = _who_sell_there(sellers, places)
    width = concurrency or _REQUESTS_AT_ONCE * chosen.maximum * len(sellers)
    look_up = chosen.open(sellers, options)
    target = open_sink(sink)
    journal = Journal(target.journal_path, _what(kind, options), exclusive=target.exclusive)
    operation = chosen.the_operation()

    def seconds_for(count: int) -> float:
        share = -(-count // (chosen.maximum * len(sellers)))
        return max(seller.forecast(operation, count=max(share, 1)) for seller in sellers)

    run = Run(
        target,
        journal,
        total=None if total is None else total * len(places),
        seconds_for=seconds_for,
        progress=progress,
    )
    older = time.time() - older_than.total_seconds() if older_than is not None else float("-inf")
    keys = run.due(identifiers, places, older_than=older, retry_failed=retry_failed)
    priority = current_options().priority
    try:
        await anyio.to_thread.run_sync(target.open, journal)
        with call_options(priority=Priority.BULK if priority is Priority.NORMAL else priority):
            await run.run(look_up, keys, width)
        return run.report()
    finally:
        target.close()
        journal.close()


def _places(sellers: Sequence[SellingPartner], marketplaces: Sequence[Marketplace | str]) -> list[Marketplace]:
    if isinstance(marketplaces, str):
        marketplaces = [marketplaces]
    places = [Marketplace.parse(place) for place in marketplaces]
    if not places:
        own = {seller.marketplace for seller in sellers}
        place = next(iter(own))
        if len(own) > 1 or place is None:
            raise ConfigurationError(
                "give marketplaces=[…], or make the sellers with selling_partner(…, marketplace=…)"
            )
        places = [place]
    return list(dict.fromkeys(places))


def _who_sell_there(sellers: Sequence[SellingPartner], places: Sequence[Marketplace]) -> list[SellingPartner]:
    """Those in whose region one of the marketplaces is.

    Raises:
        ConfigurationError: a marketplace is in a region in which there is nobody to ask.
    """
    regions = {seller.region for seller in sellers}
    for place in places:
        if place.region not in regions:
            raise ConfigurationError(
                f"{place.name} is in the region {place.region.value.upper()}, and none of the sellers is"
            )
    wanted = {place.region for place in places}
    return [seller for seller in sellers if seller.region in wanted]


def _what(kind: str, options: dict[str, Any]) -> str:
    """What is crawled, in words: a second run with other data asked for would mix two kinds of rows."""
    words = [
        f"{name}={','.join(value) if isinstance(value, list | tuple) else value}" for name, value in options.items()
    ]
    return " ".join([kind, *sorted(words)])


class Run:
    """One run: counts, what is waiting to be written, and what is under way."""

    def __init__(
        self,
        sink: Sink,
        journal: Journal,
        *,
        total: int | None,
        seconds_for: Callable[[int], float],
        progress: Callable[[CrawlProgress], None] | None,
    ) -> None:
        self._sink = sink
        self._journal = journal
        self._total = total
        self._seconds_for = seconds_for
        self._progress = progress
        self._started = time.time()
        self._counts = {FOUND: 0, MISSING: 0, FAILED: 0}
        self._skipped = 0
        self._under_way: set[Key] = set()
        self._waiting: list[Entry] = []
        self._bytes = 0
        self._began = self._written_at = time.monotonic()
        self._in_a_row = 0
        self._is_torn = False  # the output, until the next run puts it right
        self._lock = asyncio.Lock()

    async def due(
        self,
        identifiers: Iterable[str] | AsyncIterable[str],
        places: Sequence[Marketplace],
        *,
        older_than: float,
        retry_failed: bool,
    ) -> AsyncIterator[Key]:
        """The keys that are to be looked up, each once."""
        failed_before = self._started if retry_failed else float("-inf")
        async for chunk in _chunks(identifiers, _CHUNK):
            keys = list(dict.fromkeys(Key(each, place.value) for each in chunk for place in places))
            fresh = [key for key in keys if key not in self._under_way]
            due = await self._in_thread(
                lambda fresh=fresh: self._journal.due(fresh, older_than=older_than, failed_before=failed_before)  # type: ignore[misc]
            )
            self._skipped += len(chunk) * len(places) - len(due)
            for key in due:
                self._under_way.add(key)
                yield key

    async def run(self, look_up: LookUp, keys: AsyncIterator[Key], width: int) -> None:
        """Look up, write, until there is nothing left."""

        async def call(key: Key) -> bytes:
            return await look_up(key.identifier, Marketplace(key.marketplace))

        outcomes: Outcomes[Key, bytes] | None = None
        try:
            async with fan_out(call, keys, width) as outcomes:
                async for outcome in outcomes:
                    self._take(self.entry(outcome))
                    if self._is_due():
                        await self._write()
        finally:
            # Also when the run ends early: what has been paid for is kept.
            for outcome in outcomes.untaken() if outcomes is not None else ():
                if isinstance(outcome, Done):
                    self._take(self.entry(outcome))
            await self._write()
        await self._in_thread(self._sink.finish)

    def report(self) -> CrawlReport:
        return CrawlReport(
            found=self._counts[FOUND],
            missing=self._counts[MISSING],
            failed=self._counts[FAILED],
            skipped=self._skipped,
            seconds=time.monotonic() - self._began,
        )

    def entry(self, outcome: Done[Key, bytes] | Failed[Key]) -> Entry:
        now = time.time()
        if isinstance(outcome, Done):
            self._in_a_row = 0
            return Entry(outcome.item, FOUND, now, outcome.value)
        error = outcome.error
        if isinstance(error, NotFoundError):
            self._in_a_row = 0
            return Entry(outcome.item, MISSING, now)
        if isinstance(error, AuthError | ForbiddenError | ClosedError | RateLimitWaitError) or not isinstance(
            error, SPAPIError
        ):
            raise error
        if isinstance(error, TransportError | ServerError | QuotaExceededError):
            self._in_a_row += 1
            if self._in_a_row >= _HOPELESS:
                error.add_note(f"{_HOPELESS} look-ups in a row failed: run it again later with retry_failed")
                raise error
        return Entry(outcome.item, FAILED, now, error=str(error))

    def _take(self, entry: Entry) -> None:
        self._waiting.append(entry)
        self._bytes += len(entry.item)

    def _is_due(self) -> bool:
        return (
            len(self._waiting) >= self._sink.rows
            or self._bytes >= _FLUSH_BYTES
            or (self._sink.rows <= _CHUNK and time.monotonic() - self._written_at >= _FLUSH_SECONDS)
        )

    async def _write(self) -> None:
        """Write what waits and record it; a cancellation waits for the disk, so that nothing is written by halves."""
        entries, self._waiting, self._bytes = self._waiting, [], 0
        if not entries or self._is_torn:
            return

        def write() -> None:
            self._is_torn = True  # a write that fails may leave half a line, behind which nothing may stand
            places, state = self._sink.write(entries)
            self._journal.record(entries, places, state)
            self._is_torn = False

        await self._in_thread(write)
        self._written_at = time.monotonic()
        for entry in entries:
            self._counts[entry.status] += 1
            self._under_way.discard(entry.key)
        if self._progress is not None:
            self._progress(self._so_far())

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        """One thread at a time touches files and journal; what has begun, or waits for its turn, is finished."""
        working = asyncio.ensure_future(self._in_turn(work))
        cancelled: asyncio.CancelledError | None = None
        while not working.done():
            try:
                await asyncio.wait([working])
            except asyncio.CancelledError as error:
                cancelled = error
        result = working.result()
        if cancelled is not None:
            raise cancelled
        return result

    async def _in_turn(self, work: Callable[[], Any]) -> Any:
        async with self._lock:
            return await asyncio.get_running_loop().run_in_executor(None, work)

    def _so_far(self) -> CrawlProgress:
        done = sum(self._counts.values())
        elapsed = max(time.monotonic() - self._began, 1e-9)
        left = None
        if self._total is not None:
            rest = self._total - done - self._skipped
            left = self._seconds_for(rest) if rest > 0 else 0.0
        return CrawlProgress(
            found=self._counts[FOUND],
            missing=self._counts[MISSING],
            failed=self._counts[FAILED],
            skipped=self._skipped,
            rate=done / elapsed,
            seconds_left=left,
        )


async def _chunks(identifiers: Iterable[str] | AsyncIterable[str], size: int) -> AsyncIterator[list[str]]:
    """Lists of so many; a plain iterable is read in a thread, for it may be a file."""
    if not isinstance(identifiers, AsyncIterable):
        iterator = iter(identifiers)

        def read() -> list[str]:
            return [each for _, each in zip(range(size), iterator, strict=False)]

        while chunk := await anyio.to_thread.run_sync(read, abandon_on_cancel=True):
            yield chunk
        return
    chunk = []
    async for each in identifiers:
        chunk.append(each)
        if len(chunk) >= size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk

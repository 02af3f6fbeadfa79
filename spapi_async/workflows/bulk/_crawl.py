"""Looks up a stream of identifiers and writes the results; a process that is killed loses about a second's work."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import msgspec

from spapi_async._core.arguments import one_or_more
from spapi_async._core.options import Priority, call_options, current_options
from spapi_async.errors import (
    ClosedError,
    ConfigurationError,
    NotFoundError,
    RateLimitWaitError,
    SPAPIError,
)
from spapi_async.marketplaces import Marketplace
from spapi_async.workflows._refusal import is_outage, refuses_seller
from spapi_async.workflows.bulk._fan_out import Done, Failed, Outcomes, fan_out
from spapi_async.workflows.bulk._journal import FAILED, FOUND, MISSING, Entry, Journal, Key
from spapi_async.workflows.bulk._kinds import LookUp, kind_named
from spapi_async.workflows.bulk._sink import Sink
from spapi_async.workflows.bulk._sinks import open_sink

if TYPE_CHECKING:
    from spapi_async._client.application import SellingPartner

__all__ = ["CrawlProgress", "CrawlReport", "crawl"]

_BATCHES_PER_SELLER = 10
"""Batches of look-ups under way for each seller: enough for ten requests per second with a latency of one second."""

_FLUSH_SECONDS = 1.0
_FLUSH_BYTES = 16 * 2**20
_CHUNK_SIZE = 500
_MOST_FAILURES = 200
"""Failures in a row after which the crawl stops: then the service is down, and the identifiers are not the cause."""


class CrawlProgress(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a crawl.

    Attributes:
        found, missing, failed: results that this run has written.
        skipped: identifiers that an earlier run, or an earlier line of the input, had looked up.
        rate: look-ups per second since the run began.
        seconds_left: until quota admits the remaining look-ups; None if ``total`` is unknown.
    """

    found: int
    missing: int
    failed: int
    skipped: int
    rate: float
    seconds_left: float | None

    @property
    def done(self) -> int:
        """The sum of the four counts."""
        return self.found + self.missing + self.failed + self.skipped


class CrawlReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a run: counts as in :class:`CrawlProgress`, and its duration in ``seconds``."""

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
    """Look up every identifier once, at the pace of the sellers' quota, and write the results.

    A crawl that was stopped, in whatever way, continues when it is called again. An identifier that was found, was not
    found or failed is not looked up again, except with ``retry_failed`` or ``older_than``.

    Args:
        kind: ``catalog`` (ASINs, through any of the sellers), ``pricing`` (offers for ASINs), ``fees``
            (``ASIN,price``), ``listings`` or ``inventory`` (SKUs).
        sellers: one seller; for ``catalog`` any number (:func:`pool` says when that is permitted). The sellers of a
            region look up items in its marketplaces.
        identifiers: any iterable; a repeated identifier is looked up once.
        sink: ``items.jsonl``, ``items.parquet`` (extra ``arrow``) or ``sqlite:///items.db``. Beside a file there are
            its journal and the lists ``items.not-found.jsonl`` and ``items.failed.jsonl``.
        marketplaces: the marketplaces to search; by default the sellers' own.
        retry_failed: look up again the identifiers that failed in an earlier run.
        older_than: look up again the identifiers whose result is older than that. An item of which this look-up fails
            stays in the output as it was; one that no longer exists is removed.
        concurrency: the number of look-ups under way at the same time.
        total: the number of identifiers, if known, for the progress.
        progress: called with the counts whenever results have been written.
        options: options of the look-up, such as ``included_data=("summaries", "images")``.

    Calls have the priority BULK unless a ``call_options`` block sets another one.

    Raises:
        ConfigurationError: an argument is invalid, the output and its journal do not match, or they are in use.
        AuthError, ForbiddenError: the sellers may not make the call; a later run continues.
        OSError, sqlite3.Error: the output could not be written, for example because the disk is full; what was written
            before stays valid.
    """
    if concurrency is not None and concurrency < 1:
        raise ConfigurationError(f"concurrency must be 1 or more, not {concurrency!r}")
    chosen = kind_named(kind, sellers)
    places = _places(sellers, marketplaces)
    sellers = _sellers_in_regions(sellers, places)
    width = concurrency or _BATCHES_PER_SELLER * chosen.maximum * len(sellers)
    look_up = chosen.open(sellers, options)
    target = open_sink(sink)
    journal = Journal(target.journal_path, _description(kind, options), exclusive=target.exclusive)
    operation = chosen.batch_operation()

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
        await run.open()
        with call_options(priority=Priority.BULK if priority is Priority.NORMAL else priority):
            await run.run(look_up, keys, width)
        return run.report()
    finally:
        target.close()
        journal.close()


def _places(sellers: Sequence[SellingPartner], marketplaces: Sequence[Marketplace | str]) -> list[Marketplace]:
    places = [Marketplace.parse(place) for place in one_or_more(marketplaces)]
    if not places:
        own = {seller.marketplace for seller in sellers}
        place = next(iter(own))
        if len(own) > 1 or place is None:
            raise ConfigurationError(
                "the marketplace is not known: give marketplaces=[…], or use selling_partner(…, marketplace=…)"
            )
        places = [place]
    return list(dict.fromkeys(places))


def _sellers_in_regions(sellers: Sequence[SellingPartner], places: Sequence[Marketplace]) -> list[SellingPartner]:
    """The sellers in the regions of these marketplaces.

    Raises:
        ConfigurationError: a marketplace is in a region in which there is no seller.
    """
    regions = {seller.region for seller in sellers}
    for place in places:
        if place.region not in regions:
            raise ConfigurationError(
                f"{place.name} is in region {place.region.value.upper()}, but none of the sellers is in that region"
            )
    wanted = {place.region for place in places}
    return [seller for seller in sellers if seller.region in wanted]


def _description(kind: str, options: dict[str, Any]) -> str:
    """The kind and options of a crawl as text; a run with others would write other rows into the same output."""
    words = [
        f"{name}={','.join(value) if isinstance(value, list | tuple) else value}" for name, value in options.items()
    ]
    return " ".join([kind, *sorted(words)])


class Run:
    """One run of a crawl: its counts, results to be written, and look-ups under way."""

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
        self._failures_in_a_row = 0
        self._is_torn = False  # whether the output may end with part of a row, which the next run removes
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        """Open the journal, then the output.

        Raises:
            ConfigurationError: one of them cannot be used, or is in use.
        """

        def open_both() -> None:
            try:
                self._journal.open()
                self._sink.open(self._journal)
            except sqlite3.Error as error:
                raise self._journal.unusable(error) from None

        await self._in_thread(open_both)

    async def due(
        self,
        identifiers: Iterable[str] | AsyncIterable[str],
        places: Sequence[Marketplace],
        *,
        older_than: float,
        retry_failed: bool,
    ) -> AsyncIterator[Key]:
        """The keys to be looked up, each once."""
        failed_before = self._started if retry_failed else float("-inf")
        async for chunk in _chunks(identifiers, _CHUNK_SIZE):
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
        """Look up all keys and write the results."""

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
            # Also if the run ends early: results that have cost quota are kept.
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
        """The result to be written; raises an error that concerns more than one identifier."""
        now = time.time()
        if isinstance(outcome, Done):
            self._failures_in_a_row = 0
            return Entry(outcome.item, FOUND, now, outcome.value)
        error = outcome.error
        if isinstance(error, NotFoundError):
            self._failures_in_a_row = 0
            return Entry(outcome.item, MISSING, now)
        if not isinstance(error, SPAPIError) or isinstance(error, ClosedError | RateLimitWaitError):
            raise error
        if refuses_seller(error):
            raise error
        if is_outage(error):
            self._failures_in_a_row += 1
            if self._failures_in_a_row >= _MOST_FAILURES:
                error.add_note(f"{_MOST_FAILURES} look-ups in a row failed: crawl again later with retry_failed=True")
                raise error
        return Entry(outcome.item, FAILED, now, error=str(error))

    def _take(self, entry: Entry) -> None:
        self._waiting.append(entry)
        self._bytes += len(entry.item)

    def _is_due(self) -> bool:
        return (
            len(self._waiting) >= self._sink.rows
            or self._bytes >= _FLUSH_BYTES
            or (self._sink.rows <= _CHUNK_SIZE and time.monotonic() - self._written_at >= _FLUSH_SECONDS)
        )

    async def _write(self) -> None:
        """Write and record the waiting results; a cancellation takes effect after that, so that all are written."""
        entries, self._waiting, self._bytes = self._waiting, [], 0
        if not entries or self._is_torn:
            return

        def write() -> None:
            self._is_torn = True  # a failed write may leave part of a row, after which nothing may be written
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
        """Do this in a thread, one at a time; it is completed even if the caller is cancelled."""
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
    """Lists of at most ``size`` identifiers; a plain iterable is read in a thread, since it may be a file."""
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

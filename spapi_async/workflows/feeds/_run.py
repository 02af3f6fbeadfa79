"""A feed under way: wait for it, read its result."""

from __future__ import annotations

import asyncio
from typing import Self

from spapi_async._core.frames import forgetting_locals
from spapi_async.errors import DocumentError, FeedCancelledError, FeedFatalError
from spapi_async.workflows.documents import Documents
from spapi_async.workflows.feeds._result import REPORT_OPERATION, FeedResult, result_of
from spapi_async.workflows.runs import Job, Run, explanation_in

__all__ = ["FeedRun"]

_LARGE = 256 * 1024  # bytes of a report that is parsed in another thread
_LARGEST_REPORT = 256 * 1024 * 1024  # bytes
_OPERATION = "feeds_2021_06_30.get_feed"


class FeedRun:
    """A feed that was submitted; ``await run.wait()``, then ``await run.result()``.

    The journal keeps it: if the same feed is submitted again, by this process or another, this run is continued and
    nothing is sent, until its result has been read.
    """

    def __init__(self, documents: Documents, run: Run) -> None:
        self._documents = documents
        self._run = run
        self._result: FeedResult | None = None

    @property
    def feed_id(self) -> str:
        """Amazon's id."""
        return self._run.job_id or ""

    @property
    def feed_type(self) -> str:
        """The feed's type."""
        return str(self._run.request["feedType"])

    @property
    def status(self) -> str:
        """PLANNED, SENDING, IN_QUEUE, IN_PROGRESS, DONE, CANCELLED or FATAL."""
        return self._run.status

    @property
    def next_poll_in(self) -> float | None:
        """Seconds until Amazon is polled again; None if no caller waits."""
        return self._run.next_poll_in

    async def wait(self) -> Self:
        """Wait until Amazon has processed the feed.

        Polls at a pace that all waiting feeds of the seller share, or wakes on a notification (:meth:`Feeds.wake_on`).

        Raises:
            FeedCancelledError: it is CANCELLED.
            FeedFatalError: it is FATAL, and was carried out in part or not at all; with Amazon's explanation.
            SPAPIError: Amazon cannot be polled.
        """
        await self._finished()
        return self

    @forgetting_locals
    async def result(self, *, close: bool = True) -> FeedResult:
        """The result; waits for the feed first. Afterwards the run is closed: the same feed is then a new one.

        Args:
            close: False leaves the run open, so that you can save the result first: if the process is killed before
                :meth:`close`, the next one finds this feed again instead of submitting another.

        Raises:
            DocumentError: as :meth:`wait`; also, the processing report cannot be read, does not show the result, or
                belongs to another feed. Amazon has processed the feed; another call reads the report again.
            SPAPIError: as :meth:`wait`.
        """
        if self._result is None:
            job = await self._finished()
            report = b"" if job.document_id is None else await self._read(job.document_id)
            facts = job.id, self.feed_type, job.document_id, report
            # A large report is parsed in another thread: tens of thousands of issues take a second.
            self._result = result_of(*facts) if len(report) < _LARGE else await asyncio.to_thread(result_of, *facts)
        if close:
            await self._run.close()
        return self._result

    async def close(self) -> None:
        """End the run: the same feed is then a new one."""
        await self._run.close()

    def __repr__(self) -> str:
        return f"<FeedRun {self.feed_type} {self.feed_id or 'not submitted'}: {self.status}>"

    async def _finished(self) -> Job:
        job = await self._run.finished()
        if job.status == "DONE":
            return job
        await self._run.close()
        if job.status == "CANCELLED":
            raise FeedCancelledError(
                f"feed {job.id} ({self.feed_type}) was cancelled", operation=_OPERATION, feed_id=job.id
            )
        explanation = await self._explanation(job)
        raise FeedFatalError(
            f"Amazon could not process feed {job.id} ({self.feed_type}): {explanation or 'it gave no explanation'}",
            operation=_OPERATION,
            feed_id=job.id,
            explanation=explanation,
        )

    async def _explanation(self, job: Job) -> str:
        """The explanation in the document of a FATAL feed; empty if there is none."""
        return "" if job.document_id is None else await explanation_in(self._documents.feed_result(job.document_id))

    async def _read(self, document_id: str) -> bytes:
        pieces, size = [], 0
        async with self._documents.feed_result(document_id) as document:
            async for piece in document.iter_bytes():
                size += len(piece)
                if size > _LARGEST_REPORT:
                    raise DocumentError(
                        f"the processing report of feed {self.feed_id} is larger than {_LARGEST_REPORT:,} bytes",
                        operation=REPORT_OPERATION,
                    )
                pieces.append(piece)
        return b"".join(pieces)

"""A feed on its way: submitted once, waited for, its result read."""

from __future__ import annotations

import asyncio
from typing import Self

from spapi_async.errors import DocumentError, FeedCancelledError, FeedFatalError
from spapi_async.workflows.documents import Documents
from spapi_async.workflows.feeds._result import REPORT_OPERATION, FeedResult, result_of
from spapi_async.workflows.runs import Job, Run, explanation_in

__all__ = ["FeedRun"]

_LARGE = 256 * 1024
_LARGEST_REPORT = 256 * 1024 * 1024
_OPERATION = "feeds_2021_06_30.get_feed"


class FeedRun:
    """A feed that was submitted; ``await run.wait()``, then ``await run.result()``.

    It is in the journal: the same feed submitted again, by this process or another, is followed rather than sent twice
    until its result has been read.
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
        """What kind of feed it is."""
        return str(self._run.request["feedType"])

    @property
    def status(self) -> str:
        """How far it is: PLANNED, SENDING, IN_QUEUE, IN_PROGRESS, DONE, CANCELLED or FATAL."""
        return self._run.status

    @property
    def next_poll_in(self) -> float | None:
        """Seconds until Amazon is asked again; None while nobody waits."""
        return self._run.next_poll_in

    async def wait(self) -> Self:
        """Wait until Amazon is done with it.

        Polls at a pace that all waiting feeds of the seller share, or wakes on a notification (:meth:`Feeds.wake_on`).

        Raises:
            FeedCancelledError: CANCELLED.
            FeedFatalError: FATAL: none or only some of it was carried out; with the explanation that Amazon gives.
            SPAPIError: Amazon cannot be asked.
        """
        await self._finished()
        return self

    async def result(self, *, close: bool = True) -> FeedResult:
        """What became of it; waits where that has not been done. After it the same feed is a new one.

        Args:
            close: False where the result is to be kept somewhere first: a process that is killed before its
                :meth:`close` finds this feed again instead of submitting another.

        Raises:
            DocumentError: as :meth:`wait`, and where the processing report cannot be read, does not say what became of
                the messages, or is another feed's. The feed was carried out; asking again reads it again.
            SPAPIError: as :meth:`wait`.
        """
        if self._result is None:
            job = await self._finished()
            report = b"" if job.document_id is None else await self._read(job.document_id)
            facts = job.id, self.feed_type, job.document_id, report
            # Large ones beside the event loop: tens of thousands of issues take a second.
            self._result = result_of(*facts) if len(report) < _LARGE else await asyncio.to_thread(result_of, *facts)
        if close:
            await self._run.close()
        return self._result

    async def close(self) -> None:
        """Leave it: from here on the same feed is sent to Amazon anew."""
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
        said = f": {explanation}" if explanation else " and says nothing more"
        raise FeedFatalError(
            f"Amazon could not carry out feed {job.id} ({self.feed_type}){said}",
            operation=_OPERATION,
            feed_id=job.id,
            explanation=explanation,
        )

    async def _explanation(self, job: Job) -> str:
        """What the document of a FATAL feed says; its absence hides no error."""
        return "" if job.document_id is None else await explanation_in(self._documents.feed_result(job.document_id))

    async def _read(self, document_id: str) -> bytes:
        pieces, size = [], 0
        async with self._documents.feed_result(document_id) as document:
            async for piece in document.iter_bytes():
                size += len(piece)
                if size > _LARGEST_REPORT:
                    raise DocumentError(
                        f"the processing report of feed {self.feed_id} is larger than 256 MB",
                        operation=REPORT_OPERATION,
                    )
                pieces.append(piece)
        return b"".join(pieces)

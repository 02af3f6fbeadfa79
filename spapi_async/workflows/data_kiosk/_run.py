"""A query on its way, and its rows: one run for each page of the result."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Generic, Self, TypeVar

from spapi_async.errors import DecodeError, QueryCancelledError, QueryFatalError
from spapi_async.workflows.data_kiosk._kind import AFTER, QueryKind
from spapi_async.workflows.documents import Document, Documents
from spapi_async.workflows.runs import Job, Run, Runs, error_said_in, explanation_in

__all__ = ["QueryRun", "Rows"]

T = TypeVar("T")

_MOST_STALE = 50
_OPERATION = "data_kiosk_2023_11_15.get_query"


class QueryRun:
    """A query that was asked; ``await run.wait()``, ``async for row in run.rows()``, ``await run.close()``.

    It is in the journal: the same query asked again, by this process or another, is followed rather than asked twice
    until it is closed, as ``download`` does when its block has ended.
    """

    def __init__(self, documents: Documents, runs: Runs, first: Run) -> None:
        self._documents = documents
        self._runs = runs
        self._pages = [first]

    @property
    def query(self) -> str:
        """Its text."""
        return str(self._pages[0].request["query"])

    @property
    def query_id(self) -> str:
        """Amazon's id of the first page's query."""
        return self._pages[0].job_id or ""

    @property
    def status(self) -> str:
        """How far the page is that was asked for last: PLANNED, SENDING, IN_QUEUE, IN_PROGRESS, DONE, …."""
        return self._pages[-1].status

    @property
    def next_poll_in(self) -> float | None:
        """Seconds until Amazon is asked again; None while nobody waits."""
        return self._pages[-1].next_poll_in

    async def wait(self) -> Self:
        """Wait until Amazon is done with the first page.

        Polls at a pace that all waiting queries of the seller share, or wakes on a notification
        (:meth:`DataKiosk.wake_on`).

        Raises:
            QueryCancelledError: CANCELLED.
            QueryFatalError: FATAL; with the text of the error document.
            SPAPIError: Amazon cannot be asked.
        """
        await self._finished(self._pages[0])
        return self

    async def rows(self, type: Any = Any) -> AsyncGenerator[Any, None]:  # noqa: A002 - as documents have it
        """The rows of all pages, as plain values or as ``type``; no data means no rows.

        Each further page is a query of its own with the same text and Amazon's token; it is asked for when the page
        before it has been read. They may be read again until the run is closed.

        Raises:
            DecodeError: a row is not JSON, or not of the type; the rows before it were handed out. Amazon's tokens lead
                round in a circle, or through fifty pages in a row that bring nothing.
            QueryFatalError: an error document stands in the place of the rows.
            SPAPIError: as :meth:`wait`, and what reading a document raises.
        """
        seen: set[str] = set()
        place = stale = 0
        last = b"", 0
        while True:
            job = await self._finished(self._pages[place])
            content = b"", 0
            if job.document_id is not None:
                async with self._documents.query_result(job.document_id) as document:
                    async with aclosing(self._rows_of(document, job, type)) as values:
                        async for value in values:
                            yield value
                    content = document.beginning, document.bytes_read
            # Rows may be alike, and so may pages be; but not for ever.
            stale = stale + 1 if content in (last, (b"", 0)) else 0
            last = content
            token = _next_token(job)
            if token is None:
                break
            if token in seen:
                raise DecodeError("Amazon returned the token of a page it had sent before", operation=_OPERATION)
            if stale == _MOST_STALE:
                raise DecodeError(f"{stale} pages in a row bring nothing, and there is another", operation=_OPERATION)
            seen.add(token)
            place += 1
            if place == len(self._pages):
                self._pages.append(await self._following(job.id, token))

    async def _rows_of(self, document: Document, job: Job, type: Any) -> AsyncGenerator[Any, None]:  # noqa: A002
        """The rows of one page."""
        begun = False
        try:
            async with aclosing(document.iter_json_lines(type)) as values:
                async for value in values:
                    if not begun and (said := error_said_in(document.beginning)):
                        await self.close()
                        raise self._fatal(job, said)
                    begun = True
                    yield value
        except DecodeError as error:
            if not begun and (said := error_said_in(document.beginning)):  # which is not of the type either
                await self.close()
                raise self._fatal(job, said) from error
            raise

    async def _following(self, after: str, token: str) -> Run:
        """The run of the page after a query's, asked for with the token that Amazon gave last."""
        kind = self._runs.kind
        assert isinstance(kind, QueryKind)
        run = await self._runs.plan({"query": self.query, AFTER: after})
        kind.tokens[after] = token
        try:
            await run.requested()
        finally:
            kind.tokens.pop(after, None)
        return run

    async def close(self) -> None:
        """Leave it: from here on the same query is asked anew."""
        for page in reversed(self._pages):  # the first page's last: whoever goes on after a kill finds the others
            await page.close()

    def __repr__(self) -> str:
        return f"<QueryRun {self.query_id or 'not asked'}: {self.status}>"

    async def _finished(self, page: Run) -> Job:
        job = await page.finished()
        if job.reply is None:  # the journal keeps no token of the next page
            job = await self._runs.kind.get(job.id)
        explained = getattr(job.reply, "error_document_id", None)
        if job.status == "DONE" and (job.document_id is not None or explained is None):
            return job
        await self.close()
        if job.status == "CANCELLED":
            raise QueryCancelledError(f"query {job.id} was cancelled", operation=_OPERATION, query_id=job.id)
        raise self._fatal(job, await self._explanation(explained or job.document_id))

    def _fatal(self, job: Job, explanation: str) -> QueryFatalError:
        said = f": {explanation}" if explanation else " and says nothing more"
        return QueryFatalError(
            f"Amazon could not answer query {job.id}{said}",
            operation=_OPERATION,
            query_id=job.id,
            explanation=explanation,
        )

    async def _explanation(self, document_id: str | None) -> str:
        """What the error document says."""
        return "" if document_id is None else await explanation_in(self._documents.query_result(document_id))


class Rows(Generic[T]):
    """The rows of a query: ``async for row in rows``."""

    def __init__(self, run: QueryRun, type: type[T]) -> None:  # noqa: A002 - as documents have it
        self.run = run
        self._type = type

    def __aiter__(self) -> AsyncIterator[T]:
        return self.run.rows(self._type)


def _next_token(job: Job) -> str | None:
    """The token of the next page of the result."""
    pagination = getattr(job.reply, "pagination", None)
    token = getattr(pagination, "next_token", None)
    if token is None or token == "":
        return None
    if not isinstance(token, str):
        raise DecodeError("the token of the result's next page is not text", operation=_OPERATION)
    return token

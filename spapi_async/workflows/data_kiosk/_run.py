"""A query under way, and its rows: one run for each page of the result."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Generic, Self, TypeVar

from spapi_async._core.frames import forget_locals
from spapi_async.errors import DecodeError, QueryCancelledError, QueryFatalError
from spapi_async.workflows.data_kiosk._kind import AFTER, PAGE
from spapi_async.workflows.documents import Document, Documents
from spapi_async.workflows.runs import Job, Run, Runs, error_messages_in, explanation_in

__all__ = ["QueryRun", "Rows"]

T = TypeVar("T")

_MOST_REPEATED_PAGES = 50  # in a row, empty or equal to the page before
_OPERATION = "data_kiosk_2023_11_15.get_query"


class QueryRun:
    """A submitted query; ``await run.wait()``, ``async for row in run.rows()``, ``await run.close()``.

    The journal keeps it: if the same query is submitted again, by this process or another, this run is continued and
    nothing is sent, until the run is closed. ``download`` closes it at the end of its block.
    """

    def __init__(self, documents: Documents, runs: Runs, first: Run) -> None:
        self._documents = documents
        self._runs = runs
        self._pages = [first]

    @property
    def query(self) -> str:
        """The query's text."""
        return str(self._pages[0].request["query"])

    @property
    def query_id(self) -> str:
        """Amazon's id of the first page's query."""
        return self._pages[0].job_id or ""

    @property
    def status(self) -> str:
        """The status of the page that was requested last: PLANNED, SENDING, IN_QUEUE, IN_PROGRESS, DONE, …."""
        return self._pages[-1].status

    @property
    def next_poll_in(self) -> float | None:
        """Seconds until Amazon is polled again; None if no caller waits."""
        return self._pages[-1].next_poll_in

    async def wait(self) -> Self:
        """Wait until Amazon has finished the first page.

        Polls at a pace that all waiting queries of the seller share, or wakes on a notification
        (:meth:`DataKiosk.wake_on`).

        Raises:
            QueryCancelledError: it is CANCELLED.
            QueryFatalError: it is FATAL; with the text of the error document.
            SPAPIError: Amazon cannot be polled.
        """
        await self._finished(self._pages[0])
        return self

    async def rows(self, type: Any = Any) -> AsyncGenerator[Any, None]:  # noqa: A002 - as documents have it
        """The rows of all pages, as plain values or as ``type``; none if there is no data.

        Each further page is a separate query with the same text and Amazon's page token. It is requested when the page
        before it has been read. The rows can be read again until the run is closed.

        Raises:
            DecodeError: a row is not JSON or not of the type, after the rows before it were yielded; or Amazon returns
                a page token twice, or fifty pages in a row without new rows.
            QueryFatalError: Amazon returned an error document instead of rows.
            SPAPIError: as :meth:`wait`, and what reading a document raises.
        """
        value: Any = None
        try:
            async with aclosing(self._documents_of_pages()) as pages:
                async for job, document in pages:
                    async with document, aclosing(self._rows_of(document, job, type)) as values:
                        async for value in values:
                            yield value
        except BaseException as error:
            forget_locals(error)
            del value  # the error shows the local variables of this frame, too
            raise

    async def _documents_of_pages(self) -> AsyncGenerator[tuple[Job, Document], None]:
        """The document of each page that has one; it must be read before the next one is taken."""
        seen: set[str] = set()
        number = repeated = 0
        last = b"", 0
        while True:
            job = await self._finished(self._pages[number])
            content = b"", 0
            if job.document_id is not None:
                document = self._documents.query_result(job.document_id)
                yield job, document
                content = document.beginning, document.bytes_read
            # Some pages may be equal or empty, but a long series of them has no end.
            repeated = repeated + 1 if content in (last, (b"", 0)) else 0
            last = content
            token = _next_token(job)
            if token is None:
                break
            if token in seen:
                raise DecodeError("Amazon returned the same page token twice", operation=_OPERATION)
            if repeated == _MOST_REPEATED_PAGES:
                raise DecodeError(
                    f"{repeated} pages in a row have no new rows, and another follows", operation=_OPERATION
                )
            seen.add(token)
            number += 1
            if number == len(self._pages):
                self._pages.append(await self._next_page(job.id, token))

    async def _rows_of(self, document: Document, job: Job, type: Any) -> AsyncGenerator[Any, None]:  # noqa: A002
        """The rows of one page."""
        has_rows = False
        try:
            async with aclosing(document.iter_json_lines(type)) as values:
                async for value in values:
                    if not has_rows and (said := error_messages_in(document.beginning)):
                        await self.close()
                        raise self._fatal(job, said)
                    has_rows = True
                    yield value
        except DecodeError as error:
            if not has_rows and (
                said := error_messages_in(document.beginning)
            ):  # an error document does not fit the type
                await self.close()
                raise self._fatal(job, said) from error
            raise

    async def _next_page(self, after: str, token: str) -> Run:
        """Request the page after that of a query, with Amazon's latest page token for it."""
        run = await self._runs.plan({"query": self.query, AFTER: after})
        await run.requested({PAGE: token})
        return run

    async def close(self) -> None:
        """End the run: the same query is then a new one."""
        for page in reversed(self._pages):  # the first last: after a kill, it leads to the others
            await page.close()

    def __repr__(self) -> str:
        return f"<QueryRun {self.query_id or 'not submitted'}: {self.status}>"

    async def _finished(self, page: Run) -> Job:
        job = await page.finished()
        if job.reply is None:  # the journal does not keep the page token
            job = await self._runs.kind.get(job.id)
        error_document_id = getattr(job.reply, "error_document_id", None)
        if job.status == "DONE" and (job.document_id is not None or error_document_id is None):
            return job
        await self.close()
        if job.status == "CANCELLED":
            raise QueryCancelledError(f"query {job.id} was cancelled", operation=_OPERATION, query_id=job.id)
        raise self._fatal(job, await self._explanation(error_document_id or job.document_id))

    def _fatal(self, job: Job, explanation: str) -> QueryFatalError:
        return QueryFatalError(
            f"Amazon could not answer query {job.id}: {explanation or 'it gave no explanation'}",
            operation=_OPERATION,
            query_id=job.id,
            explanation=explanation,
        )

    async def _explanation(self, document_id: str | None) -> str:
        """The text of the error document."""
        return "" if document_id is None else await explanation_in(self._documents.query_result(document_id))


class Rows(Generic[T]):
    """The rows of a query: ``async for row in rows``."""

    def __init__(self, run: QueryRun, type: type[T]) -> None:  # noqa: A002 - as documents have it
        self.run = run
        self._type = type

    def __aiter__(self) -> AsyncIterator[T]:
        return self.run.rows(self._type)


def _next_token(job: Job) -> str | None:
    """Amazon's token for the next page of the result; None after the last."""
    pagination = getattr(job.reply, "pagination", None)
    token = getattr(pagination, "next_token", None)
    if token is None or token == "":
        return None
    if not isinstance(token, str):
        raise DecodeError("the page token in Amazon's reply is not text", operation=_OPERATION)
    return token

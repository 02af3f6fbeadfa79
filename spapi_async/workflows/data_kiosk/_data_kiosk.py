"""``seller.data_kiosk``: submit a query once, wait for it and read its rows."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar, overload

from spapi_async._core.caller import Caller
from spapi_async._core.resources import Resources
from spapi_async.errors import ConfigurationError
from spapi_async.workflows.data_kiosk._kind import QueryKind, without_space
from spapi_async.workflows.data_kiosk._run import QueryRun, Rows
from spapi_async.workflows.documents import Documents
from spapi_async.workflows.runs import Runs, runs_of

__all__ = ["DataKiosk"]

T = TypeVar("T")

_LONGEST = 8000  # characters of a query, white space not counted (Data Kiosk model 2023-11-15)


class DataKiosk:
    """The Data Kiosk queries of one selling partner.

    Usage plans: createQuery and getDocument one a minute after a burst of 15, getQuery 2 a second.
    """

    __slots__ = ("_caller", "_documents", "_kind", "_resources")

    def __init__(self, caller: Caller, resources: Resources) -> None:
        self._caller = caller
        self._resources = resources
        self._documents = Documents(caller, resources)
        self._kind = QueryKind(caller)

    async def request(self, query: str) -> QueryRun:
        """Submit a query; returns its run.

        With a journal (``Application(journal=...)``) the query is recorded before it is sent. If an equal query is
        still open, in this process or another, its run is continued and nothing is sent. If the reply is lost, the
        query is looked up by its text, and sent again only if Amazon did not create it.

        Args:
            query: GraphQL; at most 8,000 characters, white space not counted.

        Raises:
            ConfigurationError: it is empty or too long.
            OutcomeUnknownError: it is unknown whether it was submitted, or as which of several queries; names these.
            SPAPIError: Amazon refused it, or could not be reached.
        """
        if not isinstance(query, str) or not query.strip():
            raise ConfigurationError("the query is empty")
        if (size := len(without_space(query))) > _LONGEST:
            raise ConfigurationError(
                f"the query has {size:,} characters without white space; Amazon accepts at most {_LONGEST:,}"
            )
        runs = self._runs
        run = await runs.plan({"query": query})
        await run.requested()
        return QueryRun(self._documents, runs, run)

    @overload
    def download(self, query: str) -> AbstractAsyncContextManager[Rows[Any]]: ...

    @overload
    def download(self, query: str, type: type[T]) -> AbstractAsyncContextManager[Rows[T]]: ...

    @asynccontextmanager
    async def download(self, query: str, type: Any = Any) -> AsyncIterator[Rows[Any]]:  # noqa: A002 - as documents
        """Submit a query, wait for it and read it: ``async with … as rows: async for row in rows``.

        Rows are plain values, or ``type``. Further pages are fetched as needed; if there is no data, there are no rows.
        When the block ends without an error, the run is closed: the same query is then a new one.

        Raises:
            SPAPIError: as :meth:`request` and :meth:`QueryRun.rows`.
        """
        run = await self.request(query)
        await run.wait()
        yield Rows(run, type)
        await run.close()

    def wake_on(self, messages: AsyncIterable[Any]) -> AbstractAsyncContextManager[None]:
        """During the block, a DATA_KIOSK_QUERY_PROCESSING_FINISHED notification wakes the run of its query.

        Like ``seller.reports.wake_on``: one reader of a queue wakes reports, feeds and queries of all sellers.
        """
        return self._runs.wake_on(messages)

    def __repr__(self) -> str:
        return f"<DataKiosk of {self._caller!r}>"

    @property
    def _runs(self) -> Runs:
        return runs_of(self._caller, self._resources, self._kind)

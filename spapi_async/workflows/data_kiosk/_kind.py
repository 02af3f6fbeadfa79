"""Data Kiosk queries as runs: create one, get one, list many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from spapi_async._core.caller import Caller
from spapi_async.api.data_kiosk_2023_11_15 import CREATE_QUERY, GET_QUERIES, GET_QUERY, DataKiosk20231115
from spapi_async.workflows._bucket import bucket_of
from spapi_async.workflows.runs import FINAL_STATUSES, Job, job_from, jobs_in, new_id

if TYPE_CHECKING:
    from spapi_async.models.data_kiosk_2023_11_15 import Query

__all__ = ["AFTER", "PAGE", "QueryKind", "job_of"]

AFTER = "after"
"""The member of a request for a further page that holds the id of the query before; it is not sent to Amazon."""

PAGE = "paginationToken"
"""The member that holds Amazon's page token; it is not recorded in the journal, because it may change each time."""

_PAGE_SIZE = 100  # of getQueries


class QueryKind:
    """The queries of one seller."""

    name = "query"

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._api = DataKiosk20231115(caller)

    @property
    def get_rate(self) -> float:
        """The rate of getQuery."""
        return bucket_of(self._caller, GET_QUERY).rate

    @property
    def list_rate(self) -> float:
        """The rate of getQueries."""
        return bucket_of(self._caller, GET_QUERIES).rate

    async def create(self, request: Mapping[str, Any]) -> str:
        """CreateQuery, for the first page or a further one."""
        body = {name: value for name, value in request.items() if name != AFTER}
        made = await self._api.create_query(body=body)
        return new_id(made.query_id, "query", operation=CREATE_QUERY.name)

    async def get(self, job_id: str) -> Job:
        """GetQuery."""
        return job_of(await self._api.get_query(job_id), job_id)

    async def jobs(
        self, requests: Sequence[Mapping[str, Any]], since: datetime, *, ended: bool = False
    ) -> Sequence[Job]:
        """GetQueries, which cannot filter by the text of a query."""
        del requests
        statuses = sorted(FINAL_STATUSES) if ended else None
        queries = self._api.iter_queries(created_since=since, page_size=_PAGE_SIZE, processing_statuses=statuses)
        return await jobs_in(queries, job_of, ended=ended)

    def lists(self, requests: Sequence[Mapping[str, Any]]) -> int:
        """One list serves all queries."""
        del requests
        return 1

    def matches(self, request: Mapping[str, Any], job: Job) -> bool:
        """Whether the texts are equal apart from white space; Amazon does not show which page was requested."""
        query: Query = job.reply
        return isinstance(query.query, str) and without_space(query.query) == without_space(request["query"])

    def alike(self, request: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """Whether the texts are equal; a list of queries does not show the page."""
        return without_space(request["query"]) == without_space(other["query"])

    def interchangeable(self, request: Mapping[str, Any]) -> bool:
        """Never: a query with the same text may be another page."""
        del request
        return False


def without_space(text: str) -> str:
    """A query's text without white space, which Amazon does not count."""
    return "".join(text.split())


def job_of(query: Query, asked: str | None = None) -> Job:
    """A query as a job; the document of a failed query is the one that says why.

    Raises:
        DecodeError: as :func:`job_from`.
    """
    status = getattr(query, "processing_status", None)
    document = "data_document_id" if getattr(status, "value", status) == "DONE" else "error_document_id"
    return job_from(query, "query", operation=GET_QUERY.name, document=document, asked=asked)

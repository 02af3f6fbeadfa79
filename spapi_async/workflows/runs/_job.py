"""A job in Amazon's replies, and the protocol of a kind of run."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from spapi_async.errors import DecodeError, OutcomeUnknownError

__all__ = ["FINAL_STATUSES", "Job", "RunKind", "job_from", "jobs_in", "new_id", "places_of"]

FINAL_STATUSES = frozenset({"DONE", "CANCELLED", "FATAL"})
"""The processing statuses after which nothing changes; reports, feeds and queries share them."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One report, feed or query as Amazon's reply shows it.

    Attributes:
        status: Amazon's ``processingStatus``; an unknown value counts as not final.
        started_at: when processing began; None for a job that was cancelled in the queue.
        document_id: the document with the result, or with the explanation of a FATAL job.
        reply: Amazon's whole reply.
    """

    id: str
    status: str
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    document_id: str | None = None
    reply: Any = None

    @property
    def final(self) -> bool:
        """Whether the status is final."""
        return self.status in FINAL_STATUSES


def job_from(reply: Any, name: str, *, operation: str, document: str, asked: str | None = None) -> Job:
    """The job in a reply, or in an item of a list, which after lenient decoding may contain anything.

    Args:
        reply: the report, feed or query.
        name: which of the three it is; also used in messages.
        operation: the operation that was called.
        document: the attribute with the document's id.
        asked: the requested id.

    Raises:
        DecodeError: it is not an object, has no status, is about another job, or its document's id is not one.
    """
    # A reply without a status must not count as the end of a job or as "no data": an error lets the caller ask again.
    status = _text(getattr(reply, "processing_status", None))
    job_id = _text(getattr(reply, f"{name}_id", None)) or asked
    if not isinstance(reply, msgspec.Struct) or not status or not job_id:
        raise DecodeError(
            f"the reply has no id or no processing status of the {name} {asked or job_id or 'in the list'}",
            operation=operation,
        )
    if asked is not None and job_id != asked:
        raise DecodeError(f"the reply to a request for {name} {asked} is about {job_id}", operation=operation)
    found = getattr(reply, document, None)
    if found is not None and not _text(found):
        raise DecodeError(
            f"the reply about {name} {job_id} has something other than text as the id of its document",
            operation=operation,
        )
    return Job(
        id=job_id,
        status=status,
        created_at=_moment(getattr(reply, "created_time", None)),
        started_at=_moment(getattr(reply, "processing_start_time", None)),
        ended_at=_moment(getattr(reply, "processing_end_time", None)),
        document_id=_text(found),
        reply=reply,
    )


async def jobs_in(items: AsyncIterable[Any], job_of: Callable[[Any], Job], *, ended: bool) -> list[Job]:
    """The jobs of a list.

    Raises:
        DecodeError: an item is not a job, and may be the one that is looked up. Among jobs that have ``ended`` such an
            item is left out: the next poll will find it.
    """
    found = []
    async for item in items:
        try:
            found.append(job_of(item))
        except DecodeError:
            if not ended:
                raise
    return found


def new_id(value: Any, name: str, *, operation: str) -> str:
    """The id in Amazon's reply to a request that creates something.

    Raises:
        OutcomeUnknownError: there is none, although Amazon accepted the request.
    """
    if not isinstance(value, str) or not value:
        raise OutcomeUnknownError(
            f"Amazon accepted the request, but its reply has no id of the {name}", operation=operation
        )
    return value


def places_of(marketplace_ids: Any) -> set[str]:
    """The marketplaces in a reply, as a set for comparison."""
    return {each for each in marketplace_ids if isinstance(each, str)} if isinstance(marketplace_ids, list) else set()


def _text(value: Any) -> str | None:
    """An id or a status in a reply, as text; None if it is empty or neither text nor a number."""
    value = getattr(value, "value", value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return str(value) if isinstance(value, str) and value else None


def _moment(value: Any) -> datetime | None:
    """A time in a reply, which lenient decoding may have left as text."""
    if isinstance(value, datetime):
        return value
    try:
        return msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return None


class RunKind(Protocol):
    """The operations of one kind of run: create one, get one, list many."""

    @property
    def name(self) -> str:
        """``report``, ``feed`` or ``query``: the entry's kind."""

    @property
    def get_rate(self) -> float:
        """Requests per second of the usage plan of :meth:`get`."""

    @property
    def list_rate(self) -> float:
        """Requests per second of the usage plan of :meth:`jobs`."""

    async def create(self, request: Mapping[str, Any]) -> str:
        """Ask Amazon to create a job; returns its id."""

    async def get(self, job_id: str) -> Job:
        """One job."""

    async def jobs(
        self, requests: Sequence[Mapping[str, Any]], since: datetime, *, ended: bool = False
    ) -> Sequence[Job]:
        """Every job created since then that may belong to one of these requests; with ``ended`` only ended jobs."""

    def lists(self, requests: Sequence[Mapping[str, Any]]) -> int:
        """The least number of calls for :meth:`jobs`."""

    def matches(self, request: Mapping[str, Any], job: Job) -> bool:
        """Whether the job may belong to the request, as far as a list of jobs shows."""

    def alike(self, request: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """Whether the jobs of these two requests cannot be distinguished in a list of jobs."""

    def interchangeable(self, request: Mapping[str, Any]) -> bool:
        """Whether any matching job will do, because a list shows everything that was requested."""

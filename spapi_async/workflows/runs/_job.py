"""A job as Amazon tells of it, and what a workflow must know about its kind of job."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from spapi_async.errors import DecodeError

__all__ = ["FINAL_STATUSES", "Job", "RunKind", "job_from", "jobs_in", "places_of"]

FINAL_STATUSES = frozenset({"DONE", "CANCELLED", "FATAL"})
"""The processing statuses after which nothing changes; reports, feeds and queries share them."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One report, feed or query as Amazon's reply shows it.

    Attributes:
        status: Amazon's ``processingStatus``; a value that Amazon adds one day is not final.
        started_at: when processing began; None for what was cancelled in the queue.
        document_id: where the result is, or the explanation of a FATAL one.
        reply: the whole of what Amazon said.
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
        """Whether nothing will change any more."""
        return self.status in FINAL_STATUSES


def job_from(reply: Any, name: str, *, operation: str, document: str, asked: str | None = None) -> Job:
    """A job out of a reply, or out of an item of a list, which lenient decoding lets hold anything.

    Args:
        reply: the report, feed or query.
        name: which of the three; its id is called so.
        operation: what was asked.
        document: the attribute that names the document.
        asked: the id that was asked for.

    Raises:
        DecodeError: it is not an object, has no status, is about another job, or its document's id is not one.
    """
    # What a read says can be asked again; what it does not say is neither the end of a job nor "no data".
    status = _text(getattr(reply, "processing_status", None))
    job_id = _text(getattr(reply, f"{name}_id", None)) or asked
    if not isinstance(reply, msgspec.Struct) or not status or not job_id:
        raise DecodeError(
            f"the reply does not say how {name} {asked or job_id or 'of the list'} is", operation=operation
        )
    if asked is not None and job_id != asked:
        raise DecodeError(f"the reply to a question about {name} {asked} is about {job_id}", operation=operation)
    found = getattr(reply, document, None)
    if found is not None and not _text(found):
        raise DecodeError(f"{name} {job_id} names its document by something that is not an id", operation=operation)
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
        DecodeError: an item is none, and may be the job that is looked for. One of those that have ``ended`` is left
            out: whoever waits for it is told by the next question.
    """
    found = []
    async for item in items:
        try:
            found.append(job_of(item))
        except DecodeError:
            if not ended:
                raise
    return found


def places_of(marketplace_ids: Any) -> set[str]:
    """Marketplaces of a reply, to be compared."""
    return {each for each in marketplace_ids if isinstance(each, str)} if isinstance(marketplace_ids, list) else set()


def _text(value: Any) -> str | None:
    """An id or a word of a reply; numbers are written out."""
    value = getattr(value, "value", value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return str(value) if isinstance(value, str) and value else None


def _moment(value: Any) -> datetime | None:
    """A date of a reply, which lenient decoding may have left as text."""
    if isinstance(value, datetime):
        return value
    try:
        return msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return None


class RunKind(Protocol):
    """What runs of one kind have of their own: how Amazon is asked for one, about one and about many."""

    @property
    def name(self) -> str:
        """``report``, ``feed`` or ``query``: the entry's kind."""

    @property
    def get_rate(self) -> float:
        """Requests a second of the usage plan of :meth:`get`."""

    @property
    def list_rate(self) -> float:
        """Requests a second of the usage plan behind :meth:`jobs`."""

    async def create(self, request: Mapping[str, Any]) -> str:
        """Ask Amazon to make it; the job's id."""

    async def get(self, job_id: str) -> Job:
        """One job."""

    async def jobs(
        self, requests: Sequence[Mapping[str, Any]], since: datetime, *, ended: bool = False
    ) -> Sequence[Job]:
        """Every job created since then that may be one of these requests'; with ``ended`` only those that are over."""

    def lists(self, requests: Sequence[Mapping[str, Any]]) -> int:
        """How many calls :meth:`jobs` needs at least."""

    def matches(self, request: Mapping[str, Any], job: Job) -> bool:
        """Whether the job may be what was requested, as far as a list of jobs tells."""

    def alike(self, request: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """Whether a list of jobs cannot tell the jobs of these two apart."""

    def interchangeable(self, request: Mapping[str, Any]) -> bool:
        """Whether any job that matches serves, because a list tells everything that was requested."""

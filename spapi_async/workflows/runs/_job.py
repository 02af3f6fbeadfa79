"""A job as Amazon tells of it, and what a workflow must know about its kind of job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

__all__ = ["FINAL_STATUSES", "Job", "RunKind"]

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

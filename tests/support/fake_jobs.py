"""Reports, feeds and queries at a simulated Amazon, for tests of runs in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from virtual_time import VirtualClock

from spapi_async._core.journal import Entry
from spapi_async.errors import NotFoundError, OutcomeUnknownError
from spapi_async.workflows.runs import Job, MemoryStore, Runs

__all__ = ["FakeAmazon", "LastingStore", "runs_at"]

REQUEST = {"reportType": "GET_X", "marketplaceIds": ["US"]}


class FakeAmazon:
    """A kind of run whose jobs take ``takes`` seconds.

    ``fates`` says what happens to the next requests: ``"lost"`` (never arrives), ``"unanswered"`` (takes effect, no
    reply), ``"held"`` (neither reply nor end), an error, or ``"ok"``. ``trouble`` is raised by the next polls.
    """

    name = "report"
    get_rate = 2.0
    list_rate = 1 / 45

    def __init__(self, takes: float = 60.0, *, optional: bool = False) -> None:
        self.takes = takes
        self.optional = optional
        self.clock = VirtualClock()
        self.made: dict[str, tuple[dict[str, Any], float]] = {}
        self.fates: list[str | Exception] = []
        self.trouble: list[Exception] = []
        self.asked: list[tuple[float, str]] = []
        self.listed: list[float] = []
        self.sent_at: list[float] = []
        self.hidden_until = 0.0

    def make(self, request: Mapping[str, Any] = REQUEST, *, age: float = 0.0) -> str:
        """Return a job that another process requested."""
        job_id = str(len(self.made) + 1)
        self.made[job_id] = (dict(request), self.clock.time() - age)
        return job_id

    async def create(self, request: Mapping[str, Any]) -> str:
        fate = self.fates.pop(0) if self.fates else "ok"
        self.sent_at.append(self.clock.monotonic())
        await asyncio.sleep(0.1)
        if isinstance(fate, Exception):
            raise fate
        if fate == "lost":
            raise OutcomeUnknownError("no reply")
        job_id = self.make(request)
        if fate == "held":
            await asyncio.sleep(1e9)
        if fate == "unanswered":
            raise OutcomeUnknownError("no reply")
        return job_id

    async def get(self, job_id: str) -> Job:
        self.asked.append((self.clock.monotonic(), job_id))
        if self.trouble:
            raise self.trouble.pop(0)
        if job_id not in self.made:
            raise NotFoundError("there is no such job")
        return self._job(job_id)

    async def jobs(
        self, requests: Sequence[Mapping[str, Any]], since: datetime, *, ended: bool = False
    ) -> Sequence[Job]:
        self.listed.append(self.clock.monotonic())
        if self.trouble:
            raise self.trouble.pop(0)
        if self.clock.monotonic() < self.hidden_until:
            return []
        found = [self._job(job_id) for job_id in self.made]
        return [
            job for job in found if job.created_at is not None and job.created_at >= since and (job.final or not ended)
        ]

    def lists(self, requests: Sequence[Mapping[str, Any]]) -> int:
        return 1

    def matches(self, request: Mapping[str, Any], job: Job) -> bool:
        return bool(self.made[job.id][0]["reportType"] == request["reportType"])

    def alike(self, request: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        return bool(request["reportType"] == other["reportType"])

    def interchangeable(self, request: Mapping[str, Any]) -> bool:
        return not self.optional

    def _job(self, job_id: str) -> Job:
        _, made_at = self.made[job_id]
        done = self.clock.time() >= made_at + self.takes
        return Job(
            id=job_id,
            status="DONE" if done else "IN_PROGRESS",
            created_at=datetime.fromtimestamp(made_at, UTC),
            document_id=f"document of {job_id}" if done else None,
        )


class LastingStore(MemoryStore):
    """A store of runs with a journal's guarantees and no database."""

    lasting = True

    async def add(self, entry: Entry) -> Entry:
        for kept in await self.unfinished(seller=entry.seller, kind=entry.kind):
            if kept.fingerprint == entry.fingerprint:
                return kept
        return await super().add(entry)

    def replace(self, entry: Entry, **changes: Any) -> Entry:
        """Put an entry that another process might have written."""
        self._entries[entry.id] = msgspec.structs.replace(entry, version=entry.version + 1, **changes)
        return self._entries[entry.id]


def runs_at(amazon: FakeAmazon, store: MemoryStore | None = None) -> Runs:
    """Return the runs of one seller, as seen by a separate process."""
    return Runs(amazon, store or MemoryStore(amazon.clock), seller="A1@na", place="here", clock=amazon.clock)

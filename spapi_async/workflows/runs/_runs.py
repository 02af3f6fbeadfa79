"""The runs of one seller and one kind: found or planned, and waited for together."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec

from spapi_async._core.caller import Caller
from spapi_async._core.clock import Clock
from spapi_async._core.journal import Entry, RunStore
from spapi_async._core.resources import Resources
from spapi_async.workflows.runs._job import Job, RunKind
from spapi_async.workflows.runs._memory import MemoryStore
from spapi_async.workflows.runs._notices import Notices
from spapi_async.workflows.runs._run import Run
from spapi_async.workflows.runs._shared import Shared
from spapi_async.workflows.runs._steps import fingerprint_of, finished, known

__all__ = ["Runs", "runs_of"]


class Runs:
    """The runs of one seller and one kind.

    Args:
        kind: the operations of this kind of run.
        store: the store of entries.
        seller: the seller's name, without secrets.
        place: where requests go (an endpoint, the sandbox, or Amazon); equal requests to different places differ.
        clock: the source of time.
        notices: wakes all runs of the application.
    """

    def __init__(
        self, kind: RunKind, store: RunStore, *, seller: str, place: str, clock: Clock, notices: Notices | None = None
    ) -> None:
        self.kind = kind
        self.store = store
        self.seller = seller
        self.place = place
        self.clock = clock
        self._notices = notices or Notices()
        self.shared = Shared(kind, store, clock, self._notices)

    async def plan(self, request: Mapping[str, Any]) -> Run:
        """A run of this request: newly recorded in the journal, or an open run found there."""
        now = await self.store.now()
        entry = await self.store.add(self._entry(request, now))
        return Run(self.shared, entry)

    async def adopt(self, request: Mapping[str, Any], job: Job) -> Run:
        """A run of an existing job, whoever requested it."""
        return Run(self.shared, await self.store.add(self._entry_of(request, job, await self.store.now())))

    async def outside(self, request: Mapping[str, Any], job: Job) -> Run:
        """A run of a job that another program requested, without an entry in the journal."""
        store = MemoryStore(self.clock)
        entry = await store.add(self._entry_of(request, job, self.clock.time()))
        return Run(self.shared, entry, store=store, job=job if job.final else None)

    async def recent(self, request: Mapping[str, Any], *, since: float) -> Entry | None:
        """The newest entry of an equal request since then that has a result or may still get one."""
        fingerprint = fingerprint_of(self.place, request)
        for entry in await self.store.recent(self.seller, self.kind.name, fingerprint, since=since):
            if entry.job_id is not None and entry.status in (None, "DONE"):
                return entry
        return None

    async def unfinished(self) -> list[Run]:
        """The open runs in the journal, oldest first."""
        entries = await self.store.unfinished(seller=self.seller, kind=self.kind.name)
        return [Run(self.shared, entry) for entry in entries]

    def wake_on(self, messages: AsyncIterable[Any]) -> AbstractAsyncContextManager[None]:
        """During the block, notifications from a source wake the callers that wait for their jobs.

        They wake runs of every kind and seller of the application, since one queue delivers all of them; runs of this
        kind and seller are polled less often.
        """
        return self._notices.heard_from(messages, self.shared.poller)

    def _entry_of(self, request: Mapping[str, Any], job: Job, now: float) -> Entry:
        # As old as the job: ``recent`` and the first poll depend on it.
        requested_at = now if job.created_at is None else min(job.created_at.timestamp(), now)
        entry = known(self._entry(request, requested_at), job.id, made=False)
        return finished(entry, job) if job.final else entry

    def _entry(self, request: Mapping[str, Any], now: float) -> Entry:
        return Entry(
            id=uuid.uuid4().hex,
            seller=self.seller,
            kind=self.kind.name,
            fingerprint=fingerprint_of(self.place, request),
            request=msgspec.json.encode(request).decode(),
            planned_at=now,
        )


def runs_of(caller: Caller, resources: Resources, kind: RunKind) -> Runs:
    """The runs of a seller and a kind: the same object for every handle, so that all callers share one poller."""
    shared, clock = resources.shared, resources.clock
    found = shared.get((caller.key, kind.name))
    if found is None:
        store = resources.journal or shared.setdefault(("", "journal"), MemoryStore(clock))
        place = resources.endpoints.api(caller.region)
        notices = shared.setdefault(("", "notices"), Notices())
        found = Runs(kind, store, seller=caller.key, place=place, clock=clock, notices=notices)
        shared[caller.key, kind.name] = found
    runs: Runs = found
    return runs

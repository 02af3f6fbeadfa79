"""One run: planned, sent once, looked up if its reply is lost, awaited, closed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import msgspec

from spapi_async._core.journal import Entry, RunStore, Stage
from spapi_async._core.options import call_options, current_options
from spapi_async.errors import (
    ConfigurationError,
    DecodeError,
    OutcomeUnknownError,
    RateLimitWaitError,
    RequestTimeoutError,
    SPAPIError,
)
from spapi_async.workflows.runs import _steps
from spapi_async.workflows.runs._job import Job
from spapi_async.workflows.runs._poller import passes
from spapi_async.workflows.runs._shared import Shared, Turn
from spapi_async.workflows.runs._steps import Todo, adoptable, claimed, closed, created_after, decide, finished, known

__all__ = ["Run"]

_CLOCK_SKEW_SECONDS = 60.0
"""How far Amazon's clock may be behind the journal's for a job's createdTime to count as after the attempt."""

_MOST_LOST = 3
"""How often a request may be lost, or its claim expire, before the caller gets an error."""

_QUOTA_SHARE = 1 / 6
"""The part of a claim that may be spent waiting for quota; the rest is for the exchange."""

_ORDER = list(Stage)


class Run:
    """One run; any number of these objects may follow the same entry."""

    __slots__ = (
        "_given_up",
        "_job",
        "_late",
        "_looks",
        "_lost",
        "_seen",
        "_shared",
        "_store",
        "_supplement",
        "entry",
        "request",
    )

    def __init__(self, shared: Shared, entry: Entry, *, store: RunStore | None = None, job: Job | None = None) -> None:
        self._shared = shared
        self._store = store or shared.store
        self._job = job
        self._given_up = False
        self._looks = self._lost = self._late = 0
        self._seen = entry.version, shared.clock.monotonic()
        self._supplement: Mapping[str, Any] = {}
        self.entry = entry
        self.request: dict[str, Any] = msgspec.json.decode(entry.request)

    @property
    def job_id(self) -> str | None:
        """Amazon's id, once it is known."""
        return self.entry.job_id

    @property
    def status(self) -> str:
        """PLANNED, SENDING, then Amazon's last known status: IN_QUEUE, IN_PROGRESS, DONE, CANCELLED or FATAL."""
        entry = self.entry
        if entry.status is not None:
            return entry.status
        if entry.job_id is None:
            return entry.stage.upper()
        return self._shared.poller.status(entry.job_id) or "IN_QUEUE"

    @property
    def next_poll_in(self) -> float | None:
        """Seconds until Amazon is polled again; None if no caller waits."""
        return None if self.entry.job_id is None else self._shared.poller.next_in(self.entry.job_id)

    async def requested(self, supplement: Mapping[str, Any] | None = None) -> str:
        """Continue until Amazon has assigned an id.

        Args:
            supplement: members of the request that are not recorded, because they differ in each process that sends it.

        Raises:
            OutcomeUnknownError: requests were lost repeatedly, or the run's job cannot be identified.
            SPAPIError: Amazon refused the request.
        """
        self._supplement = supplement or {}
        await self._advance(Stage.WAITING)
        assert self.entry.job_id is not None
        return self.entry.job_id

    async def finished(self) -> Job:
        """Continue until Amazon has finished; returns the job with its final status.

        Raises:
            SPAPIError: as for :meth:`requested`, or Amazon cannot be polled.
        """
        await self._advance(Stage.FINISHED)
        entry = self.entry
        if self._job is None:
            assert entry.job_id is not None
            if entry.status == "DONE" and entry.document_id is not None:
                self._job = Job(id=entry.job_id, status="DONE", document_id=entry.document_id)
            else:  # another process waited; the result has to be fetched from Amazon
                self._job = await self._shared.kind.get(entry.job_id)
        return self._job

    async def close(self) -> None:
        """End the run: the caller has its result or an error, and an equal request is a new run."""
        while self.entry.open:
            await self._swap(closed(self.entry))

    def __repr__(self) -> str:
        return f"<Run {self.entry.kind} {self.job_id or self.entry.id}: {self.status}>"

    async def _advance(self, goal: Stage) -> None:
        while _ORDER.index(self.entry.stage) < _ORDER.index(goal):
            now, seen = await self._store.now(), self._seen_seconds()
            step = decide(self.entry, now, seen=seen, looks=self._looks, given_up=self._given_up)
            if step.todo is Todo.SEND:
                await self._send()
            elif step.todo is Todo.WATCH:
                await self._watch()
            elif step.todo is Todo.PAUSE:
                await self._shared.clock.sleep(step.again_in)
                await self._reload()
            elif await self._find(last=step.todo is Todo.LOOK_UP_FOR_GOOD):
                continue
            elif step.todo is Todo.LOOK_UP_FOR_GOOD:
                await self._send()
            else:
                self._looks += 1
                await self._shared.clock.sleep(step.again_in)
                await self._reload()

    def _seen_seconds(self) -> float:
        """For how many seconds this object has seen the entry in its present version."""
        now = self._shared.clock.monotonic()
        if self._seen[0] != self.entry.version:
            self._seen = self.entry.version, now
        return now - self._seen[1]

    async def _send(self) -> None:
        asked_at = self._shared.clock.monotonic()
        async with AsyncExitStack() as stack:
            turn: Turn | None = None
            if self._store.lasting:
                turn = await stack.enter_async_context(self._shared.turn(self.request))
            while (wait := await self._claim_and_create(asked_at)) is not None:
                if turn is not None:
                    turn.quota_at = self._shared.clock.monotonic() + wait
                await self._shared.clock.sleep(wait)
                await self._reload()
                if self.entry.stage is not Stage.PLANNED:
                    return  # another process has continued the run

    async def _claim_and_create(self, asked_at: float) -> float | None:
        """Send under a claim; returns the seconds until quota allows sending, if it does not now.

        The caller's ``max_wait`` and ``deadline`` count from ``asked_at`` (monotonic), before earlier waits for quota.
        """
        shared, options = self._shared, current_options()
        began = shared.clock.monotonic()
        max_wait, deadline = (
            None if bound is None else max(bound - (began - asked_at), 0.0)
            for bound in (options.max_wait, options.deadline)
        )
        if not await self._swap(claimed(self.entry, await self._store.now())):
            return None  # another process was first
        self._given_up, self._looks = False, 0
        limits: dict[str, float] = {}
        if self._store.lasting:
            left = _steps.CLAIM_SECONDS - (shared.clock.monotonic() - began)
            limits["deadline"] = max(left if deadline is None else min(left, deadline), 0.0)
            most = _steps.CLAIM_SECONDS * _QUOTA_SHARE
            limits["max_wait"] = most if max_wait is None else min(most, max_wait)
        try:
            with call_options(**limits):  # type: ignore[arg-type]
                job_id = await shared.kind.create({**self.request, **self._supplement})
        except (OutcomeUnknownError, DecodeError):
            self._given_up = True
            self._lost += 1
            if self._lost >= _MOST_LOST:
                raise
            return None
        except RateLimitWaitError as error:
            await self._swap(_steps.released(self.entry))
            wait = error.retry_after or 1.0
            if not self._store.lasting or any(bound is not None and wait > bound for bound in (max_wait, deadline)):
                raise
            return wait
        except RequestTimeoutError:
            # The claim expired before the request was sent; unless it was the caller's own deadline, try again.
            await self._swap(_steps.released(self.entry))
            self._late += 1
            if not self._store.lasting or options.deadline is not None or self._late >= _MOST_LOST:
                raise
            return 0.0
        except SPAPIError:
            await self._swap(_steps.released(self.entry))
            raise
        await self._swap(known(self.entry, job_id, made=True))
        return None

    async def _find(self, *, last: bool) -> bool:
        """Look up the job of a lost request; returns whether the entry has changed."""
        entry, shared = self.entry, self._shared
        assert entry.attempted_at is not None
        since = datetime.fromtimestamp(entry.attempted_at - _CLOCK_SKEW_SECONDS, UTC)
        try:
            listed = await shared.kind.jobs([self.request], since)
        except SPAPIError as error:
            if not passes(error):
                raise
            if last:
                raise OutcomeUnknownError(
                    f"the reply to a request for a {entry.kind} was lost, and looking it up failed: {error.message}"
                ) from error
            return False  # the cause of the loss may affect this call, too: look it up again later
        jobs = [job for job in listed if shared.kind.matches(self.request, job)]
        free = adoptable(jobs, await self._store.made(entry.seller, entry.kind, [job.id for job in jobs]))
        if not free:
            return False
        if not shared.kind.interchangeable(self.request):
            rivals = await self._rivals()
            after = created_after(free, entry.attempted_at)
            if len(after) > 1 or (last and (rivals or not after)):
                when = "" if after else ", created up to a minute before the request unless clocks differ"
                raise OutcomeUnknownError(
                    f"the reply to a request for a {entry.kind} was lost, and its {entry.kind} may be any of "
                    f"{', '.join(job.id for job in after or free)}{when}; "
                    f"look at them, and forget run {entry.id} in the journal to send the request again"
                )
            if rivals or not after:
                return False  # the job may belong to another run whose reply is on its way, or be an older one
            free = after
        await self._swap(known(entry, free[0].id, made=True))
        return True

    async def _rivals(self) -> bool:
        """Whether another run is being sent that cannot be distinguished from this one in a list of jobs."""
        entries = await self._store.unfinished(seller=self.entry.seller, kind=self.entry.kind)
        return any(
            entry.stage is Stage.SENDING
            and entry.id != self.entry.id
            and self._shared.kind.alike(self.request, msgspec.json.decode(entry.request))
            for entry in entries
        )

    async def _watch(self) -> None:
        entry, shared = self.entry, self._shared
        assert entry.job_id is not None
        age = max(await self._store.now() - entry.planned_at, 0.0)
        self._job = await shared.poller.final(entry.job_id, self.request, age=age)
        await self._swap(finished(entry, self._job))

    async def _swap(self, new: Entry) -> bool:
        """Write the next version; False if another process was first: then the entry is what that process wrote."""
        if await self._store.swap(self.entry, new):
            self.entry = new
            return True
        await self._reload()
        return False

    async def _reload(self) -> None:
        entry = await self._store.get(self.entry.id)
        if entry is None:
            raise ConfigurationError(f"run {self.entry.id} is no longer in the journal: it was swept or forgotten")
        self.entry = entry

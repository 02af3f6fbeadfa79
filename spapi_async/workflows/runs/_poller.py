"""One poller for all waiting runs of a seller; it polls only while a caller waits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import Context
from datetime import UTC, datetime
from typing import Any

import anyio

from spapi_async._core.clock import Clock
from spapi_async.errors import DecodeError, NotFoundError, RateLimitWaitError
from spapi_async.workflows._refusal import is_outage
from spapi_async.workflows.runs._job import Job, RunKind
from spapi_async.workflows.runs._pace import Terms, Waiting, asks_for_list, pause

__all__ = ["Announced", "Poller", "passes"]

Announced = dict[tuple[str, str], None]
"""Kinds and ids of jobs that have ended according to a notification, oldest first."""

_LONGEST_OUTAGE_SECONDS = 900.0  # how long polling may fail before the callers get the error
_MOST_UNREADABLE = 3  # unreadable replies in a row before the callers get the error
_UNKNOWN_AT_FIRST_SECONDS = 60.0  # Amazon may not yet know a job that it has just created
_UNLISTED_SECONDS = 900.0
_ALONE_PER_LIST = 10
"""A list shows nothing of a job that Amazon does not know, or knows by an earlier time than ours: those that no reply
has been about for so long are polled by themselves, so many after each list."""
_MOST_CONCURRENT = 4  # requests, so that one that hangs does not delay the others


def passes(error: Exception) -> bool:
    """Whether a failure is tolerated while polling: a wait of an hour must not fail because of a minute's outage."""
    return is_outage(error) or isinstance(error, RateLimitWaitError | DecodeError)


class _Watched:
    """A job for which callers wait."""

    __slots__ = (
        "answered_at",
        "failing_since",
        "futures",
        "job",
        "job_id",
        "request",
        "unreadable",
        "urgent",
        "waiting",
    )

    def __init__(self, job_id: str, request: Mapping[str, Any], waiting: Waiting, *, urgent: bool) -> None:
        self.job_id = job_id
        self.request = request
        self.waiting = waiting
        self.urgent = urgent
        self.job: Job | None = None
        self.answered_at = waiting.since
        self.failing_since: float | None = None
        self.unreadable = 0
        self.futures: list[asyncio.Future[Job]] = []

    def succeeded(self) -> None:
        """Amazon has answered."""
        self.failing_since = None
        self.unreadable = 0

    def due_at(self, terms: Terms) -> float:
        """When it is polled next (monotonic)."""
        return float("-inf") if self.urgent else self.waiting.asked_at + pause(self.waiting, terms)


class Poller:
    """Polls Amazon for every job for which callers wait, at a shared pace.

    Args:
        announced: jobs whose notification came before a caller waits for them; they are polled at once.
    """

    def __init__(self, kind: RunKind, clock: Clock, announced: Announced | None = None) -> None:
        self._kind = kind
        self._clock = clock
        self._announced = {} if announced is None else announced
        self._watched: dict[str, _Watched] = {}
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._sources = 0

    async def final(self, job_id: str, request: Mapping[str, Any], *, age: float) -> Job:
        """Wait until the job has ended and return it; ``age`` is the time in seconds since it was requested.

        Raises:
            SPAPIError: Amazon refuses to answer, or has not been reached for a quarter of an hour.
        """
        loop = asyncio.get_running_loop()
        self._start(loop)
        watched = self._watched.get(job_id)
        if watched is None:
            now = self._clock.monotonic()
            # A job that was requested earlier, by a process that has ended, may be done already: poll it at once.
            waiting = Waiting(now - age, now)
            urgent = age > 1.0 or (self._kind.name, job_id) in self._announced
            watched = self._watched[job_id] = _Watched(job_id, request, waiting, urgent=urgent)
            self._changed.set()
        future: asyncio.Future[Job] = loop.create_future()
        watched.futures.append(future)
        try:
            return await future
        finally:
            with suppress(ValueError):
                watched.futures.remove(future)
            if not watched.futures and self._watched.get(job_id) is watched:
                del self._watched[job_id]
                self._changed.set()

    @contextmanager
    def notified(self) -> Iterator[None]:
        """During the block, notifications say when a job ends, so that Amazon is polled less often."""
        self._sources += 1
        try:
            yield
        finally:
            self._sources -= 1
            self._changed.set()  # without notifications, polls may be due sooner

    def wake(self, job_id: str) -> None:
        """Poll a job at once if a caller waits for it, because a notification says that it has ended."""
        if job_id in self._watched:
            self._watched[job_id].urgent = True
            self._changed.set()

    def status(self, job_id: str) -> str | None:
        """The last known status of a job for which a caller waits."""
        watched = self._watched.get(job_id)
        return watched.job.status if watched is not None and watched.job is not None else None

    def next_in(self, job_id: str) -> float | None:
        """Seconds until this job is polled again; None if no caller waits for it."""
        watched = self._watched.get(job_id)
        if watched is None:
            return None
        return max(watched.due_at(self._terms()) - self._clock.monotonic(), 0.0)

    def __repr__(self) -> str:
        return f"<Poller {self._kind.name} waiting={len(self._watched)}>"

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        task = self._task
        if task is not None and not task.done() and task.get_loop() is loop:
            return
        if task is not None and task.get_loop() is not loop:  # the callers of that loop are gone
            self._watched.clear()
        self._changed = asyncio.Event()
        # An empty context: the options of the first caller, such as its deadline, do not apply to the others.
        self._task = loop.create_task(self._poll_while_callers_wait(), context=Context())
        self._task.add_done_callback(self._stopped)

    def _stopped(self, task: asyncio.Task[None]) -> None:
        """Pass the failure of the poller on to all waiting callers."""
        if task.cancelled() or task is not self._task:
            return
        error = task.exception()
        if error is not None:
            for watched in list(self._watched.values()):
                for future in self._removed(watched):
                    future.set_exception(error)

    async def _poll_while_callers_wait(self) -> None:
        # The first caller registers its job after this task is created and before it runs.
        while self._watched:
            self._changed.clear()
            now, terms = self._clock.monotonic(), self._terms()
            due_at = {each: each.due_at(terms) for each in self._watched.values()}
            due = [each for each, at in due_at.items() if at <= now]
            if due:
                await self._ask(due)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(min(due_at.values()) - now):
                    await self._changed.wait()

    def _listing(self) -> bool:
        kind, requests = self._kind, [each.request for each in self._watched.values()]
        lists = kind.lists(requests)
        return asks_for_list(len(requests), lists=lists, get_rate=kind.get_rate, list_rate=kind.list_rate)

    def _terms(self) -> Terms:
        """How often Amazon may be polled for the current number of jobs."""
        notified = self._sources > 0
        if not self._listing():
            return Terms(len(self._watched), self._kind.get_rate, notified)
        lists = self._kind.lists([each.request for each in self._watched.values()])
        return Terms(lists, self._kind.list_rate, notified)

    async def _ask(self, due: Sequence[_Watched]) -> None:
        if self._listing():
            await self._ask_for_list(list(self._watched.values()))
            return
        await self._ask_for_each(due)

    async def _ask_for_list(self, everyone: Sequence[_Watched]) -> None:
        """Poll with a list of ended jobs."""
        oldest = max(self._clock.monotonic() - each.waiting.since for each in everyone)
        for watched in everyone:
            watched.urgent = False  # a notification that comes during the request makes it urgent again
        since = datetime.fromtimestamp(self._clock.time() - oldest - _UNKNOWN_AT_FIRST_SECONDS, UTC)
        try:
            jobs = await self._kind.jobs([each.request for each in everyone], since, ended=True)
        except Exception as error:  # noqa: BLE001 - the waiting callers get it, whatever it is
            for watched in everyone:
                self._failed(watched, error)
            return
        ended = {job.id: job for job in jobs}
        for watched in everyone:
            if watched.job_id in ended:
                self._heard(watched, ended[watched.job_id])
            else:
                watched.succeeded()
                self._asked(watched)
        await self._ask_for_unlisted()

    async def _ask_for_unlisted(self) -> None:
        """Poll jobs by themselves that lists have not shown for long, the longest first."""
        latest = self._clock.monotonic() - _UNLISTED_SECONDS
        overdue = sorted(
            (each for each in self._watched.values() if each.answered_at < latest), key=lambda each: each.answered_at
        )
        await self._ask_for_each(overdue[:_ALONE_PER_LIST])

    async def _ask_for_each(self, some: Sequence[_Watched]) -> None:
        slots = anyio.CapacityLimiter(_MOST_CONCURRENT)
        async with anyio.create_task_group() as group:
            for watched in some:
                group.start_soon(self._ask_for_one, watched, slots)

    async def _ask_for_one(self, watched: _Watched, slots: anyio.CapacityLimiter) -> None:
        async with slots:
            if not watched.futures:  # the callers have left while this waited for a slot
                return
            watched.urgent = False  # as above
            try:
                job = await self._kind.get(watched.job_id)
            except Exception as error:  # noqa: BLE001 - the waiting callers get it, whatever it is
                self._failed(watched, error)
            else:
                self._heard(watched, job)

    def _heard(self, watched: _Watched, job: Job) -> None:
        watched.job = job
        watched.answered_at = self._clock.monotonic()
        watched.succeeded()
        self._asked(watched)
        if job.final:
            for future in self._removed(watched):
                future.set_result(job)

    def _failed(self, watched: _Watched, error: Exception) -> None:
        now = self._clock.monotonic()
        self._asked(watched)
        if watched.failing_since is None:
            watched.failing_since = now
        watched.unreadable = watched.unreadable + 1 if isinstance(error, DecodeError) else 0
        longest = _LONGEST_OUTAGE_SECONDS if watched.unreadable < _MOST_UNREADABLE else 0.0
        new = isinstance(error, NotFoundError) and now - watched.waiting.since < _UNKNOWN_AT_FIRST_SECONDS
        if new or (passes(error) and now - watched.failing_since < longest):
            return
        for future in self._removed(watched):
            future.set_exception(error)

    def _asked(self, watched: _Watched) -> None:
        watched.waiting = Waiting(watched.waiting.since, self._clock.monotonic())

    def _removed(self, watched: _Watched) -> list[asyncio.Future[Job]]:
        """Stop polling a job; returns the futures of the callers that still wait for it."""
        # If its callers left during the request and others came, these have an entry of their own, which must stay.
        if self._watched.get(watched.job_id) is watched:
            del self._watched[watched.job_id]
        return [future for future in watched.futures if not future.done()]

"""The next step of a run, from its entry and the time alone."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from spapi_async._core.journal import Entry, Stage
from spapi_async.workflows.runs._job import Job

__all__ = ["CLAIM_SECONDS", "SETTLED_SECONDS", "Step", "Todo", "adoptable", "claimed", "closed", "created_after",
           "decide", "fingerprint_of", "finished", "known", "released"]  # fmt: skip

CLAIM_SECONDS = 30.0
"""How long a process may send after its claim; longer waits for quota take place before the claim."""

SETTLED_SECONDS = 60.0
"""Seconds after a claim at which its request has certainly ended: the claim itself, and the 29 s after which Amazon's
gateway aborts a request (API Gateway's integration timeout)."""

POLITE_SECONDS = 3.0
"""How long to wait for another process that has just claimed; usually its reply has arrived by then."""

CREATED_EARLY_SECONDS = 5.0
"""How much earlier than its request a job may seem to be created: Amazon states whole seconds, and synchronised clocks
differ by less than this."""

LOOK_AGAIN_SECONDS = 5.0
"""Pause between the first and the second attempt to look up a lost request; it doubles each time."""


class Todo(enum.Enum):
    """The kinds of steps."""

    SEND = enum.auto()
    LOOK_UP = enum.auto()
    """Look up the job of a request with unknown outcome, and wait if it is not there."""
    LOOK_UP_FOR_GOOD = enum.auto()
    """Look it up once more; if it is not there, it was never created."""
    PAUSE = enum.auto()
    """Another process has just begun to send."""
    WATCH = enum.auto()
    """Amazon is processing it."""
    NOTHING = enum.auto()
    """The run has ended."""


class Step(msgspec.Struct, frozen=True):
    """What to do now, and after how many seconds to decide again if it was not enough."""

    todo: Todo
    again_in: float = 0.0


def decide(entry: Entry, now: float, *, seen: float = 0.0, looks: int = 0, given_up: bool = False) -> Step:
    """The next step.

    Args:
        entry: the run's entry in the journal.
        now: the time by the journal's clock.
        seen: for how many seconds this process has seen the entry as it is. A claim is at least as old, even if the
            journal's clock was set back after it.
        looks: how often this process has looked up the lost request.
        given_up: whether the claim was this process's own, and its call has ended.
    """
    if entry.stage is Stage.PLANNED:
        return Step(Todo.SEND)
    if entry.stage is Stage.WAITING:
        return Step(Todo.WATCH)
    if entry.stage is not Stage.SENDING:
        return Step(Todo.NOTHING)
    since_claim = max(now - (entry.claimed_at or 0.0), seen)
    if not given_up and since_claim < POLITE_SECONDS:
        return Step(Todo.PAUSE, min(POLITE_SECONDS - since_claim, 0.5))
    left = SETTLED_SECONDS - since_claim
    if left <= 0:
        return Step(Todo.LOOK_UP_FOR_GOOD)
    return Step(Todo.LOOK_UP, min(LOOK_AGAIN_SECONDS * 2**looks, left))


def adoptable(jobs: Sequence[Job], made: Collection[str]) -> list[Job]:
    """The jobs without an entry, oldest first: the job of a lost request is the first one created after it."""
    free = [job for job in jobs if job.id not in made]
    return sorted(free, key=lambda job: (job.created_at is None, job.created_at, job.id))


def created_after(jobs: Sequence[Job], attempted_at: float) -> list[Job]:
    """The jobs that may result from a request sent at that time; earlier jobs of other applications do not."""
    return [
        job
        for job in jobs
        if job.created_at is None or job.created_at.timestamp() >= attempted_at - CREATED_EARLY_SECONDS
    ]


def claimed(entry: Entry, now: float) -> Entry:
    """The entry while a process sends; from now on a request may have been sent."""
    attempted_at = now if entry.attempted_at is None else entry.attempted_at
    return _changed(entry, stage=Stage.SENDING, claimed_at=now, attempted_at=attempted_at)


def released(entry: Entry) -> Entry:
    """The entry after a call that cannot have taken effect."""
    return _changed(entry, stage=Stage.PLANNED, claimed_at=None, attempted_at=None)


def known(entry: Entry, job_id: str, *, made: bool) -> Entry:
    """The entry with Amazon's id."""
    return _changed(entry, stage=Stage.WAITING, job_id=job_id, made=made)


def finished(entry: Entry, job: Job) -> Entry:
    """The entry with Amazon's final status."""
    return _changed(entry, stage=Stage.FINISHED, status=job.status, document_id=job.document_id)


def closed(entry: Entry) -> Entry:
    """The entry after its result was delivered."""
    return _changed(entry, stage=Stage.CLOSED)


def fingerprint_of(place: str, request: Mapping[str, Any]) -> str:
    """Equal for equal requests at one place (Amazon, its sandbox, an endpoint), whatever the order of their lists."""
    plain = {name: sorted(value) if isinstance(value, list) else value for name, value in request.items()}
    text = msgspec.json.encode([place, plain], order="deterministic")
    return hashlib.sha256(text).hexdigest()[:32]


def _changed(entry: Entry, **changes: Any) -> Entry:
    return msgspec.structs.replace(entry, version=entry.version + 1, **changes)

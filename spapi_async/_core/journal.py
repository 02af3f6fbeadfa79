"""The entries of a journal of runs, and the protocol of its store.

A run is something that Amazon processes while its caller waits: a report, a feed, a query. Its entry is written before
the request is sent, and is changed only by *swapping* one version for the next: when two processes decide at the same
moment, one of the swaps fails.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Coroutine, Sequence
from typing import Any, Protocol

import msgspec

__all__ = ["Entry", "RunStore", "Stage"]


class Stage(enum.StrEnum):
    """How far a run has progressed."""

    PLANNED = "planned"
    """Recorded; no request that could take effect has been sent."""
    SENDING = "sending"
    """A request may have been sent; its outcome is unknown."""
    WAITING = "waiting"
    """Amazon has assigned an id and is processing it."""
    FINISHED = "finished"
    """Amazon has finished; the result has not been delivered to the caller."""
    CLOSED = "closed"
    """The caller has the result, or an error that says why there is none."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One run in a journal; times are seconds since the epoch by the journal's clock.

    Attributes:
        id: chosen by the process that plans the run.
        seller: the seller's name, without secrets.
        kind: ``report``, ``feed`` or ``query``.
        fingerprint: equal for equal requests; a lasting store has at most one open run for each.
        request: the request, as JSON.
        version: counts the changes.
        attempted_at: the time since which a request with unknown outcome may be under way.
        claimed_at: when a process last claimed the right to send the request.
        job_id: Amazon's id.
        made: whether the job was created for this entry (True), or found and shared (False).
        status: Amazon's final status: DONE, CANCELLED or FATAL.
        document_id: the id of the result's document.
    """

    id: str
    seller: str
    kind: str
    fingerprint: str
    request: str
    planned_at: float
    stage: Stage = Stage.PLANNED
    version: int = 0
    attempted_at: float | None = None
    claimed_at: float | None = None
    job_id: str | None = None
    made: bool = False
    status: str | None = None
    document_id: str | None = None

    @property
    def open(self) -> bool:
        """Whether a caller may still wait for the result."""
        return self.stage is not Stage.CLOSED


class RunStore(Protocol):
    """A store of entries: a lasting journal, or this process's memory."""

    @property
    def lasting(self) -> bool:
        """Whether entries outlive this process."""

    # Not declared with "async def", as in ``_core.caller``.

    def now(self) -> Coroutine[Any, Any, float]:
        """The time by the clock that every user of the store shares."""

    def add(self, entry: Entry) -> Coroutine[Any, Any, Entry]:
        """Store a new entry and return the stored one.

        If a lasting store has an open entry of the seller with that kind and fingerprint, it returns that one instead.
        """

    def get(self, entry_id: str) -> Coroutine[Any, Any, Entry | None]:
        """The entry as it is now."""

    def swap(self, old: Entry, new: Entry) -> Coroutine[Any, Any, bool]:
        """Replace ``old`` if it is still stored; False if not, or if another entry's ``made`` job has that job id."""

    def made(self, seller: str, kind: str, job_ids: Collection[str]) -> Coroutine[Any, Any, frozenset[str]]:
        """Those of the ids whose job was created for an entry."""

    def recent(self, seller: str, kind: str, fingerprint: str, *, since: float) -> Coroutine[Any, Any, Sequence[Entry]]:
        """Entries with that fingerprint planned since then, newest first, including closed ones."""

    def unfinished(self, *, seller: str | None = None, kind: str | None = None) -> Coroutine[Any, Any, Sequence[Entry]]:
        """Every open entry, oldest first."""

    def aclose(self) -> Coroutine[Any, Any, None]:
        """Close connections."""

"""What a journal of runs keeps, and what is asked of one.

A run is something that Amazon makes while its caller waits: a report, a feed, a query. Its entry is written before it
is asked for and is changed only by *swapping* one version for the next, so that of two processes that decide at the
same moment one finds out that it was too late.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

__all__ = ["Entry", "RunStore", "Stage"]


class Stage(enum.StrEnum):
    """How far a run has come."""

    PLANNED = "planned"
    """Written down; nothing that could act has been sent."""
    SENDING = "sending"
    """A request may have left; what became of it is not known."""
    WAITING = "waiting"
    """Amazon has given it an id and works on it."""
    FINISHED = "finished"
    """Amazon is done with it; its result has not been handed over."""
    CLOSED = "closed"
    """Whoever asked has the result, or has been told why there is none."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One run as a journal keeps it; times are seconds since the epoch by the journal's clock.

    Attributes:
        id: made by whoever plans the run.
        seller: whose run it is, without secrets.
        kind: ``report``, ``feed`` or ``query``.
        fingerprint: equal for equal requests; a store that lasts has one open run of each.
        request: what was asked for, as JSON.
        version: counts the changes.
        attempted_at: since when a request may be under way whose outcome is unknown.
        claimed_at: when a process last took it on itself to send.
        job_id: Amazon's id.
        made: whether the job was made for this entry, and not found and shared.
        status: Amazon's last word: DONE, CANCELLED or FATAL.
        document_id: where the result is.
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
        """Whether somebody still waits for its result."""
        return self.stage is not Stage.CLOSED


class RunStore(Protocol):
    """Where entries are kept: a journal that survives, or this process's memory."""

    @property
    def lasting(self) -> bool:
        """Whether entries outlive this process."""

    async def now(self) -> float:
        """The time by the clock that every user of the store shares."""

    async def add(self, entry: Entry) -> Entry:
        """Keep a new entry; the one that is kept.

        A store that lasts keeps the seller's open entry of that kind and fingerprint instead, if there is one.
        """

    async def get(self, entry_id: str) -> Entry | None:
        """The entry as it is now."""

    async def swap(self, old: Entry, new: Entry) -> bool:
        """Replace ``old`` if it is still what is kept; False also when another entry's ``made`` job has that id."""

    async def made(self, seller: str, kind: str, job_ids: Collection[str]) -> frozenset[str]:
        """Those of the ids that some entry's job was made with."""

    async def recent(self, seller: str, kind: str, fingerprint: str, *, since: float) -> Sequence[Entry]:
        """Entries of that fingerprint planned since then, newest first, closed ones too."""

    async def unfinished(self, *, seller: str | None = None, kind: str | None = None) -> Sequence[Entry]:
        """Every open entry, oldest first."""

    async def aclose(self) -> None:
        """Let go of connections."""

"""Jobs that take time: reports, feeds and Data Kiosk queries, which have the same five states."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from spapi_async.emulator.data.documents import Document, DocumentStore
from spapi_async.emulator.data.products import rng_for
from spapi_async.emulator.gateway.times import iso

__all__ = ["Job", "Jobs"]

_FBA = ("FBA_", "_AFN_", "AMAZON_FULFILLED", "RESERVED_INVENTORY", "RESTOCK_INVENTORY")

Finish = Callable[["Job"], Document | None]


class Job:
    """One report, feed or query; unless it is cancelled, its state depends only on the time."""

    __slots__ = ("_processing", "cancelled_at", "created", "facts", "finish", "id", "kind", "made", "outcome")

    def __init__(
        self,
        *,
        job_id: str,
        kind: str,
        facts: dict[str, Any],
        created: float,
        processing: float,
        outcome: str,
        finish: Finish,
    ) -> None:
        self.id = job_id
        self.kind = kind
        self.facts = facts
        self.created = created
        self.outcome = outcome
        self.cancelled_at: float | None = None
        self._processing = processing
        self.finish = finish
        self.made: Document | None = None

    @property
    def started(self) -> float:
        """When processing starts; the first third of the time is spent in the queue."""
        return self.created + self._processing / 3

    @property
    def ended(self) -> float:
        """When it ends or was cancelled."""
        return self.cancelled_at or self.created + self._processing

    def status(self, now: float) -> str:
        """IN_QUEUE, IN_PROGRESS, then DONE, FATAL or CANCELLED."""
        if self.cancelled_at is not None:
            return "CANCELLED"
        if now >= self.ended:
            return self.outcome.partition("_")[0]
        return "IN_PROGRESS" if now >= self.started else "IN_QUEUE"

    def document(self, now: float) -> Document | None:
        """The result, made when it is first asked for; a FATAL job's document explains the failure."""
        if self.status(now) not in ("DONE", "FATAL"):
            return None
        if self.made is None:
            self.made = self.finish(self)
        return self.made

    def times(self, now: float) -> dict[str, str]:
        """``createdTime``, and the start and end of processing if they have passed."""
        fields = {"createdTime": iso(self.created)}
        if now >= self.started and self.cancelled_at is None:
            fields["processingStartTime"] = iso(self.started)
        if now >= self.ended:
            fields["processingEndTime"] = iso(self.ended)
        return fields


class Jobs:
    """All jobs of one seller."""

    def __init__(
        self,
        seller: str,
        documents: DocumentStore,
        *,
        processing: float,
        cooldown: float,
        began: Callable[[Job], None],
    ) -> None:
        self.documents = documents
        self._began = began
        self.schedules: dict[str, dict[str, Any]] = {}
        self._seller = seller
        self._processing = processing
        self._cooldown = cooldown
        self._jobs: dict[str, Job] = {}
        self._first = rng_for(seller, "jobs").randrange(50_000, 900_000)

    def create(
        self,
        kind: str,
        facts: dict[str, Any],
        now: float,
        outcome: str,
        finish: Finish,
        *,
        processing: float | None = None,
    ) -> Job:
        """Start a job that ends as ``outcome`` after ``processing`` seconds, by default those of the settings."""
        job_id = f"{self.new_number()}"
        job = self._jobs[job_id] = Job(
            job_id=job_id,
            kind=kind,
            facts=facts,
            created=now,
            processing=self._processing if processing is None else processing,
            outcome=outcome,
            finish=finish,
        )
        self._began(job)
        return job

    def get(self, kind: str, job_id: str) -> Job | None:
        """The job of this kind with this id, if there is one."""
        job = self._jobs.get(job_id)
        return job if job is not None and job.kind == kind else None

    def newest_first(self, kind: str) -> Iterable[Job]:
        """All jobs of a kind, the most recently created first."""
        found = [job for job in reversed(self._jobs.values()) if job.kind == kind]
        return sorted(found, key=lambda job: -job.created)

    def cooling_down(self, kind: str, job_type: str, now: float) -> bool:
        """Whether an FBA report of this type was created so recently that Amazon would cancel a new one."""
        if not self._cooldown or not any(word in job_type for word in _FBA):
            return False
        return any(
            job.facts.get("reportType") == job_type and now - self._cooldown < job.created <= now
            for job in self.newest_first(kind)
        )

    def new_number(self) -> int:
        """The next number for a job or a schedule; numbers increase, as Amazon's do."""
        self._first += 1
        return self._first + 20_000_000_000

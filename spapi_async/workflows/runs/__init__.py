"""Runs: what Amazon makes while its caller waits. Reports, feeds and Data Kiosk queries are runs.

Each goes through the same stages (:class:`~spapi_async._core.journal.Stage`), and each stage is written to the journal
before anything is done that depends on it::

    PLANNED ──claim──> SENDING ──id──> WAITING ──final status──> FINISHED ──result handed over──> CLOSED
       ^                  │ ^
       └──refused─────────┘ └── outcome unknown: look it up; not found once it is settled: claim again

A request that may have left and was not answered is not repeated. It is looked up among the jobs that Amazon lists,
those that belong to another entry left out; only when it still is not there after the time within which every request
has come to its end is it sent again. A process may send for as long as its *claim* on the entry lasts and no longer, so
a process that was suspended and another one that took over do not both send.

``_steps`` decides (pure), ``_pace`` says when to ask (pure), ``_poller`` asks for all waiting runs of a seller
together, ``_notices`` wakes it, ``_run`` acts for one, ``_runs`` plans and finds them, ``_explanation`` reads why one
failed. A workflow brings a :class:`RunKind`, gets its
:class:`Runs` from :func:`runs_of` and hands out :class:`Run` objects.
"""

from spapi_async.workflows.runs._explanation import error_said_in, explanation_in, explanation_of
from spapi_async.workflows.runs._job import FINAL_STATUSES, Job, RunKind, job_from, jobs_in, places_of
from spapi_async.workflows.runs._memory import MemoryStore
from spapi_async.workflows.runs._run import Run
from spapi_async.workflows.runs._runs import Runs, runs_of

__all__ = [
    "FINAL_STATUSES",
    "Job",
    "MemoryStore",
    "Run",
    "RunKind",
    "Runs",
    "error_said_in",
    "explanation_in",
    "explanation_of",
    "job_from",
    "jobs_in",
    "places_of",
    "runs_of",
]

"""Runs: reports, feeds and Data Kiosk queries, which Amazon processes while the caller waits.

Each run goes through the same stages (:class:`~spapi_async._core.journal.Stage`), and each stage is written to the
journal before any action that depends on it::

    PLANNED ──claim──> SENDING ──id──> WAITING ──final status──> FINISHED ──result delivered──> CLOSED
       ^                  │ ^
       └──refused─────────┘ └── outcome unknown: look it up; not found once it is settled: claim again

A request that may have been sent but was not answered is not repeated at once. Its job is looked up among the jobs that
Amazon lists, without those that belong to other entries. The request is sent again only if its job is still not listed
after the longest time that a request can take. A process may send only while its *claim* on the entry lasts, so that a
process that was suspended and one that took over do not both send.

``_steps`` decides the next step (pure), ``_pace`` when to poll (pure). ``_poller`` polls for all waiting runs of a
seller together, ``_notices`` wakes it, ``_run`` carries out one run, ``_runs`` plans and finds runs, ``_requests``
checks what their requests have in common, ``_explanation`` reads why a run failed. A workflow implements
:class:`RunKind`, gets its :class:`Runs` from :func:`runs_of` and returns :class:`Run` objects.
"""

from spapi_async.workflows.runs._explanation import error_messages_in, explanation_in, explanation_of
from spapi_async.workflows.runs._job import FINAL_STATUSES, Job, RunKind, job_from, jobs_in, new_id, places_of
from spapi_async.workflows.runs._memory import MemoryStore
from spapi_async.workflows.runs._requests import (
    MOST_MARKETPLACES,
    checked_options,
    marketplace_ids,
    suggesting,
    type_groups,
)
from spapi_async.workflows.runs._run import Run
from spapi_async.workflows.runs._runs import Runs, runs_of

__all__ = [
    "FINAL_STATUSES",
    "MOST_MARKETPLACES",
    "Job",
    "MemoryStore",
    "Run",
    "RunKind",
    "Runs",
    "checked_options",
    "error_messages_in",
    "explanation_in",
    "explanation_of",
    "job_from",
    "jobs_in",
    "marketplace_ids",
    "new_id",
    "places_of",
    "runs_of",
    "suggesting",
    "type_groups",
]

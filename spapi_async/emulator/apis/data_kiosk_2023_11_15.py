"""Data Kiosk 2023-11-15: queries, each of which has one page of the result as JSON lines.

A query is checked against the schema of its data set, and its rows have the fields that it selects. The word
``emulatorOutcome_FATAL`` (or ``_CANCELLED``, ``_EMPTY``, ``_PAGED``) anywhere in its text, for instance in a comment,
decides how it ends.
"""

from __future__ import annotations

import json
import re
from typing import Any

from spapi_async.emulator.data.documents import Document
from spapi_async.emulator.data.graphql import GraphQLError
from spapi_async.emulator.data.jobs import Job
from spapi_async.emulator.data.kiosk_rows import KioskQuery, read_query
from spapi_async.emulator.data.world import Call, Handler
from spapi_async.emulator.gateway.pages import next_token, page_of, read_token
from spapi_async.emulator.gateway.replies import Reply, bad_input, not_found
from spapi_async.emulator.gateway.times import parse_date

__all__ = ["HANDLERS"]

_KIND = "query"
_MAX_QUERY_LENGTH = 8000  # characters, white space not counted
_PAGES = 3  # of a result that comes in pages


def _create(call: Call) -> Reply:
    body = call.body
    if len(re.sub(r"\s", "", body["query"])) > _MAX_QUERY_LENGTH:
        raise bad_input("The query is too long.", f"at most {_MAX_QUERY_LENGTH} characters without white space")
    try:
        query = read_query(body["query"])
    except GraphQLError as error:
        raise bad_input("The query is not valid.", str(error)) from None
    page = 1
    if body.get("paginationToken"):
        page = read_token(body["paginationToken"], {"query": body["query"]}, call.now)
    requested = re.search(r"emulatorOutcome_(FATAL|CANCELLED)", body["query"])
    outcome = call.outcome or (requested.group(1) if requested else "DONE")
    facts = {"query": body["query"], "page": page}
    job = call.seller.jobs.create(_KIND, facts, call.now, outcome, lambda job: _write(call, job, query))
    return Reply.json({"queryId": job.id}, 202)


def _write(call: Call, job: Job, query: KioskQuery) -> Document | None:
    seller, prefix = call.seller, "amzn1.tortuga.4.na."
    publish = seller.jobs.documents.publish
    if job.outcome == "FATAL":
        text = json.dumps({"errors": [{"message": "The emulator was asked to fail this query."}]}).encode()
        return publish(seller.id, prefix, text, "application/json", compress=False)
    if "emulatorOutcome_EMPTY" in job.facts["query"]:
        return None  # DONE without a document: no rows
    rows = query.rows(call.world.settings.seed, seller.id, seller.orders.since(0))
    if _paged(job):
        size = -(-len(rows) // _PAGES)
        rows = rows[(job.facts["page"] - 1) * size : job.facts["page"] * size]
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return publish(seller.id, prefix, text, "application/jsonlines; charset=UTF-8", compress=False)


def _paged(job: Job) -> bool:
    return "emulatorOutcome_PAGED" in job.facts["query"]


def _find(call: Call) -> Job:
    query_id = call.arguments["queryId"]
    job = call.seller.jobs.get(_KIND, query_id)
    if job is None:
        raise not_found("The requested query was not found.", f"no query {query_id} of this seller")
    return job


def _as_json(call: Call, job: Job) -> dict[str, Any]:
    status = job.status(call.now)
    fields = {
        "queryId": job.id,
        "query": job.facts["query"],
        "processingStatus": status,
        **job.times(call.now),
    }
    document = job.document(call.now)
    if document is not None:
        fields["dataDocumentId" if status == "DONE" else "errorDocumentId"] = document.id
    if status == "DONE" and _paged(job) and job.facts["page"] < _PAGES:
        token = next_token({"query": job.facts["query"]}, call.now, job.facts["page"] + 1)
        fields["pagination"] = {"nextToken": token}
    return fields


def _get(call: Call) -> Reply:
    return Reply.json(_as_json(call, _find(call)))


def _list(call: Call) -> Reply:
    arguments = call.arguments
    size = arguments.get("pageSize", 10)
    fixed = {name: value for name, value in arguments.items() if name not in ("paginationToken", "pageSize")}
    since = parse_date(arguments.get("createdSince", "")) or 0.0
    until = parse_date(arguments.get("createdUntil", "")) or call.now
    statuses = arguments.get("processingStatuses")
    jobs = [
        job
        for job in call.seller.jobs.newest_first(_KIND)
        if since <= job.created <= until and (not statuses or job.status(call.now) in statuses)
    ]
    page, after = page_of(jobs, size, arguments.get("paginationToken"), fixed, call.now)
    fields: dict[str, Any] = {"queries": [_as_json(call, job) for job in page]}
    if after is not None:
        fields["pagination"] = {"nextToken": after}
    return Reply.json(fields)


def _cancel(call: Call) -> Reply:
    job = _find(call)
    if job.status(call.now) in ("IN_QUEUE", "IN_PROGRESS"):
        job.cancelled_at = call.now
    return Reply(status=204)  # also for a query that has ended, which stays as it is


def _document(call: Call) -> Reply:
    document_id = call.arguments["documentId"]
    document = call.world.documents.get(document_id)
    if document is None or document.owner != call.seller.id:
        raise not_found(f"The requested document was not found: {document_id}.", "unknown to this seller")
    url = call.world.documents.url(call.base_url, document, call.now)
    return Reply.json({"documentId": document.id, "documentUrl": url})


HANDLERS: dict[str, Handler] = {
    "data_kiosk_2023_11_15.create_query": _create,
    "data_kiosk_2023_11_15.get_query": _get,
    "data_kiosk_2023_11_15.get_queries": _list,
    "data_kiosk_2023_11_15.cancel_query": _cancel,
    "data_kiosk_2023_11_15.get_document": _document,
}

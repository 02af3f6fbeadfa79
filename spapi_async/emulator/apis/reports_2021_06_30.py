"""Reports 2021-06-30: create, poll, list, cancel, schedule, download.

``reportOptions``, whose values are all strings, can set the outcome and the file:

``emulatorOutcome``     ``FATAL`` or ``CANCELLED`` (like a fault rule's ``outcome``); ``FATAL_UNEXPLAINED``: FATAL
                        without a document
``emulatorProcessing``  the seconds until it is done
``emulatorRows``        the number of rows of a flat file; the seller's orders are repeated
``emulatorBytes``       the least size before compression; the file is made while it is sent, so gigabytes use no memory
``emulatorCharset``     the encoding by Java's name, such as ``windows-31j``; ``none``: UTF-8 without a label
``emulatorLabel``       the encoding in the Content-Type, by default ``emulatorCharset``; ``none``: no encoding there
``emulatorGzip``        ``on``, ``off``, or ``members`` for a file of several gzip members
``emulatorQuotes``      ``on``: every cell is quoted; ``unbalanced``: some titles begin with a quote that is not closed

An order report with dates covers the orders from the start up to, but not including, the end; one that covers no order
ends CANCELLED, as at Amazon. Reports belong to the seller: every application sees all of them, and
``POST /_emulator/reports`` adds one as if another application, or Amazon, had requested it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from spapi_async.emulator.apis.tokens_2021_03_01 import RESTRICTED_REPORTS
from spapi_async.emulator.data.documents import Document
from spapi_async.emulator.data.jobs import Job
from spapi_async.emulator.data.report_files import ReportFile, flat_file, json_file, listing_row, order_rows, xml_file
from spapi_async.emulator.data.world import Call, Handler, Seller
from spapi_async.emulator.gateway.pages import next_token, read_token
from spapi_async.emulator.gateway.replies import Reply, bad_input, not_found, not_permitted
from spapi_async.emulator.gateway.times import iso, parse_date

__all__ = ["HANDLERS", "cancel_queued", "document_fields", "job_page", "make_report", "outcome_of"]

_KIND = "report"
_PREFIX = "amzn1.spdoc.1.4.na."
_JSON_TYPES = ("BRAND_ANALYTICS", "SALES_AND_TRAFFIC", "VENDOR", "PROMOTION", "COUPON")
_ORDER_TYPES = ("ORDERS_DATA", "ORDER_REPORT_DATA", "FULFILLED_SHIPMENTS", "CUSTOMER_SHIPMENT")
_RETENTION = 90 * 86400


def outcome_of(call: Call, options: dict[str, Any] | None) -> str:
    """How the job that this request creates will end."""
    return call.outcome or (options or {}).get("emulatorOutcome") or "DONE"


def job_page(call: Call, kind: str, types: Sequence[str] | None, type_key: str) -> tuple[list[Job], str | None]:
    """One page of the jobs that a list operation asks for, newest first, and the token of the next page.

    The token contains the filters, so it must be sent without them.
    """
    arguments = dict(call.arguments)
    token = arguments.pop("nextToken", None)
    start = 0
    if token is not None:
        if arguments:
            raise bad_input("nextToken must be the only parameter.", f"also sent: {', '.join(sorted(arguments))}")
        start, arguments = read_token(token, {}, call.now)
        types = arguments.get("reportTypes") or arguments.get("feedTypes")
    elif types is None:
        raise bad_input(f"One of {type_key}s and nextToken is required.")
    since = parse_date(arguments["createdSince"]) if "createdSince" in arguments else call.now - _RETENTION
    until = parse_date(arguments["createdUntil"]) if "createdUntil" in arguments else call.now
    statuses = arguments.get("processingStatuses")
    marketplaces = frozenset(arguments.get("marketplaceIds") or ())
    size = arguments.get("pageSize", 10)
    jobs = [
        job
        for job in call.seller.jobs.newest_first(kind)
        if job.facts[type_key] in (types or ())
        and (since or 0) <= job.created <= (until or call.now)
        and (not statuses or job.status(call.now) in statuses)
        and (not marketplaces or marketplaces & set(job.facts.get("marketplaceIds") or ()))
    ]
    after = next_token({}, call.now, [start + size, arguments]) if start + size < len(jobs) else None
    return jobs[start : start + size], after


def document_fields(call: Call, document: Document | None, document_id: str, id_key: str) -> dict[str, Any]:
    """The fields of a reply with a document's presigned URL."""
    if document is None or document.owner != call.seller.id:
        raise not_found(f"The requested document was not found: {document_id}.", "unknown to this seller")
    announce = bool(call.arguments.get("enableContentEncodingUrlHeader"))
    fields = {
        id_key: document.id,
        "url": call.world.documents.url(call.base_url, document, call.now, announce_gzip=announce),
    }
    if document.compressed:
        fields["compressionAlgorithm"] = "GZIP"
    return fields


def _create(call: Call) -> Reply:
    options = call.body.get("reportOptions")
    job = make_report(call.seller, dict(call.body), call.now, outcome=outcome_of(call, options))
    return Reply.json({"reportId": job.id}, 202)


def make_report(
    seller: Seller, facts: dict[str, Any], now: float, *, outcome: str = "DONE", processing: float | None = None
) -> Job:
    """Create a report; it ends CANCELLED, instead of DONE, if Amazon's would."""
    kind, options = facts["reportType"], facts.get("reportOptions") or {}
    if outcome == "DONE" and (seller.jobs.cooling_down(_KIND, kind, now) or _covers_nothing(seller, facts)):
        outcome = "CANCELLED"
    wanted = options.get("emulatorProcessing")
    if wanted is not None:
        processing = float(wanted)
    return seller.jobs.create(_KIND, facts, now, outcome, lambda job: _write(seller, job), processing=processing)


def _write(seller: Seller, job: Job) -> Document | None:
    kind = job.facts["reportType"]
    if job.outcome == "FATAL_UNEXPLAINED":
        return None
    if job.outcome == "FATAL":
        why = json.dumps({"errorDetails": "The report could not be produced: the emulator was asked to fail it."})
        file = ReportFile(content=why.encode(), content_type="application/json")
    else:
        file = _file(seller, kind, job.facts)
    return seller.jobs.documents.publish(
        seller.id,
        _PREFIX,
        file.content,
        file.content_type,
        compress=file.compress,
        members=file.members,
        report_type=kind,
    )


def _file(seller: Seller, kind: str, facts: dict[str, Any]) -> ReportFile:
    if "LISTING" in kind or "INVENTORY" in kind:
        rows = [listing_row(listing) for listing in seller.listings.all()]
    else:
        rows = [row for order in _orders(seller, facts) for row in order_rows(order)]
    if "XML" in kind:
        return xml_file(kind, rows)
    if any(word in kind for word in _JSON_TYPES):
        return json_file(kind, rows)
    return flat_file(rows, facts.get("reportOptions") or {})


def _orders(seller: Seller, facts: dict[str, Any]) -> Sequence[Any]:
    """The orders in a report's window, or all orders if it has none."""
    start = parse_date(facts.get("dataStartTime") or "")
    end = parse_date(facts.get("dataEndTime") or "")
    if start is None and end is None:
        return seller.orders.since(0)
    moment = "created" if "BY_ORDER_DATE" in facts["reportType"] else "updated"
    return [order for order in seller.orders.since(0) if (start or 0) <= getattr(order, moment) < (end or float("inf"))]


def _covers_nothing(seller: Seller, facts: dict[str, Any]) -> bool:
    """Whether it is an order report whose window contains no order."""
    kind = facts["reportType"]
    windowed = facts.get("dataStartTime") or facts.get("dataEndTime")
    return bool(windowed) and any(word in kind for word in _ORDER_TYPES) and not _orders(seller, facts)


def _find(call: Call) -> Job:
    report_id = call.arguments["reportId"]
    job = call.seller.jobs.get(_KIND, report_id)
    if job is None:
        raise not_found(
            "One or more of the provided ReportRequestIds could not be found.", f"no report {report_id} of this seller"
        )
    return job


def _as_json(call: Call, job: Job) -> dict[str, Any]:
    fields = {
        "reportId": job.id,
        "processingStatus": job.status(call.now),
        **job.times(call.now),
        **{key: job.facts[key] for key in _SHOWN if job.facts.get(key) is not None},
    }
    document = job.document(call.now)
    if document is not None:
        fields["reportDocumentId"] = document.id
    return fields


_SHOWN = ("reportType", "marketplaceIds", "dataStartTime", "dataEndTime", "reportScheduleId")


def _get(call: Call) -> Reply:
    return Reply.json(_as_json(call, _find(call)))


def _list(call: Call) -> Reply:
    jobs, token = job_page(call, _KIND, call.arguments.get("reportTypes"), "reportType")
    fields: dict[str, Any] = {"reports": [_as_json(call, job) for job in jobs]}
    if token:
        fields["nextToken"] = token
    return Reply.json(fields)


def cancel_queued(call: Call, job: Job, noun: str) -> Reply:
    """Cancel a report or feed, which is possible only while it is in the queue."""
    if job.status(call.now) != "IN_QUEUE":
        raise bad_input(f"Only a {noun} in the queue can be cancelled.", f"it is {job.status(call.now)}")
    job.cancelled_at = call.now
    return Reply(b"")  # 200 without a body


def _cancel(call: Call) -> Reply:
    return cancel_queued(call, _find(call), "report")


def _document(call: Call) -> Reply:
    document_id = call.arguments["reportDocumentId"]
    document = call.world.documents.get(document_id)
    restricted = document is not None and document.report_type in RESTRICTED_REPORTS
    if restricted and call.token.covers is None:
        raise not_permitted("the document's report type is restricted: a restricted data token for its path is needed")
    return Reply.json(document_fields(call, document, document_id, "reportDocumentId"))


def _create_schedule(call: Call) -> Reply:
    schedules = call.seller.jobs.schedules
    wanted = (call.body["reportType"], sorted(call.body["marketplaceIds"]))
    # A new schedule of the same type and marketplaces replaces the old one.
    for old_id, old in list(schedules.items()):
        if (old["reportType"], sorted(old["marketplaceIds"])) == wanted:
            del schedules[old_id]
    schedule_id = str(call.seller.jobs.new_number())
    schedules[schedule_id] = {
        "reportScheduleId": schedule_id,
        "nextReportCreationTime": iso(call.now + 3600),
    } | call.body
    return Reply.json({"reportScheduleId": schedule_id}, 201)


def _find_schedule(call: Call) -> dict[str, Any]:
    schedule_id = call.arguments["reportScheduleId"]
    schedule = call.seller.jobs.schedules.get(schedule_id)
    if schedule is None:
        raise not_found("The requested report schedule was not found.", f"no schedule {schedule_id} of this seller")
    return schedule


def _get_schedule(call: Call) -> Reply:
    return Reply.json(_find_schedule(call))


def _list_schedules(call: Call) -> Reply:
    wanted = call.arguments["reportTypes"]
    found = [each for each in call.seller.jobs.schedules.values() if each["reportType"] in wanted]
    return Reply.json({"reportSchedules": found})


def _cancel_schedule(call: Call) -> Reply:
    del call.seller.jobs.schedules[_find_schedule(call)["reportScheduleId"]]
    return Reply(b"")


HANDLERS: dict[str, Handler] = {
    "reports_2021_06_30.create_report": _create,
    "reports_2021_06_30.get_report": _get,
    "reports_2021_06_30.get_reports": _list,
    "reports_2021_06_30.cancel_report": _cancel,
    "reports_2021_06_30.get_report_document": _document,
    "reports_2021_06_30.create_report_schedule": _create_schedule,
    "reports_2021_06_30.get_report_schedule": _get_schedule,
    "reports_2021_06_30.get_report_schedules": _list_schedules,
    "reports_2021_06_30.cancel_report_schedule": _cancel_schedule,
}

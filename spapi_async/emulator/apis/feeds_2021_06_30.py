"""Feeds 2021-06-30: the upload of a document, the feed that reads it, and its processing report.

A JSON_LISTINGS_FEED changes the seller's listings; ``feedOptions: {"emulatorOutcome": "FATAL"}`` decides how a feed
ends.
"""

from __future__ import annotations

import json
from typing import Any

from spapi_async.emulator.apis.reports_2021_06_30 import cancel_queued, document_fields, job_page, outcome_of
from spapi_async.emulator.data.documents import Document
from spapi_async.emulator.data.jobs import Job
from spapi_async.emulator.data.listings import Listing
from spapi_async.emulator.data.world import Call, Handler, Seller
from spapi_async.emulator.gateway.replies import Reply, bad_input, not_found

__all__ = ["HANDLERS"]

_KIND = "feed"
_PREFIX = "amzn1.tortuga.4.na."


def _create_document(call: Call) -> Reply:
    documents = call.world.documents
    document = documents.offer(call.seller.id, _PREFIX, call.body["contentType"])
    return Reply.json({"feedDocumentId": document.id, "url": documents.url(call.base_url, document, call.now)}, 201)


def _create(call: Call) -> Reply:
    document = call.world.documents.get(call.body["inputFeedDocumentId"])
    if document is None or document.owner != call.seller.id or document.upload_type is None:
        raise bad_input("The input feed document was not found.", "inputFeedDocumentId is unknown to this seller")
    if document.content is None:
        raise bad_input("The input feed document is empty.", "nothing was uploaded to its URL")
    seller, content = call.seller, document.content
    job = seller.jobs.create(
        _KIND,
        dict(call.body),
        call.now,
        outcome_of(call, call.body.get("feedOptions")),
        lambda job: _process(seller, job, content),
    )
    return Reply.json({"feedId": job.id}, 202)


def _process(seller: Seller, job: Job, content: bytes) -> Document | None:
    """Carry the feed out and write its processing report."""
    if job.outcome == "FATAL":
        text = b"The feed could not be processed: the emulator was asked to fail it.\n"
        return seller.jobs.documents.publish(seller.id, _PREFIX, text, "text/plain; charset=UTF-8", compress=False)
    if job.facts["feedType"] != "JSON_LISTINGS_FEED":
        text = b"Feed Processing Summary:\n\tNumber of records processed\t\t1\n\tNumber of records successful\t\t1\n"
        return seller.jobs.documents.publish(seller.id, _PREFIX, text, "text/plain; charset=Cp1252", compress=False)
    report = json.dumps(_process_listings(seller, job, content)).encode()
    return seller.jobs.documents.publish(seller.id, _PREFIX, report, "application/json", compress=True)


def _process_listings(seller: Seller, job: Job, content: bytes) -> dict[str, Any]:
    issues: list[dict[str, Any]] = []
    try:
        messages = json.loads(content)["messages"]
    except (ValueError, KeyError, TypeError):
        messages = []
        issues.append(
            {"messageId": 0, "code": "4000001", "severity": "ERROR", "message": "The feed is not valid JSON."}
        )
    for message in messages:
        why = _apply(seller, job, message)
        if why:
            issue = {"messageId": message.get("messageId", 0), "sku": message.get("sku", ""), "code": "4000002"}
            issues.append(issue | {"severity": "ERROR", "message": why})
    return {
        "header": {"sellerId": seller.id, "version": "2.0", "feedId": job.id},
        "issues": issues,
        "summary": {
            "errors": len(issues),
            "warnings": 0,
            "messagesProcessed": len(messages),
            "messagesAccepted": max(0, len(messages) - len(issues)),
            "messagesInvalid": min(len(messages), len(issues)),
        },
    }


def _apply(seller: Seller, job: Job, message: dict[str, Any]) -> str | None:
    """Apply a message to its listing; return the reason if that is impossible."""
    sku, kind = message.get("sku"), message.get("operationType")
    if not sku:
        return "'sku' is required."
    if kind == "DELETE":
        return None if seller.listings.drop(sku) else f"SKU {sku} does not exist."
    if kind == "UPDATE" and message.get("productType"):
        marketplaces = frozenset(job.facts["marketplaceIds"])
        attributes = dict(message.get("attributes") or {})
        listing = Listing(
            sku, message["productType"], attributes, product=None, marketplaces=marketplaces, created=job.started
        )
        seller.listings.keep(listing)
        return None
    if kind in ("PARTIAL_UPDATE", "PATCH"):
        old = seller.listings.get(sku)
        if old is None:
            return f"SKU {sku} does not exist."
        old.attributes |= message.get("attributes") or {}
        for patch in message.get("patches") or ():
            _patch(old, patch)
        old.updated = job.started
        return None
    return f"operationType {kind!r} is not supported or productType is missing."


def _patch(listing: Listing, patch: dict[str, Any]) -> None:
    name = str(patch.get("path", "")).removeprefix("/attributes/")
    if patch.get("op") == "delete":
        listing.attributes.pop(name, None)
    else:
        listing.attributes[name] = patch.get("value")


def _find(call: Call) -> Job:
    feed_id = call.arguments["feedId"]
    job = call.seller.jobs.get(_KIND, feed_id)
    if job is None:
        raise not_found("The requested feed was not found.", f"no feed {feed_id} of this seller")
    return job


def _as_json(call: Call, job: Job) -> dict[str, Any]:
    fields = {
        "feedId": job.id,
        "feedType": job.facts["feedType"],
        "marketplaceIds": job.facts["marketplaceIds"],
        "processingStatus": job.status(call.now),
        **job.times(call.now),
    }
    document = job.document(call.now)
    if document is not None:
        fields["resultFeedDocumentId"] = document.id
    return fields


def _get(call: Call) -> Reply:
    return Reply.json(_as_json(call, _find(call)))


def _list(call: Call) -> Reply:
    jobs, token = job_page(call, _KIND, call.arguments.get("feedTypes"), "feedType")
    fields: dict[str, Any] = {"feeds": [_as_json(call, job) for job in jobs]}
    if token:
        fields["nextToken"] = token
    return Reply.json(fields)


def _cancel(call: Call) -> Reply:
    return cancel_queued(call, _find(call), "feed")


def _document(call: Call) -> Reply:
    document_id = call.arguments["feedDocumentId"]
    return Reply.json(document_fields(call, call.world.documents.get(document_id), document_id, "feedDocumentId"))


HANDLERS: dict[str, Handler] = {
    "feeds_2021_06_30.create_feed_document": _create_document,
    "feeds_2021_06_30.create_feed": _create,
    "feeds_2021_06_30.get_feed": _get,
    "feeds_2021_06_30.get_feeds": _list,
    "feeds_2021_06_30.cancel_feed": _cancel,
    "feeds_2021_06_30.get_feed_document": _document,
}

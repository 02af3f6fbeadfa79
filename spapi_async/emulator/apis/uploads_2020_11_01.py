"""Uploads 2020-11-01: a presigned URL for a file that another operation refers to, with the headers it requires."""

from __future__ import annotations

from spapi_async.emulator.data.world import Call, Handler
from spapi_async.emulator.gateway.replies import Reply

__all__ = ["HANDLERS"]

_PREFIX = "sc-"


def _create(call: Call) -> Reply:
    content_type = call.arguments.get("contentType", "application/octet-stream")
    headers = {"Content-MD5": call.arguments["contentMD5"], "x-amz-server-side-encryption": "aws:kms"}
    documents = call.world.documents
    document = documents.offer(call.seller.id, _PREFIX, content_type, headers)
    url = documents.url(call.base_url, document, call.now)
    payload = {"uploadDestinationId": document.id, "url": url, "headers": headers | {"Content-Type": content_type}}
    return Reply.json({"payload": payload}, 201)


HANDLERS: dict[str, Handler] = {"uploads_2020_11_01.create_upload_destination_for_resource": _create}

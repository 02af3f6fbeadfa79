"""What S3 answers in place of a document: XML that is never the report."""

from __future__ import annotations

import re

from spapi_async._core.resources import StreamedReply
from spapi_async.errors import DocumentError, DocumentUrlExpiredError

__all__ = ["RefusedError", "expired_twice", "refusal_of"]

LONGEST_REFUSAL = 64 * 1024


class RefusedError(DocumentError):
    """S3 answered something other than the document; its XML is never the report."""

    expired = False
    passing = False


def expired_twice(refusal: RefusedError) -> DocumentUrlExpiredError:
    """What the refusal of a fresh URL becomes: there is no use in a third."""
    return DocumentUrlExpiredError(
        "the presigned URL was refused as expired, and so was a fresh one",
        operation=refusal.operation,
        status=refusal.status,
    )


async def refusal_of(reply: StreamedReply, operation: str) -> RefusedError:
    """What S3's answer says, from its XML; of that only the code is shown."""
    body = bytearray()
    async for chunk in reply.chunks:
        body += chunk
        if len(body) > LONGEST_REFUSAL:
            break
    found = re.search(rb"<Code>(\w{1,64})</Code>", body)
    code = found[1].decode("ascii", "replace") if found else ""
    refusal = RefusedError(
        f"the document's host answered {reply.status}{f' ({code})' if code else ''}",
        operation=operation,
        status=reply.status,
    )
    # 403 AccessDenied "Request has expired" is what an old URL gets; 400 ExpiredToken when its signer's session ended.
    refusal.expired = reply.status in (400, 403) and (
        code in ("AccessDenied", "ExpiredToken", "RequestExpired") or b"has expired" in body
    )
    refusal.passing = reply.status >= 500 or reply.status == 429
    return refusal

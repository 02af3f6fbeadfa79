"""The error that S3 returns instead of a document, as XML."""

from __future__ import annotations

import re

from spapi_async._core.resources import StreamedReply
from spapi_async.errors import DocumentError, DocumentUrlExpiredError

__all__ = ["RefusedError", "expired_twice", "refusal_of"]

LONGEST_REFUSAL = 64 * 1024
"""Bytes of such an error that are read."""


class RefusedError(DocumentError):
    """S3 returned an error instead of the document.

    ``expired``: the URL has expired. ``transient``: repeating the request may help.
    """

    expired = False
    transient = False


def expired_twice(refusal: RefusedError) -> DocumentUrlExpiredError:
    """The error if a fresh URL is refused as expired, too: another one would not help."""
    return DocumentUrlExpiredError(
        "the presigned URL was refused as expired, and so was a fresh one",
        operation=refusal.operation,
        status=refusal.status,
    )


async def refusal_of(reply: StreamedReply, operation: str) -> RefusedError:
    """The error for S3's reply; the message shows only the code in its XML."""
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
    # An expired URL gets 403 AccessDenied "Request has expired", or 400 ExpiredToken if its signer's session has ended.
    refusal.expired = reply.status in (400, 403) and (
        code in ("AccessDenied", "ExpiredToken", "RequestExpired") or b"has expired" in body
    )
    refusal.transient = reply.status >= 500 or reply.status == 429
    return refusal

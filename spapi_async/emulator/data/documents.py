"""The document store behind presigned URLs: uploads, downloads and XML errors as in Amazon S3.

A URL expires (after five minutes by default). A request with an access token is refused, because the token would have
been leaked to S3.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from urllib.parse import parse_qs

from spapi_async.emulator.data.products import rng_for
from spapi_async.emulator.data.repeated_file import RepeatedFile
from spapi_async.emulator.gateway.ids import uuid_of
from spapi_async.emulator.gateway.replies import Reply

__all__ = ["DOCUMENTS_PATH", "Document", "DocumentStore"]

DOCUMENTS_PATH = "/_documents/"


class Document:
    """One object of the store; ``content`` is None before the upload; ``repeated`` replaces it in large documents."""

    __slots__ = (
        "compressed",
        "content",
        "content_type",
        "id",
        "owner",
        "repeated",
        "report_type",
        "upload_headers",
        "upload_type",
    )

    def __init__(
        self,
        document_id: str,
        owner: str,
        *,
        content: bytes | None = None,
        repeated: RepeatedFile | None = None,
        content_type: str = "",
        compressed: bool = False,
        report_type: str | None = None,
        upload_type: str | None = None,
        upload_headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.id = document_id
        self.owner = owner
        self.content = content
        self.repeated = repeated
        self.content_type = content_type
        self.compressed = compressed
        self.report_type = report_type
        self.upload_type = upload_type
        self.upload_headers = upload_headers


class DocumentStore:
    """Documents of all sellers, by id."""

    def __init__(self, seed: int, lifetime: float) -> None:
        self._lifetime = lifetime
        self._rng = rng_for(seed, "documents")
        self.stored: dict[str, Document] = {}

    def get(self, document_id: str) -> Document | None:
        """The document with this id."""
        return self.stored.get(document_id)

    def offer(
        self, owner: str, prefix: str, content_type: str, headers: Mapping[str, str] = MappingProxyType({})
    ) -> Document:
        """A document to be uploaded with that content type and these headers."""
        return self._keep(Document(self._new_id(prefix), owner, upload_type=content_type, upload_headers=headers))

    def publish(
        self,
        owner: str,
        prefix: str,
        text: bytes | RepeatedFile,
        content_type: str,
        *,
        compress: bool,
        report_type: str | None = None,
        members: int = 1,
    ) -> Document:
        """A document to download, gzipped in ``members`` gzip members if ``compress``.

        A ``RepeatedFile`` is stored as it is; for it, ``compress`` only says whether it has been gzipped.
        """
        repeated = text if isinstance(text, RepeatedFile) else None
        content = text if isinstance(text, bytes) else b""
        if compress and isinstance(text, bytes):
            step = -(-len(text) // members) or 1
            parts = [text[at : at + step] for at in range(0, len(text), step)]
            content = b"".join(gzip.compress(part, mtime=0) for part in parts or [b""])
        return self._keep(
            Document(
                self._new_id(prefix),
                owner,
                content=content,
                repeated=repeated,
                content_type=content_type,
                compressed=compress,
                report_type=report_type,
            )
        )

    def url(self, base_url: str, document: Document, now: float, *, announce_gzip: bool = False) -> str:
        """A presigned URL; its signature is random, and only its presence is checked."""
        signed_at = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        signature = f"{self._rng.getrandbits(256):064x}"
        encoding = "&response-content-encoding=gzip" if announce_gzip else ""
        return (
            f"{base_url}{DOCUMENTS_PATH}{document.id}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={signed_at}"
            f"&X-Amz-Expires={self._lifetime:g}&X-Amz-Issued={now!r}{encoding}&X-Amz-Signature={signature}"
        )

    def serve(
        self, method: str, document_id: str, query: str, headers: Mapping[str, str], body: bytes, *, now: float
    ) -> Reply:
        """Answer a request to a presigned URL."""
        if "x-amz-access-token" in headers:
            return _xml(400, "InvalidArgument", "An access token must not be sent to a presigned URL")
        signed = {name: values[0] for name, values in parse_qs(query).items()}
        if refused := self._refused(signed, now):
            return refused
        document = self.stored.get(document_id)
        if document is None:
            return _xml(404, "NoSuchKey", "The specified key does not exist.")
        if method == "PUT":
            return _upload(document, headers, body)
        if method == "GET":
            return _download(document, signed, headers.get("range", ""))
        return _xml(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")

    def _refused(self, signed: Mapping[str, str], now: float) -> Reply | None:
        if "X-Amz-Signature" not in signed:
            return _xml(403, "AccessDenied", "Access Denied")
        try:
            expires_at = float(signed["X-Amz-Issued"]) + float(signed["X-Amz-Expires"])
        except (KeyError, ValueError):
            return _xml(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        if now < expires_at:
            return None
        return _xml(403, "AccessDenied", "Request has expired", f"<X-Amz-Expires>{self._lifetime:g}</X-Amz-Expires>")

    def _keep(self, document: Document) -> Document:
        self.stored[document.id] = document
        return document

    def _new_id(self, prefix: str) -> str:
        unique = uuid_of(self._rng.getrandbits(128))
        return f"{prefix}{unique}.T{unique.replace('-', '')[:12].upper()}"


def _upload(document: Document, headers: Mapping[str, str], body: bytes) -> Reply:
    if document.upload_type is None:
        return _xml(403, "AccessDenied", "Access Denied")
    # The signature covers the content type, which must be exactly the one given to createFeedDocument.
    if headers.get("content-type") != document.upload_type:
        given = headers.get("content-type")
        return _xml(403, "SignatureDoesNotMatch", f"Content-Type is {given}, not {document.upload_type} as signed")
    for name, value in document.upload_headers.items():
        if headers.get(name.lower()) != value:
            return _xml(403, "SignatureDoesNotMatch", f"{name} is {headers.get(name.lower())}, not {value} as signed")
    if "content-md5" in headers and headers["content-md5"] != base64.b64encode(_md5(body)).decode():
        return _xml(400, "BadDigest", "The Content-MD5 you specified did not match what we received.")
    document.content = body
    document.content_type = document.upload_type
    return Reply(b"", 200, {"Content-Type": "application/octet-stream", "ETag": '"0"'}, bare=True)


def _md5(body: bytes) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).digest()


def _download(document: Document, signed: Mapping[str, str], span: str) -> Reply:
    if document.content is None:
        return _xml(404, "NoSuchKey", "The specified key does not exist.")
    headers = {"Content-Type": document.content_type}
    if document.compressed:
        # By default a gzipped document is sent as "identity", so that HTTP libraries do not decompress it.
        headers["Content-Encoding"] = signed.get("response-content-encoding", "identity")
    repeated, content = document.repeated, document.content
    tag = zlib.crc32(content or document.id.encode())
    headers |= {"Accept-Ranges": "bytes", "ETag": f'"{tag:08x}"'}
    start = int(span[6:-1]) if re.fullmatch(r"bytes=\d+-", span) else 0
    size = len(content) if repeated is None else len(repeated)
    if start >= size > 0:
        return _xml(416, "InvalidRange", "The requested range is not satisfiable")
    if start:
        headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
    status = 206 if start else 200
    if repeated is not None:
        return Reply(b"", status, headers, bare=True, stream=repeated.pieces(start), length=size - start)
    return Reply(content[start:], status, headers, bare=True)


def _xml(status: int, code: str, message: str, more: str = "") -> Reply:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message>{more}'
        "<RequestId>0000000000000000</RequestId><HostId>emulator</HostId></Error>"
    )
    return Reply(body.encode(), status, {"Content-Type": "application/xml"}, bare=True)

"""The location of a document: a presigned URL from a reply, which may be invalid."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from yarl import URL

from spapi_async.errors import DecodeError, DocumentError

__all__ = ["Location", "PresignedUrl", "checked_url", "life_span"]


class PresignedUrl(str):
    """A URL that gives access to a document, and therefore is not shown by tracebacks with local variables."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<presigned URL>"


class Location(NamedTuple):
    """A URL that can be requested; ``gzipped`` says whether the API announced compression."""

    url: PresignedUrl
    gzipped: bool = False

    @classmethod
    def given(cls, url: object, operation: str, *, gzipped: bool = False) -> Location:
        """The location that a reply names.

        Raises:
            DecodeError: the reply has no URL.
            DocumentError: the URL cannot be requested.
        """
        if not isinstance(url, str) or not url.strip():
            raise DecodeError("the reply has no URL of the document", operation=operation)
        return cls(checked_url(url, operation), gzipped)


def checked_url(url: str, operation: str) -> PresignedUrl:
    """The URL as it can be sent: characters beyond ASCII in its path or query are percent-encoded.

    Raises:
        DocumentError: it cannot be sent. The message does not show the URL, which is a secret.
    """
    url = PresignedUrl(url)
    flaw = _flaw(url)
    if flaw is not None:
        raise DocumentError(f"the presigned URL cannot be used: {flaw}", operation=operation)
    return PresignedUrl(quote(url, safe="".join(map(chr, range(0x21, 0x7F)))))


def life_span(url: str) -> int | None:
    """The number of seconds for which a presigned URL is valid, if it states that."""
    found = re.search(r"[?&]X-Amz-Expires=([0-9]{1,9})(?:&|#|$)", url)
    return int(found[1]) if found else None


def _flaw(url: str) -> str | None:
    if re.search(r"[\x00-\x20\x7f\\]", url):
        return "it contains blanks, control characters or backslashes"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        url.encode()
        seen = URL(url, encoded=True).raw_host or ""  # the host to which the transport would connect
    except (ValueError, TypeError):
        return "it is malformed"
    flaws = {
        "it is not an http or https URL": parts.scheme.lower() not in ("http", "https"),
        "it contains credentials": "@" in parts.netloc,
        "its host is not ASCII": not host.isascii(),
        "it has no usable host": port == 0 or seen.lower() != host.lower() or not _is_host(host),
    }
    return next((flaw for flaw, found in flaws.items() if found), None)


def _is_host(host: str) -> bool:
    labels = host.removesuffix(".").split(".")
    return ":" in host or (len(host) < 254 and all(0 < len(label) < 64 for label in labels))

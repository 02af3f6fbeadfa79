"""Where a document is: a presigned URL out of a reply, which may hold anything."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from yarl import URL

from spapi_async.errors import DecodeError, DocumentError

__all__ = ["Location", "PresignedUrl", "checked_url", "life_span"]


class PresignedUrl(str):
    """A URL that is a key to what is there: tracebacks that show local variables do not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<presigned URL>"


class Location(NamedTuple):
    """A URL that can be asked; ``gzipped`` is what the API says about compression."""

    url: PresignedUrl
    gzipped: bool = False

    @classmethod
    def given(cls, url: object, operation: str, *, gzipped: bool = False) -> Location:
        """The location that a reply names.

        Raises:
            DecodeError: the reply holds no URL.
            DocumentError: it holds one that cannot be asked.
        """
        if not isinstance(url, str) or not url.strip():
            raise DecodeError("the reply holds no URL of the document", operation=operation)
        return cls(checked_url(url, operation), gzipped)


def checked_url(url: str, operation: str) -> PresignedUrl:
    """The URL as it can be sent: characters beyond ASCII in its path or query are percent-encoded.

    Raises:
        DocumentError: it cannot be sent. The URL is not in the message: it is a key.
    """
    url = PresignedUrl(url)
    flaw = _flaw(url)
    if flaw is not None:
        raise DocumentError(f"the presigned URL cannot be used: {flaw}", operation=operation)
    return PresignedUrl(quote(url, safe="".join(map(chr, range(0x21, 0x7F)))))


def life_span(url: str) -> int | None:
    """For how many seconds a presigned URL works from its signing on, if it says so."""
    found = re.search(r"[?&]X-Amz-Expires=([0-9]{1,9})(?:&|#|$)", url)
    return int(found[1]) if found else None


def _flaw(url: str) -> str | None:
    if re.search(r"[\x00-\x20\x7f\\]", url):
        return "it holds blanks, control characters or backslashes"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        url.encode()
        seen = URL(url, encoded=True).raw_host or ""  # what the transport makes of it
    except (ValueError, TypeError):
        return "it is malformed"
    flaws = {
        "it is not an http or https URL": parts.scheme.lower() not in ("http", "https"),
        "it holds credentials": "@" in parts.netloc,
        "its host is not ASCII": not host.isascii(),
        "it has no usable host": port == 0 or seen.lower() != host.lower() or not _is_host(host),
    }
    return next((flaw for flaw, found in flaws.items() if found), None)


def _is_host(host: str) -> bool:
    labels = host.removesuffix(".").split(".")
    return ":" in host or (len(host) < 254 and all(0 < len(label) < 64 for label in labels))

"""What a 401 or 403 says about the token that the request carried, by Amazon's wording."""

from __future__ import annotations

import enum
import re
from typing import Any

import msgspec

__all__ = ["Verdict", "verdict_on"]

# "The access token you provided is revoked, malformed or invalid.", "The access token you provided has expired."
_STALE = re.compile(
    r"\b(access|incoming|security|restricted data) token\b[^.]*\b(expired|revoked|malformed|invalid)"
    r"|\b(expired|revoked|invalid) (access|security|restricted data) token\b"
    r"|\b(expired|revoked|invalid)_?token",
    re.IGNORECASE,
)
# An expired client secret is reported here, with code Unauthorized, and not by the token endpoint.
_SECRET = re.compile(r"\b(LWA|client)\b[^.]*\bsecret\b[^.]*\bexpired", re.IGNORECASE)


class Verdict(enum.Enum):
    """What the refusal is about."""

    STALE_TOKEN = "the token has expired or was revoked"  # noqa: S105 - no password
    EXPIRED_SECRET = "the application's client secret has expired"  # noqa: S105 - no password
    DENIED = "the token is good, and not good for this"


def verdict_on(body: bytes | str | object) -> Verdict:
    """Judge the body of a 401 or 403, as bytes or decoded."""
    text = _text(body)
    if _SECRET.search(text):
        return Verdict.EXPIRED_SECRET
    return Verdict.STALE_TOKEN if _STALE.search(text) else Verdict.DENIED


def _text(body: Any) -> str:
    if isinstance(body, bytes):
        return body[:20_000].decode("utf-8", "replace")
    if isinstance(body, str):
        return body[:20_000]
    try:
        return msgspec.json.encode(body)[:20_000].decode("utf-8", "replace")
    except (TypeError, msgspec.MsgspecError):
        return ""

"""What a 401 or 403 means for the token of the request, judged by Amazon's wording."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from spapi_async._core.peer_text import cut

__all__ = ["Verdict", "verdict_on"]

# Each entry is one sentence: its patterns, in this order. Each search starts where the last one ended, so that the time
# is linear in the length of the text.
_STALE = (
    # "The access token you provided is revoked, malformed or invalid.", "The access token you provided has expired."
    (r"\b(?:access|incoming|security|restricted data) token\b", r"\b(?:expired|revoked|malformed|invalid)"),
    (r"\b(?:expired|revoked|invalid) (?:access|security|restricted data) token\b",),
    (r"\b(?:expired|revoked|invalid)_?token",),
)
# Amazon reports an expired client secret here, with code Unauthorized, and not at the token endpoint.
_SECRET = ((r"\b(?:LWA|client)\b", r"\bsecret\b", r"\bexpired"),)


class Verdict(enum.Enum):
    """The reason for a refusal."""

    STALE_TOKEN = "the token has expired or was revoked"  # noqa: S105 - no password
    EXPIRED_SECRET = "the application's client secret has expired"  # noqa: S105 - no password
    DENIED = "the token is valid, but does not allow this call"


def verdict_on(body: bytes | str | object) -> Verdict:
    """The verdict on the body of a 401 or 403, given as bytes or decoded."""
    text = _text(body)
    if _says(text, _SECRET):
        return Verdict.EXPIRED_SECRET
    return Verdict.STALE_TOKEN if _says(text, _STALE) else Verdict.DENIED


def _says(text: str, sentences: Iterable[Sequence[str]]) -> bool:
    return any(_in_order(sentence, patterns) for sentence in text.split(".") for patterns in sentences)


def _in_order(sentence: str, patterns: Sequence[str]) -> bool:
    position = 0
    for pattern in patterns:
        found = re.compile(pattern, re.IGNORECASE).search(sentence, position)
        if found is None:
            return False
        position = found.end()
    return True


def _text(body: Any) -> str:
    if isinstance(body, bytes | str):
        return cut(body)
    try:
        return cut(msgspec.json.encode(body))
    except (TypeError, ValueError, RecursionError):
        return ""

"""What a 401 or 403 says about the token that the request carried, by Amazon's wording."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from spapi_async._core.peer_text import cut

__all__ = ["Verdict", "verdict_on"]

# Each says one thing in one sentence: its words, in this order. Searched for one after the other, from where the last
# one ended, so that no text makes a search longer than itself.
_STALE = (
    # "The access token you provided is revoked, malformed or invalid.", "The access token you provided has expired."
    (r"\b(?:access|incoming|security|restricted data) token\b", r"\b(?:expired|revoked|malformed|invalid)"),
    (r"\b(?:expired|revoked|invalid) (?:access|security|restricted data) token\b",),
    (r"\b(?:expired|revoked|invalid)_?token",),
)
# An expired client secret is reported here, with code Unauthorized, and not by the token endpoint.
_SECRET = ((r"\b(?:LWA|client)\b", r"\bsecret\b", r"\bexpired"),)


class Verdict(enum.Enum):
    """What the refusal is about."""

    STALE_TOKEN = "the token has expired or was revoked"  # noqa: S105 - no password
    EXPIRED_SECRET = "the application's client secret has expired"  # noqa: S105 - no password
    DENIED = "the token is good, and not good for this"


def verdict_on(body: bytes | str | object) -> Verdict:
    """Judge the body of a 401 or 403, as bytes or decoded."""
    text = _text(body)
    if _says(text, _SECRET):
        return Verdict.EXPIRED_SECRET
    return Verdict.STALE_TOKEN if _says(text, _STALE) else Verdict.DENIED


def _says(text: str, sayings: Iterable[Sequence[str]]) -> bool:
    return any(_in_order(sentence, words) for sentence in text.split(".") for words in sayings)


def _in_order(sentence: str, words: Sequence[str]) -> bool:
    position = 0
    for word in words:
        found = re.compile(word, re.IGNORECASE).search(sentence, position)
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

"""Paging tokens as awkward as Amazon's: each contains ``+ / =`` and belongs to one query; some expire in seconds."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from spapi_async.emulator.gateway.replies import Refusal, bad_input

__all__ = ["next_token", "page_of", "read_token"]

# Encodes to "++//", so that a client that does not percent-encode its query fails on the second page.
_AWKWARD = b"\xfb\xef\xff"


T = TypeVar("T")


class _TokenContent(msgspec.Struct, array_like=True):
    query: str
    issued_at: float
    position: Any


def next_token(arguments: Mapping[str, Any], issued_at: float, position: Any) -> str:
    """A token for the page that starts at ``position`` of the query with these arguments."""
    raw = msgspec.json.encode(_TokenContent(_digest(arguments), issued_at, position))
    raw += b" " * ((1 - len(raw)) % 3)  # one byte over, so that the token ends in "=="
    return b64encode(_AWKWARD + raw).decode()


def read_token(token: str, arguments: Mapping[str, Any], now: float, lifetime: float | None = None) -> Any:
    """The position in the list at which a token's page starts.

    Raises:
        Refusal: 400: the token is mangled, belongs to another query, or has expired.
    """
    content = _decode(token)
    if content is None:
        raise bad_input(
            "We could not decode your NextToken. Please check that it is correct and URL-encoded.",
            "the emulator did not issue this token, or it was not percent-encoded",
        )
    if content.query != _digest(arguments):
        raise _wrong_query()
    if lifetime is not None and now >= content.issued_at + lifetime:
        raise bad_input("The paging token has expired.", f"it was valid for {lifetime:g} seconds")
    return content.position


def page_of(
    items: Sequence[T], size: int, token: str | None, arguments: Mapping[str, Any], now: float
) -> tuple[Sequence[T], str | None]:
    """The page of a list that a token asks for (None: the first), and the token of the next page.

    ``arguments`` are those that must be the same in the request of every page.

    Raises:
        Refusal: as :func:`read_token`.
    """
    start = read_token(token, arguments, now) if token is not None else 0
    end = start + size
    return items[start:end], next_token(arguments, now, end) if end < len(items) else None


def _decode(token: str) -> _TokenContent | None:
    try:
        raw = b64decode(token, validate=True)
        return msgspec.json.decode(raw[len(_AWKWARD) :], type=_TokenContent) if raw.startswith(_AWKWARD) else None
    except (ValueError, msgspec.MsgspecError):
        return None


def _wrong_query() -> Refusal:
    return bad_input(
        "The paging token does not belong to this query.", "repeat the arguments of the first page beside the token"
    )


def _digest(arguments: Mapping[str, Any]) -> str:
    text = repr(sorted((name, str(value)) for name, value in arguments.items()))
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()

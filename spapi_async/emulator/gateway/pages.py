"""Paging tokens that are as awkward as Amazon's: ``+ / =`` in each, bound to their query, some of them short-lived."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from spapi_async.emulator.gateway.replies import Refusal, bad_input

__all__ = ["next_token", "page_of", "read_token"]

# Encodes to "++//": a client that does not percent-encode its query is found out on the first second page.
_AWKWARD = b"\xfb\xef\xff"


T = TypeVar("T")


class _Place(msgspec.Struct, array_like=True):
    query: str
    issued_at: float
    position: Any


def next_token(arguments: Mapping[str, Any], issued_at: float, position: Any) -> str:
    """A token for the page that starts at ``position`` of the query with these arguments."""
    raw = msgspec.json.encode(_Place(_digest(arguments), issued_at, position))
    raw += b" " * ((1 - len(raw)) % 3)  # one byte over, so that the token ends in "=="
    return b64encode(_AWKWARD + raw).decode()


def read_token(token: str, arguments: Mapping[str, Any], now: float, lifetime: float | None = None) -> Any:
    """The position a token stands for.

    Raises:
        Refusal: 400: mangled, from another query, or expired.
    """
    place = _decode(token)
    if place is None:
        raise bad_input(
            "We could not decode your NextToken. Please check that it is correct and URL-encoded.",
            "the token is not one that was handed out, or was mangled on the way back",
        )
    if place.query != _digest(arguments):
        raise _wrong_query()
    if lifetime is not None and now >= place.issued_at + lifetime:
        raise bad_input("The paging token has expired.", f"it lives {lifetime:g} seconds")
    return place.position


def page_of(
    items: Sequence[T], size: int, token: str | None, arguments: Mapping[str, Any], now: float
) -> tuple[Sequence[T], str | None]:
    """The page of a list that a token (None: the first) stands for, and the token of the next.

    ``arguments`` are those that must be the same for every page.

    Raises:
        Refusal: as :func:`read_token`.
    """
    start = read_token(token, arguments, now) if token is not None else 0
    end = start + size
    return items[start:end], next_token(arguments, now, end) if end < len(items) else None


def _decode(token: str) -> _Place | None:
    try:
        raw = b64decode(token, validate=True)
        return msgspec.json.decode(raw[len(_AWKWARD) :], type=_Place) if raw.startswith(_AWKWARD) else None
    except (ValueError, msgspec.MsgspecError):
        return None


def _wrong_query() -> Refusal:
    return bad_input(
        "The paging token does not belong to this query.", "repeat the arguments of the first page beside the token"
    )


def _digest(arguments: Mapping[str, Any]) -> str:
    text = repr(sorted((name, str(value)) for name, value in arguments.items()))
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()

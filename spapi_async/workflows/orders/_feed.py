"""The change feed: what became of which order, in the order of commits, and how a reader names its place in it."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime

import msgspec

from spapi_async.errors import ConfigurationError

__all__ = ["Change", "CursorError", "cursor_of", "number_of"]


class CursorError(ConfigurationError):
    """A cursor that leads nowhere: of another database, or of changes that were pruned meanwhile."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one order, written in the transaction that stored it.

    Attributes:
        cursor: give it to ``changes(after=…)`` to go on after this change. Opaque.
        kind: ``new``, ``updated`` (Amazon says so), or ``detail`` (the same version, of which more is known now).
        paths: the places that differ, by Amazon's names, ids standing for list entries; an order that another
            source had brought is compared by what both know. ``*``: it cannot be compared. Empty for new orders.
        status_before, status_after: in the words of Orders 2026-01-01.
        source: which operation or report brought it.
        updated_at: Amazon's time of the order's last update.
        stored_at: when it was committed, about.
    """

    cursor: str
    seller: str
    order_id: str
    kind: str
    paths: tuple[str, ...]
    status_before: str | None
    status_after: str | None
    source: str
    updated_at: datetime | None
    stored_at: datetime


def cursor_of(database_id: str, number: int) -> str:
    """A change's place, as text that knows its database."""
    return urlsafe_b64encode(f"{database_id}:{number}".encode()).decode().rstrip("=")


def number_of(cursor: str, database_id: str) -> int:
    """The change that a cursor names.

    Raises:
        CursorError: it is none, or of another database.
    """
    try:
        whole = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode()
        database, _, number = whole.rpartition(":")
        place = int(number)
    except (ValueError, binascii.Error, UnicodeError):
        raise CursorError("not a cursor: it must come from a change of this database") from None
    if database != database_id:
        raise CursorError("the cursor belongs to another database")
    return place

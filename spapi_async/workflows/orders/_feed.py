"""The change feed: the changes of orders in the order of commits, and the cursors of its readers."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime

import msgspec

from spapi_async.errors import ConfigurationError

__all__ = ["READ_AGAIN", "Change", "CursorError", "cursor_of", "number_of"]


READ_AGAIN = "read the tables again, then start without a cursor"
"""What a reader of the feed does after a :class:`CursorError`."""


class CursorError(ConfigurationError):
    """An invalid cursor: it belongs to another database, or changes after it have been pruned."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one order, written in the transaction that stored it.

    Attributes:
        cursor: pass it to ``changes(after=…)`` to continue after this change. Opaque.
        kind: ``new``, ``updated`` (Amazon has updated the order), or ``detail`` (the same version with more details).
        paths: the places that differ, by Amazon's names, with ids for list entries. An order that was stored from
            another source is compared by the fields that both have. ``*``: it cannot be compared. Empty for new orders.
        status_before, status_after: in the vocabulary of Orders 2026-01-01.
        source: the operation or report that returned the order.
        updated_at: Amazon's time of the order's last update.
        stored_at: approximately when it was committed.
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
    """The cursor of a change: its number and the id of its database."""
    return urlsafe_b64encode(f"{database_id}:{number}".encode()).decode().rstrip("=")


def number_of(cursor: str, database_id: str) -> int:
    """The number of the change that a cursor names.

    Raises:
        CursorError: it is not a cursor, or belongs to another database.
    """
    try:
        whole = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode()
        database, _, number = whole.rpartition(":")
        found = int(number)
    except (ValueError, binascii.Error, UnicodeError):
        raise CursorError("not a cursor: it must come from a change of this database") from None
    if database != database_id:
        raise CursorError(f"the cursor belongs to another database: {READ_AGAIN}")
    return found

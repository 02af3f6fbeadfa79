"""The checkpoint of a seller's sync, and how it advances: pure decisions on values.

A sync reads *windows*: every order updated at or after ``last_updated_after`` and before ``upper_bound``. Amazon
states the upper bound in its reply (``lastUpdatedBefore``, two minutes behind its clock); the local clock is not used.
A window begins five minutes before the end of the previous one: orders have been seen to appear in lists minutes after
their last update (github.com/amzn/docs issue 2131), and repeated orders cost no request while a page has room. Inside a
window, ``cursor`` is the time up to which it has been read (:mod:`._walk`), which unlike Amazon's tokens never expires.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from spapi_async._core.clock import Clock
from spapi_async.errors import ConfigurationError

__all__ = ["SETTLED", "Checkpoint", "Window", "advance", "moment", "resume", "time_in"]

OVERLAP = timedelta(minutes=5)
"""How far a window overlaps the previous one: lists sometimes lag behind by some three minutes."""

SETTLED = timedelta(minutes=10)
"""The age from which lists show every order: an older order that is missing is not merely late."""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one seller's one stream of orders.

    Attributes:
        seller: the seller id, or the key of the account where no seller id was given.
        stream: the API and its marketplaces; changing them starts another stream.
        last_updated_after: start of the window.
        upper_bound: end of the window, once Amazon has stated it.
        cursor: inside a window, the time up to which it has been read; None at its start.
        cursor_at: when the cursor was set.
    """

    seller: str
    stream: str
    last_updated_after: datetime
    upper_bound: datetime | None = None
    cursor: str | None = None
    cursor_at: datetime | None = None

    @property
    def inside_window(self) -> bool:
        """Whether a window has been begun but not finished."""
        return self.cursor is not None


class Window(msgspec.Struct, frozen=True):
    """A span of last-update times."""

    after: datetime
    before: datetime

    @classmethod
    def of(cls, after: datetime, before: datetime) -> Window:
        """The span between two times.

        Raises:
            ConfigurationError: a time has no time zone, or the first is not before the second.
        """
        if after.tzinfo is None or before.tzinfo is None:
            raise ConfigurationError("both times of a window must have a time zone")
        if after >= before:
            raise ConfigurationError(f"a window must begin before it ends: {after.isoformat()}, {before.isoformat()}")
        return cls(after.astimezone(UTC), before.astimezone(UTC))

    def __str__(self) -> str:
        return f"{self.after.isoformat()}..{self.before.isoformat()}"


def resume(saved: Checkpoint | None, *, seller: str, stream: str, since: datetime) -> Checkpoint:
    """Where to resume: the saved checkpoint, the start of its window if its cursor is not a time, else ``since``."""
    if saved is None:
        return Checkpoint(seller=seller, stream=stream, last_updated_after=since.astimezone(UTC))
    if saved.cursor is None:
        return msgspec.structs.replace(saved, upper_bound=None, last_updated_after=saved.last_updated_after - OVERLAP)
    if time_in(saved.cursor) is None:  # an earlier version stored Amazon's token here
        return msgspec.structs.replace(saved, upper_bound=None, cursor=None, cursor_at=None)
    return saved


def time_in(cursor: str | None) -> datetime | None:
    """The time in a cursor, if it is a time."""
    try:
        return datetime.fromisoformat(cursor) if cursor is not None else None
    except ValueError:
        return None


def advance(
    checkpoint: Checkpoint, *, read_to: datetime, upper_bound: datetime | None, is_complete: bool, now: datetime
) -> Checkpoint:
    """The checkpoint to commit with a page's rows, after the window has been read up to ``read_to``.

    After a complete window, it is the start of the next one. ``upper_bound`` is the window's end, if Amazon stated it.
    """
    if is_complete:
        return Checkpoint(seller=checkpoint.seller, stream=checkpoint.stream, last_updated_after=read_to)
    return msgspec.structs.replace(checkpoint, upper_bound=upper_bound, cursor=read_to.isoformat(), cursor_at=now)


def moment(clock: Clock) -> datetime:
    """The clock's time as a datetime."""
    return datetime.fromtimestamp(clock.time(), UTC)

"""Where a seller's sync stands, and how it moves: pure decisions on values.

A sync reads *windows*: every order updated at or after ``last_updated_after`` and before ``upper_bound``. Amazon
states the upper bound in its reply (``lastUpdatedBefore``, two minutes behind its clock), and no clock of ours is
asked. A window begins five minutes before the end of the one before it: orders have been seen to appear in lists
minutes after their last update (github.com/amzn/docs issue 2131), and what is met again costs no request while a page
has room. Inside a window, ``cursor`` is the token of the page to fetch next. Amazon keeps a token for 24 hours; an
older one means that the window starts again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from spapi_async._core.clock import Clock
from spapi_async.errors import ConfigurationError

__all__ = ["Checkpoint", "Window", "advance", "moment", "restart", "resume"]

# searchOrders' token lives 24 hours (model text); a margin, because the page must also be fetched in that time.
CURSOR_LIFETIME = timedelta(hours=23, minutes=30)

OVERLAP = timedelta(minutes=5)
"""How far a window reaches back into the one before it: lists lag behind by some three minutes at times."""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one seller's one stream of orders.

    Attributes:
        seller: the seller id, or the key of the account where no seller id was given.
        stream: the API and its marketplaces; changing them starts another stream.
        last_updated_after: start of the window.
        upper_bound: end of the window, once Amazon has said it.
        cursor: token of the next page; None at the start of a window.
        cursor_at: when the cursor was received.
    """

    seller: str
    stream: str
    last_updated_after: datetime
    upper_bound: datetime | None = None
    cursor: str | None = None
    cursor_at: datetime | None = None

    @property
    def inside_window(self) -> bool:
        """Whether a window has been begun and not finished."""
        return self.cursor is not None


class Window(msgspec.Struct, frozen=True):
    """A span of time that is read again, apart from where the stream stands."""

    after: datetime
    before: datetime

    @classmethod
    def of(cls, after: datetime, before: datetime) -> Window:
        """The span between two times.

        Raises:
            ConfigurationError: they have no time zone, or the first is not before the second.
        """
        if after.tzinfo is None or before.tzinfo is None:
            raise ConfigurationError("both times of a window must have a time zone")
        if after >= before:
            raise ConfigurationError(f"a window must begin before it ends: {after.isoformat()}, {before.isoformat()}")
        return cls(after.astimezone(UTC), before.astimezone(UTC))

    def __str__(self) -> str:
        return f"{self.after.isoformat()}..{self.before.isoformat()}"


def resume(saved: Checkpoint | None, *, seller: str, stream: str, since: datetime, now: datetime) -> Checkpoint:
    """Where to go on: the saved place, its window's start if the cursor is too old, or ``since`` the first time."""
    if saved is None:
        return Checkpoint(seller=seller, stream=stream, last_updated_after=since.astimezone(UTC))
    if saved.cursor is None:
        return msgspec.structs.replace(saved, upper_bound=None, last_updated_after=saved.last_updated_after - OVERLAP)
    if saved.cursor_at is None or now - saved.cursor_at > CURSOR_LIFETIME:
        return restart(saved)
    return saved


def restart(checkpoint: Checkpoint) -> Checkpoint:
    """The same window from its first page; rows already stored are met again and change nothing."""
    return msgspec.structs.replace(checkpoint, upper_bound=None, cursor=None, cursor_at=None)


def advance(checkpoint: Checkpoint, *, cursor: str | None, upper_bound: datetime | None, now: datetime) -> Checkpoint:
    """The checkpoint to commit together with a page's rows.

    ``cursor`` is the token of the page after it; None ends the window. The earliest upper bound that any page of the
    window stated is kept: a later one would skip what was updated between two pages.
    """
    bounds = [bound for bound in (checkpoint.upper_bound, upper_bound) if bound is not None]
    bound = min(bounds, default=None)
    if cursor is None:
        # No bound stated: nothing says how far this window reached, so the next one starts where it did.
        after = max(checkpoint.last_updated_after, bound) if bound else checkpoint.last_updated_after
        return Checkpoint(seller=checkpoint.seller, stream=checkpoint.stream, last_updated_after=after)
    return msgspec.structs.replace(checkpoint, upper_bound=bound, cursor=cursor, cursor_at=now)


def moment(clock: Clock) -> datetime:
    """The clock's time as a datetime."""
    return datetime.fromtimestamp(clock.time(), UTC)

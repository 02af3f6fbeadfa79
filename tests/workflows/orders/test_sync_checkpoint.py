"""Where a sync goes on from: decisions on values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from spapi_async.workflows.orders._checkpoint import Checkpoint, advance, restart, resume

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
BOUND = datetime(2026, 2, 1, tzinfo=UTC)
NOW = datetime(2026, 2, 1, 0, 2, tzinfo=UTC)
START = Checkpoint(seller="s", stream="o", last_updated_after=SINCE)
INSIDE = msgspec.structs.replace(START, upper_bound=BOUND, cursor="page-2", cursor_at=NOW)


def go_on(saved: Checkpoint | None, now: datetime = NOW) -> Checkpoint:
    """Resume with the usual facts."""
    return resume(saved, seller="s", stream="o", since=SINCE, now=now)


def test_first_run_starts_at_since() -> None:
    """Without a checkpoint the window starts where the caller says, on its first page."""
    assert go_on(None) == START


def test_resumed_run_asks_for_the_saved_page() -> None:
    """A fresh cursor is used as it is."""
    assert go_on(INSIDE, NOW + timedelta(hours=1)) == INSIDE


def test_cursor_older_than_a_day_restarts_its_window() -> None:
    """Amazon forgets a token after 24 hours: the same window is read again from its first page."""
    assert go_on(INSIDE, NOW + timedelta(hours=24)) == START


def test_next_window_starts_at_the_bound_that_amazon_stated() -> None:
    """Windows meet: the upper bound of one is the start of the next."""
    after = advance(INSIDE, cursor=None, upper_bound=BOUND, now=NOW)
    assert after == msgspec.structs.replace(START, last_updated_after=BOUND)


def test_earliest_bound_of_a_window_is_kept() -> None:
    """A later page's later bound would skip what was updated between the two pages."""
    after = advance(INSIDE, cursor="page-3", upper_bound=BOUND + timedelta(minutes=5), now=NOW)
    assert (after.cursor, after.upper_bound) == ("page-3", BOUND)


def test_window_without_a_stated_bound_is_read_again() -> None:
    """Where Amazon leaves its bound out, nothing is skipped: the next run starts where this one did."""
    after = advance(START, cursor=None, upper_bound=None, now=NOW)
    assert after.last_updated_after == SINCE


def test_bound_before_the_start_never_moves_a_checkpoint_back() -> None:
    """A clock that jumps at Amazon's does not make a sync read its history again."""
    after = advance(START, cursor=None, upper_bound=SINCE - timedelta(days=9), now=NOW)
    assert after.last_updated_after == SINCE


def test_restart_forgets_the_page_and_keeps_the_window() -> None:
    """Reading a window again begins where the window began."""
    assert restart(INSIDE) == START


def test_a_window_begins_five_minutes_before_the_end_of_the_last() -> None:
    """Lists lag behind: what appears late is met again."""
    ended = advance(INSIDE, cursor=None, upper_bound=BOUND, now=NOW)
    assert go_on(ended).last_updated_after == ended.last_updated_after - timedelta(minutes=5)

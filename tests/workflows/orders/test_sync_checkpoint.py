"""Where a sync continues: decisions on values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from spapi_async.workflows.orders._checkpoint import Checkpoint, advance, resume, time_in

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
PLACE = datetime(2026, 1, 20, tzinfo=UTC)
BOUND = datetime(2026, 2, 1, tzinfo=UTC)
NOW = datetime(2026, 2, 1, 0, 2, tzinfo=UTC)
START = Checkpoint(seller="s", stream="o", last_updated_after=SINCE)
INSIDE = msgspec.structs.replace(START, upper_bound=BOUND, cursor=PLACE.isoformat(), cursor_at=NOW)


def resume_from(saved: Checkpoint | None) -> Checkpoint:
    """Resume with the usual facts."""
    return resume(saved, seller="s", stream="o", since=SINCE)


def test_first_run_starts_at_since() -> None:
    """Without a checkpoint the window starts where the caller says."""
    assert resume_from(None) == START


def test_a_resumed_run_continues_inside_its_window() -> None:
    """A time never expires, unlike Amazon's tokens."""
    assert resume_from(INSIDE) == INSIDE
    assert INSIDE.inside_window
    assert time_in(INSIDE.cursor) == PLACE


def test_a_token_of_an_earlier_version_restarts_its_window() -> None:
    """It contains no time: the window is read again from its start."""
    assert resume_from(msgspec.structs.replace(INSIDE, cursor="page-2")) == START


def test_a_page_inside_a_window_keeps_its_start_and_says_how_far_it_is() -> None:
    """It also has the end of the window that Amazon stated."""
    inside = advance(START, read_to=PLACE, upper_bound=BOUND, is_complete=False, now=NOW)
    assert inside == INSIDE


def test_next_window_starts_where_this_one_was_read_to() -> None:
    """Windows have no gaps."""
    after = advance(INSIDE, read_to=BOUND, upper_bound=BOUND, is_complete=True, now=NOW)
    assert after == msgspec.structs.replace(START, last_updated_after=BOUND)


def test_a_window_begins_five_minutes_before_the_end_of_the_last() -> None:
    """Lists lag behind, so late orders are read again."""
    ended = advance(INSIDE, read_to=BOUND, upper_bound=BOUND, is_complete=True, now=NOW)
    assert resume_from(ended).last_updated_after == ended.last_updated_after - timedelta(minutes=5)

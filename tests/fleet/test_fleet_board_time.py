"""The time of a board, when clocks are set."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spapi_async.fleet._board_time import JUMP, BoardTime, read, ticked, uptime

WALL = 1_800_000_000.0


def test_a_new_board_begins_with_the_clock_of_redis() -> None:
    """And goes on with it."""
    now = ticked(None, WALL, None)
    assert now == BoardTime(WALL)
    assert ticked(now, WALL + 1, 1.0) == BoardTime(WALL + 1)
    assert read(None, WALL) == BoardTime(WALL)


@pytest.mark.parametrize("set_by", [-86_400.0, -3600.0, 3600.0, 86_400.0])
def test_a_clock_that_is_set_does_not_move_the_board(set_by: float) -> None:
    """A second later it is a second later; what is shown is by the clock as it is set now."""
    now = ticked(BoardTime(WALL), WALL + 1 + set_by, 1.0)
    assert now == BoardTime(WALL + 1, -set_by)
    assert ticked(now, WALL + 2 + set_by, 1.0) == BoardTime(WALL + 2, -set_by)


def test_whoever_takes_over_accepts_that_time_has_passed_and_not_that_it_went_back() -> None:
    """How much has passed it cannot know."""
    assert ticked(BoardTime(WALL), WALL + 3600, None) == BoardTime(WALL + 3600)
    assert ticked(BoardTime(WALL), WALL - 3600, None) == BoardTime(WALL, 3600)


def test_who_does_not_schedule_follows_a_clock_set_forward_for_half_a_minute() -> None:
    """Until the scheduler has seen it; and never one that is set back."""
    assert read(BoardTime(WALL), WALL + 20) == BoardTime(WALL + 20)
    assert read(BoardTime(WALL), WALL + 3600).at == WALL + JUMP
    assert read(BoardTime(WALL), WALL - 3600) == BoardTime(WALL, 3600)
    assert read(BoardTime(WALL, 3600), WALL - 3590) == BoardTime(WALL + 10, 3600)


@given(
    st.lists(
        st.tuples(st.floats(0, 20), st.sampled_from([0.0, 0.0, 0.02, -0.02, 3.0, -3.0, 7200.0, -7200.0]), st.booleans())
    )
)
def test_a_board_never_goes_back_and_keeps_pace(steps: list[tuple[float, float, bool]]) -> None:
    """Whatever happens to the clock of Redis, and whoever ticks: only small steps and changes of scheduler count."""
    wall, passed, allowed, now = WALL, 0.0, 0.001, BoardTime(WALL)
    for seconds, step, is_mine in steps:
        wall, passed = wall + seconds + step, passed + seconds
        after = ticked(now, wall, seconds if is_mine else None)
        allowed += abs(step) if not is_mine or abs(step) <= JUMP else 0.0
        allowed += seconds if not is_mine else 0.0  # while the clock was set back
        assert after.at >= now.at
        assert after.at - after.ahead == pytest.approx(wall)
        now = after
        assert abs(now.at - WALL - passed) <= allowed


def test_where_sleep_cannot_be_counted_uptime_is_the_monotonic_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only Linux has a clock that goes on while the machine sleeps."""
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    before = time.monotonic()
    assert before <= uptime() <= time.monotonic()

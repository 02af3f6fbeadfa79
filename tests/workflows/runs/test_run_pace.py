"""When Amazon is polled, and with which operation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spapi_async.workflows.runs._pace import Terms, Waiting, asks_for_list, pause

RATES = {"get_rate": 2.0, "list_rate": 0.0222}


@pytest.mark.parametrize(("waiting", "lists"), [(1, False), (89, False), (91, True), (500, True)])
def test_a_list_is_requested_from_about_ninety_runs_on(waiting: int, lists: bool) -> None:
    """For fewer, one getReport for each takes less than the 45 seconds of a getReports call."""
    assert asks_for_list(waiting, lists=1, **RATES) is lists


def test_runs_of_many_types_are_polled_one_by_one() -> None:
    """Ninety-five runs of fifty types would need five lists of 45 seconds each."""
    assert not asks_for_list(95, lists=5, **RATES)


@pytest.mark.parametrize(("age", "seconds"), [(0.0, 0.5), (1.0, 0.5), (8.0, 2.0), (120.0, 30.0), (4000.0, 60.0)])
def test_the_pause_grows_with_the_age_of_a_run(age: float, seconds: float) -> None:
    """It is a quarter of the age, at least what the plan allows and at most a minute."""
    assert pause(Waiting(0.0, age), Terms(1, 2.0)) == seconds


@given(st.integers(1, 90), st.floats(0, 1e5))
def test_many_runs_share_the_plan(among: int, age: float) -> None:
    """Together they are polled no more often than the plan allows."""
    assert among / pause(Waiting(0.0, age), Terms(among, 2.0)) <= 2.0 + 1e-9


def test_notifications_slow_polling_down() -> None:
    """It does not stop, since they may be lost."""
    assert pause(Waiting(0.0, 0.0), Terms(1, 2.0, notified=True)) == 30.0
    assert pause(Waiting(0.0, 9e9), Terms(1, 2.0, notified=True)) == 300.0

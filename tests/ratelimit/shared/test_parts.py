"""The small parts of shared limits: demand, forecasts, forgotten lanes, and what a key shows."""

from __future__ import annotations

import msgspec
import pytest

from spapi_async.ratelimit.shared._demand import Demand
from spapi_async.ratelimit.shared.redis._snapshot import read_snapshot


def busy(calls_a_second: float, *, can_be_lent: bool = True) -> Demand:
    """The state at 60 s after so many calls a second, evenly spaced."""
    demand = Demand(0.0, can_be_lent=can_be_lent)
    for number in range(round(60 * calls_a_second)):
        demand.arrived(number / calls_a_second)
    return demand


def test_tokens_are_leased_from_four_calls_a_second_on() -> None:
    """Below that rate, each call may well cost an exchange. Tokens of a window cannot be leased."""
    demand = busy(50.0)
    assert [demand.wish(60.0, pace, 1.0) for pace in (1.0, 3.9)] == [0, 0]
    assert [demand.wish(60.0, pace, 1.0) for pace in (4.0, 8.0, 20.0)] == [10, 10, 20]
    assert busy(50.0, can_be_lent=False).wish(60.0, 20.0, 1.0) == 0


def test_the_size_of_a_lease_follows_the_calls() -> None:
    """It has up to ten tokens, and none without calls."""
    assert [busy(rate).wish(60.0, 20.0, 1.0) for rate in (1.0, 2.0, 5.0)] == [3, 7, 10]
    assert Demand(0.0, can_be_lent=True).wish(60.0, 20.0, 1.0) == 0


PLAN_KEY = "spapi:{application:na:tests_v0.get_thing}:A1@na"


def test_calls_of_a_crashed_process_are_not_counted() -> None:
    """A live process asks again within ten seconds. A bucket is shown as full as it has become since it was written."""
    processes = {"alive": {"c": [1, 2, 0], "s": 995.0}, "crashed": {"c": [0, 7, 0], "s": 900.0}}
    state = {"adm": 4, "thr": 1, "b": 10, "k": -2.0, "t": 999.0, "r": 0.5, "a": 1.0, "z": 8, "p": processes}
    shown = read_snapshot(PLAN_KEY, msgspec.msgpack.encode(state), 1000.0)
    assert shown is not None
    assert (shown.waiting, shown.admitted, shown.throttled, shown.account) == (3, 4, 1, "A1@na")
    assert (shown.rate, shown.announced_rate, shown.burst, shown.tokens) == (0.5, 1.0, 8, -1.5)
    assert shown.next_available == pytest.approx((1 + 3 + 1.5) / 0.5)


def test_a_window_shows_what_is_left_of_it() -> None:
    """Requests older than the window do not count; it opens when the oldest one that fills it leaves."""
    key = f"{PLAN_KEY}|reportType#SALES"
    state = {"adm": 4, "thr": 0, "b": 2, "w": 100.0, "log": [850.0, 920.0, 950.0], "i": "reportType=SALES"}
    shown = read_snapshot(key, msgspec.msgpack.encode(state), 1000.0)
    assert shown is not None
    assert (shown.tokens, shown.window, shown.rule, shown.rate) == (0, 100.0, "reportType=SALES", 0.02)
    assert shown.next_available == 20.0
    blocked = msgspec.msgpack.encode({**state, "log": [], "block": 1030.0})
    shown = read_snapshot(key, blocked, 1000.0)
    assert shown is not None
    assert (shown.tokens, shown.next_available) == (2, 30.0)


@pytest.mark.parametrize("key", ["spapi:probe:me", PLAN_KEY.rpartition("A1")[0], "else"])
def test_keys_that_are_not_limits_are_not_shown(key: str) -> None:
    """Neither is a value that another program wrote under such a key."""
    state = msgspec.msgpack.encode({"adm": 0, "thr": 0})
    assert read_snapshot(key, state, 0.0) is None
    assert read_snapshot(PLAN_KEY, b"\xc1", 0.0) is None
    assert read_snapshot(PLAN_KEY, state, 0.0) is not None

"""The tokens that a process has and has not used."""

from __future__ import annotations

import math

import pytest

from spapi_async.ratelimit.shared._slot import Slot
from spapi_async.ratelimit.shared._stock import Stock


def stock_of(*slots: Slot) -> Stock:
    """A stock into which these tokens were put."""
    stock = Stock()
    for slot in slots:
        stock.put(slot)
    return stock


def leased(at: float = 0.0, expires: float = 10.0, idle_at: float = math.inf, booked: float = 0.0) -> Slot:
    """A token for an expected call."""
    return Slot(at, expires, leased=True, idle_at=idle_at, booked=booked)


def test_tokens_are_used_in_the_order_in_which_they_become_usable() -> None:
    """Of those that become usable together, in the order in which they came, but a returned one is first."""
    late, early, equal, returned = Slot(2.0), Slot(1.0), Slot(1.0), Slot(1.5)
    stock = stock_of(late, early, equal)
    stock.put_first(returned)
    assert [stock.take(5.0) for _ in range(5)] == [returned, early, equal, late, None]


def test_a_token_is_usable_from_its_time_on() -> None:
    """At that moment, but not before."""
    stock = stock_of(Slot(1.0), Slot(2.0), Slot(2.0), Slot(3.0))
    assert [stock.usable_by(moment) for moment in (0.9, 1.0, 1.9, 2.0, 3.0)] == [0, 1, 1, 3, 4]
    assert stock.take(0.9) is None
    assert stock.take(1.0) is not None
    assert (stock.first_at(), stock.at(1), stock.last_at(), len(stock)) == (2.0, 2.0, 3.0, 3)
    assert Stock().first_at() == math.inf


def test_tokens_go_to_the_most_urgent_calls_first() -> None:
    """Of three tokens two serve the urgent calls and one the next call."""
    assert stock_of(Slot(0.0), Slot(0.0), Slot(0.0)).uncovered((2, 2, 1)) == (0, 1, 1)


def test_only_granted_tokens_are_booked() -> None:
    """The store assumes that the earliest was used at its time; a leased one is booked when it is taken."""
    stock = stock_of(Slot(0.0, booked=7.0), Slot(0.0, booked=6.0), leased(booked=5.0))
    assert stock.booked_first() == 6.0
    assert stock_of(leased()).booked_first() == math.inf


@pytest.mark.parametrize(
    ("slot", "idle_until", "ends"),
    [
        (leased(expires=4.0), 0.0, 4.0),
        (leased(expires=4.0, idle_at=2.0), 0.0, 2.0),
        (leased(expires=4.0, idle_at=2.0), 3.0, 3.0),
        (leased(expires=4.0, idle_at=2.0), 5.0, 4.0),
    ],
    ids=["lease", "no calls", "calls lately", "lease, whatever the calls"],
)
def test_a_leased_token_is_returned_at_its_end(slot: Slot, idle_until: float, ends: float) -> None:
    """Then and not later: a timer is set for that moment."""
    stock = stock_of(Slot(0.0), slot)
    assert stock.first_end(idle_until) == ends
    assert stock.expire(ends - 0.1, idle_until) == 0
    assert stock.expire(ends, idle_until) == 1
    assert (len(stock), stock.first_end(idle_until)) == (1, math.inf)


def test_granted_and_leased_tokens_are_given_back_separately() -> None:
    """Their numbers are reported."""
    stock = stock_of(Slot(0.0), leased(), leased(), Slot(1.0), Slot(2.0))
    assert (stock.drop_granted(), len(stock)) == (3, 2)
    assert (stock.drop_granted(), stock.drop_leased(), len(stock)) == (0, 2, 0)

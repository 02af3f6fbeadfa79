"""Requests under way: when they left, how long their replies took, and what is held back in a silence."""

from __future__ import annotations

import math

import pytest

from spapi_async.ratelimit._jitter import LARGEST_JITTER, LEAST_REPLIES, UNKNOWN_JITTER
from spapi_async.ratelimit.shared._flights import Flights, Silence
from spapi_async.ratelimit.shared._slot import Slot


def fly(flights: Flights, left_at: float, took: float, *, replied: bool = True) -> None:
    """Send a request and take its reply, or give it up."""
    slot = Slot(left_at, leased=True)
    flights.depart(slot, left_at, Silence(10.0))
    flights.land(slot, left_at + took, replied=replied)


def test_the_longest_round_trip_counts_and_not_the_last() -> None:
    """It is forgotten after one to two spans of five seconds."""
    flights = Flights()
    fly(flights, 0.0, 0.9)
    fly(flights, 1.0, 0.1)
    assert flights.slowest(2.0) == pytest.approx(0.9)
    assert flights.slowest(6.0) == pytest.approx(0.9)
    assert flights.slowest(12.0) == 0.0


def test_a_round_trip_begins_its_own_span() -> None:
    """A reply after five seconds does not make an old round trip last longer."""
    flights = Flights()
    fly(flights, 0.0, 0.9)
    fly(flights, 6.0, 0.1)
    assert flights.slowest(10.0) == pytest.approx(0.9)
    assert flights.slowest(11.5) == pytest.approx(0.1)


def test_a_request_that_leaves_late_counts_as_late() -> None:
    """Its round trip begins when its token was due, since that is the time that the store assumes."""
    flights = Flights()
    first, slot = Slot(0.0), Slot(10.0)
    flights.depart(first, 0.0, Silence(10.0))
    flights.land(first, 0.1, replied=True)
    flights.depart(slot, 10.3, Silence(10.0))
    flights.land(slot, 10.4, replied=True)
    assert flights.slowest(10.4) == pytest.approx(0.4)


def test_nothing_is_known_of_the_network_before_the_first_reply() -> None:
    """A request that is given up says nothing. The setting is the least that is assumed afterwards."""
    flights = Flights()
    fly(flights, 0.0, 5.0, replied=False)
    assert (flights.replied, flights.lateness(0.3), flights.landed_at) == (False, UNKNOWN_JITTER, 5.0)
    fly(flights, 6.0, 1.0)
    assert (flights.replied, flights.lateness(0.3), flights.landed_at) == (True, 0.3, 7.0)
    assert flights.lateness(0.0) == LARGEST_JITTER


def test_round_trips_begun_before_the_first_reply_are_not_learned_from() -> None:
    """Connections may have had to be opened; later ones are learned from."""
    flights = Flights()
    early = [Slot(0.0, leased=True) for _ in range(2 * LEAST_REPLIES)]
    for slot in early:
        flights.depart(slot, 0.0, Silence(100.0))
    for slot in early:
        flights.land(slot, 3.0, replied=True)
    assert flights.lateness(0.0) == LARGEST_JITTER
    for number in range(LEAST_REPLIES):
        fly(flights, 4.0 + number, 0.25)
    assert flights.lateness(0.0) == 0.0


def test_a_request_that_was_not_sent_leaves_no_trace() -> None:
    """Neither here nor in the silence of its bucket."""
    flights, silence = Flights(), Silence(1.0)
    sent, unsent = Slot(0.0, booked=8.0), Slot(0.0, booked=7.0)
    for slot in (unsent, sent):
        flights.depart(slot, 0.0, silence)
    assert (len(flights), flights.booked_first()) == (2, 7.0)
    flights.recall(unsent)
    flights.land(unsent, 4.0, replied=False)
    assert (len(flights), flights.booked_first(), flights.slowest(4.0)) == (1, 8.0, 0.0)
    flights.recall(sent)
    assert (len(flights), flights.booked_first()) == (0, math.inf)


def test_tokens_are_held_back_until_enough_requests_have_arrived() -> None:
    """For a bucket of one, both requests must have arrived."""
    silence = Silence(1.0)
    silence.depart(Slot(0.0), 0.0, 0.1)
    silence.depart(Slot(0.5), 0.5, 0.6)
    assert silence.lasts(0.05) == 0.0
    assert silence.lasts(0.6) == pytest.approx(0.9)
    assert silence.lasts(1.5) == 0.0


def test_a_silence_begins_when_a_reply_is_due_and_ends_a_second_after_its_request() -> None:
    """At these moments: timers are set for them."""
    silence = Silence(1.0)
    silence.depart(Slot(0.0), 0.0, 0.25)
    assert [silence.lasts(now) for now in (0.24, 0.25, 0.75, 1.0)] == [0.0, 0.75, 0.25, 0.0]


@pytest.mark.parametrize(("most", "held_back"), [(0.4, 1), (1.9, 1), (2.0, 2)])
def test_a_share_of_a_burst_is_at_least_one_request_and_whole(most: float, held_back: int) -> None:
    """So many requests may be under way in a silence."""
    silence = Silence(most)
    sent = 0
    while not silence.lasts(0.5):
        silence.depart(Slot(0.0), 0.0, 0.25)
        sent += 1
    assert sent == held_back


def test_a_recalled_request_ends_no_silence() -> None:
    """Unlike a reply, it does not show that earlier requests have arrived."""
    silence = Silence(1.0)
    first, second = Slot(0.0), Slot(0.0)
    for slot in (first, second):
        silence.depart(slot, 0.0, 0.25)
    silence.recall(second)
    assert silence.lasts(0.5) == 0.5
    silence.end(first)
    assert silence.lasts(0.5) == 0.0

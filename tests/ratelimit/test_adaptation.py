"""What the limiter learns from the 429s of one bucket, call by call."""

from __future__ import annotations

import pytest

from spapi_async.ratelimit._adaptation import Adaptation


def test_requests_sent_before_the_last_429_teach_nothing() -> None:
    """They met the same empty bucket; one that was sent afterwards did not."""
    adaptation = Adaptation(1.0, 10)
    assert adaptation.throttled(sent_at=1.0, now=3.0)
    rate = adaptation.rate
    assert not adaptation.throttled(sent_at=2.0, now=4.0)
    assert (adaptation.rate, adaptation.event_at) == (rate, 3.0)
    assert adaptation.throttled(sent_at=3.5, now=5.0)
    assert adaptation.rate < rate


def test_a_header_keeps_what_429s_have_lowered() -> None:
    """The lowered rate keeps its proportion to the announced one, which may also rise."""
    adaptation = Adaptation(1.0, 10)
    adaptation.throttled(sent_at=1.0, now=2.0)
    lowered = adaptation.rate
    adaptation.announce(0.5)
    assert adaptation.rate == pytest.approx(lowered / 2)
    adaptation.announce(2.0)
    assert adaptation.rate == pytest.approx(2 * lowered)


@pytest.mark.parametrize("streak", [0, 1, 2, 4, 7])
def test_a_rate_that_is_far_too_high_falls_to_the_lowest_and_stays_there(streak: int) -> None:
    """Short streaks, even of equal length at each rate on the way, do not show that lower rates are futile."""
    adaptation, rates = Adaptation(1.0, 10), []
    for moment in range(60):
        adaptation.throttled(sent_at=moment, now=moment)
        rates.append(adaptation.rate)
        for _ in range(streak):
            adaptation.succeeded()
    assert rates == sorted(rates, reverse=True)
    assert rates[20:] == pytest.approx([0.1] * 40, rel=0.01)


def test_refusals_in_a_row_at_the_lowest_rate_show_a_neighbour() -> None:
    """Twelve such pairs are enough evidence that lower rates are futile: the announced rate is tried again."""
    adaptation, rates = Adaptation(1.0, 10), []
    for moment in range(60):
        adaptation.throttled(sent_at=moment, now=moment)
        rates.append(adaptation.rate)
        for _ in range(4 * (moment % 2)):
            adaptation.succeeded()
    fallen, retried = rates.index(min(rates)), rates.index(1.0, 1)
    assert rates[fallen] == pytest.approx(0.1, rel=0.01)
    assert (retried - fallen + 1) / 2 == 12


def test_a_loaded_burst_grows_back_to_that_of_the_rule() -> None:
    """Also if the rate has recovered already. A burst above the rule's is that of an earlier rule."""
    bucket = Adaptation(1.0, 10.0)
    bucket.restore(announced=1.0, rate=1.0, burst=4.0, event_at=0.0)
    assert bucket.burst == 4.0
    for _ in range(600):
        bucket.succeeded()
    assert bucket.burst == 10.0
    bucket.restore(announced=1.0, rate=1.0, burst=20.0, event_at=0.0)
    assert bucket.burst == 10.0

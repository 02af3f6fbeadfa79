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

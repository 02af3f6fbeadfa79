"""The state of a limit between two runs. No loop, no clock."""

from __future__ import annotations

from typing import Any

import pytest

from spapi_async._core.plan_rules import Bucket
from spapi_async.errors import ConfigurationError
from spapi_async.ratelimit._book import Charge
from spapi_async.ratelimit._bucket import Flight
from spapi_async.ratelimit._meter import Meter
from spapi_async.ratelimit.local._state import BucketState, pack, restore, state_of, unpack


def state(**facts: Any) -> BucketState:
    """A bucket of five with two tokens, or a window."""
    return BucketState(**{"key": ("op", "payer"), "tokens": 2.0, "announced": 1.0, "rate": 1.0, "burst": 5.0, **facts})


def test_everything_in_a_state_ages() -> None:
    """Also in the other forms of a rule; a closed window opens."""
    window = state(seconds=60.0, ages=[1.0, 5.0], gone=9.0, blocked=2.0)
    later = state(age=4.0, others=[window]).later(3.0)
    assert (later.tokens, later.age) == (5.0, 7.0)
    (other,) = later.others
    assert (other.ages, other.gone, other.blocked) == ([4.0, 8.0], 12.0, 0.0)


def test_what_never_happened_does_not_age() -> None:
    """And nothing becomes younger when the clock is set back."""
    assert (state().later(3.0).age, state().later(3.0).gone) == (None, None)
    assert state(age=4.0, ages=[1.0]).later(-3.0) == state(age=4.0, ages=[1.0])


@pytest.mark.parametrize("field", ["rate", "announced", "burst"])
def test_a_state_without_a_rate_or_a_burst_is_refused(field: str) -> None:
    """Whichever form of a limit it is."""
    broken = state(**{field: 0.0})
    for states in ([state(), broken], [state(others=[broken])]):
        with pytest.raises(ConfigurationError, match="not above zero"):
            unpack(pack(states, 0.0), 0.0)


def test_only_what_was_learned_from_a_429_has_an_age() -> None:
    """The announced rate is valid for ever."""
    meter = Meter(Charge(key=("op", "payer"), limit=Bucket(1.0, 5), kind="plan", shared=False), 0.0)
    assert state_of(meter, 10.0).age is None
    meter.refused(Flight(2.0, sent_at=2.0), 2.0, 2.0)
    assert state_of(meter, 10.0).age == 8.0


def test_the_largest_burst_is_remembered_over_several_changes() -> None:
    """It may have been that of a version before the one that saved the state."""
    rule = Meter(Charge(key=("op", "payer", "rule", "0"), limit=Bucket(1.0, 3), kind="rule", shared=False), 0.0)
    restore(rule, state(widest=9.0), 0.0)
    assert state_of(rule, 0.0).widest == 9.0

"""When a request is sent again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spapi_async._core.operation import Operation, UsagePlan
from spapi_async._engine.retry import Outcome, RetryPolicy

POLICY = RetryPolicy(attempts=4, throttled_attempts=20, base=0.5, cap=20.0)


def an_operation(*, idempotent: bool) -> Operation[Any]:
    return Operation(
        name="x.y", id="y", method="POST", path="/y", usage_plan=UsagePlan(rate=1, burst=1), idempotent=idempotent
    )


READ, WRITE = an_operation(idempotent=True), an_operation(idempotent=False)


@pytest.mark.parametrize("outcome", [Outcome.NO_REPLY, Outcome.SERVER_ERROR])
def test_a_write_that_may_have_happened_is_not_repeated(outcome: Outcome) -> None:
    """`purchaseShipment` after a read timeout or a 500 is sent once."""
    assert POLICY.delay(WRITE, outcome, 1) is None
    assert POLICY.delay(READ, outcome, 1) is not None


@pytest.mark.parametrize("operation", [READ, WRITE])
def test_unsent_and_throttled_requests_are_repeated(operation: Operation[Any]) -> None:
    """Neither can have taken effect."""
    assert POLICY.delay(operation, Outcome.NOT_SENT, 1) is not None
    assert POLICY.delay(operation, Outcome.THROTTLED, 1) == 0.0


def test_a_refusal_is_final() -> None:
    """A 400 is not repeated."""
    assert POLICY.delay(READ, Outcome.REFUSED, 1) is None


@given(st.integers(1, 200), st.sampled_from(Outcome), st.booleans(), st.floats(0, 1))
def test_retries_are_bounded_in_number_and_delay(
    failures: int, outcome: Outcome, idempotent: bool, luck: float
) -> None:
    """A delay lies between zero and a ceiling that doubles up to the cap."""
    delay = POLICY.delay(an_operation(idempotent=idempotent), outcome, failures, rand=lambda: luck)
    limit = POLICY.throttled_attempts if outcome is Outcome.THROTTLED else POLICY.attempts
    if failures >= limit:
        assert delay is None
    if delay is not None:
        assert 0 <= delay <= min(POLICY.cap, POLICY.base * 2 ** (failures - 1))


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (429, Outcome.THROTTLED),
        (500, Outcome.SERVER_ERROR),
        (503, Outcome.SERVER_ERROR),
        (408, Outcome.SERVER_ERROR),
        (400, Outcome.REFUSED),
        (302, Outcome.REFUSED),
    ],
)
def test_a_status_is_an_outcome(status: int, outcome: Outcome) -> None:
    """Only 429, 408 and 5xx are repeated."""
    assert Outcome.of_status(status) is outcome


def test_the_longest_delay_doubles_from_base_to_cap() -> None:
    """Before the first repetition it is the base."""
    policy = RetryPolicy(attempts=9, base=1.0, cap=5.0)
    longest = [policy.delay(READ, Outcome.SERVER_ERROR, failures, rand=lambda: 1.0) for failures in range(1, 6)]
    assert longest == [1.0, 2.0, 4.0, 5.0, 5.0]

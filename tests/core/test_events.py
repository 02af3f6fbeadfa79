"""Observers."""

import logging

import pytest

from spapi_async import Event, Waited
from spapi_async._core.events import Observers

EVENT = Waited(operation="orders_v0.get_order", account="k@na", seconds=1.5)


def test_every_observer_gets_every_event() -> None:
    """Observers are called in the order in which they were given."""
    seen: list[tuple[str, Event]] = []
    Observers([lambda event: seen.append(("a", event)), lambda event: seen.append(("b", event))]).emit(EVENT)
    assert seen == [("a", EVENT), ("b", EVENT)]


def test_an_observer_that_raises_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The error is logged, and the next observer is called."""
    seen: list[Event] = []

    def broken(event: Event) -> None:
        raise ValueError(event)

    with caplog.at_level(logging.ERROR, "spapi_async"):
        Observers([broken, seen.append]).emit(EVENT)
    assert seen == [EVENT]
    assert "failed on Waited" in caplog.text


def test_observers_are_false_when_there_are_none() -> None:
    """Hot paths then skip building events."""
    assert not Observers()
    assert Observers([print])

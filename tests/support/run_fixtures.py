"""Runs of reports, feeds and queries whose pace is not what a test is about."""

from __future__ import annotations

import pytest

from spapi_async.workflows.runs import _poller, _steps

__all__ = ["impatient", "quick_looks", "quick_polls"]


@pytest.fixture
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll a run each hundredth of a second: before the first reply names a rate, twice a second."""
    monkeypatch.setattr(_poller, "pause", lambda _waiting, _terms: 0.01)


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request whose reply is lost is looked up after a moment and soon again; as usual, it is settled in a minute.

    Until it is settled, a list without it does not mean that it was not made, however slow the machine.
    """
    for name, seconds in (("POLITE_SECONDS", 0.05), ("LOOK_AGAIN_SECONDS", 0.1)):
        monkeypatch.setattr(_steps, name, seconds)


@pytest.fixture
def impatient(quick_looks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a request counts as settled after a moment, too: the next look decides, and may be the first."""
    monkeypatch.setattr(_steps, "SETTLED_SECONDS", 0.3)

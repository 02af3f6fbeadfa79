"""Runs of reports, feeds and queries whose pace is not what a test is about."""

from __future__ import annotations

import pytest

from spapi_async.workflows.runs import _poller, _steps

__all__ = ["impatient", "quick_polls"]


@pytest.fixture
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll a run each hundredth of a second: before the first reply names a rate, twice a second."""
    monkeypatch.setattr(_poller, "pause", lambda _waiting, _terms: 0.01)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request whose reply is lost counts as settled after a moment instead of a minute."""
    for name, seconds in (("POLITE_SECONDS", 0.05), ("LOOK_AGAIN_SECONDS", 0.1), ("SETTLED_SECONDS", 0.3)):
        monkeypatch.setattr(_steps, name, seconds)

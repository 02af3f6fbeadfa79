"""What an application without a journal keeps in memory."""

from __future__ import annotations

import pytest
from virtual_time import VirtualClock, virtual_time

from spapi_async._core.journal import Entry
from spapi_async.workflows.runs import MemoryStore, _memory
from spapi_async.workflows.runs._steps import closed, known


def entry(number: int) -> Entry:
    return Entry(id=str(number), seller="A1", kind="report", fingerprint="f", request="{}", planned_at=0.0)


@virtual_time
async def test_the_number_of_entries_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest open ones are dropped, and closed ones sooner."""
    monkeypatch.setattr(_memory, "_MOST_OPEN", 20)
    monkeypatch.setattr(_memory, "_MOST_CLOSED", 5)
    store = MemoryStore(VirtualClock())
    for number in range(100):
        await store.add(entry(number))
    assert repr(store) == "<MemoryStore entries=25>"
    assert await store.get("74") is None
    assert await store.get("75") is not None


@virtual_time
async def test_closed_entries_are_kept_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then their jobs belong to them."""
    monkeypatch.setattr(_memory, "_MOST_CLOSED", 5)
    store = MemoryStore(VirtualClock())
    for number in range(7):
        added = await store.add(entry(number))
        waiting = known(added, f"job {number}", made=True)
        assert await store.swap(added, waiting)
        assert await store.swap(waiting, closed(waiting))
    assert await store.made("A1", "report", [f"job {number}" for number in range(7)]) == {
        f"job {number}" for number in range(2, 7)
    }
    assert [each.id for each in await store.recent("A1", "report", "f", since=0.0)] == ["6", "5", "4", "3", "2"]

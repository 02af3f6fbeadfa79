"""Entries in this process's memory, for applications without a journal."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from spapi_async._core.clock import Clock
from spapi_async._core.journal import Entry

__all__ = ["MemoryStore"]

_MOST_CLOSED = 1_000
_MOST_OPEN = 50_000  # bounds the memory of a process that makes requests but never reads results


class MemoryStore:
    """A journal that ends with its process. Two equal requests are always two runs here.

    It keeps the last fifty thousand open entries and the last thousand closed ones.
    """

    lasting = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, Entry] = {}
        self._makers: dict[tuple[str, str, str | None], str] = {}
        self._closed: dict[str, None] = {}

    async def now(self) -> float:
        return self._clock.time()

    async def add(self, entry: Entry) -> Entry:
        self._entries[entry.id] = entry
        if len(self._entries) > _MOST_OPEN + _MOST_CLOSED:
            self._drop(next(iter(self._entries)))
        return entry

    async def get(self, entry_id: str) -> Entry | None:
        return self._entries.get(entry_id)

    async def swap(self, old: Entry, new: Entry) -> bool:
        kept = self._entries.get(old.id)
        if kept is None or kept.version != old.version:
            return False
        if new.made and self._makers.setdefault(_job(new), new.id) != new.id:
            return False
        self._entries[new.id] = new
        if not new.open:
            self._close(new.id)
        return True

    async def made(self, seller: str, kind: str, job_ids: Collection[str]) -> frozenset[str]:
        return frozenset(job_id for job_id in job_ids if (seller, kind, job_id) in self._makers)

    async def recent(self, seller: str, kind: str, fingerprint: str, *, since: float) -> Sequence[Entry]:
        wanted = (seller, kind, fingerprint)
        found = [
            entry
            for entry in self._entries.values()
            if (entry.seller, entry.kind, entry.fingerprint) == wanted and entry.planned_at >= since
        ]
        return found[::-1]

    async def unfinished(self, *, seller: str | None = None, kind: str | None = None) -> Sequence[Entry]:
        return [e for e in self._entries.values() if e.open and seller in (None, e.seller) and kind in (None, e.kind)]

    async def aclose(self) -> None:
        self._entries.clear()
        self._makers.clear()
        self._closed.clear()

    def __repr__(self) -> str:
        return f"<MemoryStore entries={len(self._entries)}>"

    def _close(self, entry_id: str) -> None:
        self._closed[entry_id] = None
        if len(self._closed) > _MOST_CLOSED:
            self._drop(next(iter(self._closed)))

    def _drop(self, entry_id: str) -> None:
        self._closed.pop(entry_id, None)
        self._makers.pop(_job(self._entries.pop(entry_id)), None)


def _job(entry: Entry) -> tuple[str, str, str | None]:
    return entry.seller, entry.kind, entry.job_id

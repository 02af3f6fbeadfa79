"""Where a crawl writes: what every kind of output has in common.

Each row is ``identifier``, ``marketplace``, ``fetched_at`` and ``item``, which is Amazon's JSON as it came. A sink says
where each row went, so that the journal can tell a row that holds from one that was superseded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from spapi_async.workflows.bulk._journal import FAILED, MISSING, Entry, Journal

__all__ = ["Sink", "moment", "write_lists"]


class Sink(Protocol):
    """Takes rows; blocking, used in one thread at a time."""

    rows: int
    """How many rows make a write worth while."""

    exclusive: bool
    """Whether a second crawl into it must be kept out."""

    journal_path: Path

    def open(self, journal: Journal) -> None:
        """Go on where the journal ends; what was written after that is cut off."""

    def write(self, entries: Sequence[Entry]) -> tuple[list[int | None], dict[str, int]]:
        """Write the entries; where each went, and the state to be recorded with them."""

    def finish(self) -> None:
        """Everything is written and recorded: make the output whole."""

    def close(self) -> None:
        """Give up files."""


def write_lists(path: Path, journal: Journal) -> None:
    """``items.not-found.jsonl`` and ``items.failed.jsonl`` beside ``items.jsonl``; none that would be empty."""
    for status, name in ((MISSING, "not-found"), (FAILED, "failed")):
        target = path.with_name(f"{path.stem}.{name}.jsonl")
        lines = journal.lines(status)
        first = next(lines, None)
        if first is None:
            target.unlink(missing_ok=True)
            continue
        _replace(target, first, lines)


def _replace(target: Path, first: bytes, rest: Iterator[bytes]) -> None:
    draft = target.with_name(target.name + ".draft")
    with draft.open("wb") as file:
        file.write(first)
        file.writelines(rest)
    draft.replace(target)


def moment(seconds: float) -> str:
    """ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

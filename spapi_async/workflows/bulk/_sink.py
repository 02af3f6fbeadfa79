"""The protocol of a crawl's outputs.

Each row has ``identifier``, ``marketplace``, ``fetched_at`` and ``item``, which is Amazon's JSON unchanged. A sink
returns the place of each row, so that the journal can distinguish valid rows from rows that were replaced later.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from spapi_async.workflows.bulk._journal import FAILED, MISSING, Entry, Journal

__all__ = ["Sink", "draft_of", "list_beside", "moment", "resolved", "write_lists"]


class Sink(Protocol):
    """An output for rows; its methods block, and only one thread uses it at a time."""

    rows: int
    """The number of rows that are written together."""

    exclusive: bool
    """Whether only one crawl at a time may write to it."""

    journal_path: Path

    def open(self, journal: Journal) -> None:
        """Continue where the journal ends; rows that it does not know are removed."""

    def write(self, entries: Sequence[Entry]) -> tuple[list[int | None], dict[str, int]]:
        """Write the entries; returns the place of each, and the state to be recorded with them."""

    def finish(self) -> None:
        """Bring the output into its final form, after everything has been written and recorded."""

    def close(self) -> None:
        """Close files."""


def resolved(path: Path) -> Path:
    """The file to which a link leads, or else the path itself: a draft replaces this file, so that the link stays."""
    return Path(os.path.realpath(path))


def draft_of(path: Path) -> Path:
    """The draft that is to replace an output, in the folder of the file that it replaces."""
    file = resolved(path)
    return file.with_name(file.name + ".draft")


def list_beside(path: Path, name: str) -> Path:
    """The file that lists the failed identifiers of an output, or those that were not found."""
    return path.with_name(f"{path.stem}.{name}.jsonl")


def write_lists(path: Path, journal: Journal) -> None:
    """Write ``items.not-found.jsonl`` and ``items.failed.jsonl`` beside ``items.jsonl``, unless they would be empty."""
    for status, name in ((MISSING, "not-found"), (FAILED, "failed")):
        target = list_beside(path, name)
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
    """A time in ISO 8601 and UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

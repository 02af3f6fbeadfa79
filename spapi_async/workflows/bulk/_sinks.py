"""Where a crawl writes: lines of JSON, Parquet, or a table in SQLite.

Each row is ``identifier``, ``marketplace``, ``fetched_at`` and ``item``, which is Amazon's JSON as it came. A sink says
where each row went, so that the journal can tell a row that holds from one that was superseded.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from spapi_async.errors import ConfigurationError
from spapi_async.workflows.bulk._journal import FAILED, FOUND, MISSING, Entry, Journal

__all__ = ["Sink", "open_sink"]


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


def open_sink(target: str | Path) -> Sink:
    """The sink that a target names: ``items.jsonl``, ``items.parquet`` or ``sqlite:///items.db``.

    Raises:
        ConfigurationError: it names none, or its folder does not exist.
    """
    text = str(target)
    if text.startswith("sqlite:///"):
        return Table(_in_a_folder(Path(text.removeprefix("sqlite:///"))))
    path = Path(text)
    if "://" not in text and path.suffix in (".jsonl", ".ndjson"):
        return JsonLines(_in_a_folder(path))
    if "://" not in text and path.suffix == ".parquet":
        from spapi_async.workflows.bulk._parquet import Parquet

        return Parquet(_in_a_folder(path))
    raise ConfigurationError(f"cannot write to {text!r}: give items.jsonl, items.parquet or sqlite:///items.db")


def _in_a_folder(path: Path) -> Path:
    if not path.absolute().parent.is_dir():
        raise ConfigurationError(f"there is no folder {path.absolute().parent}")
    return path


class JsonLines:
    """A file with an object a line. A place is the byte at which the line begins."""

    rows = 500
    exclusive = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal_path = path.with_name(path.name + ".journal")
        self._end = 0
        self._lines = 0
        self._file: Any = None
        self._journal: Journal | None = None

    def open(self, journal: Journal) -> None:
        """Cut off a torn last line, and whole ones that the journal does not know."""
        self._journal = journal
        draft = self._draft()
        if journal.state("moving") and not draft.exists():
            self._settle(journal)
        elif draft.exists():
            draft.unlink()  # it had not taken the file's place
            journal.moved((), {"moving": 0})
        self._end, self._lines = int(journal.state("end") or 0), int(journal.state("lines") or 0)
        size = self.path.stat().st_size if self.path.exists() else 0
        if size < self._end or (size and not self._end and not journal.counts()):
            raise ConfigurationError(
                f"{self.path} and {journal.path} do not belong together: choose another output, or delete both"
            )
        self._file = self.path.open("ab")
        self._file.truncate(self._end)

    def write(self, entries: Sequence[Entry]) -> tuple[list[int | None], dict[str, int]]:
        """Append them; a write that fails half-way, for want of space, is taken back."""
        places: list[int | None] = []
        lines = []
        end = self._end
        for entry in entries:
            if entry.item:
                lines.append(_line(entry))
                places.append(end)
                end += len(lines[-1])
            else:
                places.append(None)
        try:
            self._file.write(b"".join(lines))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                self._file.truncate(self._end)
            raise
        self._end = end
        self._lines += len(lines)
        return places, {"end": end, "lines": self._lines}

    def finish(self) -> None:
        """Drop lines that later ones took the place of; list apart what was not found and what failed."""
        journal = self._journal
        assert journal is not None
        write_lists(self.path, journal)
        if self._lines > journal.counts().get(FOUND, 0):
            self._compact(journal)

    def _compact(self, journal: Journal) -> None:
        """Copy the lines that hold.

        The journal then speaks of a file that is not in place yet, so its new places are recorded as they will be,
        beside the file that they belong to; :meth:`open` finishes what a kill interrupts.
        """
        draft = self._draft()
        with self.path.open("rb") as old, draft.open("wb") as new:
            for place in journal.places():
                old.seek(place)
                new.write(old.readline())
            new.flush()
            os.fsync(new.fileno())
        journal.moved((), {"moving": 1})
        draft.replace(self.path)
        self._settle(journal)

    def _settle(self, journal: Journal) -> None:
        """The file holds the lines of the journal in its order, and nothing else: their places follow."""
        places = list(journal.places())
        moves = []
        end = 0
        with self.path.open("rb") as file:
            for old, line in zip(places, file, strict=True):
                moves.append((end, old))
                end += len(line)
        # Every line moves towards the beginning, in order, so that no new place is another line's old one.
        journal.moved(moves, {"end": end, "lines": len(moves), "moving": 0})
        self._end, self._lines = end, len(moves)

    def _draft(self) -> Path:
        return self.path.with_name(self.path.name + ".draft")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # a full disk has been reported by the write
                self._file.close()


class Table:
    """The table ``items`` in a SQLite database, which is the journal too: one transaction for both."""

    rows = 500
    exclusive = False

    def __init__(self, path: Path) -> None:
        self.journal_path = path
        self._journal: Journal | None = None

    def open(self, journal: Journal) -> None:
        """Make the table, and views of what was not found and of what failed."""
        self._journal = journal
        journal.connection.executescript(
            """
            CREATE TABLE IF NOT EXISTS items (
                identifier TEXT NOT NULL, marketplace TEXT NOT NULL, fetched_at TEXT NOT NULL, item TEXT NOT NULL,
                PRIMARY KEY (identifier, marketplace)
            ) WITHOUT ROWID;
            CREATE VIEW IF NOT EXISTS not_found AS
                SELECT identifier, marketplace FROM crawled WHERE status = 'not found';
            CREATE VIEW IF NOT EXISTS failed AS
                SELECT identifier, marketplace, error FROM crawled WHERE status = 'failed';
            """
        )

    def write(self, entries: Sequence[Entry]) -> tuple[list[int | None], dict[str, int]]:
        """Insert or replace them, in a transaction that the journal commits."""
        assert self._journal is not None
        connection = self._journal.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany(
                "INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?)",
                [(*each.key, moment(each.fetched_at), each.item.decode()) for each in entries if each.item],
            )
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return [None] * len(entries), {}

    def finish(self) -> None:
        """Nothing is left to be done."""

    def close(self) -> None:
        """The journal closes the database."""


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


def _line(entry: Entry) -> bytes:
    head = {
        "identifier": entry.key.identifier,
        "marketplace": entry.key.marketplace,
        "fetched_at": moment(entry.fetched_at),
    }
    # Amazon's JSON goes in as it came; only its own line breaks, which mean nothing between tokens, would end the line.
    item = (
        entry.item
        if b"\n" not in entry.item and b"\r" not in entry.item
        else msgspec.json.format(entry.item, indent=-1)
    )
    return msgspec.json.encode(head)[:-1] + b',"item":' + item + b"}\n"

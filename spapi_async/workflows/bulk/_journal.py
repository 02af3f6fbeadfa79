"""What a crawl has done, in SQLite: which identifiers, when, with what result, and how far the output is good.

A crawl writes its output first and this second, in one transaction with the length up to which the output holds. After
a kill the output may be longer than that; what is beyond is cut off, and the identifiers in it are asked again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from spapi_async.errors import ConfigurationError

__all__ = ["FAILED", "FOUND", "MISSING", "Entry", "Journal", "Key"]

FOUND, MISSING, FAILED = "found", "not found", "failed"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS crawled (
    identifier TEXT NOT NULL, marketplace TEXT NOT NULL, status TEXT NOT NULL, fetched_at REAL NOT NULL,
    error TEXT, place INTEGER, PRIMARY KEY (identifier, marketplace)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS crawled_place ON crawled (place);
CREATE TABLE IF NOT EXISTS crawl_state (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
"""


class Key(NamedTuple):
    """One thing to look up."""

    identifier: str
    marketplace: str


class Entry(NamedTuple):
    """What a look-up came to; ``item`` is Amazon's JSON where it was found."""

    key: Key
    status: str
    fetched_at: float
    item: bytes = b""
    error: str | None = None


class Journal:
    """The record of one crawl; blocking, to be used in one thread at a time."""

    def __init__(self, path: Path, what: str, *, exclusive: bool) -> None:
        self.path = path
        try:
            self.connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=2.0)
            if exclusive:  # a second crawl into the same file would cut off what this one writes
                self.connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self.connection.execute("PRAGMA journal_mode = WAL")
            self.connection.execute("PRAGMA synchronous = NORMAL")
            self.connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise ConfigurationError(f"cannot use {path} as a crawl's journal: {error}") from None
        before = self.state("what")
        if before is None:
            self.connection.execute("INSERT INTO crawl_state VALUES ('what', ?)", (what,))
        elif before != what:
            self.close()
            raise ConfigurationError(f"{path} belongs to a crawl of {before}, not of {what}: choose another output")

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def state(self, name: str) -> int | str | None:
        """A value that was recorded beside the entries."""
        row = self.connection.execute("SELECT value FROM crawl_state WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def due(self, keys: Sequence[Key], *, older_than: float, failed_before: float) -> list[Key]:
        """Those of the keys that are not done, or were done before a moment, or failed before another."""
        due = []
        for key in keys:
            row = self.connection.execute(
                "SELECT status, fetched_at FROM crawled WHERE identifier = ? AND marketplace = ?", key
            ).fetchone()
            if row is None or row[1] < (failed_before if row[0] == FAILED else older_than):
                due.append(key)
        return due

    def record(self, entries: Iterable[Entry], places: Iterable[int | None], state: dict[str, int]) -> None:
        """Add what was done and how far the output reaches; in the transaction that is open, or in one of its own."""
        with self._committing(state) as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO crawled VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (*each.key, each.status, each.fetched_at, each.error, place)
                    for each, place in zip(entries, places, strict=True)
                ],
            )

    def moved(self, moves: Iterable[tuple[int | None, int]] | None, state: dict[str, int]) -> None:
        """Rows have new places, given as (new, old); or (None) all of them are in place 0 now."""
        with self._committing(state) as connection:
            if moves is None:
                connection.execute("UPDATE crawled SET place = 0 WHERE place IS NOT NULL")
            else:
                connection.executemany("UPDATE crawled SET place = ? WHERE place = ?", moves)

    @contextmanager
    def _committing(self, state: dict[str, int]) -> Iterator[sqlite3.Connection]:
        """Ends the open transaction, or one of its own, with how far the output reaches; all of it or nothing."""
        connection = self.connection
        if not connection.in_transaction:
            connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.executemany("INSERT OR REPLACE INTO crawl_state VALUES (?, ?)", state.items())
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def place(self, key: Key) -> int | None:
        """Where the row of a key is, if it was found."""
        row = self.connection.execute(
            "SELECT place FROM crawled WHERE identifier = ? AND marketplace = ?", key
        ).fetchone()
        return None if row is None else row[0]

    def places(self) -> Iterator[int]:
        """The places of all rows that hold, in order."""
        rows = self.connection.execute("SELECT place FROM crawled WHERE place IS NOT NULL ORDER BY place")
        return (place for (place,) in rows)

    def counts(self) -> dict[str, int]:
        """How many there are of each status."""
        return dict(self.connection.execute("SELECT status, count(*) FROM crawled GROUP BY status"))

    def lines(self, status: str) -> Iterator[bytes]:
        """The entries of a status as lines of JSON."""
        rows = self.connection.execute(
            "SELECT identifier, marketplace, error FROM crawled WHERE status = ? ORDER BY 1, 2", (status,)
        )
        for identifier, marketplace, error in rows:
            form = {"identifier": identifier, "marketplace": marketplace}
            yield msgspec.json.encode(form if error is None else {**form, "error": error}) + b"\n"

"""The journal of a crawl, in SQLite: the result of each identifier, its time, and the valid length of the output.

A crawl first writes its output and then records the results here, in one transaction with the valid length of the
output. After a kill the output may be longer; the excess is cut off, and its identifiers are looked up again.
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
    """An identifier to look up in a marketplace."""

    identifier: str
    marketplace: str


class Entry(NamedTuple):
    """The result of a look-up; ``item`` is Amazon's JSON if it was found."""

    key: Key
    status: str
    fetched_at: float
    item: bytes = b""
    error: str | None = None


class Journal:
    """The journal of one crawl; its methods block, and only one thread may use it at a time."""

    def __init__(self, path: Path, description: str, *, exclusive: bool) -> None:
        self.path = path
        self._description = description
        self._exclusive = exclusive
        self._opened: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the file, and create it if it does not exist; waits up to two seconds for its lock.

        Raises:
            ConfigurationError: it belongs to a crawl of something else.
            sqlite3.Error: as for :meth:`unusable`.
        """
        self._opened = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, timeout=2.0)
        if self._exclusive:  # a second crawl with the same file would cut off this crawl's output
            self.connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")
        self.connection.executescript(_SCHEMA)
        before = self.state("what")
        if before is None:
            self.connection.execute("INSERT INTO crawl_state VALUES ('what', ?)", (self._description,))
        elif before != self._description:
            raise ConfigurationError(
                f"{self.path} belongs to a crawl of {before}, not of {self._description}: choose another output"
            )

    def unusable(self, error: sqlite3.Error) -> ConfigurationError:
        """What to raise if the file, or the output in it, could not be opened."""
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            return ConfigurationError(f"cannot use {self.path} as the journal of a crawl: {error}")
        user = "probably by another crawl with this output" if self._exclusive else "by a program that writes to it"
        return ConfigurationError(f"{self.path} is in use, {user}: wait until it has ended, or choose another output")

    @property
    def connection(self) -> sqlite3.Connection:
        """The open file."""
        assert self._opened is not None
        return self._opened

    def close(self) -> None:
        """Close the file, if it was opened."""
        if self._opened is not None:
            self._opened.close()

    def state(self, name: str) -> int | str | None:
        """A value that was recorded with the entries."""
        row = self.connection.execute("SELECT value FROM crawl_state WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def due(self, keys: Sequence[Key], *, older_than: float, failed_before: float) -> list[Key]:
        """The keys without a result, or with one older than ``older_than``, or that failed before ``failed_before``.

        A key that failed but has a row of an earlier look-up counts as one with a result, too.
        """
        due = []
        for key in keys:
            row = self.connection.execute(
                "SELECT status, fetched_at, place FROM crawled WHERE identifier = ? AND marketplace = ?", key
            ).fetchone()
            if row is None:
                due.append(key)
                continue
            status, fetched_at, place = row
            before = older_than if status != FAILED else failed_before
            if fetched_at < (before if place is None else max(before, older_than)):
                due.append(key)
        return due

    def record(self, entries: Iterable[Entry], places: Iterable[int | None], state: dict[str, int]) -> None:
        """Add results and the state of the output, in the open transaction or else in a new one.

        A failure says nothing about the item, so the row of an earlier look-up stays valid.
        """
        with self._committing(state) as connection:
            connection.executemany(
                "INSERT INTO crawled VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET status = excluded.status,"
                " fetched_at = excluded.fetched_at, error = excluded.error,"
                " place = CASE excluded.status WHEN 'failed' THEN place ELSE excluded.place END",
                [
                    (*each.key, each.status, each.fetched_at, each.error, place)
                    for each, place in zip(entries, places, strict=True)
                ],
            )

    def moved(self, moves: Iterable[tuple[int | None, int]] | None, state: dict[str, int]) -> None:
        """Record the new places of rows, as pairs of (new, old); None: all rows are in place 0 now."""
        with self._committing(state) as connection:
            if moves is None:
                connection.execute("UPDATE crawled SET place = 0 WHERE place IS NOT NULL")
            else:
                connection.executemany("UPDATE crawled SET place = ? WHERE place = ?", moves)

    @contextmanager
    def _committing(self, state: dict[str, int]) -> Iterator[sqlite3.Connection]:
        """Record the state of the output and commit the open transaction, or else a new one."""
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
        """The place of a key's row in the output, if it was found."""
        row = self.connection.execute(
            "SELECT place FROM crawled WHERE identifier = ? AND marketplace = ?", key
        ).fetchone()
        return None if row is None else row[0]

    def places(self) -> Iterator[int]:
        """The places of all valid rows, in order."""
        rows = self.connection.execute("SELECT place FROM crawled WHERE place IS NOT NULL ORDER BY place")
        return (place for (place,) in rows)

    def rows(self) -> int:
        """The number of valid rows."""
        (count,) = self.connection.execute("SELECT count(*) FROM crawled WHERE place IS NOT NULL").fetchone()
        return int(count)

    def lines(self, status: str) -> Iterator[bytes]:
        """The entries with a status, as lines of JSON."""
        rows = self.connection.execute(
            "SELECT identifier, marketplace, error FROM crawled WHERE status = ? ORDER BY 1, 2", (status,)
        )
        for identifier, marketplace, error in rows:
            form = {"identifier": identifier, "marketplace": marketplace}
            yield msgspec.json.encode(form if error is None else {**form, "error": error}) + b"\n"

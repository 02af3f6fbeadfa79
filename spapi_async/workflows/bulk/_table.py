"""Output to a table in SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spapi_async.workflows.bulk._journal import MISSING, Entry, Journal
from spapi_async.workflows.bulk._sink import moment

__all__ = ["Table"]


class Table:
    """The table ``items`` in a SQLite database, which also contains the journal: one transaction writes both.

    The place of a row is 0: the key finds it.
    """

    rows = 500
    exclusive = False

    def __init__(self, path: Path) -> None:
        self.journal_path = path
        self._journal: Journal | None = None

    def open(self, journal: Journal) -> None:
        """Create the table, and views of the identifiers not found and failed."""
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
        """Insert or replace the entries, and delete items that no longer exist; the journal commits the transaction."""
        assert self._journal is not None
        connection = self._journal.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany(
                "INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?)",
                [(*each.key, moment(each.fetched_at), each.item.decode()) for each in entries if each.item],
            )
            connection.executemany(
                "DELETE FROM items WHERE identifier = ? AND marketplace = ?",
                [each.key for each in entries if each.status == MISSING],
            )
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return [0 if each.item else None for each in entries], {}

    def finish(self) -> None:
        """Do nothing: the table is complete."""

    def close(self) -> None:
        """Do nothing: the journal closes the database."""

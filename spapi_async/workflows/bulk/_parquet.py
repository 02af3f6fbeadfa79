"""Output to a Parquet file: several part files during the crawl, and one file at the end.

A Parquet file is readable only when its end has been written. So each write creates a small part file, which is either
complete or absent. At the end the parts are copied into one file, row group by row group.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spapi_async.errors import ConfigurationError
from spapi_async.workflows.bulk._journal import Entry, Journal, Key
from spapi_async.workflows.bulk._sink import draft_of, resolved, write_lists

__all__ = ["Parquet"]


class Parquet:
    """A Parquet file. The place of a row is the number of the part that contains it."""

    rows = 5000
    exclusive = True

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ModuleNotFoundError:
            raise ModuleNotFoundError('Parquet needs an extra: pip install "spapi-async[arrow]"') from None
        self._pq = pq
        self._pa = pa
        self.path = path
        self.journal_path = path.with_name(path.name + ".journal")
        self._parts = path.with_name(path.name + ".parts")
        self._next = 0
        self._merged = False  # the file itself is part 0
        self._journal: Journal | None = None
        fields = [("identifier", pa.string()), ("marketplace", pa.string())]
        self._schema = pa.schema([*fields, ("fetched_at", pa.timestamp("ms", tz="UTC")), ("item", pa.string())])

    def open(self, journal: Journal) -> None:
        """Delete parts that the journal does not know: they were written just before the process was killed."""
        self._journal = journal
        recorded = journal.state("parts")
        self._next = int(recorded or 0)
        self._merged = bool(journal.state("merged"))
        if self.path.exists() and recorded is None:
            raise ConfigurationError(
                f"{self.path} exists, but was not written by the crawl of {journal.path}: choose another output"
            )
        if self._merged and not self.path.exists():
            raise ConfigurationError(f"{self.path} no longer exists: delete {journal.path} to start again")
        if recorded is None:  # from now on the file belongs to this crawl, even if nothing has been recorded yet
            journal.moved((), {"parts": 0})
        self._parts.mkdir(exist_ok=True)
        known = {f"{number}.parquet" for number in range(int(self._merged), self._next)}
        for part in self._parts.iterdir():
            if part.name not in known:
                part.unlink()

    def write(self, entries: Sequence[Entry]) -> tuple[list[int | None], dict[str, int]]:
        """Write one part; if writing fails, for example because the disk is full, the part is removed."""
        found = [entry for entry in entries if entry.item]
        number = self._next
        if found:
            columns = [
                [entry.key.identifier for entry in found],
                [entry.key.marketplace for entry in found],
                [datetime.fromtimestamp(int(entry.fetched_at), UTC) for entry in found],
                [entry.item.decode() for entry in found],
            ]
            draft = self._parts / f"{number}.draft"
            try:
                self._pq.write_table(self._pa.table(columns, schema=self._schema), draft, compression="zstd")
                draft.replace(self._part(number))
            except BaseException:
                with contextlib.suppress(OSError):
                    draft.unlink(missing_ok=True)
                raise
            self._next = number + 1
        return [number if entry.item else None for entry in entries], {"parts": self._next}

    def finish(self) -> None:
        """Copy every valid row into one file, which becomes the only part."""
        journal = self._journal
        assert journal is not None
        write_lists(self.path, journal)
        if not self._merged or self._next > 1 or self._pq.read_metadata(self.path).num_rows > journal.rows():
            self._merge(journal)
        for part in self._parts.iterdir():
            part.unlink()
        self._parts.rmdir()

    def _merge(self, journal: Journal) -> None:
        draft = draft_of(self.path)
        with self._pq.ParquetWriter(draft, self._schema, compression="zstd") as writer:
            for number in range(self._next):
                for table in self._row_groups(number):
                    writer.write_table(self._current(table, number, journal))
        draft.replace(resolved(self.path))
        # Until this is recorded the parts are valid, and the next run would merge them again.
        journal.moved(None, {"parts": 1, "merged": 1})

    def _row_groups(self, number: int) -> Iterator[Any]:
        part = self._part(number)
        if part.exists():
            with self._pq.ParquetFile(part) as file:
                for group in range(file.num_row_groups):
                    yield file.read_row_group(group)

    def _current(self, table: Any, number: int, journal: Journal) -> Any:
        """The rows without those that were fetched again later: the journal has another part as their place."""
        names = zip(table["identifier"].to_pylist(), table["marketplace"].to_pylist(), strict=True)
        holds = [journal.place(Key(*name)) == number for name in names]
        return table if all(holds) else table.filter(self._pa.array(holds, self._pa.bool_()))

    def _part(self, number: int) -> Path:
        return self.path if self._merged and number == 0 else self._parts / f"{number}.parquet"

    def close(self) -> None:
        """Nothing is open between writes."""

"""Output to a file with one JSON object per line."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from spapi_async.errors import ConfigurationError
from spapi_async.workflows.bulk._journal import Entry, Journal
from spapi_async.workflows.bulk._sink import draft_of, moment, resolved, write_lists

__all__ = ["JsonLines"]


class JsonLines:
    """A file with one JSON object per line. The place of a row is the offset of its line in bytes."""

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
        """Cut off an incomplete last line, and lines that the journal does not know."""
        self._journal = journal
        draft = draft_of(self.path)
        if journal.state("moving") and not draft.exists():
            self._settle(journal)
        elif draft.exists():
            draft.unlink()  # it has not replaced the file
            journal.moved((), {"moving": 0})
        recorded = journal.state("end")
        self._end, self._lines = int(recorded or 0), int(journal.state("lines") or 0)
        size = self.path.stat().st_size if self.path.exists() else 0
        if size < self._end or (size and recorded is None):
            raise ConfigurationError(
                f"{self.path} and {journal.path} do not match: choose another output, or delete both files"
            )
        if recorded is None:  # from now on the file belongs to this crawl, even if nothing has been recorded yet
            journal.moved((), {"end": 0})
        self._file = self.path.open("ab")
        self._file.truncate(self._end)

    def write(self, entries: Sequence[Entry]) -> tuple[list[int | None], dict[str, int]]:
        """Append the entries; if writing fails, for example because the disk is full, none of them stays."""
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
        """Write the lists of identifiers not found and failed; remove lines that later ones have replaced."""
        journal = self._journal
        assert journal is not None
        write_lists(self.path, journal)
        if self._lines > journal.rows():
            self._compact(journal)

    def _compact(self, journal: Journal) -> None:
        """Replace the file by a copy with only the valid lines.

        Before that, the journal records that the file is being replaced ("moving"), so that :meth:`open` can complete
        it if the process is killed in between.
        """
        draft = draft_of(self.path)
        with self.path.open("rb") as old, draft.open("wb") as new:
            for place in journal.places():
                old.seek(place)
                new.write(old.readline())
            new.flush()
            os.fsync(new.fileno())
        journal.moved((), {"moving": 1})
        draft.replace(resolved(self.path))
        self._settle(journal)

    def _settle(self, journal: Journal) -> None:
        """Record the places of lines in a file that contains exactly the journal's rows, in its order."""
        places = list(journal.places())
        moves = []
        end = 0
        with self.path.open("rb") as file:
            for old, line in zip(places, file, strict=True):
                moves.append((end, old))
                end += len(line)
        # Lines move towards the beginning, in order, so that no new place is the old place of a later line.
        journal.moved(moves, {"end": end, "lines": len(moves), "moving": 0})
        self._end, self._lines = end, len(moves)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # the write has reported a full disk already
                self._file.close()


def _line(entry: Entry) -> bytes:
    head = {
        "identifier": entry.key.identifier,
        "marketplace": entry.key.marketplace,
        "fetched_at": moment(entry.fetched_at),
    }
    # Amazon's JSON is written unchanged, except that line breaks between its tokens are removed.
    item = (
        entry.item
        if b"\n" not in entry.item and b"\r" not in entry.item
        else msgspec.json.format(entry.item, indent=-1)
    )
    return msgspec.json.encode(head)[:-1] + b',"item":' + item + b"}\n"

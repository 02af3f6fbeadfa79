"""The contents of a crawl's output, in whichever format it was written, and its journal's patience."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

__all__ = ["TARGETS", "do_not_wait_for_locks", "rows"]

TARGETS = ["items.jsonl", "items.parquet", "sqlite:///items.db"]


def rows(target: str) -> list[tuple[str, str, Any]]:
    """(identifier, marketplace, item) of each row of an output in the current folder."""
    if target.endswith(".jsonl"):
        lines = [json.loads(line) for line in Path(target).read_text().splitlines()]
        return [(line["identifier"], line["marketplace"], line["item"]) for line in lines]
    if target.endswith(".parquet"):
        import pyarrow.parquet as pq  # a quarter of a second, in each worker

        table = pq.read_table(target).to_pylist()
        return [(row["identifier"], row["marketplace"], json.loads(row["item"])) for row in table]
    with sqlite3.connect("items.db") as database:
        found = list(database.execute("SELECT identifier, marketplace, item FROM items"))
    database.close()
    return [(identifier, marketplace, json.loads(item)) for identifier, marketplace, item in found]


def do_not_wait_for_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let SQLite report a lock at once."""
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **options: connect(path, **{**options, "timeout": 0}))

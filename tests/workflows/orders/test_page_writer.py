"""The statements of a page, without a database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from spapi_async.workflows.orders._statements import Statements
from spapi_async.workflows.orders._writer import PageWriter


class Cursor:
    """Records the statements."""

    def __init__(self) -> None:
        self.many: list[list[tuple[Any, ...]]] = []

    def executemany(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        self.many.append(rows)


def test_quota_is_written_in_the_order_of_its_keys() -> None:
    """Two processes that save the same rows lock them in the same order, and never deadlock."""
    cursor, quota = Cursor(), {("app", "b"): b"2", ("app", "a"): b"1", ("a", "z"): b"0"}
    PageWriter(Statements(sqlite=True)).put_quota(cursor, quota, datetime(2026, 1, 1, tzinfo=UTC))  # type: ignore[arg-type]
    (rows,) = cursor.many
    assert [row[:2] for row in rows] == [("a", "z"), ("app", "a"), ("app", "b")]

"""The statements that every page runs, as text for the driver: built once from the tables, prepared by the driver.

SQLAlchemy's expressions are for what runs now and then; compiling and binding them would cost a page as much as
reading it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql

from spapi_async.workflows.orders._tables import (
    JsonText,
    Money,
    checkpoints,
    order_changes,
    order_items,
    order_personal,
    orders,
    quota_states,
)
from spapi_async.workflows.orders._tables import unreadable as unreadable_entries

__all__ = ["Statements", "amount"]


_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]
_FROM_TEXT = {Money: "numeric", JsonText: "jsonb"}
_SAME_FOR_ALL = {"seller", "synced_at"}
"""Columns that have one value for all orders of a page."""
_PAYLOADS = "SELECT order_id, payload FROM orders WHERE seller = ?1 AND order_id IN (SELECT value FROM json_each(?2))"
# PostgreSQL writes jsonb anew, in an order and a spacing of its own, so the bytes of two versions never agree. What
# reads a table beside the statement that writes it reads what was there before.
_PUT_AND_COMPARE = """
    WITH put AS ({put} RETURNING order_id, payload)
    SELECT order_id, CAST(coalesce(before.members, '{{}}') AS text), CAST(coalesce(after.members, '{{}}') AS text),
        CAST(replaced.payload -> 'orderItems' AS text) = CAST(put.payload -> 'orderItems' AS text)
    FROM put JOIN (SELECT order_id, payload FROM orders WHERE seller = $1) AS replaced USING (order_id)
    CROSS JOIN LATERAL (
        SELECT jsonb_object_agg(key, value) AS members FROM jsonb_each(replaced.payload)
        WHERE put.payload -> key IS DISTINCT FROM value
    ) AS before
    CROSS JOIN LATERAL (
        SELECT jsonb_object_agg(key, value) AS members FROM jsonb_each(put.payload)
        WHERE replaced.payload -> key IS DISTINCT FROM value
    ) AS after
"""


class Statements:
    """Text for one kind of database, with numbered parameters, and values in its own types."""

    def __init__(self, *, sqlite: bool) -> None:
        self._sqlite = sqlite
        self.moment: Callable[[datetime | None], Any] = _time_as_text if sqlite else _as_it_is
        """A time as the driver takes it: as ``value`` does, without asking what it is."""
        self.put_order = self._upsert(orders)
        self.put_and_compare = "" if sqlite else self._put_and_compare()
        """All orders of a page at once; of each that it replaces the id, the members that differ as they were and as they
        are, and whether its items are the same to the letter: equal numbers may be written in two ways.

        Lists cost more than rows to send, so it is for pages that replace something.
        """
        self.put_item = self._upsert(order_items)
        self.put_personal = self._upsert(order_personal)
        self.put_checkpoint = self._upsert(checkpoints)
        self.put_quota = self._upsert(quota_states)
        self.put_unreadable = self._upsert(unreadable_entries)
        self.add_change = self._insert(order_changes)
        ids = "IN (SELECT value FROM json_each(?2))" if sqlite else "= ANY($2::text[])"
        self.known = self._text(
            "SELECT order_id, last_updated_at, status, source, detail, digest FROM orders"
            f" WHERE seller = $1 AND order_id {ids}"
        )
        self.payloads = _PAYLOADS if sqlite else ""
        """Order id and payload, where no statement compares."""
        self.drop_items = self._text(f"DELETE FROM order_items WHERE seller = $1 AND order_id {ids}")
        self.renew = self._text(
            "UPDATE leases SET expires_at = $1 WHERE seller = $2 AND stream = $3 AND holder = $4 AND fencing = $5"
        )
        self.number = self._text("UPDATE change_feed SET last = last + $1 RETURNING last, database_id")
        self.one_writer = "" if sqlite else "SELECT pg_advisory_xact_lock($1)"
        """Of a seller's orders: two sources that bring the same new order would both call it new."""

    def _text(self, statement: str) -> str:
        return statement.replace("$", "?") if self._sqlite else statement

    def _insert(self, table: Table) -> str:
        names = [column.name for column in table.columns]
        places = ", ".join(self._place(place, column) for place, column in enumerate(table.columns, 1))
        return self._text(f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({places})")

    def _place(self, place: int, column: Column[Any]) -> str:
        """Where a value goes in: amounts and JSON as text, which asyncpg sends faster than numbers and ``jsonb``."""
        kind = None if self._sqlite else _FROM_TEXT.get(type(column.type))
        return f"${place}" if kind is None else f"CAST(CAST(${place} AS text) AS {kind})"

    def _put_and_compare(self) -> str:
        columns = list(enumerate(orders.columns, 1))
        lists = [(place, column) for place, column in columns if column.name not in _SAME_FOR_ALL]
        sent = ", ".join(f"CAST(${place} AS {_sent_as(column)}[])" for place, column in lists)
        values = [
            f"CAST(${place} AS {_sent_as(column)})"
            if column.name in _SAME_FOR_ALL
            else f"CAST(sent.{column.name} AS {_type_of(column)})"
            for place, column in columns
        ]
        put = (
            f"INSERT INTO orders ({', '.join(column.name for _, column in columns)}) SELECT {', '.join(values)}"
            f" FROM unnest({sent}) AS sent({', '.join(column.name for _, column in lists)}) {self._replace(orders)}"
        )
        return _PUT_AND_COMPARE.format(put=put)

    def _upsert(self, table: Table) -> str:
        return f"{self._insert(table)} {self._replace(table)}"

    @staticmethod
    def _replace(table: Table) -> str:
        keys = ", ".join(column.name for column in table.primary_key)
        changes = ", ".join(f"{c.name} = excluded.{c.name}" for c in table.columns if not c.primary_key)
        return f"ON CONFLICT ({keys}) DO UPDATE SET {changes}"

    def row(self, table: Table, facts: Mapping[str, Any]) -> tuple[Any, ...]:
        """A row's values in the order of the table's columns."""
        return tuple(self.value(facts[column.name]) for column in table.columns)

    def value(self, value: Any) -> Any:
        """A value as the statements take it; SQLite has no times."""
        if isinstance(value, datetime):
            return self.moment(value)
        return amount(value) if isinstance(value, Decimal) else value

    def ids(self, order_ids: Iterable[str]) -> Any:
        """Order ids as the second parameter of a statement."""
        found = list(order_ids)
        return msgspec.json.encode(found).decode() if self._sqlite else found

    def lists(self, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Rows of ``orders`` as ``put_and_compare`` takes them: a list for each column, or what all have."""
        columns = zip(orders.columns, zip(*rows, strict=True), strict=True)
        return [values[0] if column.name in _SAME_FOR_ALL else values for column, values in columns]

    def time(self, value: Any) -> datetime | None:
        """A time as it is read."""
        if isinstance(value, str):
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        return value.astimezone(UTC) if isinstance(value, datetime) else None

    @staticmethod
    def lock_of(seller: str) -> int:
        """The advisory lock of a seller's orders."""
        digest = hashlib.blake2b(f"spapi_async orders {seller}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big", signed=True)

    def jsonb(self, payload: str) -> str:
        """JSON as the database takes it: PostgreSQL's ``jsonb`` has no NUL in any text, and SQLite keeps it."""
        # One character is found at once, and most payloads have no backslash.
        if self._sqlite or "\\" not in payload:
            return payload
        return payload.replace("\\u0000", "\\ufffd")

    def rows(self, table: Table, facts: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
        """Several rows."""
        return [self.row(table, each) for each in facts]


def _type_of(column: Column[Any]) -> str:
    return column.type.compile(_POSTGRESQL)


def _sent_as(column: Column[Any]) -> str:
    return "text" if type(column.type) in _FROM_TEXT else _type_of(column)


def _time_as_text(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).isoformat(" ", "microseconds")[:26]


def amount(value: Decimal | None) -> str | None:
    """An amount of money as the statements take it."""
    return None if value is None else format(value, "f")


def _as_it_is(value: Any) -> Any:
    return value

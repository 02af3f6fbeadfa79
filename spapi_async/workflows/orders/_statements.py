"""The SQL statements that are run for every page, as text for the driver: built once, prepared by the driver.

SQLAlchemy's expressions are used only for rare queries; compiling and binding them would cost as much as reading the
page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Column, LargeBinary, Table
from sqlalchemy.dialects import postgresql

from spapi_async.workflows._cursor import Cursor
from spapi_async.workflows.orders._across import StoredOrder
from spapi_async.workflows.orders._rows import ItemRow
from spapi_async.workflows.orders._tables import (
    JsonText,
    checkpoints,
    order_changes,
    order_holes,
    order_items,
    order_personal,
    orders,
    quota_states,
)
from spapi_async.workflows.orders._tables import unreadable as unreadable_entries
from spapi_async.workflows.orders._verdict import ENTRY_IDS, MOST_PATHS

__all__ = ["Statements", "amount"]


_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]
_PAYLOADS = "SELECT order_id, payload FROM orders WHERE seller = ?1 AND order_id IN (SELECT value FROM json_each(?2))"
_BY_ID = """
    (SELECT CASE WHEN count(*) = count(DISTINCT id) THEN jsonb_object_agg(coalesce(id, ''), entry) END FROM (
        SELECT entry, CASE jsonb_typeof(entry -> '{id}') WHEN 'string' THEN entry ->> '{id}' END AS id
        FROM jsonb_array_elements({value}) AS entry
    ) AS entries)
"""
_MEMBERS = """
    CASE jsonb_typeof({value}) WHEN 'object' THEN {value} WHEN 'array' THEN CASE key {lists} END END
"""


def _members(value: str) -> str:
    """An object's members, or the entries of a list by their ids if these are unique; NULL for anything else."""
    lists = " ".join(f"WHEN '{key}' THEN {_BY_ID.format(id=name, value=value)}" for key, name in ENTRY_IDS.items())
    return _MEMBERS.format(value=value, lists=lists)


# A query in the same statement as a write reads the table as it was before the write. Both versions are compared level
# by level where they differ. Items must be equal as text, because equal numbers may be written in two ways.
_PUT_AND_COMPARE = f"""
    WITH RECURSIVE put AS ({{put}} RETURNING seller, order_id, payload),
    level (order_id, depth, path, same, gone, old, new) AS (
        SELECT order_id, 0, '',
            CAST(replaced.payload -> 'orderItems' AS text) = CAST(put.payload -> 'orderItems' AS text), false,
            replaced.payload, put.payload
        FROM put JOIN orders AS replaced USING (seller, order_id)
        UNION ALL
        SELECT order_id, depth + 1, CASE depth WHEN 0 THEN key ELSE path || '.' || key END, same,
            inside.new IS NULL, {_members("inside.old")}, {_members("inside.new")}
        FROM level CROSS JOIN LATERAL (
            SELECT key, was.value AS old, now.value AS new
            FROM jsonb_each(level.old) AS was FULL JOIN jsonb_each(level.new) AS now USING (key)
            WHERE was.value IS DISTINCT FROM now.value OR (
                (path = 'orderItems' OR (depth = 0 AND key = 'orderItems'))
                AND CAST(was.value AS text) IS DISTINCT FROM CAST(now.value AS text)
            )
        ) AS inside
        WHERE level.old IS NOT NULL AND level.new IS NOT NULL
    )
    SELECT order_id,
        (array_agg(path ORDER BY path) FILTER (WHERE depth > 0 AND (old IS NULL OR new IS NULL)))[1:{MOST_PATHS}],
        CASE WHEN bool_or(same) THEN CAST(ARRAY[] AS text[])
            WHEN NOT coalesce(bool_or(gone) FILTER (WHERE depth = 2 AND path LIKE 'orderItems.%'), true)
            THEN array_agg(substr(path, 12)) FILTER (WHERE depth = 2 AND path LIKE 'orderItems.%') END
    FROM level GROUP BY order_id
"""


class Statements:
    """The statements for one kind of database, with numbered parameters, and values in its types."""

    def __init__(self, *, sqlite: bool) -> None:
        self._sqlite = sqlite
        self.moment: Callable[[datetime | None], Any] = _time_as_text if sqlite else _with_zone
        """Converts a time for the driver: like ``value``, without checking the type."""
        self.put_order = self._upsert_many(orders)
        self.put_and_compare = "" if sqlite else _PUT_AND_COMPARE.replace("{put}", self.put_order)
        """Like ``put_order``; also returns for each replaced order its id, the places that differ, and the ids of
        changed or new items: empty if all are equal, NULL if one was removed or this cannot be determined."""
        self.put_item = self._upsert_many(order_items)
        self.put_personal = self._upsert_many(order_personal)
        self.put_checkpoint = self._upsert(checkpoints)
        self.put_quota = self._upsert_many(quota_states)
        self.put_unreadable = (
            f"{self._insert_many(unreadable_entries)} ON CONFLICT (seller, digest) DO UPDATE SET"
            " reason = excluded.reason, request_id = excluded.request_id, raw = coalesce(unreadable.raw, excluded.raw)"
        )
        """The time at which an entry was first seen stays: the retention of its content begins then."""
        self.end_personal = self._end_personal()
        """For rows of seller, order id and time: sets when personal data is deleted, unless it is deleted earlier."""
        self.put_hole = (
            f"{self._insert(order_holes)} ON CONFLICT (seller, dataset) DO UPDATE SET"
            " updated_from = CASE WHEN excluded.updated_from < order_holes.updated_from THEN excluded.updated_from"
            " ELSE order_holes.updated_from END, updated_to = CASE WHEN excluded.updated_to > order_holes.updated_to"
            " THEN excluded.updated_to ELSE order_holes.updated_to END"
        )
        """Extends a hole; the time of the last request stays."""
        self.add_change = self._insert_many(order_changes)
        ids = "IN (SELECT value FROM json_each(?2))" if sqlite else "= ANY($2::text[])"
        self.known = self._text(
            "SELECT order_id, last_updated_at, status, source, detail, digest FROM orders"
            f" WHERE seller = $1 AND order_id {ids}"
        )
        self.stored_orders = self._stored(orders, StoredOrder._fields, ids)
        self.stored_items = self._stored(order_items, ItemRow.__struct_fields__, ids)
        """The rows that are compared with another source, or with items that were fetched separately."""
        self.payloads = _PAYLOADS if sqlite else ""
        """Order id and payload, if no statement compares them."""
        self.drop_items = self._text(f"DELETE FROM order_items WHERE seller = $1 AND order_id {ids}")
        self.renew = self._text(
            "UPDATE leases SET expires_at = $1 WHERE seller = $2 AND stream = $3 AND holder = $4 AND fencing = $5"
        )
        self.number = self._text("UPDATE change_feed SET last = last + $1 RETURNING last, database_id")
        self.one_writer = "" if sqlite else "SELECT pg_advisory_xact_lock($1)"
        """Locks a seller's orders: otherwise two sources with the same new order would both report it as new."""

    def _text(self, statement: str) -> str:
        return statement.replace("$", "?") if self._sqlite else statement

    def _stored(self, table: Table, columns: Sequence[str], ids: str) -> str:
        names = ", ".join("CAST(payload AS text)" if name == "payload" else name for name in columns)
        return self._text(f"SELECT {names} FROM {table.name} WHERE seller = $1 AND order_id {ids}")

    def stored(self, cursor: Cursor, seller: str, order_ids: Iterable[str]) -> dict[str, StoredOrder]:
        """The columns of stored orders."""
        cursor.execute(self.stored_orders, (seller, self.ids(order_ids)))
        found = [StoredOrder(*row) for row in cursor.fetchall()]
        return {
            row.order_id: row._replace(
                created_at=self.time(row.created_at),
                last_updated_at=self.time(row.last_updated_at),
                total_amount=_decimal(row.total_amount),
            )
            for row in found
        }

    def items_of(self, cursor: Cursor, seller: str, order_ids: Iterable[str]) -> dict[str, list[ItemRow]]:
        """The columns of the items of stored orders."""
        cursor.execute(self.stored_items, (seller, self.ids(order_ids)))
        found: dict[str, list[ItemRow]] = {}
        for row in cursor.fetchall():
            columns = dict(zip(ItemRow.__struct_fields__, row, strict=True))
            item = ItemRow(**{**columns, "price_amount": _decimal(columns["price_amount"])})
            found.setdefault(item.order_id, []).append(item)
        return found

    def _insert(self, table: Table) -> str:
        values = ", ".join(f"${number}" for number in range(1, len(table.columns) + 1))
        return self._text(f"INSERT INTO {table.name} ({_names(table)}) VALUES ({values})")

    def _insert_many(self, table: Table) -> str:
        """An INSERT for ``many``: in PostgreSQL one statement for all rows.

        A column is sent as one text, a JSON list: this takes asyncpg half the time of rows with typed values. JSON
        inside it would be escaped, so it is sent as a list of texts.
        """
        if self._sqlite:
            return self._insert(table)
        lists, values = [], []
        for place, column in enumerate(table.columns, 1):
            value = f"sent.{column.name}"
            if type(column.type) is JsonText:
                lists.append(f"unnest(CAST(${place} AS text[]))")
            else:
                lists.append(f"json_array_elements_text(CAST(CAST(${place} AS text) AS json))")
                value = f"decode({value}, 'base64')" if type(column.type) is LargeBinary else value
            values.append(f"CAST({value} AS {column.type.compile(_POSTGRESQL)})")
        return (
            f"INSERT INTO {table.name} ({_names(table)}) SELECT {', '.join(values)}"
            f" FROM ROWS FROM ({', '.join(lists)}) AS sent({_names(table)})"
        )

    def _upsert(self, table: Table) -> str:
        return f"{self._insert(table)} {_replacing(table)}"

    def _upsert_many(self, table: Table) -> str:
        return f"{self._insert_many(table)} {_replacing(table)}"

    def _end_personal(self) -> str:
        if self._sqlite:
            return (
                "UPDATE order_personal SET delete_at = ?3 WHERE seller = ?1 AND order_id = ?2"
                " AND (delete_at IS NULL OR delete_at > ?3)"
            )
        return (
            "UPDATE order_personal AS kept SET delete_at = sent.delete_at FROM (SELECT seller, order_id,"
            " CAST(delete_at AS timestamptz) FROM ROWS FROM (json_array_elements_text(CAST(CAST($1 AS text) AS json)),"
            " json_array_elements_text(CAST(CAST($2 AS text) AS json)),"
            " json_array_elements_text(CAST(CAST($3 AS text) AS json))) AS sent(seller, order_id, delete_at))"
            " AS sent(seller, order_id, delete_at) WHERE kept.seller = sent.seller AND kept.order_id = sent.order_id"
            " AND (kept.delete_at IS NULL OR kept.delete_at > sent.delete_at)"
        )

    def end(self, cursor: Cursor, ends: Sequence[tuple[str, str, datetime]]) -> None:
        """Run ``end_personal``."""
        rows = [(seller, order_id, self.moment(end)) for seller, order_id, end in ends]
        if self._sqlite:
            cursor.executemany(self.end_personal, rows)
        else:
            cursor.execute(
                self.end_personal, [msgspec.json.encode(column).decode() for column in zip(*rows, strict=True)]
            )

    def many(self, cursor: Cursor, statement: str, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement that writes rows of a table, in the order of its columns."""
        if self._sqlite:
            cursor.executemany(statement, rows)
            return
        columns = zip(table.columns, zip(*rows, strict=True), strict=True)
        cursor.execute(statement, [_as_list(column, values) for column, values in columns])

    def row(self, table: Table, facts: Mapping[str, Any]) -> tuple[Any, ...]:
        """A row's values in the order of the table's columns."""
        return tuple(self.value(facts[column.name]) for column in table.columns)

    def value(self, value: Any) -> Any:
        """A value in the form for the statements; SQLite has no type for times."""
        if isinstance(value, datetime):
            return self.moment(value)
        return amount(value) if isinstance(value, Decimal) else value

    def ids(self, order_ids: Iterable[str]) -> Any:
        """Order ids as the second parameter of a statement."""
        found = list(order_ids)
        return msgspec.json.encode(found).decode() if self._sqlite else found

    def time(self, value: Any) -> datetime | None:
        """A time that was read from the database."""
        if isinstance(value, str):
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        return value.astimezone(UTC) if isinstance(value, datetime) else None

    @staticmethod
    def lock_of(seller: str) -> int:
        """The advisory lock of a seller's orders."""
        digest = hashlib.blake2b(f"spapi_async orders {seller}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big", signed=True)

    def jsonb(self, payload: str) -> str:
        """JSON in the form for the database: PostgreSQL's ``jsonb`` cannot have NUL in a text, SQLite can."""
        # Searching one character is fast, and most payloads contain no backslash.
        if self._sqlite or "\\" not in payload:
            return payload
        return payload.replace("\\u0000", "\\ufffd")

    def rows(self, table: Table, facts: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
        """Several rows."""
        return [self.row(table, each) for each in facts]


def _names(table: Table) -> str:
    return ", ".join(column.name for column in table.columns)


def _replacing(table: Table) -> str:
    keys = ", ".join(column.name for column in table.primary_key)
    changes = ", ".join(f"{c.name} = excluded.{c.name}" for c in table.columns if not c.primary_key)
    return f"ON CONFLICT ({keys}) DO UPDATE SET {changes}"


def _as_list(column: Column[Any], values: Sequence[Any]) -> Any:
    return values if type(column.type) is JsonText else msgspec.json.encode(values).decode()


def _time_as_text(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).isoformat(" ", "microseconds")[:26]


def amount(value: Decimal | None) -> str | None:
    """An amount of money in the form for the statements."""
    return None if value is None else format(value, "f")


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)


def _with_zone(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo is not None else moment.astimezone(UTC)

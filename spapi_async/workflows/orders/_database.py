"""The database of a sync: pages go in whole, each with its checkpoint, in one transaction.

SQLite through aiosqlite, PostgreSQL through asyncpg. A process killed at any moment leaves either a page and the
checkpoint after it, or neither.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self

import anyio
import msgspec

from spapi_async.errors import ConfigurationError
from spapi_async.workflows.orders._checkpoint import Checkpoint
from spapi_async.workflows.orders._rows import OrderRow, newest

try:
    from sqlalchemy import delete, func, or_, select
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.dialects import sqlite as sqlite_dialect
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
except ModuleNotFoundError as error:  # pragma: no cover - tested in a process of its own
    raise ModuleNotFoundError('order sync needs an extra: pip install "spapi-async[sync]"') from error

from spapi_async.workflows._sql import (
    async_url,
    create_tables,
    open_engine,
    probe_sqlite,
    reason,
    to_the_end,
    without_secrets,
)
from spapi_async.workflows.orders._tables import checkpoints, metadata, order_items, orders, quota_states
from spapi_async.workflows.orders._tables import unreadable as unreadable_entries

__all__ = ["OrderDatabase", "Stored", "async_url"]

_ORDER_COLUMNS = tuple(column.name for column in orders.columns)

QuotaStates = Mapping[tuple[str, str], str]
"""A limiter's state by application and account."""

NO_QUOTA: QuotaStates = {}


class UnreadableEntry(Protocol):
    """What was in a page and no row can be made of."""

    @property
    def reason(self) -> str: ...
    @property
    def request_id(self) -> str | None: ...
    @property
    def raw(self) -> bytes: ...


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What one page did: orders never seen before, orders renewed, orders older than what the database held; items."""

    inserted: int = 0
    updated: int = 0
    stale: int = 0
    items: int = 0


class OrderDatabase:
    """An open database with the tables of a sync; made where they are missing.

    Use it as ``async with OrderDatabase("sqlite:///orders.db") as database``. One object serves any number of sellers
    at once.
    """

    def __init__(self, url: str) -> None:
        self.url = async_url(url)
        self._shown = without_secrets(url)
        self._engine: AsyncEngine | None = None
        # SQLite has one writer: queueing here is fair and free, queueing in its busy handler polls.
        self._writing = anyio.Lock() if self.url.get_backend_name() == "sqlite" else None

    async def open(self) -> Self:
        """Connect and make what tables are missing.

        Raises:
            ConfigurationError: the database cannot be opened.
        """
        try:
            await self._open()
        except (SQLAlchemyError, sqlite3.Error, OSError, ImportError) as error:
            await self.close()
            if "database is locked" in str(error):
                raise  # by another process, for longer than one waits: a failure, not a mistake in the URL
            raise ConfigurationError(f"cannot open database {self._shown}: {reason(error)}") from error
        except BaseException:
            await self.close()
            raise
        return self

    @to_the_end
    async def _open(self) -> None:
        self._engine = open_engine(self.url)
        if self._writing is not None:
            await anyio.to_thread.run_sync(probe_sqlite, self._engine)
        async with self._engine.begin() as connection:
            await create_tables(connection, metadata)

    @to_the_end
    async def close(self) -> None:
        """Close every connection."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<OrderDatabase {self._shown}>"

    @to_the_end
    async def checkpoint(self, seller: str, stream: str) -> Checkpoint | None:
        """Where this seller's stream stands, or None the first time."""
        query = select(checkpoints).where(checkpoints.c.seller == seller, checkpoints.c.stream == stream)
        async with self._connected().connect() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        return None if row is None else Checkpoint(**{name: row[name] for name in Checkpoint.__struct_fields__})

    @to_the_end
    async def store(
        self,
        seller: str,
        rows: Sequence[OrderRow],
        checkpoint: Checkpoint,
        *,
        now: datetime,
        quota: QuotaStates = NO_QUOTA,
        unreadable: Sequence[UnreadableEntry] = (),
    ) -> Stored:
        """Commit a page's rows, what was unreadable, the checkpoint after it and what quota is spent: all or nothing.

        An order is replaced, items included, unless the database holds a later version of it.
        """
        async with self._writing or nullcontext():
            return await self._store(seller, rows, checkpoint, now=now, quota=quota, unreadable=unreadable)

    async def _store(
        self,
        seller: str,
        rows: Sequence[OrderRow],
        checkpoint: Checkpoint,
        *,
        now: datetime,
        quota: QuotaStates,
        unreadable: Sequence[UnreadableEntry],
    ) -> Stored:
        async with self._connected().begin() as connection:
            # The checkpoint first: it takes the write lock before anything is read.
            await self._put(connection, checkpoints, [{**msgspec.structs.asdict(checkpoint), "updated_at": now}])
            await self._put_quota(connection, quota, now)
            await self._put(connection, unreadable_entries, _set_aside(unreadable, checkpoint, now))
            return await self._put_orders(connection, seller, newest(rows), now)

    async def _put_orders(
        self, connection: AsyncConnection, seller: str, rows: Sequence[OrderRow], now: datetime
    ) -> Stored:
        if not rows:
            return Stored()
        ids = [row.order_id for row in rows]
        met = set((await connection.execute(select(orders.c.order_id).where(orders.c.order_id.in_(ids)))).scalars())
        values = [_order_values(row, seller, now) for row in rows]
        insert = self._insert(orders)
        changes = {column.name: insert.excluded[column.name] for column in orders.columns if not column.primary_key}
        # An order without a readable date has no version: it is taken, because nothing says that it is older.
        newer = or_(
            orders.c.last_updated_at.is_(None),
            insert.excluded.last_updated_at.is_(None),
            insert.excluded.last_updated_at >= orders.c.last_updated_at,
        )
        upsert = insert.on_conflict_do_update(index_elements=[orders.c.order_id], set_=changes, where=newer)
        accepted = set((await connection.execute(upsert.returning(orders.c.order_id), values)).scalars())
        items = [msgspec.structs.asdict(item) for row in rows if row.order_id in accepted for item in row.items]
        await connection.execute(delete(order_items).where(order_items.c.order_id.in_(accepted)))
        if items:
            await connection.execute(order_items.insert(), items)
        return Stored(
            inserted=len(accepted - met), updated=len(accepted & met), stale=len(rows) - len(accepted), items=len(items)
        )

    async def _put(self, connection: AsyncConnection, table: Any, values: Sequence[Mapping[str, Any]]) -> None:
        if not values:
            return
        insert = self._insert(table)
        keys = [column.name for column in table.primary_key]
        changes = {column.name: insert.excluded[column.name] for column in table.columns if not column.primary_key}
        await connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=changes), values)

    def _insert(self, table: Any) -> Any:
        return sqlite_dialect.insert(table) if self._writing is not None else postgresql.insert(table)

    @to_the_end
    async def quota(self, application: str) -> dict[str, str]:
        """The limiter's state as last saved for each account of an application."""
        query = select(quota_states.c.account, quota_states.c.state).where(quota_states.c.application == application)
        async with self._connected().connect() as connection:
            return {row.account: row.state for row in await connection.execute(query)}

    @to_the_end
    async def store_quota(self, quota: QuotaStates, *, now: datetime) -> None:
        """Commit what quota is spent, by itself."""
        async with self._writing or nullcontext(), self._connected().begin() as connection:
            await self._put_quota(connection, quota, now)

    async def _put_quota(self, connection: AsyncConnection, quota: QuotaStates, now: datetime) -> None:
        # In one order everywhere, so that two processes that write the same rows never wait for each other.
        states = [
            {"application": application, "account": account, "saved_at": now, "state": state}
            for (application, account), state in sorted(quota.items())
        ]
        await self._put(connection, quota_states, states)

    @to_the_end
    async def counts(self) -> tuple[int, int]:
        """How many orders and how many order items the database holds."""
        async with self._connected().connect() as connection:
            found = [(await connection.execute(select(func.count()).select_from(t))).scalar_one() for t in _COUNTED]
        return found[0], found[1]

    def _connected(self) -> AsyncEngine:
        if self._engine is None:
            raise ConfigurationError("the database is not open; use it as `async with OrderDatabase(url) as database`")
        return self._engine


_COUNTED = (orders, order_items)


def _set_aside(entries: Sequence[UnreadableEntry], checkpoint: Checkpoint, now: datetime) -> list[dict[str, Any]]:
    """The rows of what is unreadable, each once however often its page is read; the bytes themselves are withheld."""
    return list(
        {
            digest: {
                "seller": checkpoint.seller,
                "digest": digest,
                "stream": checkpoint.stream,
                "reason": entry.reason,
                "request_id": entry.request_id,
                "size": len(entry.raw),
                "seen_at": now,
            }
            for entry in entries
            if (digest := hashlib.blake2b(entry.raw, digest_size=16).hexdigest())
        }.values()
    )


def _order_values(row: OrderRow, seller: str, now: datetime) -> dict[str, Any]:
    facts = {"seller": seller, "synced_at": now, "items": len(row.items)}
    return {name: facts[name] if name in facts else getattr(row, name) for name in _ORDER_COLUMNS}

"""The database of a sync: each page is stored with its checkpoint and its changes in one transaction.

SQLite through aiosqlite, PostgreSQL through asyncpg. A process killed at any moment leaves either a page, its changes
and the checkpoint after it, or none of them.
"""

from __future__ import annotations

import functools
import logging
import sqlite3
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, Self

import anyio
import msgspec

from spapi_async._core.arguments import check_moment
from spapi_async.errors import ConfigurationError
from spapi_async.workflows.orders._checkpoint import Checkpoint
from spapi_async.workflows.orders._coverage import Coverage, coverage_of
from spapi_async.workflows.orders._feed import READ_AGAIN, Change, CursorError, cursor_of, number_of
from spapi_async.workflows.orders._lease import LEASE, Lease, held_error, is_gone
from spapi_async.workflows.orders._page import CoarseOrder, Hole, OrderPage, QuotaStates, Stored
from spapi_async.workflows.orders._vault import RETENTION, PersonalData, PersonalKeys, opened

try:
    import alembic  # noqa: F401 - migrations need it; imported here so that a missing extra is reported
    import sqlalchemy.ext.asyncio  # noqa: F401 - likewise if greenlet is missing
    from sqlalchemy import delete, func, select, update
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError
except ImportError as error:  # pragma: no cover - tested in a process of its own
    raise ModuleNotFoundError('order sync needs an extra: pip install "spapi-async[sync]"') from error

from spapi_async.workflows._cursor import run_on_cursor
from spapi_async.workflows._cut_connections import again_if_cut
from spapi_async.workflows._sql import async_url, lock_creation, open_engine, probe_sqlite, reason, to_the_end
from spapi_async.workflows.orders import _holes_sql, _lease_sql, _personal_sql, _reads
from spapi_async.workflows.orders._connected import Connected
from spapi_async.workflows.orders._numbers import OUT_OF_RANGE, with_numbers_in_range
from spapi_async.workflows.orders._rebuild import rebuild
from spapi_async.workflows.orders._rows import Detail
from spapi_async.workflows.orders._statements import Statements
from spapi_async.workflows.orders._tables import (
    change_feed,
    leases,
    order_changes,
    order_items,
    order_personal,
    orders,
    quota_states,
)
from spapi_async.workflows.orders._writer import PageWriter
from spapi_async.workflows.orders.migrations import upgrade

__all__ = ["OrderDatabase", "async_url"]

logger = logging.getLogger("spapi_async.workflows.orders")

_BATCH = 500  # changes read at a time
_FAILURES = ("database is locked", "disk is full", "disk I/O error")  # errors of SQLite that are not wrong URLs


class OrderDatabase(Connected):
    """An open database with the tables of a sync; missing tables are created, older ones are migrated.

    Use it as ``async with OrderDatabase("sqlite:///orders.db") as database``. One object serves any number of sellers
    at once.

    Args:
        url: ``sqlite:///FILE`` or ``postgresql://user@host/name``.
        personal: how personal data in orders is stored: encrypted with these keys, or ``"plain"`` if the disk itself is
            encrypted. By default it is not stored.
        retention: how long personal data is stored, from shipment; for an order that is never shipped, from the end of
            90 days without an update.
        create: False for a program that only reads: then a database without order tables is an error.
    """

    def __init__(
        self,
        url: str,
        *,
        personal: PersonalKeys | Literal["plain"] | None = None,
        retention: timedelta = RETENTION,
        create: bool = True,
    ) -> None:
        super().__init__(url)
        self._create = create
        self.personal = None if personal is None else PersonalData.wanted(personal, retention)
        self._id = ""
        self._writer = PageWriter(Statements(sqlite=self._writing is not None))

    # ---- opening ----------------------------------------------------------------------------------------------------

    async def open(self) -> Self:
        """Connect; create missing tables, or migrate older ones.

        Raises:
            ConfigurationError: the database cannot be opened or does not exist, or a newer program has migrated it.
        """
        try:
            await self._open()
        except (SQLAlchemyError, sqlite3.Error, OSError, ImportError) as error:
            await self.close()
            if any(failure in str(error) for failure in _FAILURES):
                raise
            raise ConfigurationError(f"cannot open database {self._shown}: {reason(error)}") from error
        except BaseException:
            await self.close()
            raise
        return self

    @to_the_end
    async def _open(self) -> None:
        self._engine = open_engine(self.url)
        if self._writing is not None:
            await anyio.to_thread.run_sync(functools.partial(probe_sqlite, self._engine, create=self._create))
        async with self._engine.begin() as connection:
            await lock_creation(connection)
            before, after = await connection.run_sync(upgrade, self._shown, create=self._create)
            self._id = (await connection.execute(select(change_feed.c.database_id))).scalar_one()
            if before not in (None, after):
                await rebuild(connection, self._writer, self.personal)

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<OrderDatabase {self._shown}>"

    # ---- pages ------------------------------------------------------------------------------------------------------

    @to_the_end
    async def checkpoint(self, seller: str, stream: str) -> Checkpoint | None:
        """The checkpoint of this seller's stream, or None before the first run."""
        found = [_reads.checkpoint_from(row) for row in await self._rows(_reads.checkpoints_of(seller, stream))]
        return found[0] if found else None

    @to_the_end
    async def coverage(self, seller: str) -> tuple[Coverage, ...]:
        """How far this seller's orders have been read: what was read once, what is missing, what was reconciled."""
        return coverage_of([_reads.checkpoint_from(row) for row in await self._rows(_reads.checkpoints_of(seller))])

    @to_the_end
    async def store(self, page: OrderPage) -> Stored:
        """Commit a page's orders and their changes, the checkpoint and the quota spent: all or nothing.

        An order is replaced, including its items, unless the database has a later version of it.

        Raises:
            LeaseLostError: another process has taken the stream over; nothing was written.
        """
        try:
            return await self._store(page)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != OUT_OF_RANGE:
                raise
        return await self._store(msgspec.structs.replace(page, rows=[with_numbers_in_range(row) for row in page.rows]))

    async def _store(self, page: OrderPage) -> Stored:
        async with self._write() as connection:
            return await run_on_cursor(connection, lambda cursor: self._writer.write(cursor, page, self.personal))

    @to_the_end
    async def quota(self, application: str) -> dict[str, str]:
        """The limiter's last saved state for each account of an application."""
        query = select(quota_states.c.account, quota_states.c.state).where(quota_states.c.application == application)
        return {row.account: row.state for row in await self._rows(query)}

    @to_the_end
    async def store_quota(self, quota: QuotaStates, *, now: datetime) -> None:
        """Commit the quota spent, without a page."""
        async with self._write() as connection:
            await run_on_cursor(connection, lambda cursor: self._writer.put_quota(cursor, quota, now))

    # ---- stored orders --------------------------------------------------------------------------------------------

    @to_the_end
    async def last_updates(self, seller: str, order_ids: Sequence[str], *, whole: bool = True) -> dict[str, datetime]:
        """The last update of each of these orders that is stored, by default only of those stored with all details."""
        query = _reads.last_updates(seller, order_ids, whole=whole)
        return {row.order_id: row.last_updated_at for row in await self._rows(query)}

    @to_the_end
    async def coarse(self, seller: str, *, limit: int, detail: Detail = Detail.REPORT) -> list[CoarseOrder]:
        """Orders of which only this much detail is stored, the one updated longest ago first."""
        rows = await self._rows(_reads.coarse(seller, limit, detail))
        return [CoarseOrder(**row._mapping) for row in rows]  # noqa: SLF001 - a public name of SQLAlchemy's

    @to_the_end
    async def dates(self, seller: str, *, before: datetime, limit: int, coarse: bool = False) -> list[datetime]:
        """The last updates of orders before a time, the latest first; ``coarse``: only orders without details."""
        return [row.last_updated_at for row in await self._rows(_reads.dates(seller, before, limit, coarse=coarse))]

    @to_the_end
    async def count(
        self, seller: str, *, coarse: bool, created_since: datetime | None = None, places: Sequence[str] = ()
    ) -> int:
        """The number of a seller's orders that are stored without details, or with them."""
        ((found,),) = await self._rows(_reads.count(seller, coarse=coarse, created_since=created_since, places=places))
        return int(found)

    @to_the_end
    async def is_coarse(self, seller: str, order_id: str) -> bool:
        """Whether this order is stored without details."""
        return bool(await self._rows(_reads.is_coarse(seller, order_id)))

    @to_the_end
    async def counts(self) -> tuple[int, int]:
        """The numbers of orders and of order items in the database."""
        counts = [select(func.count()).select_from(table).scalar_subquery() for table in (orders, order_items)]
        ((in_orders, in_items),) = await self._rows(select(*counts))
        return in_orders, in_items

    # ---- holes ------------------------------------------------------------------------------------------------------

    @to_the_end
    async def holes(self, seller: str) -> list[Hole]:
        """The data sets that Amazon refuses this seller, and which orders lack them."""
        rows = await self._rows(_holes_sql.holes(seller))
        return [Hole(**row._mapping) for row in rows]  # noqa: SLF001 - a public name of SQLAlchemy's

    @to_the_end
    async def refused_again(self, hole: Hole, *, now: datetime) -> None:
        """Record that a data set was requested and refused again."""
        async with self._write() as connection:
            await connection.execute(_holes_sql.refused_again(hole, now))

    @to_the_end
    async def filled(self, hole: Hole) -> None:
        """Delete a hole, unless it has grown in the meantime."""
        async with self._write() as connection:
            await connection.execute(_holes_sql.filled(hole))

    # ---- the change feed --------------------------------------------------------------------------------------------

    async def changes(self, after: str | None = None, limit: int | None = 1000) -> AsyncIterator[Change]:
        """The changes after a cursor, oldest first, in the order in which they were committed.

        The iteration ends after the last change, or after ``limit`` changes. A program that saves ``change.cursor``
        together with its own result for the change sees every change exactly once::

            async for change in database.changes(after=cursor):
                ...
                cursor = change.cursor

        Args:
            after: the cursor of the last change that was processed; None begins with the oldest stored change.
            limit: the largest number of changes; None: all.

        Raises:
            CursorError: the cursor belongs to another database, or changes after it have been pruned.
        """
        number = 0 if after is None else number_of(after, self._id)
        left = limit
        while left is None or left > 0:
            size = _BATCH if left is None else min(left, _BATCH)
            batch = await self._changes(number, size, begun=after is not None or number > 0)
            for change in batch:
                yield self._change(change)
            if len(batch) < size:
                return
            number = batch[-1].number
            left = None if left is None else left - len(batch)

    @to_the_end
    async def _changes(self, number: int, size: int, *, begun: bool) -> list[Any]:
        query = (
            select(order_changes).where(order_changes.c.number > number).order_by(order_changes.c.number).limit(size)
        )
        async with self._connected().connect() as connection:
            found = list(await connection.execute(query))
            feed = (await connection.execute(select(change_feed.c.pruned, change_feed.c.last))).one()
        # Numbers have no gaps: a batch that begins with the next one was complete, and pruned only after it was read.
        if begun and number < feed.pruned and (not found or found[0].number > number + 1):
            raise CursorError(f"changes after this cursor have been pruned: {READ_AGAIN}")
        if number > feed.last:
            raise CursorError(f"the database was restored from a backup that is older than this cursor: {READ_AGAIN}")
        return found

    def _change(self, row: Any) -> Change:
        facts = {name: getattr(row, name) for name in Change.__struct_fields__ if name not in ("cursor", "paths")}
        paths = msgspec.json.decode(row.paths, type=tuple[str, ...]) if isinstance(row.paths, str) else tuple(row.paths)
        return Change(cursor=cursor_of(self._id, row.number), paths=paths, **facts)

    @to_the_end
    async def prune(self, before: datetime) -> int:
        """Delete the changes committed before a time and return their number; older cursors become invalid.

        Raises:
            ConfigurationError: the time has no time zone, or is no datetime.
        """
        check_moment("before", before)
        async with self._write() as connection:
            # Lock the feed's row first, as a page does, so that no change is committed in between.
            await connection.execute(update(change_feed).values(last=change_feed.c.last))
            old = order_changes.c.stored_at < before
            last = (await connection.execute(select(func.max(order_changes.c.number)).where(old))).scalar_one()
            if last is None:
                return 0
            gone = await connection.execute(delete(order_changes).where(order_changes.c.number <= last))
            await connection.execute(update(change_feed).values(pruned=last))
            return int(gone.rowcount)

    # ---- leases ----------------------------------------------------------------------------------------------------

    @to_the_end
    @again_if_cut
    async def hold(self, seller: str, stream: str, holder: str, *, now: datetime) -> Lease:
        """Acquire the lease on a seller's stream, if it is free, has expired, or its holder on this machine has ended.

        Times are from this machine's clock: the clocks of several hosts must agree to within some seconds.

        Raises:
            LeaseHeldError: another process holds the lease.
        """
        mine = {"seller": seller, "stream": stream, "holder": holder, "fencing": 1, "expires_at": now + LEASE}
        # It is ours if only the reply was lost; one that was given back is free, whatever the clock was when it was.
        take = functools.partial(_lease_sql.take, sqlite=self._writing is not None)
        is_free = (leases.c.expires_at < now) | leases.c.holder.in_(("", holder))
        async with self._write() as connection:
            fencing = (await connection.execute(take(is_free), mine)).scalar_one_or_none()
            if fencing is None:
                of_stream = (leases.c.seller == seller, leases.c.stream == stream)
                other = (await connection.execute(select(leases).where(*of_stream))).one()
                if is_gone(other.holder):
                    fencing = (await connection.execute(take(leases.c.holder == other.holder), mine)).scalar_one()
                elif other.expires_at > now + LEASE:  # by a clock that was set back since: it lasts from now
                    await connection.execute(update(leases).where(*of_stream).values(expires_at=now + LEASE))
        if fencing is None:
            theirs = Lease(seller=seller, stream=stream, holder=other.holder, fencing=other.fencing)
            raise held_error(theirs, min(other.expires_at, now + LEASE))
        return Lease(seller=seller, stream=stream, holder=holder, fencing=fencing)

    @to_the_end
    @again_if_cut
    async def renew(self, holder: str, *, now: datetime) -> None:
        """Renew every lease of a holder that no other process has taken over."""
        async with self._write() as connection:
            await connection.execute(update(leases).where(leases.c.holder == holder).values(expires_at=now + LEASE))

    @to_the_end
    @again_if_cut
    async def release(self, lease: Lease, *, now: datetime) -> None:
        """Release the lease, so that another process can acquire it at once."""
        mine = (leases.c.seller == lease.seller, leases.c.stream == lease.stream, leases.c.fencing == lease.fencing)
        async with self._write() as connection:
            # The holder's name is removed, because all leases with that name are renewed.
            await connection.execute(update(leases).where(*mine).values(holder="", expires_at=now - LEASE))

    # ---- personal data ----------------------------------------------------------------------------------------------

    @to_the_end
    async def personal_data(self, seller: str, order_id: str) -> dict[str, Any] | None:
        """An order's personal data, by its place in the payload; None if none is stored.

        Raises:
            ConfigurationError: the key with which it was encrypted is missing.
        """
        query = select(order_personal.c.content, order_personal.c.encrypted).where(
            order_personal.c.seller == seller, order_personal.c.order_id == order_id
        )
        row = next(iter(await self._rows(query)), None)
        if row is None:
            return None
        keys = (self.personal.keys if self.personal else None) or (PersonalKeys.from_env() if row.encrypted else None)
        return opened(row.content, keys if row.encrypted else None)

    @to_the_end
    async def sweep(self, *, now: datetime) -> int:
        """Delete expired personal data and return the number of orders concerned. Adds no changes to the feed.

        The encrypted content in ``unreadable`` is deleted likewise; its retention begins when it was first seen.

        In SQLite the bytes are overwritten (``secure_delete``); PostgreSQL frees them at its next vacuum.
        """
        retention = self.personal.retention if self.personal else RETENTION
        async with self._write() as connection:
            gone = int((await connection.execute(_personal_sql.over(now, retention))).rowcount)
            emptied = (await connection.execute(_personal_sql.old_entries(now, retention))).rowcount
        if (gone or emptied) and self._writing is not None:
            async with self._writing, self._connected().connect() as connection:
                await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")  # the log has old pages, too
        return gone

    # ---- rebuilding -------------------------------------------------------------------------------------------------

    @to_the_end
    async def rebuild(self) -> int:
        """Fill every column again from the payloads, without a call; returns the number of orders. Adds no changes.

        Personal data that is still in payloads is moved to its table if ``personal`` was given, else deleted.
        """
        async with self._write() as connection:
            return await rebuild(connection, self._writer, self.personal)

"""A journal of runs in SQLite or PostgreSQL: requested reports, feeds and queries outlive the process.

::

    from spapi_async.workflows.journal import Journal

    async with Application.from_env(journal=Journal("sqlite:///runs.db")) as app:
        ...

The database may contain other tables, such as those of an order sync: the journal uses only its table, ``runs``. Any
number of processes may share it. Each statement is a transaction of its own, and an entry is changed only if it still
has the version that was read.

Needs ``pip install "spapi-async[sync]"``, and ``[postgres]`` for PostgreSQL.
"""

from __future__ import annotations

import asyncio
import functools
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from datetime import timedelta
from typing import Any, Self

import anyio
import msgspec

from spapi_async._core.clock import Clock, SystemClock
from spapi_async._core.journal import Entry, Stage
from spapi_async.errors import ConfigurationError

try:
    from sqlalchemy import (
        Boolean,
        Column,
        Connection,
        Double,
        Index,
        Integer,
        MetaData,
        RowMapping,
        String,
        Table,
        Text,
        delete,
        func,
        inspect,
        select,
        update,
    )
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.dialects import sqlite as sqlite_dialect
    from sqlalchemy.exc import IntegrityError, SQLAlchemyError
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
except ImportError as error:  # pragma: no cover - tested in a process of its own
    raise ModuleNotFoundError('a journal needs an extra: pip install "spapi-async[sync]"') from error

from spapi_async.workflows._sql import (
    MissingDatabaseError,
    async_url,
    create_tables,
    open_engine,
    probe_sqlite,
    reason,
    to_the_end,
    without_secrets,
)

__all__ = ["Journal"]

metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("seller", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("fingerprint", String(32), nullable=False),
    Column("request", Text, nullable=False),
    Column("planned_at", Double, nullable=False),
    Column("stage", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("attempted_at", Double),
    Column("claimed_at", Double),
    Column("job_id", Text),
    Column("made", Boolean, nullable=False),
    Column("status", Text),
    Column("document_id", Text),
    # A request has at most one open run, and a job at most one entry for which it was created. Otherwise these keys are
    # null, and nulls do not equal one another.
    Column("open_key", Text, unique=True),
    Column("made_key", Text, unique=True),
    Index("runs_by_request", "seller", "kind", "fingerprint", "planned_at"),
    Index("runs_by_age", "planned_at"),
)

_FIELDS = Entry.__struct_fields__
_SWEEP_SECONDS = 3600.0


class Journal:
    """Runs in a database; give it to ``Application(journal=...)``, which closes it.

    Args:
        url: ``sqlite:///runs.db`` or ``postgresql://user@host/name``.
        keep: how long entries are kept. Amazon deletes reports and feeds after 90 days.
        clock: the source of time with SQLite; with PostgreSQL it is the server, so that the clocks of hosts may differ.
        create: whether to create the table if it is missing; with False, for a program that only reads, that is an
            error.

    Raises:
        ConfigurationError: the URL is not a database URL, or the database is not supported.
    """

    lasting = True

    def __init__(
        self, url: str, *, keep: timedelta = timedelta(days=30), clock: Clock | None = None, create: bool = True
    ) -> None:
        self._url = async_url(url)
        self._create = create
        self._shown = without_secrets(url)
        self._keep_seconds = keep.total_seconds()
        self._clock = clock or SystemClock()
        self._engine: AsyncEngine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening = anyio.Lock()
        self._sqlite = self._url.get_backend_name() == "sqlite"
        # SQLite allows one writer at a time. This lock is fair, whereas SQLite's own waiting polls.
        self._writing = anyio.Lock() if self._sqlite else None
        self._swept_at = float("-inf")

    async def open(self) -> Self:
        """Connect, and create the table if it is missing; without this call it happens at the first use.

        Raises:
            ConfigurationError: the database cannot be opened.
        """
        await self._connected()
        return self

    @to_the_end
    async def now(self) -> float:
        """The time of PostgreSQL's server, or of this machine."""
        if self._sqlite:
            return self._clock.time()
        async with (await self._connected()).connect() as connection:
            return float((await connection.execute(select(func.extract("epoch", func.clock_timestamp())))).scalar_one())

    @to_the_end
    async def add(self, entry: Entry) -> Entry:
        """Store a new entry, unless the seller has an open one of that kind and fingerprint; returns the stored one."""
        engine = await self._connected()
        insert = sqlite_dialect.insert(runs) if self._sqlite else postgresql.insert(runs)
        adding = insert.values(**_values(entry)).on_conflict_do_nothing(index_elements=[runs.c.open_key])
        finding = select(runs).where(runs.c.open_key == _open_key(entry))
        while True:
            async with self._writing or nullcontext(), engine.begin() as connection:
                await self._sweep(connection, self._clock.time())
                if (await connection.execute(adding)).rowcount == 1:
                    return entry
            async with engine.connect() as connection:
                row = (await connection.execute(finding)).mappings().one_or_none()
            if row is not None:  # else it was closed in between
                return _entry(row)

    @to_the_end
    async def get(self, entry_id: str) -> Entry | None:
        """The entry as it is now."""
        async with (await self._connected()).connect() as connection:
            row = (await connection.execute(select(runs).where(runs.c.id == entry_id))).mappings().one_or_none()
        return None if row is None else _entry(row)

    @to_the_end
    async def swap(self, old: Entry, new: Entry) -> bool:
        """Replace ``old`` if it is still stored; False if not, or if another entry's ``made`` job has that job id."""
        changing = update(runs).where(runs.c.id == old.id, runs.c.version == old.version).values(**_values(new))
        engine = await self._connected()
        try:
            async with self._writing or nullcontext(), engine.begin() as connection:
                return (await connection.execute(changing)).rowcount == 1
        except IntegrityError:
            return False

    @to_the_end
    async def made(self, seller: str, kind: str, job_ids: Collection[str]) -> frozenset[str]:
        """Those of the ids whose job was created for an entry."""
        keys = [_key(seller, kind, job_id) for job_id in job_ids]
        query = select(runs.c.job_id).where(runs.c.made_key.in_(keys))
        async with (await self._connected()).connect() as connection:
            return frozenset((await connection.execute(query)).scalars())

    @to_the_end
    async def recent(self, seller: str, kind: str, fingerprint: str, *, since: float) -> Sequence[Entry]:
        """Entries with that fingerprint planned since then, newest first, including closed ones."""
        query = (
            select(runs)
            .where(runs.c.seller == seller, runs.c.kind == kind, runs.c.fingerprint == fingerprint)
            .where(runs.c.planned_at >= since)
            .order_by(runs.c.planned_at.desc())
        )
        async with (await self._connected()).connect() as connection:
            return [_entry(row) for row in (await connection.execute(query)).mappings()]

    @to_the_end
    async def unfinished(self, *, seller: str | None = None, kind: str | None = None) -> Sequence[Entry]:
        """Every open entry, oldest first."""
        query = select(runs).where(runs.c.open_key.is_not(None)).order_by(runs.c.planned_at)
        if seller is not None:
            query = query.where(runs.c.seller == seller)
        if kind is not None:
            query = query.where(runs.c.kind == kind)
        async with (await self._connected()).connect() as connection:
            return [_entry(row) for row in (await connection.execute(query)).mappings()]

    async def forget(self, entry_id: str) -> bool:
        """Delete an entry, so that the same request is sent to Amazon again; returns whether there was one."""
        engine = await self._connected()
        async with self._writing or nullcontext(), engine.begin() as connection:
            return (await connection.execute(delete(runs).where(runs.c.id == entry_id))).rowcount == 1

    @to_the_end
    async def aclose(self) -> None:
        """Close every connection; a journal that is used again opens new ones."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Journal {self._shown}>"

    async def _connected(self) -> AsyncEngine:
        loop = asyncio.get_running_loop()
        if self._engine is not None and self._loop is loop:
            return self._engine
        if self._loop is not loop:  # connections and locks do not work in another loop
            self._engine, self._loop = None, loop
            self._opening = anyio.Lock()
            self._writing = anyio.Lock() if self._sqlite else None
        async with self._opening:
            if self._engine is None:
                try:
                    self._engine = await self._opened()
                except (SQLAlchemyError, sqlite3.Error, OSError, ImportError) as error:
                    raise ConfigurationError(f"cannot open journal {self._shown}: {reason(error)}") from error
        return self._engine

    async def _opened(self) -> AsyncEngine:
        engine = open_engine(self._url)
        try:
            if self._sqlite:
                await anyio.to_thread.run_sync(functools.partial(probe_sqlite, engine, create=self._create))
            async with engine.begin() as connection:
                if self._create:
                    await create_tables(connection, metadata)
                else:
                    await connection.run_sync(self._check_table)
        except BaseException:
            await engine.dispose()
            raise
        return engine

    def _check_table(self, connection: Connection) -> None:
        if not inspect(connection).has_table(runs.name):
            raise MissingDatabaseError(f"journal {self._shown} has no table of runs: nothing was written to it yet")

    async def _sweep(self, connection: AsyncConnection, now: float) -> None:
        """Delete entries that are older than ``keep``, once an hour."""
        if now - self._swept_at < _SWEEP_SECONDS:
            return
        self._swept_at = now
        await connection.execute(delete(runs).where(runs.c.planned_at < now - self._keep_seconds))


def _key(*parts: str) -> str:
    return "|".join(parts)


def _open_key(entry: Entry) -> str:
    return _key(entry.seller, entry.kind, entry.fingerprint)


def _values(entry: Entry) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(entry, name) for name in _FIELDS}
    values["stage"] = entry.stage.value
    values["open_key"] = _open_key(entry) if entry.open else None
    values["made_key"] = _key(entry.seller, entry.kind, entry.job_id or "") if entry.made else None
    return values


def _entry(row: RowMapping) -> Entry:
    values = {name: row[name] for name in _FIELDS}
    return msgspec.structs.replace(Entry(**values), stage=Stage(row["stage"]))

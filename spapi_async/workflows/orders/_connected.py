"""The connections to an open database: many readers, and one writer if the database allows only one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import anyio
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from spapi_async.errors import ConfigurationError
from spapi_async.workflows._sql import async_url, to_the_end, without_secrets

__all__ = ["Connected"]


class Connected:
    """The connections to a database, from the creation of the engine until it is closed."""

    def __init__(self, url: str) -> None:
        self.url = async_url(url)
        self._shown = without_secrets(url)
        self._engine: AsyncEngine | None = None
        # SQLite has one writer: waiting for this lock is fair and cheap; SQLite's busy handler would poll.
        self._writing = anyio.Lock() if self.url.get_backend_name() == "sqlite" else None

    @to_the_end
    async def close(self) -> None:
        """Close every connection."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[AsyncConnection]:
        async with self._writing or nullcontext(), self._connected().begin() as connection:
            yield connection

    async def _rows(self, query: Any) -> list[Any]:
        async with self._connected().connect() as connection:
            return list(await connection.execute(query))

    def _connected(self) -> AsyncEngine:
        if self._engine is None:
            raise ConfigurationError("the database is not open; use it as `async with OrderDatabase(url) as database`")
        return self._engine

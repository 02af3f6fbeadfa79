"""What tests read or change inside an object because no public attribute shows it: each private name once, here.

A test that can use public names does so. `tests/test_words.py` counts the names.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from spapi_async import Application
    from spapi_async._engine.transport import SessionPool
    from spapi_async.workflows.documents import Document
    from spapi_async.workflows.documents._download import Download
    from spapi_async.workflows.orders import OrderDatabase

__all__ = [
    "collect_silently",
    "database_engine",
    "download_of",
    "engine_of",
    "lanes_of",
    "link_of",
    "page_writer",
    "registry_of",
    "session_pool",
    "task_of",
    "token_endpoint",
]


def session_pool(app: Application) -> SessionPool:
    """Return the connections of an application."""
    return app._pool


def token_endpoint(app: Application) -> Any:
    """Return the client of Login with Amazon; ``retry_delays`` are its pauses, ``issue`` is its one call."""
    return app._auth._access.endpoint


def lanes_of(limiter: Any) -> dict[Any, Any]:
    """Return a limiter's lanes, one for each account and operation that were called lately."""
    lanes: dict[Any, Any] = limiter._lanes
    return lanes


def link_of(limiter: Any) -> Any:
    """Return the link of a shared limiter to its store."""
    return limiter._link


def task_of(owner: Any) -> asyncio.Task[Any] | None:
    """Return the task behind a link or a batch, if one is running."""
    task: asyncio.Task[Any] | None = owner._task
    return task


def collect_silently(task: Any) -> None:
    """Keep asyncio from logging that a pending task was collected, where a test does this on purpose."""
    task._log_destroy_pending = False


def engine_of(owner: Any) -> AsyncEngine | None:
    """Return SQLAlchemy's engine of a database or a journal, while it is open."""
    engine: AsyncEngine | None = owner._engine
    return engine


def database_engine(database: OrderDatabase) -> AsyncEngine:
    """Return SQLAlchemy's engine of an open database."""
    engine = engine_of(database)
    assert engine is not None
    return engine


def registry_of(limiter: Any) -> Any:
    """Return what a limiter in this process keeps for all its lanes."""
    return limiter._registry


def page_writer(database: OrderDatabase) -> Any:
    """Return the object that writes a page in one transaction."""
    return database._writer


def download_of(document: Document) -> Download:
    """Return the download behind a document."""
    return document._download

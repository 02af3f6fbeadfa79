"""Brings a database to the version of this program: creates the tables, migrates them, or refuses the database."""

from __future__ import annotations

import functools
import logging
import secrets
from collections.abc import Collection
from pathlib import Path

from alembic.command import upgrade as run_migrations
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select

from spapi_async.errors import ConfigurationError
from spapi_async.workflows._sql import MissingDatabaseError
from spapi_async.workflows.orders._tables import change_feed, metadata

__all__ = ["VERSION_TABLE", "upgrade"]

VERSION_TABLE = "spapi_orders_version"
FIRST = "0001"
"""The tables of programs that stored no version."""

logger = logging.getLogger("spapi_async.workflows.orders")


def upgrade(connection: Connection, shown: str, *, create: bool = True) -> tuple[str | None, str]:
    """Create or migrate the tables within the open transaction; returns the versions before and after.

    Raises:
        ConfigurationError: a newer program has migrated the tables.
        MissingDatabaseError: there are no tables, and ``create`` is False.
    """
    script = _script()
    head = script.get_current_head()
    assert head is not None
    tables = set(inspect(connection).get_table_names())
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    current = context.get_current_revision() if VERSION_TABLE in tables else None
    if current is None and "orders" not in tables:
        if not create:
            raise MissingDatabaseError(f"database {shown} has no order tables: no sync has written to it")
        _create(connection, tables)
        context.stamp(script, head)
    else:
        if current is None:
            context.stamp(script, FIRST)
            current = FIRST
        if current not in {revision.revision for revision in script.walk_revisions()}:
            raise ConfigurationError(
                f"database {shown} has order tables of version {current}, but this program knows versions up to {head}:"
                " use the newer spapi_async that migrated them"
            )
        if current != head:
            logger.warning("migrating the order tables of %s from version %s to %s", shown, current, head)
            _migrate(connection)
    _identify(connection)
    return current, head


@functools.cache
def _script() -> ScriptDirectory:
    """The migrations; cached, because alembic loads their modules for each new ScriptDirectory."""
    return ScriptDirectory(str(Path(__file__).parent))


def _create(connection: Connection, present: Collection[str]) -> None:
    """Create the missing tables; in PostgreSQL a table may be present in another schema, so each is checked."""
    if connection.dialect.name == "sqlite":
        missing = [table for table in metadata.sorted_tables if table.name not in present]
        metadata.create_all(connection, missing, checkfirst=False)
    else:
        metadata.create_all(connection)


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    run_migrations(config, "head")


def _identify(connection: Connection) -> None:
    """Give the database its id, which is part of cursors, once."""
    if connection.execute(select(change_feed.c.database_id)).first() is None:
        connection.execute(change_feed.insert().values(database_id=secrets.token_hex(8), last=0, pruned=0))

"""Fixtures: a database of each kind, empty. Used as a plugin, so that tests need not import them by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from servers import redis_server, redis_url
from shared_postgres import postgres_server, postgres_url

__all__ = [
    "database_url",
    "new_database_url",
    "new_postgres_url",
    "new_sqlite_url",
    "postgres_server",
    "postgres_url",
    "redis_server",
    "redis_url",
    "sqlite_url",
]


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite file that is this test's alone."""
    return f"sqlite:///{tmp_path / 'orders.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The same test on either database: with ``sqlite`` or ``postgres`` in its name, this fixture is of one alone."""
    kind = "sqlite" if request.param == "sqlite" else "postgres"
    assert request.fixturename is not None
    url: str = request.getfixturevalue(request.fixturename.replace("database", kind))
    return url


# The same, for tests in a folder whose own fixtures replace those above by databases that have tables.
new_sqlite_url, new_postgres_url, new_database_url = sqlite_url, postgres_url, database_url

"""One PostgreSQL for all workers of a run: the first that needs it starts it, and it ends after the last of them.

The fixtures and what they give:

``postgres_server``  session, the :class:`~servers.PostgresServer` of the run
``postgres_url``     function, a SQLAlchemy URL (asyncpg) of an empty database that is this test's alone
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import postgres_guard
import pytest
from servers import PostgresServer

__all__ = ["postgres_server", "postgres_url", "used"]


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """One PostgreSQL for the whole run."""
    run = getattr(request.config, "workerinput", {}).get("testrunuid") or uuid.uuid4().hex
    directory = Path(tempfile.gettempdir()) / f"postgres-{run}"
    with used(directory):
        server = PostgresServer(directory)
        server.start()
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """SQLAlchemy's URL of a database that is this test's alone."""
    with postgres_server.empty_database() as url:
        yield url


@contextlib.contextmanager
def used(directory: Path) -> Iterator[None]:
    """Make the directory of a server unless it exists, and keep it, with the server, for as long as it is used.

    The server is whichever wrote ``data/postmaster.pid`` there.
    """
    import fcntl

    lock_path = directory.with_name(f"{directory.name}.lock")
    while True:
        with lock_path.open("a+b") as lock:
            fcntl.lockf(lock, fcntl.LOCK_SH)
            if not os.fstat(lock.fileno()).st_nlink:
                continue  # the guard of an earlier server has just removed it
            with contextlib.suppress(FileExistsError):
                directory.mkdir(mode=0o700)
                _start_guard(lock_path, directory)
            yield
            return


def _start_guard(lock_path: Path, directory: Path) -> None:
    """In a session of its own, so that what ends a run, such as Ctrl-C, does not end it; it is not waited for."""
    command = [sys.executable, "-I", "-S", postgres_guard.__file__, str(lock_path), str(directory)]
    silent = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0), *((os.POSIX_SPAWN_DUP2, 0, each) for each in (1, 2))]
    os.posix_spawn(sys.executable, command, {}, file_actions=silent, setsid=True)

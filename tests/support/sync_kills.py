"""A campaign of SIGKILLs against the order sync and its follower; what each run leaves is compared with the truth.

``python tests/support/sync_kills.py [sqlite|postgresql] [open|sync|follow]... [--seconds SECONDS]``: a process is
killed while the emulator holds each of its requests, and before each statement and each commit that it asks of the
database, SQLAlchemy's own and those on the driver's cursor. Started again, it must end with the tables of a run that
was not disturbed, and the change feed must hold each version of an order once. ``open`` is a new database, killed at
each step of making its tables.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import asyncpg
from servers import PostgresServer
from sqlalchemy import event
from sqlalchemy.engine import Engine

from spapi_async import Application
from spapi_async.workflows._cursor import run_on_cursor
from spapi_async.workflows.orders import OrderDatabase, _database, follow_orders, sync_orders

ORDERS = 40

EMULATOR = """
import asyncio, sys, time
from spapi_async.emulator import Emulator
async def main():
    options = dict(orders=int(sys.argv[1]), rate_scale=1e9, anchor=time.time() - 7200, search_delay=0)
    async with Emulator(**options) as emulator:
        print(emulator.url, flush=True)
        while words := (await asyncio.to_thread(sys.stdin.readline)).split():
            if words[0] == "hold":
                emulator.faults(dict(clear=True), dict(times=int(words[1])), dict(delay=3600, times=None))
                if words[1] == "0":
                    emulator.faults(dict(clear=True), dict(delay=3600, times=None))
            elif words[0] == "free":
                emulator.faults(dict(clear=True))
            print(emulator.stats()["faults"], flush=True)
asyncio.run(main())
"""


def say(line: str) -> None:
    """Print it at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


# ---- what is killed, and what it works with --------------------------------------------------------------------------


class EmulatorProcess:
    """An emulator in a process of its own, so that this one can be forked."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.url = self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def ask(self, words: str) -> int:
        """Send it a command; returns how many requests have met a fault so far."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{words}\n")
        self._process.stdin.flush()
        return int(self._answer())


@contextmanager
def emulator(orders: int) -> Iterator[EmulatorProcess]:
    """One that ends with the block."""
    command = [sys.executable, "-c", EMULATOR, str(orders)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield EmulatorProcess(process)
        finally:
            process.kill()


class Databases:
    """New databases of one kind: empty ones, and copies of one that has its tables."""

    def __init__(self, folder: Path, server: PostgresServer | None) -> None:
        self._folder = folder
        self._server = server
        self._numbers = iter(range(100_000))
        self._template = self.empty()
        assert not ended(forked(lambda: opened(self._template)))

    def empty(self) -> str:
        """The URL of a database without tables."""
        if self._server is not None:
            return self._server.create_database()
        return f"sqlite:///{self._folder / f'{next(self._numbers)}.db'}"

    def made(self) -> str:
        """The URL of a database with empty tables."""
        if self._server is None:
            url = self.empty()
            shutil.copy(self._template.removeprefix("sqlite:///"), url.removeprefix("sqlite:///"))
            return url
        template = self._template.partition("?")[0].rpartition("/")[2]
        name = f"copy_{next(self._numbers)}"
        asyncio.run(_run(self._server.url(), f"CREATE DATABASE {name} TEMPLATE {template}"))
        return self._server.url(name)

    def drop(self, url: str) -> None:
        """Make room."""
        if self._server is None:
            for path in self._folder.glob(f"{Path(url).stem}.db*"):
                path.unlink()
        else:
            name = url.partition("?")[0].rpartition("/")[2]
            asyncio.run(_run(self._server.url(), f"DROP DATABASE {name} WITH (FORCE)"))


async def _run(url: str, *statements: str) -> list[list[tuple[Any, ...]]]:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return [[tuple(row) for row in await connection.fetch(statement)] for statement in statements]
    finally:
        await connection.close()


async def rows(url: str, *statements: str) -> list[list[tuple[Any, ...]]]:
    """What queries find, read without the code under test."""
    if url.startswith("postgresql"):
        return await _run(url, *statements)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        return [connection.execute(statement).fetchall() for statement in statements]


def opened(url: str) -> None:
    """A database that is opened and closed."""

    async def open_and_close() -> None:
        async with OrderDatabase(url) as database:
            await database.counts()

    asyncio.run(open_and_close())


async def sync(server: str, url: str) -> None:
    """A sync, as a program has it."""
    async with Application("app", "secret", endpoint=server) as app:
        seller = app.selling_partner("Atzr|killed", region="NA")
        since = datetime.now(UTC) - timedelta(days=60)
        report = await sync_orders([seller], url, since=since, page_size=15)
        assert not report.failed, report.failed[0].error


async def follow(server: str, url: str) -> None:
    """A follower with every source that is fast, until it has every order whole and its history is read."""
    failures: list[str] = []

    def hear(heard: Any) -> None:
        if type(heard).__name__ == "SellerFailed":
            failures.append(heard.error)

    async with Application("app", "secret", endpoint=server) as app:
        seller = app.selling_partner("Atzr|killed", region="NA")
        since, every = datetime.now(UTC) - timedelta(days=60), timedelta(seconds=0.3)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: follow_orders([seller], url, since=since, every=every, progress=hear))
            with anyio.fail_after(120):
                while not failures and not await is_followed(url):
                    await anyio.sleep(0.03)
            group.cancel_scope.cancel()
    assert not failures, failures


async def is_followed(url: str) -> bool:
    """Whether a follower has nothing left to read."""
    ((whole,),), history = await rows(
        url,
        "SELECT count(*) FROM orders WHERE detail = 'whole'",
        "SELECT 1 FROM checkpoints WHERE stream LIKE '% history' AND upper_bound = last_updated_after",
    )
    return whole == ORDERS and bool(history)


# ---- killing ---------------------------------------------------------------------------------------------------------


def forked(work: Callable[[], None]) -> int:
    """Start a process that does something and ends."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:  # noqa: BLE001 - this process ends here, whatever it is
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return child


def ended(child: int) -> bool:
    """Whether a process was killed; it must not have failed."""
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the process failed"
    return os.WIFSIGNALED(status)


class _Steps:
    """Kills its process at the step that is one too many."""

    def __init__(self, left: int) -> None:
        self._left = left

    def take(self, *_: Any, **__: Any) -> None:
        """The next one."""
        self._left -= 1
        if self._left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


class _Counted:
    """The driver's cursor, each of whose statements is a step."""

    def __init__(self, cursor: Any, steps: _Steps) -> None:
        self._cursor, self._steps = cursor, steps

    def __getattr__(self, name: str) -> Any:
        if name in ("execute", "executemany"):
            self._steps.take()
        return getattr(self._cursor, name)


def killed_at(work: Callable[[], None], step: int) -> None:
    """Run some work, and be killed before the statement or commit of that number."""
    steps = _Steps(step)

    async def counted(connection: Any, job: Callable[[Any], Any]) -> Any:
        return await run_on_cursor(connection, lambda cursor: job(_Counted(cursor, steps)))

    setattr(_database, run_on_cursor.__name__, counted)
    event.listen(Engine, "before_cursor_execute", steps.take)
    event.listen(Engine, "commit", steps.take)
    work()


# ---- the campaign ----------------------------------------------------------------------------------------------------


def tables(url: str) -> Any:
    """What a run leaves, except times and names of its own; each version of an order has one change.

    Which source read an order first is not compared, since the sources of a follower race.
    """
    changes, orders, items = asyncio.run(
        rows(
            url,
            "SELECT order_id, updated_at, kind FROM order_changes ORDER BY number",
            "SELECT order_id, status, items, payload FROM orders WHERE detail = 'whole' ORDER BY 1",
            "SELECT order_id, order_item_id, payload FROM order_items ORDER BY 1, 2",
        )
    )
    versions = [(order_id, updated) for order_id, updated, kind in changes if kind != "detail"]
    assert len(set(versions)) == len(versions), "a change is there twice"
    return orders, items, sorted(order_id for order_id, _, kind in changes if kind == "new")


class Campaign:
    """One program that is killed in one kind of database."""

    def __init__(self, databases: Databases, running: EmulatorProcess, name: str) -> None:
        self.points: Counter[str] = Counter()
        self._databases = databases
        self._running = running
        self._name = name

    def work(self, url: str) -> None:
        """What is killed."""
        programs: dict[str, Callable[[str, str], Awaitable[None]]] = {"sync": sync, "follow": follow}
        if self._name == "open":
            opened(url)
        else:
            asyncio.run(programs[self._name](self._running.url, url))  # type: ignore[arg-type]

    def url(self) -> str:
        """What it begins with."""
        return self._databases.empty() if self._name == "open" else self._databases.made()

    def run(self, end: float) -> None:
        """Each request, then each statement and commit, until the time is over."""
        reference = self.url()
        assert not ended(forked(lambda: self.work(reference)))
        truth = tables(reference)
        assert self._name == "open" or len(truth[0]) == ORDERS

        def settle(url: str, point: str) -> None:
            self._running.ask("free")
            try:
                assert not ended(forked(lambda: self.work(url)))
                assert tables(url) == truth
            except AssertionError as error:
                raise AssertionError(f"{self._name}, {point}, {url}: {error}") from error
            self._databases.drop(url)
            self.points[point.partition(" ")[0]] += 1

        for request in range(1000 if self._name != "open" else 0):
            url, before = self.url(), self._running.ask(f"hold {request}")
            if time.monotonic() > end or not self._held(url, before + request):
                break
            settle(url, f"request {request}")
        for step in range(100_000):
            if time.monotonic() > end:
                break
            url = self.url()
            if not ended(forked(lambda url=url, n=step: killed_at(lambda: self.work(url), n))):  # type: ignore[misc]
                say(f"{self._name}: that was each statement and commit")
                break
            settle(url, f"statement {step}")

    def _held(self, url: str, count: int) -> bool:
        """Kill it once so many requests were met; whether it got that far."""
        child = forked(lambda: self.work(url))
        while self._running.ask("count") <= count:
            if os.waitpid(child, os.WNOHANG)[0]:
                say(f"{self._name}: that was each request")
                return False
            time.sleep(0.002)
        os.kill(child, signal.SIGKILL)
        return ended(child)


def main(words: Sequence[str]) -> None:
    """Run the campaigns that are asked for."""
    words, seconds = [*words], 600.0
    if "--seconds" in words:
        place = words.index("--seconds")
        seconds = float(words[place + 1])
        del words[place : place + 2]
    kinds = [word for word in words if word in ("sqlite", "postgresql")] or ["sqlite", "postgresql"]
    names = [word for word in words if word in ("open", "sync", "follow")] or ["open", "sync", "follow"]
    if set(words) - {*kinds, *names}:
        sys.exit(__doc__)
    for kind in kinds:
        with (
            tempfile.TemporaryDirectory() as folder,
            emulator(ORDERS) as running,
            PostgresServer() if kind == "postgresql" else nullcontext() as server,
        ):
            databases = Databases(Path(folder), server)
            for name in names:
                began, campaign = time.monotonic(), Campaign(databases, running, name)
                campaign.run(began + seconds)
                say(f"{kind} {name}: killed at {dict(campaign.points)} in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])

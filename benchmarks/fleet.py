"""The capacity of a fleet, and its recovery from failures, with real workers, Redis, PostgreSQL and the emulator.

``python benchmarks/fleet.py [--sellers 300] [--orders 30] [--workers 3] [--every 20] [--seconds 60] [--save]``, in the
environment of the tests, on a quiet machine; about three minutes, never more than six. The emulator's usage plans are
``--rate-scale`` times Amazon's.

The scheduler's check of a board of 100,000 sellers is measured separately. Then every seller is read once. Then, for
``--seconds``, one order of every seller changes in each period of ``--every``, and the cost of a slice is measured:
processor time of workers, scheduler, Redis and PostgreSQL, commands, transactions. Then a worker is killed, one is
added, PostgreSQL's connections are cut, Redis is restarted empty, and every seller's orders change; when the database
is equal to the emulator, they change again. At the end workers get SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import asyncpg
import psutil  # type: ignore[import-untyped]
from redis.asyncio import Redis

from spapi_async.emulator import Emulator
from spapi_async.fleet import Fleet, SellerState
from spapi_async.fleet._board import Board
from spapi_async.workflows.orders import OrderDatabase

if TYPE_CHECKING:
    from servers import RedisServer

RESULT = Path(__file__).resolve().parent / "results" / "fleet.json"
_LONGEST = 360.0  # seconds
_SEARCH = "orders_2026_01_01.search_orders"


class Running:
    """A fleet, its servers, and the emulator with the true orders."""

    def __init__(
        self, asked: argparse.Namespace, redis: RedisServer, database: str, postgres: int, emulator: Emulator
    ) -> None:
        self.asked, self.redis, self.emulator, self.postgres = asked, redis, emulator, postgres
        self.database = database.replace("+asyncpg", "")
        self._folder = tempfile.TemporaryDirectory()
        sellers = Path(self._folder.name) / "sellers.json"
        entries = [{"seller_id": f"A{n}", "region": "NA", "refresh_token": f"Atzr|{n}"} for n in range(asked.sellers)]
        sellers.write_text(json.dumps(entries))
        sellers.chmod(0o600)
        self._options = ["--database", self.database, "--sellers", str(sellers), "--every", f"{asked.every}s"]
        self.processes: dict[str, list[subprocess.Popen[bytes]]] = {"schedule": [], "worker": []}

    def start(self, what: str) -> None:
        """Start a worker or the scheduler by its command."""
        words = [sys.executable, "-m", "spapi_async", "fleet", what, *self._options]
        made_up = {"LWA_APP_ID": "app", "LWA_CLIENT_SECRET": "secret"}
        addresses = {"SP_API_ENDPOINT": self.emulator.url, "SP_API_REDIS": self.redis.url}
        self.processes[what].append(
            subprocess.Popen(words, env={**os.environ, **made_up, **addresses}, stderr=subprocess.DEVNULL)
        )

    def end(self) -> None:
        """Kill the processes that are still running."""
        for process in (each for group in self.processes.values() for each in group):
            process.kill()
            process.wait()
        self._folder.cleanup()

    async def query(self, statement: str) -> list[Any]:
        """Rows of PostgreSQL."""
        connection = await asyncpg.connect(self.database)
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    async def is_equal(self) -> bool:
        """Whether the database contains the emulator's orders with their last updates."""
        try:
            rows = await self.query("SELECT order_id, extract(epoch FROM last_updated_at)::bigint AS at FROM orders")
        except asyncpg.UndefinedTableError:
            return False
        sellers = self.emulator.world.sellers  # read directly, which is faster than by calls
        truth = {order.order_id: int(order.updated) for seller in sellers for order in seller.orders.since(0)}
        return len(sellers) == self.asked.sellers and {row["order_id"]: row["at"] for row in rows} == truth

    async def is_complete(self) -> bool:
        """Whether every seller has been complete once."""
        status = await Fleet.status_of(self.redis.url)
        return len(status.sellers) == self.asked.sellers and status.lag is not None

    def change(self) -> None:
        """Change orders of every seller."""
        self.emulator.change_orders(add=1, update=2)

    # ---- costs ------------------------------------------------------------------------------------------------------

    async def costs(self) -> dict[str, float]:
        """Processor seconds, commands, transactions and slices so far."""
        info = self.redis.command("INFO", "all")
        slices = info.get("cmdstat_xack", {"calls": 0})["calls"]
        (row,) = await self.query("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        postgres = psutil.Process(self.postgres)
        counts = self.emulator.stats()["operations"].get(_SEARCH, {"requests": 0})
        own = psutil.Process().cpu_times()
        return {
            "slices": slices,
            "searches": counts["requests"],
            "redis_commands": info["total_commands_processed"],
            "transactions": row["xact_commit"],
            "workers_cpu": sum(_cpu(process.pid) for process in self.processes["worker"]),
            "scheduler_cpu": sum(_cpu(process.pid) for process in self.processes["schedule"]),
            "redis_cpu": info["used_cpu_user"] + info["used_cpu_sys"],
            "postgres_cpu": _cpu(postgres.pid) + sum(_cpu(child.pid) for child in postgres.children()),
            "emulator_cpu": own.user + own.system,
            "at": time.monotonic(),
        }

    async def memory(self) -> dict[str, float]:
        """Megabytes: the largest worker, Redis, PostgreSQL's database on disk."""
        sizes = [psutil.Process(process.pid).memory_info().rss for process in self.processes["worker"]]
        used = self.redis.command("INFO", "memory")["used_memory"]
        (row,) = await self.query("SELECT pg_database_size(current_database()) AS size")
        return {name: round(size / 1e6, 1) for name, size in
                (("worker_mb", max(sizes)), ("redis_mb", used), ("database_mb", row["size"]))}  # fmt: skip


def _cpu(pid: int) -> float:
    """Processor seconds of a process and of its children that have ended."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


async def _until(condition: Callable[[], Awaitable[bool]]) -> float:
    """Wait until a condition is true; return the seconds."""
    began = time.monotonic()
    while not await condition():  # noqa: ASYNC110 - other processes make it true
        await anyio.sleep(0.5)
    return round(time.monotonic() - began, 1)


async def _steady(running: Running) -> dict[str, Any]:
    """The cost of slices while some orders change and nothing fails."""
    before = await running.costs()
    lags = []
    names = [f"A{n}" for n in range(running.asked.sellers)]
    ends = before["at"] + running.asked.seconds
    changed = 0
    while time.monotonic() < ends:
        for name in names[changed % 5 :: 5]:
            running.emulator.change_orders(update=1, seller=name)
        changed += 1
        await anyio.sleep(running.asked.every / 5)
        lags.append((await Fleet.status_of(running.redis.url)).lag or 0.0)
    spent = {name: value - before[name] for name, value in (await running.costs()).items()}
    seconds, slices = spent.pop("at"), spent.pop("slices")
    each = {name: round(value / slices, 3) for name, value in spent.items() if not name.endswith("_cpu")}
    cpu = {f"{name}_ms": round(1000 * value / slices, 2) for name, value in spent.items() if name.endswith("_cpu")}
    return {
        "seconds": round(seconds, 1),
        "slices_a_second": round(slices / seconds, 1),
        "largest_lag": round(max(lags), 1),
        "a_slice": {**each, **cpu},
        **await running.memory(),
    }


async def _trouble(running: Running) -> dict[str, Any]:
    """Seconds until the database is equal to the emulator after several failures."""
    running.processes["worker"][0].send_signal(signal.SIGKILL)
    running.start("worker")
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    await running.query(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
    await anyio.to_thread.run_sync(running.redis.restart_empty)
    running.change()
    found = {}
    for what, condition in (("equal", running.is_equal), ("all_complete", running.is_complete)):
        found[f"{what}_after_trouble"] = await _until(condition)
        print(found, flush=True)
    running.change()
    return {**found, "equal_after_next_change": await _until(running.is_equal)}


async def _end(running: Running) -> dict[str, Any]:
    """The seconds that workers take to stop after SIGTERM, and the final counts."""
    status = await Fleet.status_of(running.redis.url)
    began = time.monotonic()
    alive = [process for process in running.processes["worker"] if process.poll() is None]
    for process in alive:
        process.send_signal(signal.SIGTERM)
    codes = [await anyio.to_thread.run_sync(process.wait) for process in alive]
    counts = running.emulator.stats()["operations"].values()
    async with OrderDatabase(running.database) as database:
        versions = [(row.seller, row.order_id, row.updated_at) async for row in database.changes(limit=None)]
    return {
        "stopped_after": round(time.monotonic() - began, 1),
        "exit_codes": codes,
        "lag": status.lag and round(status.lag, 1),
        "failing": status.failing,
        "requests": sum(count["requests"] for count in counts),
        "throttled": sum(count["throttled"] for count in counts),
        "changes": len(versions),
        "changes_twice": len(versions) - len(set(versions)),
    }


async def _board(redis: RedisServer, sellers: int) -> dict[str, Any]:
    """Processor milliseconds of the scheduler's check of a board, of which one seller in 200 is due."""
    looks = 20
    async with Redis.from_url(redis.url) as client:
        board = Board(client, "board", slice_seconds=50)
        await board.keep([f"A{n:013}@na" for n in range(sellers)])
        late = [SellerState(seller=f"A{n:013}@na", due_at=2e9) for n in range(sellers // 200, sellers)]
        for start in range(0, len(late), 1000):
            await board.put(*late[start : start + 1000])
        before, own = redis.command("INFO", "cpu"), time.process_time()
        for _ in range(looks):
            assert len(await board.due(1e9)) == sellers // 200
        own, after = time.process_time() - own, redis.command("INFO", "cpu")
        await client.flushall()
    spent = sum(after[name] - before[name] for name in ("used_cpu_user", "used_cpu_sys"))
    return {
        "sellers": sellers,
        "scheduler_cpu_ms": round(1000 * own / looks, 1),
        "redis_cpu_ms": round(1000 * spent / looks, 1),
    }


async def _measure(asked: argparse.Namespace, redis: RedisServer, database: str, postgres: int) -> dict[str, Any]:
    anchor = datetime.now(UTC).timestamp() - 3600
    settings: dict[str, Any] = {"rate_scale": asked.rate_scale, "search_delay": 0.0, "anchor": anchor}
    async with Emulator(orders=asked.orders, **settings) as emulator:
        running = Running(asked, redis, database, postgres, emulator)
        found: dict[str, Any] = {name: getattr(asked, name) for name in ("sellers", "orders", "workers", "every")}
        try:
            found["board"] = await _board(redis, 100_000)
            print(json.dumps(found), flush=True)
            for what in ("schedule", *["worker"] * asked.workers):
                running.start(what)
            with anyio.fail_after(_LONGEST):
                found["all_read_after"] = await _until(running.is_equal)
                await _until(running.is_complete)
                print({"all_read_after": found["all_read_after"]}, flush=True)
                for name, part in (("steady", _steady), ("trouble", _trouble), ("end", _end)):
                    found[name] = await part(running)
                    print(json.dumps({name: found[name]}, indent=1), flush=True)
        finally:
            running.end()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sellers", type=int, default=300)
    parser.add_argument("--orders", type=int, default=30, help="the orders of each seller")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--every", type=int, default=20, help="seconds between two slices of a seller")
    parser.add_argument("--rate-scale", type=float, default=500.0)
    parser.add_argument("--seconds", type=float, default=60.0, help="the duration of the part without failures")
    parser.add_argument("--save", action="store_true")
    asked = parser.parse_args()
    sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "support"))
    from servers import PostgresServer, RedisServer

    with PostgresServer() as postgres, RedisServer() as redis:
        found = anyio.run(_measure, asked, redis, postgres.create_database(), postgres.pid)
    if asked.save:
        RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""A sync that is killed at any point and started again stores every order exactly once."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

import pytest
import warm_python
from order_databases import CREDENTIALS, emulated_orders, query, stored_orders
from request_counts import requests_of

from spapi_async.emulator.server import Emulator
from spapi_async.workflows.orders import OrderDatabase

pytest_plugins = ("sync_fixtures",)

SEARCH = "orders_2026_01_01.search_orders"
WELL_BEHIND = time.time() - 3600  # the emulator's searches lag two minutes behind


def start(words: Sequence[str], environ: Mapping[str, str] | None = None) -> warm_python.Process:
    """The command line in a process of its own, as a user starts it."""
    environment = {**os.environ, **CREDENTIALS, **(environ or {})}
    return warm_python.start(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def sync_words(emulator: Emulator, url: str) -> list[str]:
    """The arguments: a page for each fifteen orders."""
    return ["-m", "spapi_async", "sync", "orders", "--endpoint", emulator.url, "--database", url, "--page-size", "15"]


def kill_after(process: warm_python.Process, emulator: Emulator, pages: int, seconds: float) -> bool:
    """SIGKILL once that many more pages were requested, and a moment later; False when it had ended before."""
    target = requests_of(emulator, SEARCH) + pages
    # However late this process wakes up, the other one gets two pages at most: then Amazon stops answering.
    silence = {"operation": SEARCH, "delay": 3600, "times": None}
    emulator.faults({"clear": True}, {"operation": SEARCH, "times": pages + 1}, silence)
    while requests_of(emulator, SEARCH) < target and process.poll() is None:
        time.sleep(0.0005)
    time.sleep(seconds)
    process.kill()
    process.communicate()
    emulator.faults({"clear": True})
    return process.returncode == -signal.SIGKILL


@pytest.mark.spapi_emulator(orders=330, rate_scale=1e6, latency=0.004, anchor=WELL_BEHIND)
def test_killed_at_random_points_it_ends_with_every_order_once(spapi_emulator: Emulator, new_sqlite_url: str) -> None:
    """Each run gets a few pages further; nothing is lost or doubled, and little is fetched twice."""
    chance, kills, words = random.Random(7), 0, sync_words(spapi_emulator, new_sqlite_url)
    for _ in range(5):
        kills += kill_after(start(words), spapi_emulator, chance.randrange(1, 4), chance.random() * 0.02)
    assert kills == 5
    last = start(words)
    _, complaint = last.communicate(timeout=300)
    assert (last.returncode, complaint) == (0, b"")
    assert stored_orders(new_sqlite_url) == emulated_orders(spapi_emulator)
    # 24 pages hold them all, of which each begins with the last order of the one before it. A kill costs the page that
    # was under way, each run verifies that pages are sorted, and the last window may have begun again.
    assert requests_of(spapi_emulator, SEARCH) <= 24 + kills + (kills + 1) + 2


POINTS = {
    "before the transaction": "database.OrderDatabase.store = at(database.OrderDatabase.store, 'before')",
    "inside the transaction": "writer.PageWriter.put = killed_after(writer.PageWriter.put)",
    "after the commit": "database.OrderDatabase.store = at(database.OrderDatabase.store, 'after')",
}
SYNC_THAT_DIES = """
import os, signal, sys
from spapi_async.cli import main
from spapi_async.workflows.orders import _database as database, _writer as writer

def at(method, when):
    pages = iter(range(1, 1000))
    async def killing(*words, **options):
        last = next(pages) == 4
        if last and when == 'before':
            os.kill(os.getpid(), signal.SIGKILL)
        result = await method(*words, **options)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return killing

def killed_after(method):
    pages = iter(range(1, 1000))
    def killing(*words, **options):
        result = method(*words, **options)
        if next(pages) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return killing

{point}
sys.argv = ['spapi-async', *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize(
    ("point", "orders"), [(POINTS[name], 43 if name == "after the commit" else 29) for name in POINTS], ids=POINTS
)
@pytest.mark.spapi_emulator(orders=100, rate_scale=1e6, anchor=WELL_BEHIND)
def test_page_and_checkpoint_survive_a_kill_together(
    spapi_emulator: Emulator, new_sqlite_url: str, point: str, orders: int
) -> None:
    """Killed in the middle of the fourth page: both are there or neither is, and the next run completes.

    The second page only verifies that pages are sorted, and each later one begins with the last order before it.
    """
    words = sync_words(spapi_emulator, new_sqlite_url)
    killed = start(["-c", SYNC_THAT_DIES.replace("{point}", point), *words[2:]])
    killed.communicate(timeout=300)
    assert killed.returncode == -signal.SIGKILL
    assert len(stored_orders(new_sqlite_url)) == orders
    assert query(new_sqlite_url, "SELECT count(cursor) FROM checkpoints") == [(1,)]
    again = start(words)
    again.communicate(timeout=300)
    assert again.returncode == 0
    assert stored_orders(new_sqlite_url) == emulated_orders(spapi_emulator)
    assert requests_of(spapi_emulator, SEARCH) == 10 + (orders == 29)


@pytest.mark.spapi_emulator(orders=60, rate_scale=1e6, anchor=WELL_BEHIND)
def test_postgresql_survives_a_kill_inside_its_transaction(spapi_emulator: Emulator, new_postgres_url: str) -> None:
    """The half-done page is rolled back with its checkpoint, and the next run completes."""
    words = sync_words(spapi_emulator, new_postgres_url)
    killed = start(["-c", SYNC_THAT_DIES.replace("{point}", POINTS["inside the transaction"]), *words[2:]])
    killed.communicate(timeout=300)
    assert killed.returncode == -signal.SIGKILL
    assert asyncio.run(counts(new_postgres_url))[0] == 29
    again = start(words)
    again.communicate(timeout=300)
    assert again.returncode == 0
    expected = emulated_orders(spapi_emulator)
    assert asyncio.run(counts(new_postgres_url)) == (60, sum(expected.values()))


async def counts(url: str) -> tuple[int, int]:
    """Orders and items in a database."""
    async with OrderDatabase(url) as database:
        return await database.counts()

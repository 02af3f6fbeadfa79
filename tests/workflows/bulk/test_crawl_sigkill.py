"""Killed at any moment and started again, a crawl has every identifier once."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest
from crawl_outputs import TARGETS, rows

from spapi_async.emulator import Emulator
from spapi_async.emulator.data.products import product

WORKER = Path(__file__).parents[2] / "support" / "crawl_worker.py"
COUNT = 200
SEARCH = "catalog_items_2022_04_01.search_catalog_items"


async def start(url: str, target: str, *more: str, count: int = COUNT) -> asyncio.subprocess.Process:
    """The worker, in the current folder."""
    return await asyncio.create_subprocess_exec(sys.executable, str(WORKER), url, target, str(count), *more)


def check(target: str, count: int = COUNT) -> None:
    """Every identifier, once."""
    assert sorted(row[0] for row in rows(target)) == sorted(product(0, number).asin for number in range(count))


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("target", TARGETS)
async def test_killed_between_output_and_journal(
    target: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written and not recorded is cut off, and asked again; the very first rows too."""
    monkeypatch.chdir(tmp_path)
    async with Emulator(rate_scale=50) as emulator:
        killed = await start(emulator.url, target, f"written {number}")
        assert await killed.wait() == -signal.SIGKILL
        finished = await start(emulator.url, target)
        assert await finished.wait() == 0
    check(target)


@pytest.mark.parametrize("target", TARGETS)
async def test_killed_while_amazon_holds_each_request(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of one run, the third of the next, the fifth of the third."""
    monkeypatch.chdir(tmp_path)
    async with Emulator(rate_scale=50) as emulator:
        for held in (1, 3, 5):
            emulator.reset()
            if held > 1:
                emulator.faults({"operation": SEARCH, "times": held - 1})  # these it answers
            emulator.faults({"operation": SEARCH, "times": None, "delay": 30.0})
            worker = await start(emulator.url, target)
            while emulator.stats()["faults"] < held:
                assert worker.returncode is None
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.2)
            worker.kill()
            await worker.wait()
        emulator.reset()
        finished = await start(emulator.url, target)
        assert await finished.wait() == 0
    check(target)


@pytest.mark.parametrize("step", ["replaced", "moved"])
@pytest.mark.parametrize("target", TARGETS[:2])
@pytest.mark.parametrize("again", [(), ("again",)])
async def test_killed_while_the_output_is_made_whole(
    target: str, step: str, again: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second run has as many rows as the first, the old ones or others; it dies between a file and its journal."""
    monkeypatch.chdir(tmp_path)
    async with Emulator(rate_scale=100) as emulator:
        first = await start(emulator.url, target, count=40)
        assert await first.wait() == 0
        second = await start(emulator.url, target, step, *again, count=40 if again else 80)
        killed = await second.wait()
        assert killed == -signal.SIGKILL or (target == "items.jsonl" and not again)  # nothing is superseded: no copy
        finished = await start(emulator.url, target, count=80)
        assert await finished.wait() == 0
        check(target, 80)
        last = await start(emulator.url, target, "again", count=80)
        assert await last.wait() == 0
    check(target, 80)


@pytest.mark.parametrize("bytes_left", [0, 8_000, 35_000, 80_000])
@pytest.mark.parametrize("target", TARGETS)
async def test_a_disk_that_is_full_costs_nothing_that_holds(
    target: str, bytes_left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever file meets the limit, journal or output: the crawl ends with an error, and the next one goes on."""
    monkeypatch.chdir(tmp_path)
    async with Emulator(rate_scale=100) as emulator:
        full = await start(emulator.url, target, f"full {bytes_left}")
        assert await full.wait() == 1
        finished = await start(emulator.url, target)
        assert await finished.wait() == 0
    check(target)

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


async def start(url: str, target: str, *more: str) -> asyncio.subprocess.Process:
    """The worker, in the current folder."""
    return await asyncio.create_subprocess_exec(sys.executable, str(WORKER), url, target, str(COUNT), *more)


def check(target: str) -> None:
    """Every identifier, once."""
    assert sorted(row[0] for row in rows(target)) == sorted(product(0, number).asin for number in range(COUNT))


@pytest.mark.parametrize("target", TARGETS)
async def test_killed_between_output_and_journal(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written and not recorded is cut off, and asked again."""
    monkeypatch.chdir(tmp_path)
    async with Emulator(rate_scale=50) as emulator:
        killed = await start(emulator.url, target, "written")
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

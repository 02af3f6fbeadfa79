"""A crawl that is killed at any moment and started again has every identifier once.

What is killed is a process of its own. What continues is in this one, which costs half of another process.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
from pathlib import Path

import pytest
import warm_python
from crawl_outputs import TARGETS, do_not_wait_for_locks, rows
from crawl_worker import crawl_products

from spapi_async import Application, ConfigurationError
from spapi_async.emulator import Emulator
from spapi_async.emulator.data.products import product_at
from spapi_async.workflows.bulk import crawl

WORKER = Path(__file__).parents[2] / "support" / "crawl_worker.py"
COUNT = 200
SEARCH = "catalog_items_2022_04_01.search_catalog_items"


def start(url: str, target: str, *more: str, count: int = COUNT) -> warm_python.Process:
    """The worker, in the current folder."""
    words = [str(WORKER), url, target, str(count), *more]
    return warm_python.start(words, stderr=subprocess.DEVNULL)  # where the disk is full, that is none of its files


def check(target: str, count: int = COUNT) -> None:
    """Every identifier is in the output once."""
    assert sorted(row[0] for row in rows(target)) == sorted(product_at(0, number).asin for number in range(count))


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("target", TARGETS)
async def test_killed_between_output_and_journal(
    target: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that were written and not recorded are removed and requested again, even the very first ones."""
    monkeypatch.chdir(tmp_path)
    async with Emulator(rate_scale=50) as emulator:
        killed = start(emulator.url, target, f"written {number}")
        assert await asyncio.to_thread(killed.wait) == -signal.SIGKILL
        await crawl_products(emulator.url, target, COUNT)
    check(target)


@pytest.mark.parametrize("target", TARGETS)
async def test_killed_while_amazon_holds_each_request(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the first request of one run, the third of the next, the fifth of the third."""
    monkeypatch.chdir(tmp_path)
    async with Emulator(rate_scale=50) as emulator:
        for held in (1, 3, 5):
            emulator.reset()
            if held > 1:
                emulator.faults({"operation": SEARCH, "times": held - 1})  # these it answers
            emulator.faults({"operation": SEARCH, "times": None, "delay": 30.0})
            worker = start(emulator.url, target)
            while emulator.stats()["faults"] < held:
                assert worker.poll() is None
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.2)
            worker.kill()
            await asyncio.to_thread(worker.wait)
        emulator.reset()
        await crawl_products(emulator.url, target, COUNT)
    check(target)


@pytest.mark.parametrize("target", TARGETS[:2])
async def test_an_output_that_another_process_uses_is_refused(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says so. Once that process has been killed, the output can be used."""
    monkeypatch.chdir(tmp_path)
    do_not_wait_for_locks(monkeypatch)
    async with Emulator(rate_scale=50) as emulator, Application("id", "secret", endpoint=emulator.url) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")
        emulator.faults({"operation": SEARCH, "times": None, "delay": 30.0})
        worker = start(emulator.url, target)
        while not emulator.stats()["faults"]:
            assert worker.poll() is None
            await asyncio.sleep(0.02)
        with pytest.raises(ConfigurationError, match=rf"^{target}\.journal is in use, probably by another crawl"):
            await crawl("catalog", [seller], [product_at(0, 0).asin], target)
        worker.kill()
        await asyncio.to_thread(worker.wait)
        emulator.reset()
        assert (await crawl("catalog", [seller], [product_at(0, 0).asin], target)).found == 1
    check(target, 1)


@pytest.mark.parametrize("step", ["replaced", "moved"])
@pytest.mark.parametrize("target", TARGETS[:2])
@pytest.mark.parametrize("again", [(), ("again",)])
async def test_killed_while_the_output_is_compacted(
    target: str, step: str, again: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run has as many rows as the first, the old or other ones; it dies between a file and its journal."""
    monkeypatch.chdir(tmp_path)
    async with Emulator(rate_scale=100) as emulator:
        await crawl_products(emulator.url, target, 40)
        second = start(emulator.url, target, step, *again, count=40 if again else 80)
        killed = await asyncio.to_thread(second.wait)
        assert killed == -signal.SIGKILL or (target == "items.jsonl" and not again)  # no superseded row, no copy
        await crawl_products(emulator.url, target, 80)
        check(target, 80)
        await crawl_products(emulator.url, target, 80, again=True)
    check(target, 80)


@pytest.mark.parametrize("bytes_left", [0, 8_000, 35_000, 80_000])
@pytest.mark.parametrize("target", TARGETS)
async def test_a_full_disk_loses_no_written_row(
    target: str, bytes_left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Either the journal or the output is full: the crawl ends with an error, and the next one continues."""
    monkeypatch.chdir(tmp_path)
    async with Emulator(rate_scale=100) as emulator:
        full = start(emulator.url, target, f"full {bytes_left}")
        assert await asyncio.to_thread(full.wait) == 1
        await crawl_products(emulator.url, target, COUNT)
    check(target)

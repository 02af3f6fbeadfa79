"""``spapi-async sync orders --follow``."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import anyio
import msgspec
import pytest
import warm_python
from order_databases import CREDENTIALS, emulated_orders, stored_orders
from servers import free_port

from spapi_async.cli.application import run
from spapi_async.emulator.server import Emulator


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
async def test_follow_runs_until_a_signal(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """SIGTERM is a clean end, Ctrl-C an interruption; committed rows stay, and no traceback is printed."""
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    anchor = datetime.now(UTC).timestamp() - 3600
    async with Emulator(orders=40, rate_scale=1000, search_delay=0.0, anchor=anchor) as emulator:
        port = free_port()
        process = _start(url, emulator.url, "--metrics", str(port))
        try:
            await _until(lambda: (tmp_path / "orders.db").exists() and _stored(url) == 40)
            emulator.change_orders(add=2)
            await _until(lambda: stored_orders(url) == emulated_orders(emulator))
            async with aiohttp.ClientSession() as client:
                with anyio.fail_after(60):  # a page is counted after its commit, and orders that come again count too
                    while await _counted(client, port) < 42:
                        await anyio.sleep(0.05)
            process.send_signal(number)
            out, err = await _communicate(process)
        finally:
            process.kill()
    assert process.returncode == code, err
    assert b"Traceback" not in err
    facts = msgspec.json.decode(out)
    if code == 0:
        assert facts["sellers"] == 1
        assert facts["changes"] >= 2
        assert facts["freshness"] < 60
    else:
        assert "checkpoint" in facts["error"]["message"]


@pytest.mark.parametrize(
    "words",
    [
        ["--queue", "https://sqs.example.com/1/q"],
        ["--every", "1h"],
        ["--follow", "--every", "soon"],
        ["--follow", "--api", "orders_v0"],
        ["--follow", "--wait"],
        ["--follow", "--sources", "mail"],
        ["--sources", "mail"],
        ["--sources", "ids", "--api", "orders_v0"],
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path: Path, words: list[str]) -> None:
    """Nothing is opened."""
    assert run(["sync", "orders", "--emulator", "--database", f"sqlite:///{tmp_path / 'o.db'}", *words]) == 2
    assert not (tmp_path / "o.db").exists()


def _start(url: str, endpoint: str, *more: str) -> warm_python.Process:
    return warm_python.start(
        ["-m", "spapi_async", "sync", "orders", "--follow", "--database", url, "--json", *more],
        env={**os.environ, **CREDENTIALS, "SP_API_ENDPOINT": endpoint},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _stored(url: str) -> int:
    try:
        return len(stored_orders(url))
    except Exception:  # noqa: BLE001 - the tables are being made
        return 0


async def _counted(client: aiohttp.ClientSession, port: int) -> float:
    async with client.get(f"http://127.0.0.1:{port}/metrics") as reply:
        lines = (await reply.text()).splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("spapi_sync_orders_total "))


async def _until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(60):
        while not condition():
            await anyio.sleep(0.05)


async def _communicate(process: warm_python.Process) -> tuple[bytes, bytes]:
    return await anyio.to_thread.run_sync(lambda: process.communicate(timeout=30))


@pytest.mark.long
def test_a_history_by_every_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One option chooses them; the table is that of a sync by searches."""
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    words = ["--emulator", "--orders", "50", "--rate-scale", "10000", "--database", url, "--json"]
    assert run(["sync", "orders", "--sources", "all", *words]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["sellers"][0]["orders"] >= 50
    assert _stored(url) == 50

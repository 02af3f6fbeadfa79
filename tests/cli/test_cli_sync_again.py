"""``sync orders`` with an existing database: a window read again, columns filled again, a seller that is held."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from order_databases import CREDENTIALS

from spapi_async.cli.application import run
from spapi_async.emulator import Emulator
from spapi_async.workflows.orders import OrderDatabase

pytestmark = pytest.mark.spapi_emulator(orders=30, rate_scale=1000)


@pytest.fixture
def database(tmp_path: Path, spapi_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Thirty orders, synced."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SP_API_ENDPOINT", spapi_emulator.url)
    path = tmp_path / "o.db"
    assert run(["sync", "orders", "--database", f"sqlite:///{path}"]) == 0
    return path


def execute(path: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).fetchall()


def again(path: Path, *words: str) -> int:
    """The exit code of one more run."""
    return run(["sync", "orders", "--database", f"sqlite:///{path}", *words])


def test_a_window_is_read_again(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Missing orders come back, and the checkpoint does not change."""
    places = execute(database, "SELECT * FROM checkpoints")
    (begin, end), (lost,) = (
        execute(database, "SELECT min(last_updated_at), max(last_updated_at) FROM orders")[0],
        execute(database, "SELECT order_id FROM orders ORDER BY last_updated_at LIMIT 1")[0],
    )
    execute(database, f"DELETE FROM orders WHERE order_id = '{lost}'")
    words = ("--from", f"{begin[:19]}Z".replace(" ", "T"), "--to", f"{end[:19]}Z".replace(" ", "T"))
    capsys.readouterr()
    assert again(database, *words, "--json") == 0
    (seller,) = json.loads(capsys.readouterr().out)["sellers"]
    assert (seller["inserted"], seller["updated"]) == (1, 0)
    assert execute(database, f"SELECT count(*) FROM orders WHERE order_id = '{lost}'") == [(1,)]
    assert set(places) < set(execute(database, "SELECT * FROM checkpoints"))  # the window has a checkpoint of its own


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "2026-01-01"), "--from and --to must be given together"),
        (("--to", "2026-01-01"), "--from and --to must be given together"),
        (("--from", "2026-02-01", "--to", "2026-01-01"), "must begin before it ends"),
        (("--from", "soon", "--to", "2026-01-01"), "--from"),
    ],
)
def test_half_a_window_is_a_usage_error(
    database: Path, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says so."""
    assert again(database, *words) == 2
    assert said in capsys.readouterr().err


def test_columns_are_filled_again_without_a_call(
    database: Path, spapi_emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """They come from the payloads, and no change appears in the change feed."""
    before = execute(database, "SELECT order_id, status, total_amount FROM orders ORDER BY order_id")
    changes = execute(database, "SELECT count(*) FROM order_changes")
    execute(database, "UPDATE orders SET status = 'wrong', total_amount = NULL")
    requests = spapi_emulator.stats()["operations"]
    capsys.readouterr()
    assert again(database, "--rebuild") == 0
    assert capsys.readouterr().out == "30 orders rebuilt from their payloads\n"
    assert execute(database, "SELECT order_id, status, total_amount FROM orders ORDER BY order_id") == before
    assert execute(database, "SELECT count(*) FROM order_changes") == changes
    assert spapi_emulator.stats()["operations"] == requests
    assert again(database, "--rebuild", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"rebuilt": 30}


def test_a_seller_that_is_held_is_an_error_or_waited_for(
    database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the holder; with ``--wait`` the run begins when the holder has finished."""
    ((name, stream),) = execute(database, "SELECT seller, stream FROM checkpoints")

    async def hold(*, seconds: float) -> Any:
        async with OrderDatabase(f"sqlite:///{database}") as opened:
            lease = await opened.hold(name, stream, "another-host/1", now=datetime.now(UTC))
            await asyncio.sleep(seconds)
            return lease

    lease = asyncio.run(hold(seconds=0))
    assert again(database) != 0
    assert "another-host" in capsys.readouterr().err

    async def let_go() -> None:
        async with OrderDatabase(f"sqlite:///{database}") as opened:
            await asyncio.sleep(0.5)
            await opened.release(lease, now=datetime.now(UTC))

    async def both() -> int:
        code, _ = await asyncio.gather(asyncio.to_thread(again, database, "--wait"), let_go())
        return code

    assert asyncio.run(both()) == 0

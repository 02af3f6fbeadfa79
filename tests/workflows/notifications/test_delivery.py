"""The example on a real queue: with duplicates, disorder and a SIGKILL, each notification is in the table once."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import warm_python
from sqs_server import ENVIRONMENT, counts, send

EXAMPLE = Path(__file__).parents[3] / "examples/notifications/notifications.py"
COUNT = int(os.environ.get("NOTIFICATIONS", "100"))
DELIVERED_TWICE = COUNT // 10


def body(number: int) -> str:
    """An order's change; duplicates are equal."""
    return json.dumps(
        {
            "NotificationType": "SOMETHING_NEW",
            "EventTime": "2026-01-02T03:04:05Z",
            "Payload": {"SellerId": "A1EXAMPLE", "number": number},
            "NotificationMetadata": {"NotificationId": f"id-{number}"},
        }
    )


def query(path: Path, what: str) -> list[Any]:
    """Rows of the table, which may not exist yet."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return [value for (value,) in database.execute(f"SELECT {what} FROM notifications")]
    except sqlite3.OperationalError:
        return [0]


def start_reader(queue: str, path: Path) -> warm_python.Process:
    """The example in a process of its own, with a short visibility timeout."""
    program = (
        f"import asyncio, runpy; keep = runpy.run_path({str(EXAMPLE)!r})['keep'];"
        f"asyncio.run(keep({queue!r}, {str(path)!r}, visibility=3))"
    )
    return warm_python.start(["-c", program], env={**os.environ, **ENVIRONMENT})


async def feed(queue: str, numbers: list[int], path: Path) -> None:
    """Send them all, some two hundred ahead of the table, since moto gets slow with a long queue."""
    for start in range(0, len(numbers), 100):
        while len({*numbers[:start]}) - query(path, "count(*)")[0] > 100:
            await asyncio.sleep(0.05)
        await send(queue, [body(number) for number in numbers[start : start + 100]])


@pytest.mark.long
async def test_each_notification_is_stored_once(sqs_queue: str, tmp_path: Path) -> None:
    """The reader is killed with messages in hand; they reappear, and the table's key detects repetitions."""
    numbers = [*range(COUNT), *range(DELIVERED_TWICE)]
    random.Random(17).shuffle(numbers)
    path = tmp_path / "notifications.db"
    feeding = asyncio.create_task(feed(sqs_queue, numbers, path))
    reader = start_reader(sqs_queue, path)
    while query(path, "count(*)")[0] < COUNT // 2:
        assert reader.poll() is None
        await asyncio.sleep(0.1)
    with closing(sqlite3.connect(path)) as database:
        database.execute("BEGIN IMMEDIATE")  # the reader waits with what it has received
        while (await counts(sqs_queue))[1] == 0:
            assert reader.poll() is None
            await asyncio.sleep(0.1)
        reader.kill()
        reader.wait()
    reader = start_reader(sqs_queue, path)
    await feeding
    while await counts(sqs_queue) != (0, 0):
        assert reader.poll() is None
        await asyncio.sleep(0.2)
    reader.kill()
    reader.wait()
    found = query(path, "key")
    assert len(found) == len(set(found)) == COUNT
    assert set(found) == {f"id-{number}" for number in range(COUNT)}

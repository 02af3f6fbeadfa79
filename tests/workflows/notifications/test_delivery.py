"""The example on a real queue: duplicates, disorder and two violent deaths, and each notification in the table once."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

from sqs_server import ENVIRONMENT, counts, send

EXAMPLE = Path(__file__).parents[3] / "examples/notifications/notifications.py"
COUNT = 10_000
DELIVERED_TWICE = 500


def body(number: int) -> str:
    """An order's change; a duplicate is the same to the letter."""
    return json.dumps(
        {
            "NotificationType": "SOMETHING_NEW",
            "EventTime": "2026-01-02T03:04:05Z",
            "Payload": {"SellerId": "A1EXAMPLE", "number": number},
            "NotificationMetadata": {"NotificationId": f"id-{number}"},
        }
    )


def rows(path: Path) -> list[str]:
    """The keys in the table, which may not be there yet."""
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            return [key for (key,) in database.execute("SELECT key FROM notifications")]
    except sqlite3.OperationalError:
        return []


def start_reader(queue: str, path: Path) -> subprocess.Popen[bytes]:
    """The example in a process of its own, messages hidden for a short time only."""
    program = (
        f"import asyncio, runpy; keep = runpy.run_path({str(EXAMPLE)!r})['keep'];"
        f"asyncio.run(keep({queue!r}, {str(path)!r}, visibility=3))"
    )
    return subprocess.Popen([sys.executable, "-c", program], env={**os.environ, **ENVIRONMENT})


async def feed(queue: str, numbers: list[int]) -> None:
    """Send them all, a thousand at most ahead of the readers."""
    for start in range(0, len(numbers), 500):
        while (await counts(queue))[0] > 500:
            await asyncio.sleep(0.1)
        await send(queue, [body(number) for number in numbers[start : start + 500]])


async def test_ten_thousand_notifications_are_stored_once_each(sqs_queue: str, tmp_path: Path) -> None:
    """Twice the reader is killed in the middle; what it held reappears, and the table's key finds what comes again."""
    numbers = [*range(COUNT), *range(DELIVERED_TWICE)]
    random.Random(17).shuffle(numbers)
    path = tmp_path / "notifications.db"
    feeding = asyncio.create_task(feed(sqs_queue, numbers))
    for stored in (COUNT // 4, COUNT // 2):
        reader = start_reader(sqs_queue, path)
        while len(rows(path)) < stored:
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
    found = rows(path)
    assert len(found) == len(set(found)) == COUNT
    assert set(found) == {f"id-{number}" for number in range(COUNT)}

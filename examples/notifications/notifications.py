"""Store the notifications of a queue in a table, each exactly once, even if it is delivered twice or the reader dies.

Run it: ``python examples/notifications/notifications.py QUEUE_URL [DATABASE]``. It ends with Ctrl-C, or after a minute
without a notification. botocore finds the AWS credentials. Subscribe the queue with
``seller.notifications.subscribe(...)``.
"""

import asyncio
import sqlite3
import sys
from contextlib import closing, suppress

from spapi_async.workflows.notifications import Notification, SqsQueue

TABLE = "CREATE TABLE IF NOT EXISTS notifications (key TEXT PRIMARY KEY, type TEXT, seller TEXT, happened TEXT)"
INSERT = "INSERT INTO notifications VALUES (?, ?, ?, ?) ON CONFLICT (key) DO NOTHING"


def store(database: sqlite3.Connection, notification: Notification) -> None:
    """Insert a row, unless there is one with this key from an earlier delivery."""
    happened = notification.event_time and notification.event_time.isoformat()
    with database:  # committed before the loop asks for the next message, which deletes this one from the queue
        database.execute(INSERT, (notification.key, notification.type, notification.seller_id, happened))


async def keep(url: str, path: str, *, idle: float = 60.0, visibility: int = 30) -> None:
    """Store notifications until none has arrived for ``idle`` seconds."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(TABLE)
        try:
            async with asyncio.timeout(idle) as quiet, SqsQueue(url, visibility=visibility) as messages:
                async for notification in messages:
                    store(database, notification)
                    quiet.reschedule(asyncio.get_running_loop().time() + idle)
        except TimeoutError:
            print(f"no notification for {idle:g} s")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: notifications.py QUEUE_URL [DATABASE]; without a queue, run without_a_queue.py")
    with suppress(KeyboardInterrupt):
        asyncio.run(keep(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "notifications.db"))

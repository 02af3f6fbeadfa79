"""Sync orders into a database and into a file of one's own format, and read the changes of the database.

Run it: ``python examples/orders/order_changes.py``. It starts an emulator of its own and contacts no other server.
"""

import asyncio
import tempfile
from pathlib import Path

import msgspec

from spapi_async import Application, SellingPartner
from spapi_async.emulator import Emulator
from spapi_async.workflows.orders import OrderDatabase, OrderPage, Stored, sync_orders


class JsonLines:
    """A sink: any object with an async method ``store``. This one keeps no checkpoint, so each run reads everything."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def store(self, page: OrderPage) -> Stored | None:
        """Append the orders of a page."""
        lines = [
            msgspec.json.encode({"seller": page.seller, "order": row.order_id, "status": row.status}) + b"\n"
            for row in page.rows
        ]
        with self.path.open("ab") as file:
            file.writelines(lines)
        return None


async def follow(database: OrderDatabase, cursor: str | None) -> str | None:
    """Print the changes after the cursor and return the new one; save it together with what you did."""
    async for change in database.changes(after=cursor):
        print(change.kind, change.order_id, change.status_before, "->", change.status_after, *change.paths)
        cursor = change.cursor
    return cursor


async def work(seller: SellingPartner, folder: Path) -> tuple[int, str | None]:
    """Sync into the file and into the database, and read the changes of the database."""
    lines = JsonLines(folder / "orders.jsonl")
    await sync_orders([seller], lines)
    async with OrderDatabase(f"sqlite:///{folder / 'orders.db'}") as database:
        await sync_orders([seller], database)
        cursor = await follow(database, None)
        assert await follow(database, cursor) == cursor
    return len(lines.path.read_text(encoding="utf-8").splitlines()), cursor


async def main() -> None:
    """Run it on an emulator."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            Emulator(orders=20, rate_scale=1000) as emulator,
            Application("app", "secret", endpoint=emulator.url) as app,
        ):
            written, _ = await work(app.selling_partner("Atzr|example", region="NA"), Path(folder))
            print(written, "orders in the file")


if __name__ == "__main__":
    asyncio.run(main())

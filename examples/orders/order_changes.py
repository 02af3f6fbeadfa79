"""Orders into a database and into files of one's own, and a reader that follows what becomes of them.

Run it: ``python examples/orders/order_changes.py``. It starts an emulator of its own and talks to nothing else.
"""

import asyncio
import tempfile
from pathlib import Path

import msgspec

from spapi_async import Application, SellingPartner
from spapi_async.emulator import Emulator
from spapi_async.workflows.orders import OrderDatabase, OrderPage, Stored, sync_orders


class JsonLines:
    """A sink: anything with an async ``store``. It says nothing of where to go on, so each run starts anew."""

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
    """What became of the orders since the cursor; the cursor is kept with what was done about it."""
    async for change in database.changes(after=cursor):
        print(change.kind, change.order_id, change.status_before, "->", change.status_after, *change.paths)
        cursor = change.cursor
    return cursor


async def work(seller: SellingPartner, folder: Path) -> tuple[int, str | None]:
    """One sync into either, and the changes of the database."""
    lines = JsonLines(folder / "orders.jsonl")
    await sync_orders([seller], lines)
    async with OrderDatabase(f"sqlite:///{folder / 'orders.db'}") as database:
        await sync_orders([seller], database)
        cursor = await follow(database, None)
        assert await follow(database, cursor) == cursor
    return len(lines.path.read_text(encoding="utf-8").splitlines()), cursor


async def main() -> None:
    """The whole of it."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            Emulator(orders=20, rate_scale=1000) as emulator,
            Application("app", "secret", endpoint=emulator.url) as app,
        ):
            written, _ = await work(app.selling_partner("Atzr|example", region="NA"), Path(folder))
            print(written, "orders in the file")


if __name__ == "__main__":
    asyncio.run(main())
